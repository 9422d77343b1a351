//! Ids and pauses that identity draws by chance.

use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};

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
