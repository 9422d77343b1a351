//! Places in a store: the slot of a service, a stream of a partition, and an offset in it.

use kernel::{Owner, PartitionId, StreamName};

/// One partition of one service: what a worker owns and a commit changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The service.
    pub owner: Owner,
    /// The partition.
    pub partition: PartitionId,
}

/// Where a worker believes its partition to be: whatever it asks for on the strength of that must
/// not be done where the store has gone back since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its partition.
    pub slot: Slot,
    /// The epoch that it opened it under.
    pub epoch: u64,
    /// The last commit that took effect.
    pub commit_seq: u64,
}

/// One stream of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The stream.
    pub name: StreamName,
    /// The partition.
    pub partition: PartitionId,
}

/// A place in a stream. A reader's cursor is the last entry that took effect; [`Cursor::START`] is
/// before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    /// Milliseconds in Redis, 0 in the embedded store.
    pub major: u64,
    /// The number within.
    pub minor: u64,
}

impl Slot {
    /// Returns the name of the source under which its messages go to the streams of other
    /// partitions.
    pub fn source(self) -> String {
        format!("{}/{}", self.owner.name(), self.partition)
    }
}

impl Standing {
    /// The stream of this name in the worker's partition.
    pub(crate) const fn stream(self, name: StreamName) -> StreamId {
        StreamId {
            name,
            partition: self.slot.partition,
        }
    }
}

impl Cursor {
    /// Before the first entry.
    pub const START: Self = Self { major: 0, minor: 0 };

    /// The first after this one.
    pub(crate) fn next(self) -> Self {
        Self {
            minor: self.minor.saturating_add(1),
            ..self
        }
    }
}
