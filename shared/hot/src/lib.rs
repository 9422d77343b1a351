//! The hot store: states, timers, streams and counters of partitions, changed by one atomic commit.
//!
//! One small interface with two implementations, Redis and an embedded one on disk, and one contract suite for both.
//! Nothing else in the suite talks to Redis. It does not decide who owns a partition (the engine does, by leases) and
//! does not know what the bytes it keeps mean.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use kernel::{PartitionCount, PartitionId, Timestamp};

mod check;
#[cfg(feature = "contract")]
pub mod contract;
pub mod embedded;
mod error;
mod hints;
pub mod limits;
pub mod marks;
#[cfg(feature = "contract")]
pub mod memory;
mod origin;
pub mod redis;
mod restore;
mod stored;
mod timer;

pub use self::check::{append as check_append, commit as check_commit};
pub use self::embedded::{EmbeddedOptions, EmbeddedStore};
pub use self::error::HotError;
#[cfg(feature = "contract")]
pub use self::memory::MemoryStore;
pub use self::origin::{Origin, Writer};
pub use self::redis::{RedisOptions, RedisStore};
pub use self::restore::{Gate, RestoredHead, StateRestore, StreamRestore};
pub use self::timer::Timer;

/// A service as the hot store knows it: the first word of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Identity.
    Identity,
    /// Segmentation.
    Segmentation,
    /// Journey.
    Journey,
    /// Activation.
    Activation,
}

impl Owner {
    /// Every service. Stores keep the place in this list: only ever add at the end.
    pub const ALL: [Self; 4] = [
        Self::Identity,
        Self::Segmentation,
        Self::Journey,
        Self::Activation,
    ];

    /// Its place in [`Self::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Its name, as keys and answers carry it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Segmentation => "segmentation",
            Self::Journey => "journey",
            Self::Activation => "activation",
        }
    }
}

/// One partition of one service: what a worker owns and a commit changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The service.
    pub owner: Owner,
    /// The partition.
    pub partition: PartitionId,
}

/// The streams between and within services. Each has exactly one service that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamName {
    /// From identity (and receipts) to segmentation.
    Events,
    /// The low-priority lane of events.
    EventsBulk,
    /// From segmentation to journey.
    Facts,
    /// The low-priority lane of facts.
    FactsBulk,
    /// From journey (and consent changes) to activation.
    Actions,
    /// The low-priority lane of actions.
    ActionsBulk,
    /// What became of delivery attempts; written and read by activation.
    Outcomes,
}

impl StreamName {
    /// Every stream. Stores keep the place in this list: only ever add at the end.
    pub const ALL: [Self; 7] = [
        Self::Events,
        Self::EventsBulk,
        Self::Facts,
        Self::FactsBulk,
        Self::Actions,
        Self::ActionsBulk,
        Self::Outcomes,
    ];

    /// Its place in [`Self::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The only service that reads it.
    pub const fn reader(self) -> Owner {
        match self {
            Self::Events | Self::EventsBulk => Owner::Segmentation,
            Self::Facts | Self::FactsBulk => Owner::Journey,
            Self::Actions | Self::ActionsBulk | Self::Outcomes => Owner::Activation,
        }
    }

    /// Its name, as keys carry it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::EventsBulk => "events.bulk",
            Self::Facts => "facts",
            Self::FactsBulk => "facts.bulk",
            Self::Actions => "actions",
            Self::ActionsBulk => "actions.bulk",
            Self::Outcomes => "outcomes",
        }
    }
}

/// One stream of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The stream.
    pub name: StreamName,
    /// The partition.
    pub partition: PartitionId,
}

/// A place in a stream. A reader's cursor is the last entry that took effect; [`Cursor::START`] is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    /// Milliseconds in Redis, 0 in the embedded store.
    pub major: u64,
    /// The number within.
    pub minor: u64,
}

impl Cursor {
    /// Before the first entry.
    pub const START: Self = Self { major: 0, minor: 0 };
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
}

/// A state as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The state.
    pub value: Bytes,
    /// Its timer.
    pub timer: Timer,
}

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

/// The key of a state within its slot, at most [`limits::KEY_BYTES`]; a customer id for customers.
pub type StateKey = Bytes;

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
    /// The counters, as the last commit that touched each left it, by name.
    pub counters: Vec<(Box<str>, i64)>,
    /// The number of the last outbox message that was forwarded: the highest that [`HotStore::trim_outbox`] removed.
    pub forwarded_seq: u64,
}

/// Everything that one batch of records and timers changed, to take effect at once or not at all.
///
/// Values are absolute, so that applying a commit twice is applying it once. A key, stream or counter occurs at most
/// once in each list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// The epoch of the writer's lease.
    pub epoch: u64,
    /// One more than the last commit's.
    pub seq: u64,
    /// Names this batch for ever, so that a retry is told from another worker's commit of the same number.
    pub batch_id: u64,
    /// States to write or remove, with their timers. At most [`limits::STATES_PER_COMMIT`].
    pub states: Vec<StateWrite>,
    /// Entries of the index of timers that are done with, as [`HotStore::due`] returned them.
    pub fired: Vec<(StateKey, Timestamp)>,
    /// One entry to append to each of these streams of the same partition.
    pub outputs: Vec<(StreamName, Bytes)>,
    /// Messages to streams of other partitions, delivered by [`HotStore::outbox`] and [`HotStore::append`].
    pub outbox: Vec<OutboxMessage>,
    /// Counters, as they are after this commit.
    pub counters: Vec<(Box<str>, i64)>,
    /// Cursors, as they are after this commit.
    pub cursors: Vec<(StreamName, Cursor)>,
    /// The watermark after this commit; absent to leave it.
    pub watermark: Option<Timestamp>,
    /// Records to set aside, as the engine encodes them.
    pub quarantine: Vec<Bytes>,
}

/// A message to a stream of another partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Where to.
    pub to: StreamId,
    /// What.
    pub payload: Bytes,
}

/// A message that waits in an outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number in this outbox, from 1, without gaps.
    pub seq: u64,
    /// The message.
    pub message: OutboxMessage,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It took effect.
    Applied,
    /// It had taken effect before: the reply was lost.
    AlreadyApplied,
}

/// Records to append from outside the reader's own commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The stream.
    pub to: StreamId,
    /// The packed records.
    pub payload: Bytes,
    /// Where they come from, for de-duplication; absent to always append.
    pub source: Option<SourceRange>,
    /// Who wrote it, as its journal counts: taken only in sequence, without gaps, before the source is looked at. Absent
    /// where nobody keeps a journal.
    pub origin: Option<Origin>,
}

/// A range of an ordered source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRange {
    /// Names the source, at most [`limits::SOURCE_BYTES`].
    pub source: Box<str>,
    /// The sequence of the first record.
    pub first: u64,
    /// The sequence of the last record.
    pub last: u64,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is in the stream.
    Applied,
    /// All of it was there before: `last` is not above the source's mark.
    Replayed,
    /// Some of it was there before, and nothing was appended: send again only what is above `mark`.
    Overlaps {
        /// The highest sequence taken from the source.
        mark: u64,
    },
    /// The stream is at its limit, and nothing was appended: try again later. Never the answer to an append with an
    /// origin, which was accepted already.
    Full,
    /// Entries of the same writer are missing before this one, and nothing was appended: the store has lost them, and its
    /// partition is to be recovered.
    Gap {
        /// The last entry of the writer that the stream took.
        mark: u64,
    },
}

/// Entries of the index of timers, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// The keys and the times of their entries. An entry counts only where it is the `entry` of its state's timer.
    pub timers: Vec<(StateKey, Timestamp)>,
    /// No entry that was not returned is before this; absent where there is none.
    pub next: Option<Timestamp>,
}

/// A hint that a stream has news. Hints may be spurious; after [`Wake::All`], any may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// This stream was appended to.
    Stream(StreamId),
    /// Look at everything.
    All,
    /// Another server answers than before, or the same one after a restart: it may have lost what is newest. Open every
    /// partition again.
    Reopen,
}

/// A quarantined entry, as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its place in the quarantine.
    pub cursor: Cursor,
    /// What was set aside.
    pub payload: Bytes,
}

/// The hot store.
///
/// # Contract
/// - [`open`](Self::open) raises the partition's epoch and never lowers it; every commit with a lower one is
///   [`HotError::Fenced`] from then on and changes nothing.
/// - [`commit`](Self::commit) takes effect wholly or not at all, once for each (seq, `batch_id`), in the order of `seq`.
/// - Entries of a stream are returned in the order in which they were appended, each at most once for a growing cursor.
/// - An entry of the index of timers is returned by [`due`](Self::due) when `until` is at or after its time, oldest
///   first, until a commit names it as `fired`; the entries that a commit adds are there after it, also one that it
///   names as fired. An entry that was fired can come back after the next [`open`](Self::open): it no longer counts. A
///   partition's timers are asked for by its owner only, after [`open`](Self::open).
/// - What was acknowledged is there after the process dies.
#[async_trait]
pub trait HotStore: Send + Sync + fmt::Debug + 'static {
    /// How many partitions the store was created with.
    fn partition_count(&self) -> PartitionCount;

    /// Opens a partition for a new owner: raises its epoch to `epoch` and tells what it has seen.
    ///
    /// # Errors
    /// [`HotError::Fenced`] where a higher epoch opened it before.
    async fn open(&self, slot: Slot, epoch: u64) -> Result<Head, HotError>;

    /// Tells what a partition has seen, changing nothing.
    async fn head(&self, slot: Slot) -> Result<Head, HotError>;

    /// Loads states, in the order of the keys.
    async fn load(&self, slot: Slot, keys: &[StateKey]) -> Result<Vec<Option<Stored>>, HotError>;

    /// Reads up to `max` entries after a cursor; does not wait.
    async fn poll(
        &self,
        stream: StreamId,
        after: Cursor,
        max: usize,
    ) -> Result<Vec<Entry>, HotError>;

    /// How many entries a stream holds after a cursor; cheap.
    async fn lag(&self, stream: StreamId, after: Cursor) -> Result<u64, HotError>;

    /// Returns up to `max` entries of the index of timers, with times up to and with `until`.
    async fn due(&self, slot: Slot, until: Timestamp, max: usize) -> Result<Due, HotError>;

    /// Applies a commit.
    ///
    /// # Errors
    /// [`HotError::Fenced`], [`HotError::Gap`], [`HotError::TooLarge`]; [`HotError::Unavailable`] says nothing about
    /// whether it took effect: retry with the very same commit.
    async fn commit(&self, slot: Slot, commit: &Commit) -> Result<Committed, HotError>;

    /// Appends from outside: ingest, consent changes, delivery outcomes, the forwarder.
    ///
    /// The source decides before the stream's limit does, so that a retry of what was taken is never told to wait.
    ///
    /// An origin decides before both: its journal counts without gaps, so every append in sequence moves the mark of its
    /// writer, also one whose source was taken before. [`Appended::Replayed`] and [`Appended::Overlaps`] then mean that
    /// nothing of it is in the stream, and never will be: what is above the source's mark is sent again as a new append,
    /// and whoever restores the stream leaves this one out.
    ///
    /// # Errors
    /// [`HotError::Invalid`] for an append with an origin where the store cannot be restored; [`HotError::Unavailable`]
    /// says nothing about whether it took effect: retry with the very same append.
    async fn append(&self, append: &Append) -> Result<Appended, HotError>;

    /// Returns up to `max` messages of a partition's outbox after `after_seq`, oldest first.
    async fn outbox(
        &self,
        slot: Slot,
        after_seq: u64,
        max: usize,
    ) -> Result<Vec<Outgoing>, HotError>;

    /// Removes the messages of an outbox up to `seq`: they are in their target streams.
    async fn trim_outbox(&self, slot: Slot, seq: u64) -> Result<(), HotError>;

    /// Removes the entries of a stream up to a cursor: its reader has committed them.
    async fn trim(&self, stream: StreamId, upto: Cursor) -> Result<(), HotError>;

    /// Returns all counters of a partition.
    async fn counters(&self, slot: Slot) -> Result<Vec<(Box<str>, i64)>, HotError>;

    /// Reads up to `max` quarantined entries after a cursor, oldest first.
    async fn quarantined(
        &self,
        slot: Slot,
        after: Cursor,
        max: usize,
    ) -> Result<Vec<Quarantined>, HotError>;

    /// How many entries are quarantined.
    async fn quarantined_count(&self, slot: Slot) -> Result<u64, HotError>;

    /// Hints about streams with news, from now on. Each subscriber gets its own.
    async fn subscribe(&self, streams: &[StreamName]) -> Result<WakeReceiver, HotError>;

    /// The highest sequence taken from each source of a stream.
    async fn sources(&self, stream: StreamId) -> Result<Vec<(Box<str>, u64)>, HotError>;

    /// The last append with an origin that a stream took from each writer; empty where nobody keeps a journal. What workers
    /// commit is not among them: the head of their slot tells.
    async fn origins(&self, stream: StreamId) -> Result<Vec<Origin>, HotError>;

    /// Closes a partition so that it can be restored: from now on its commits are [`HotError::Fenced`], and opens,
    /// appends with an origin and calls with an older gate are [`HotError::Unavailable`]. A gate that another process left
    /// behind is taken over after [`limits::GATE_TTL`]; until then this is [`HotError::Unavailable`].
    ///
    /// # Errors
    /// [`HotError::Invalid`] where the store cannot be restored, such as the embedded one, which is its own journal.
    async fn close_gate(&self, partition: PartitionId, gate: Gate) -> Result<(), HotError> {
        let _ = (partition, gate);
        Err(HotError::Invalid(
            "this store cannot be restored from a journal",
        ))
    }

    /// Writes a part of a slot's snapshot behind the gate; parts may come in any number, and repeating one changes nothing.
    async fn restore_states(
        &self,
        slot: Slot,
        gate: Gate,
        part: &StateRestore,
    ) -> Result<(), HotError> {
        let _ = (slot, gate, part);
        Err(HotError::Invalid(
            "this store cannot be restored from a journal",
        ))
    }

    /// Applies a journaled commit behind the gate, whatever its epoch: its states, timers, counters, outbox, watermark and
    /// quarantine, but neither its outputs nor its cursors, which [`Self::restore_stream`] makes anew.
    ///
    /// # Errors
    /// [`HotError::Gap`] where it does not follow; one that was applied before changes nothing.
    async fn restore_commit(
        &self,
        slot: Slot,
        gate: Gate,
        commit: &Commit,
    ) -> Result<(), HotError> {
        let _ = (slot, gate, commit);
        Err(HotError::Invalid(
            "this store cannot be restored from a journal",
        ))
    }

    /// Adds entries to a stream behind the gate. The first part empties the stream, sets its reader's cursor to
    /// [`Cursor::START`] and forgets all writers. Repeating the last part changes nothing: no two entries have one origin.
    async fn restore_stream(
        &self,
        stream: StreamId,
        gate: Gate,
        part: &StreamRestore,
    ) -> Result<(), HotError> {
        let _ = (stream, gate, part);
        Err(HotError::Invalid(
            "this store cannot be restored from a journal",
        ))
    }

    /// Opens the gate: the epochs that the partition had before count again, and workers find it by
    /// [`Self::open`] with higher ones.
    async fn open_gate(&self, partition: PartitionId, gate: Gate) -> Result<(), HotError> {
        let _ = (partition, gate);
        Err(HotError::Invalid(
            "this store cannot be restored from a journal",
        ))
    }
}

/// Receives hints; a full one drops new hints and ends with [`Wake::All`].
pub type WakeReceiver = tokio::sync::mpsc::Receiver<Wake>;

/// A shared hot store.
pub type SharedHotStore = Arc<dyn HotStore>;
