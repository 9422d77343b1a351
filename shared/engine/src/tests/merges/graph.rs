//! A reference that only knows who belongs together now, and since which graph epoch, as identity
//! does.

use std::collections::BTreeMap;

/// The customers who belong together.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Each customer's oldest one, where that is another.
    roots: BTreeMap<u16, u16>,
    /// The last change of the oldest ones.
    epochs: BTreeMap<u16, u64>,
}

/// A change, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The customer who is told.
    pub(super) customer: u16,
    /// The other one: the survivor of a merge, or the one whom an unmerge leaves.
    pub(super) other: u16,
    /// Those who come out with the customer.
    pub(super) with: Vec<u16>,
    pub(super) epoch: u64,
}

impl Graph {
    /// The oldest of those whom a customer belongs to.
    pub(super) fn root(&self, who: u16) -> u16 {
        self.roots.get(&who).copied().unwrap_or(who)
    }

    /// The graph epoch of a customer.
    pub(super) fn epoch(&self, who: u16) -> u64 {
        let root = self.root(who);
        self.epochs.get(&root).copied().unwrap_or(0)
    }

    /// Those who belong to a customer, who is the oldest of them.
    pub(super) fn others(&self, root: u16) -> Vec<u16> {
        let all = self.roots.iter();
        all.filter(|it| *it.1 == root).map(|it| *it.0).collect()
    }

    /// Joins two customers, and all who belong to them. `None` where they are one.
    pub(super) fn join(&mut self, one: u16, other: u16) -> Option<Change> {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return None;
        }
        let (older, younger) = (one.min(other), one.max(other));
        let epoch = self.epoch(one).max(self.epoch(other)) + 1;
        for moved in self.others(younger).into_iter().chain([younger]) {
            self.roots.insert(moved, older);
        }
        self.epochs.remove(&younger);
        self.epochs.insert(older, epoch);
        Some(Change {
            customer: younger,
            other: older,
            with: Vec::new(),
            epoch,
        })
    }

    /// Takes a customer apart from the one whom they belong to, with some of the younger ones. `None`
    /// where they are the oldest.
    pub(super) fn split(&mut self, who: u16, with: impl Fn(u16) -> bool) -> Option<Change> {
        let root = self.root(who);
        if root == who {
            return None;
        }
        let epoch = self.epoch(root) + 1;
        let others = self.others(root).into_iter();
        let with: Vec<u16> = others.filter(|it| *it > who && with(*it)).collect();
        self.roots.remove(&who);
        for other in &with {
            self.roots.insert(*other, who);
        }
        for side in [root, who] {
            self.epochs.insert(side, epoch);
        }
        Some(Change {
            customer: who,
            other: root,
            with,
            epoch,
        })
    }
}

#[test]
fn customers_are_joined_and_come_apart() {
    let mut graph = Graph::default();
    graph.join(3, 2).expect("news");
    graph.join(4, 2).expect("news");
    let change = graph.join(3, 1).expect("news");
    assert_eq!((change.customer, change.other, change.epoch), (2, 1, 3));
    assert_eq!(graph.join(4, 1), None);
    assert_eq!(graph.split(1, |_| true), None);
    let change = graph.split(3, |it| it == 4).expect("news");
    assert_eq!((change.customer, change.other, change.epoch), (3, 1, 4));
    assert_eq!(change.with, [4]);
    assert_eq!([1, 2, 3, 4].map(|it| graph.root(it)), [1, 1, 3, 3]);
}
