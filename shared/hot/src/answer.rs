//! What a store answers to those who read it.

use std::collections::BTreeMap;

use bytes::Bytes;
use kernel::Timestamp;

use crate::marks::Marks;
use crate::{Cursor, Origin, OutboxMessage, Slot, Standing, StateKey, StreamId, StreamName, Timer};

/// What a partition has seen, as its new owner finds it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The highest epoch that opened the partition.
    pub epoch: u64,
    /// The number of the last commit; 0 before the first.
    pub commit_seq: u64,
    /// The cursor of every stream that a commit has moved.
    pub cursors: Vec<(StreamName, Cursor)>,
    /// The worker's watermark, as its last commit left it.
    pub watermark: Option<Timestamp>,
    /// An instant before which the index of timers has nothing, as a commit said last.
    pub next_due: Option<Timestamp>,
    /// The marks of every stream of which a commit has said so.
    pub marks: BTreeMap<StreamName, Marks>,
    /// The number of the last outbox message that was forwarded: the highest that
    /// [`crate::HotStore::trim_outbox`] removed.
    pub forwarded_seq: u64,
}

impl Head {
    /// Returns where the partition of this head is.
    pub const fn standing(&self, slot: Slot) -> Standing {
        Standing {
            slot,
            epoch: self.epoch,
            commit_seq: self.commit_seq,
        }
    }

    /// The marks of a stream.
    pub fn marks(&self, stream: StreamName) -> Marks {
        self.marks.get(&stream).cloned().unwrap_or_default()
    }
}

/// A state as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The state.
    pub value: Bytes,
    /// Its timer.
    pub timer: Timer,
}

/// One entry of a stream: the packed records of one commit or append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub cursor: Cursor,
    /// What was appended.
    pub payload: Bytes,
    /// Who wrote it, as its journal counts; absent where nobody keeps a journal.
    pub origin: Option<Origin>,
    /// When it was accepted, by the store's clock, and never before the entry in front of it.
    /// Absent where the stream was restored: some time before what is accepted from then on.
    pub accept_time: Option<Timestamp>,
}

/// The progress of the readers of some streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frontier {
    /// All that was accepted before this is in effect, and no timer of those readers is due before
    /// it: the time of the oldest entry that is not, the instant before which a reader has no
    /// timer, or `now` where there is neither. [`Timestamp::MIN`] where that entry was restored.
    pub time: Timestamp,
    /// The store's time.
    pub now: Timestamp,
}

/// Tells how much of some streams is unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// When the oldest entry was accepted that is not in effect. [`Timestamp::MIN`] where it was
    /// restored, `None` where all are in effect.
    pub oldest: Option<Timestamp>,
    /// The store's time, or when the newest entry of the partition was accepted, in whatever
    /// stream, where that is later.
    pub newest: Timestamp,
}

/// A message that waits in an outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number in this outbox, from 1, without gaps.
    pub seq: u64,
    /// The message.
    pub message: OutboxMessage,
}

/// Entries of the index of timers, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// The keys and the times of their entries. An entry counts only where it is the `entry` of its
    /// state's timer.
    pub timers: Vec<(StateKey, Timestamp)>,
    /// No entry that was not returned is before this; absent where there is none.
    pub next: Option<Timestamp>,
}

/// A hint that a stream has news. Hints may be spurious; after [`Wake::All`], any may have been
/// missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// This stream was appended to.
    Stream(StreamId),
    /// A commit took effect in this slot.
    Committed(Slot),
    /// Look at everything.
    All,
    /// Another server answers than before, or the same one after a restart: it may have lost what
    /// is newest. Open every partition again.
    Reopen,
}
