//! The reasons for which the number of partitions is not changed.

use std::fmt;

use changes::WriteError;
use hot::{HotError, Owner, Slot, StreamId};
use storage::{RecountError, StorageError};

use crate::{LogError, limits};

/// Something that has to be gone before the number of partitions can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Entries that wait in a stream, or are on their way there.
    Entries {
        /// The stream.
        stream: StreamId,
        /// Their number.
        entries: u64,
    },
    /// Records that were set aside.
    Quarantine {
        /// The service and the partition.
        slot: Slot,
        /// Their number.
        records: u64,
    },
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries { stream, entries } => write!(
                f,
                "{entries} in {} of partition {}",
                stream.name.name(),
                stream.partition
            ),
            Self::Quarantine { slot, records } => write!(
                f,
                "{records} in partition {} of {}",
                slot.partition,
                slot.owner.name()
            ),
        }
    }
}

/// The reason why the number of partitions was not changed. The record is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepartitionError {
    /// Somebody lives, or is at it.
    #[error(transparent)]
    Recount(#[from] RecountError),
    /// Records are in quarantine.
    #[error("records are in quarantine, and keep the ids that they have there: {}", listed(.0))]
    Quarantine(Vec<Left>),
    /// Commands of operators have not been carried out.
    #[error("commands about the quarantine wait: {}", listed(.0))]
    Commands(Vec<Left>),
    /// Records wait on stream time.
    #[error("records wait, and each partition has a time of its own: {}", listed(.0))]
    OnStreamTime(Vec<Left>),
    /// Partitions are at different times, on stream time.
    #[error("the partitions of {} are at different times", .0.name())]
    Times(Owner),
    /// Too much waits.
    #[error("entries of more than {} MiB wait: {}", limits::WAITING_BYTES / (1024 * 1024), listed(.0))]
    TooMuch(Vec<Left>),
    /// Too many changes wait for the log of changes.
    #[error(
        "changes of more than {} MiB wait for the log of changes: let the services run until they are there",
        limits::WAITING_BYTES / (1024 * 1024)
    )]
    TooManyChanges,
    /// An entry cannot be divided among partitions.
    #[error("{entry} of {} in partition {} {why}", .stream.name.name(), .stream.partition)]
    Indivisible {
        /// Its place.
        stream: StreamId,
        /// Its name there.
        entry: String,
        /// The reason.
        why: &'static str,
    },
    /// The record cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log of changes cannot be written.
    #[error(transparent)]
    Changes(#[from] WriteError),
    /// The record lacks something.
    #[error(transparent)]
    Record(#[from] HotError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Lists the first of what is left.
fn listed(left: &[Left]) -> String {
    let first: Vec<String> = left
        .iter()
        .take(limits::LEFT_SHOWN)
        .map(Left::to_string)
        .collect();
    let more = left.len().saturating_sub(first.len());
    let more = match more {
        0 => String::new(),
        more => format!(", and more in {more} others"),
    };
    format!("{}{more}", first.join(", "))
}
