//! Graph epochs: the numbers of merges and splits.
//!
//! Each is above those of all earlier ones of the same customers, also within a batch. The epoch of
//! a customer's row is not below any of them.

use std::collections::HashMap;

use identity_core::{Changes, Step};
use kernel::CustomerId;

/// The epochs of customers in the course of a batch.
#[derive(Debug)]
pub(super) struct GraphEpochs(HashMap<CustomerId, u64>);

impl GraphEpochs {
    /// The epochs before a batch.
    pub(super) fn before(changes: &Changes) -> Self {
        let there = changes.customers.iter();
        let there = there.filter_map(|change| Some((change.view.id, change.epoch?)));
        Self(there.chain(changes.removed.iter().copied()).collect())
    }

    /// Takes the next merge or split. Returns its number, which is that of both customers then.
    pub(super) fn take(&mut self, step: Step<'_>) -> u64 {
        let (from, into) = match step {
            Step::Merge(merge) => (merge.from, merge.into),
            Step::Split(split) => (split.from, split.into),
        };
        let of = |it: CustomerId| self.0.get(&it).copied().unwrap_or(0);
        let number = of(from).max(of(into)) + 1;
        self.0.extend([(from, number), (into, number)]);
        number
    }

    /// The epochs now.
    pub(super) const fn numbers(&self) -> &HashMap<CustomerId, u64> {
        &self.0
    }
}
