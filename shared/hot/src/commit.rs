//! A commit: what one batch of records changed, and the proof that a store can take it.

use std::ops::Deref;

use bytes::Bytes;
use kernel::{PartitionCount, Timestamp};

use crate::marks::Marks;
use crate::{CounterKey, Cursor, HotError, QuarantineId, StreamId, StreamName, Timer, check};

/// The key of a state within its slot, at most [`crate::limits::KEY_BYTES`]: a customer id, or one
/// with the key of a part behind it.
pub type StateKey = Bytes;

/// A change of one state, its timer with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateWrite {
    /// Which.
    pub key: StateKey,
    /// The state; absent to remove it and its timer.
    pub value: Option<Bytes>,
    /// The timer after this commit, as [`Timer::set`] made it.
    pub timer: Timer,
    /// Whether `timer.entry` is to be added to the index of timers, as [`Timer::set`] said.
    pub adds_entry: bool,
}

impl StateWrite {
    /// Returns the write with its timer added to the index, whatever it said of that: for an index
    /// that was restored, which may have it under another time. An entry that is there twice is
    /// returned once.
    #[must_use]
    pub fn with_entry(&self) -> Self {
        Self {
            adds_entry: self.value.is_some() && self.timer.entry.is_some(),
            ..self.clone()
        }
    }
}

/// Everything that one batch of records and timers changed, to take effect at once or not at all.
///
/// A store applies a commit once, however often it is sent: (`seq`, `batch_id`) tells the last one.
/// Values are absolute, but for those of counters, which are changes. A key or stream occurs at
/// most once in each list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// The epoch of the writer's lease.
    pub epoch: u64,
    /// One more than the last commit's.
    pub seq: u64,
    /// Names this batch for ever, so that a retry is told from another worker's commit of the same
    /// number.
    pub batch_id: u64,
    /// States to write or remove, with their timers. At most [`crate::limits::STATES_PER_COMMIT`].
    pub states: Vec<StateWrite>,
    /// Entries of the index of timers that are done with, as [`crate::HotStore::due`] returned
    /// them.
    pub fired: Vec<(StateKey, Timestamp)>,
    /// One entry to append to each of these streams of the same partition.
    pub outputs: Vec<(StreamName, Bytes)>,
    /// Messages to streams of other partitions, delivered by [`crate::HotStore::outbox`] and
    /// [`crate::HotStore::append`].
    pub outbox: Vec<OutboxMessage>,
    /// Groups of counters to remove with all that they hold, before `counters` are added. One that
    /// is not there changes nothing. At most [`crate::limits::DROPPED_PER_COMMIT`].
    pub dropped_groups: Vec<Box<str>>,
    /// Changes of counters: each is added to what the counter is, which begins at 0 and stays
    /// within its range.
    pub counters: Vec<(CounterKey, i64)>,
    /// The marks of streams: writers that are not named keep their marks, and the part is as it is
    /// said here.
    pub marks: Vec<(StreamName, Marks)>,
    /// Cursors, as they are after this commit.
    pub cursors: Vec<(StreamName, Cursor)>,
    /// The watermark after this commit; absent to leave it.
    pub watermark: Option<Timestamp>,
    /// An instant before which the index of timers has nothing after this commit; absent to leave
    /// it. It is for [`crate::HotStore::frontier`] alone, and no part of what a journal keeps.
    pub next_due: Option<Timestamp>,
    /// Records to set aside, as the engine encodes them. At most
    /// [`crate::limits::QUARANTINED_PER_COMMIT_BYTES`].
    pub quarantine: Vec<Bytes>,
    /// Entries that leave the quarantine, because they were discarded or are tried again by this
    /// commit. One that is not there changes nothing. At most
    /// [`crate::limits::RELEASED_PER_COMMIT`].
    pub released: Vec<QuarantineId>,
}

/// A message to a stream of another partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Where to.
    pub to: StreamId,
    /// What.
    pub payload: Bytes,
}

/// A commit that a store can take: it was checked, and nobody makes one otherwise.
#[derive(Debug, Clone, Copy)]
pub struct CheckedCommit<'a>(&'a Commit);

impl<'a> CheckedCommit<'a> {
    /// Checks a commit for a store of so many partitions.
    ///
    /// # Errors
    /// [`HotError::TooLarge`] where a part or the whole is over a limit, [`HotError::Invalid`]
    /// where it contradicts itself.
    pub fn try_new(count: PartitionCount, commit: &'a Commit) -> Result<Self, HotError> {
        check::commit(count, commit)?;
        Ok(Self(commit))
    }
}

impl Deref for CheckedCommit<'_> {
    type Target = Commit;

    fn deref(&self) -> &Commit {
        self.0
    }
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It took effect.
    Applied,
    /// It had taken effect before: the reply was lost.
    AlreadyApplied,
}
