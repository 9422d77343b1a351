//! The net changes of the events of a batch.

use kernel::{CustomerId, FragmentId};

use super::Overlay;
use super::log::Log;
use crate::changes::{Changes, CustomerChange, FragmentMove, Merge, SharedListing, Split};
use crate::customer::CustomerView;
use crate::customer::Identifier;
use crate::holding::{HolderState, Holding, HoldingChange};

impl Overlay<'_> {
    /// Returns the net changes of the events so far.
    pub fn into_changes(mut self) -> Changes {
        let log = std::mem::take(&mut self.log);
        let mut changes = Changes {
            refits: self.refits(&log),
            fragments: log.fragments,
            merges: log.merges,
            splits: log.splits,
            shared: log.shared,
            evidence: log.evidence,
            ..Changes::default()
        };
        let mut touched: Vec<_> = log.touched.into_iter().collect();
        touched.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (identifier, before) in touched {
            let is_attached = log.attached.contains(&identifier);
            self.note_holding(&mut changes, identifier, before, is_attached);
        }
        let gone = changes.merges.iter().map(|merge| merge.from);
        let redirects = gone.map(|from| (from, self.root(from)));
        changes.redirects = redirects.filter(|(from, root)| from != root).collect();
        changes.redirects.sort_unstable();
        changes.redirects.dedup();
        self.note_customers(&mut changes);
        changes
    }

    /// Returns the merges, the splits and the listed shared values that were not forgotten.
    pub(crate) fn unforgotten(&self) -> (&[Merge], &[Split], &[SharedListing]) {
        (&self.log.merges, &self.log.splits, &self.log.shared)
    }

    /// Forgets the changes of the events so far, which nobody writes: the state that they made
    /// stays.
    pub(crate) fn forget_changes(&mut self) {
        let event = self.log.event;
        self.log = Log {
            event,
            ..Log::default()
        };
    }

    /// The customer of a fragment that was told or made.
    pub(crate) fn customer_of(&self, fragment: FragmentId) -> CustomerId {
        self.root_of(fragment, fragment.into())
    }

    /// The customers that are there, with what is known of each.
    pub(crate) fn customers(&self) -> impl Iterator<Item = &CustomerView> {
        let there = self.customers.values();
        there
            .map(|known| &known.view)
            .filter(|view| self.root(view.id) == view.id)
    }

    fn refits(&self, log: &Log) -> Vec<FragmentMove> {
        let fragments = log.refitted.iter();
        fragments
            .map(|fragment| FragmentMove {
                fragment: *fragment,
                to: self.customer_of(*fragment),
            })
            .collect()
    }

    fn note_holding(
        &self,
        changes: &mut Changes,
        identifier: Identifier,
        before: Option<Holding>,
        is_attached: bool,
    ) {
        let after = self.holders.get(&identifier).map(|it| it.holding.clone());
        match (&before, &after) {
            (None, None) => {}
            (None, Some(new)) if new.state == HolderState::Live && new.fan_out.count() == 0 => {
                changes.identifiers.push((identifier, new.fragment));
            }
            _ if before == after && !is_attached => {}
            _ => changes.holdings.push(HoldingChange {
                identifier,
                before,
                after,
                is_attached,
            }),
        }
    }

    fn note_customers(self, changes: &mut Changes) {
        let root = |id: CustomerId| self.root(id);
        for (id, known) in &self.customers {
            match (root(*id) == *id, known.epoch) {
                (false, Some(epoch)) => changes.removed.push((*id, epoch)),
                (true, epoch) if known.is_changed => changes.customers.push(CustomerChange {
                    view: known.view.clone(),
                    epoch,
                }),
                _ => {}
            }
        }
        changes.customers.sort_by_key(|change| change.view.id);
        changes.removed.sort_unstable();
    }
}
