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
pub mod redis;

pub use self::embedded::{EmbeddedOptions, EmbeddedStore};
pub use self::error::HotError;
pub use self::redis::{RedisOptions, RedisStore};

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
    /// States to write; absent to remove. At most [`limits::STATES_PER_COMMIT`].
    pub states: Vec<(StateKey, Option<Bytes>)>,
    /// Timers to set, one for each key; absent to clear. Due times beyond 2^53 ms are rounded.
    pub timers: Vec<(StateKey, Option<Timestamp>)>,
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
    /// The stream is at its limit, and nothing was appended: try again later.
    Full,
}

/// Timers that are due, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// The keys and their due times.
    pub timers: Vec<(StateKey, Timestamp)>,
    /// When the first timer not returned is due; absent where there is none.
    pub next: Option<Timestamp>,
}

/// A hint that a stream has news. Hints may be spurious; after [`Wake::All`], any may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// This stream was appended to.
    Stream(StreamId),
    /// Look at everything.
    All,
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
/// - A timer is returned by [`due`](Self::due) when `until` is at or after its due time, oldest first, until a commit
///   sets or clears the timer of its key.
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
    async fn load(&self, slot: Slot, keys: &[StateKey]) -> Result<Vec<Option<Bytes>>, HotError>;

    /// Reads up to `max` entries after a cursor; does not wait.
    async fn poll(
        &self,
        stream: StreamId,
        after: Cursor,
        max: usize,
    ) -> Result<Vec<Entry>, HotError>;

    /// How many entries a stream holds after a cursor; cheap.
    async fn lag(&self, stream: StreamId, after: Cursor) -> Result<u64, HotError>;

    /// Returns up to `max` timers that are due at `until`.
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
}

/// Receives hints; a full one drops new hints and ends with [`Wake::All`].
pub type WakeReceiver = tokio::sync::mpsc::Receiver<Wake>;

/// A shared hot store.
pub type SharedHotStore = Arc<dyn HotStore>;
