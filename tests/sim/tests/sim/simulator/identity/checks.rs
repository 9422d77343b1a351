//! Checks of customers in the end: the states are those of the customers that SQL knows.

use std::collections::BTreeMap;

use kernel::{CustomerId, FragmentId, Timestamp};

use super::{Registry, Resolved, wait};
use crate::simulator::picture::Picture;
use crate::simulator::world::World;

impl Registry {
    /// Checks states against the tables, and the answers that events got.
    pub(crate) fn check(
        &self,
        world: &World,
        picture: &Picture,
        answers: &BTreeMap<u64, Resolved>,
    ) {
        let owed = wait(self.store.claim_unannounced(Timestamp::MAX));
        if !owed.as_ref().is_ok_and(Vec::is_empty) || !self.is_all_told() {
            world.violate(format!("nobody is told of {owed:?}"));
        }
        let keys = picture.profiles.keys();
        let keys = keys.filter_map(|key| FragmentId::try_from_bytes(key).ok());
        let named = answers.values().flat_map(|it| {
            let named = it.fragments.iter().copied();
            named.chain([it.customer.fragment()])
        });
        let roots = self.roots(keys.chain(named).collect());
        self.evidence(world, answers, &roots);
        states(world, picture, answers, &roots);
    }

    /// The customer that each fragment belongs to.
    fn roots(&self, fragments: Vec<FragmentId>) -> BTreeMap<FragmentId, CustomerId> {
        let found = wait(self.store.find_roots(&fragments));
        let (roots, _) = found.expect("SQLite answers");
        let known = fragments.into_iter().zip(roots);
        known.filter_map(|(it, root)| Some((it, root?))).collect()
    }

    /// Each identifier of an event is named with a fragment of its customer, or was left out, and
    /// the customer's id is that of its oldest fragment.
    fn evidence(
        &self,
        world: &World,
        answers: &BTreeMap<u64, Resolved>,
        roots: &BTreeMap<FragmentId, CustomerId>,
    ) {
        for (number, answer) in answers {
            let root = roots.get(&answer.customer.fragment());
            let is_one = answer.fragments.iter().all(|it| roots.get(it) == root);
            if root.is_none() || !is_one || answer.fragments.is_empty() || answer.unexplained > 0 {
                world.violate(format!(
                    "event {number} is of {root:?}, and says {answer:?}"
                ));
            }
        }
        for root in roots.values() {
            let record = wait(self.store.customer(root.fragment()));
            let record = record.expect("SQLite answers").expect("a root is there");
            if record.fragments.iter().min() != Some(&root.fragment()) {
                world.violate(format!("{root} is not the oldest of {record:?}"));
            }
        }
    }
}

/// Every state is that of a customer, or leads to one; every event is with its customer.
fn states(
    world: &World,
    picture: &Picture,
    answers: &BTreeMap<u64, Resolved>,
    roots: &BTreeMap<FragmentId, CustomerId>,
) {
    let root_of = |id: CustomerId| roots.get(&id.fragment()).copied();
    for (key, (head, state)) in &picture.profiles {
        let Ok(customer) = CustomerId::try_from_bytes(key) else {
            continue;
        };
        let root = root_of(customer);
        if root != Some(head.redirect.unwrap_or(customer)) {
            world.violate(format!("{customer} is {root:?}, and its state is {head:?}"));
        }
        for event in state.recent() {
            let Some(kernel::Value::Number(number)) = event.properties.value("n") else {
                continue;
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small whole numbers"
            )]
            let number = *number as u64;
            // None where its sender only heard that it is a replay.
            let Some(answer) = answers.get(&number) else {
                continue;
            };
            if root_of(answer.customer) != Some(customer) {
                world.violate(format!("event {number} is with {customer}, not {answer:?}"));
            }
        }
    }
}
