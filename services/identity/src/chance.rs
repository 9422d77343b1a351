//! Ids and pauses that identity draws by chance.

use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use kernel::{FragmentId, Timestamp};
use uuid::Uuid;

use crate::fragments::Fragments;

/// Draws that identity makes by chance. A simulation makes them from a seed.
pub trait Chance: Debug + Send + Sync + 'static {
    /// Draws the id of a customer who is first seen at a time. Ids sort by that time, and within a
    /// millisecond by the order in which they are drawn.
    fn fragment(&self, time: Timestamp) -> FragmentId;

    /// Draws the id of a merge. Ids sort by the times at which they are drawn.
    fn merge(&self) -> Uuid;

    /// Draws a number below a thousand.
    fn permille(&self) -> u32;
}

/// Chance that draws ids of accounts where the other one draws those of customers.
#[derive(Debug, Clone)]
pub struct AccountChance(Arc<dyn Chance>);

impl AccountChance {
    /// Draws by another one.
    pub const fn new(chance: Arc<dyn Chance>) -> Self {
        Self(chance)
    }
}

impl Chance for AccountChance {
    fn fragment(&self, time: Timestamp) -> FragmentId {
        self.0.fragment(time).into_account()
    }

    fn merge(&self) -> Uuid {
        self.0.merge()
    }

    fn permille(&self) -> u32 {
        self.0.permille()
    }
}

/// Chance, as the machine has it.
#[derive(Debug)]
pub struct MachineChance {
    fragments: Fragments,
}

impl Default for MachineChance {
    fn default() -> Self {
        Self {
            fragments: Fragments::new(),
        }
    }
}

impl Chance for MachineChance {
    fn fragment(&self, time: Timestamp) -> FragmentId {
        self.fragments.draw(time)
    }

    fn merge(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn permille(&self) -> u32 {
        u32::try_from(RandomState::new().hash_one(()) % 1_000).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_accounts_sort_as_they_are_drawn_and_are_told_by_their_version() {
        let customers: Arc<dyn Chance> = Arc::new(MachineChance::default());
        let accounts = AccountChance::new(Arc::clone(&customers));
        let at = Timestamp::from_millis;
        let drawn: Vec<_> = (0..1_000).map(|_| accounts.fragment(at(7))).collect();
        assert!(drawn.is_sorted_by(|one, next| one < next));
        assert!(drawn.iter().all(|it| it.is_account()));
        assert!(drawn[999] < accounts.fragment(at(8)));
        assert!(!customers.fragment(at(7)).is_account());
    }
}
