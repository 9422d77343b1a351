//! A reference that only knows who belongs together.

use std::collections::BTreeMap;

/// The customers who belong together: each customer's older one, up to the oldest.
#[derive(Debug, Default)]
pub(super) struct Together(BTreeMap<u16, u16>);

impl Together {
    /// The oldest of those whom a customer belongs to.
    pub(super) fn oldest(&self, who: u16) -> u16 {
        self.0.get(&who).map_or(who, |older| self.oldest(*older))
    }

    /// Joins two customers, and all who belong to them.
    pub(super) fn join(&mut self, one: u16, other: u16) {
        let (one, other) = (self.oldest(one), self.oldest(other));
        if one != other {
            self.0.insert(one.max(other), one.min(other));
        }
    }
}
