//! The durable log: one trait, in SQL for deployments and in memory for simulations.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hot::{Origin, Slot, SourceRange, StreamId, StreamName, Writer};
use kernel::{PartitionId, Timestamp};

/// A commit, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRow {
    /// Whose.
    pub slot: Slot,
    /// Its number.
    pub seq: u64,
    /// The epoch of the lease under which it was made.
    pub epoch: u64,
    /// Its name.
    pub batch_id: u64,
    /// The packed commit.
    pub payload: Bytes,
    /// The outputs that are part of the event log, by stream: they are kept as entries of the
    /// worker, under the number of the commit, for as long as other events. A commit that is read
    /// has none.
    pub events: Vec<(StreamName, Bytes)>,
}

/// An append from outside, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Where to.
    pub stream: StreamId,
    /// Who wrote it, and which of theirs it is.
    pub origin: Origin,
    /// Its source, for de-duplication.
    pub source: Option<SourceRange>,
    /// The packed records.
    pub payload: Bytes,
}

/// A row as it is read, with its place among all rows of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<R> {
    /// Higher than that of every row that was acknowledged before this one was asked for, of
    /// whatever slot or stream.
    pub place: u64,
    /// The row.
    pub row: R,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journaled {
    /// It is in the log.
    Written,
    /// It was in the log before: the answer was lost.
    AlreadyWritten,
}

/// How far the log of a slot goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogHead {
    /// The number of the last commit, in the snapshot or after it; 0 before the first.
    pub seq: u64,
    /// Its name.
    pub batch_id: u64,
    /// The number of the last commit that the snapshot has; 0 where there is none.
    pub snapshot_seq: u64,
    /// The number of the first commit that is still there, be it older than the snapshot; 0 where there is none.
    pub first_seq: u64,
    /// Bytes of the commits after the snapshot.
    pub backlog_bytes: u64,
}

/// A snapshot, but for its states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The number of the last commit in it.
    pub seq: u64,
    /// The name of that commit.
    pub batch_id: u64,
    /// How many chunks of states it has, numbered from 0.
    pub chunks: u32,
    /// Bytes of all chunks.
    pub bytes: u64,
    /// Everything but the states, packed.
    pub payload: Bytes,
}

/// What became of a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cut {
    /// How many rows lost what they held.
    pub removed: u64,
    /// Whether the next row is old enough to go, and stays because its number is above what the caller named.
    pub is_held: bool,
}

/// What goes wrong with a log, and what to do then.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The lease is another's, or has a higher epoch: stop, and acquire it again.
    #[error("another worker owns partition {partition}: its lease is not at epoch {epoch}")]
    Fenced {
        /// The partition.
        partition: PartitionId,
        /// The epoch of the refused commit.
        epoch: u64,
    },
    /// Another commit has this number: open the partition again.
    #[error("commit {seq} of partition {partition} is another one, or does not follow the last")]
    Gap {
        /// The partition.
        partition: PartitionId,
        /// The number of the refused commit.
        seq: u64,
    },
    /// The log did not answer, or not in time: retry with the same arguments.
    #[error("the journal is unavailable: {0}")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The log holds what cannot be read: stop and look.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
}

impl LogError {
    /// A chunk of a snapshot is not there, given the snapshot that counts.
    pub(crate) fn no_chunk(slot: Slot, seq: u64, number: u32, counts: Option<u64>) -> Self {
        if counts == Some(seq) {
            let (service, partition) = (slot.owner.name(), slot.partition);
            return Self::Damaged(format!(
                "chunk {number} of the snapshot of partition {partition} of {service} at commit {seq} is missing"
            ));
        }
        Self::unavailable(format!(
            "the snapshot at commit {seq} was replaced while it was read: begin again"
        ))
    }

    /// The log did not answer, for a reason.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into().into())
    }
}

/// The durable log.
///
/// # Contract
/// - What was acknowledged is there after any process has died, and after the machine has where the database waits for its
///   disk.
/// - The commits of a slot are numbered without gaps, and there is one for each number: of two workers that write the same
///   number, one is refused. Epochs never fall from one commit of a slot to the next.
/// - The entries of a process in a stream are numbered from 1 without gaps, those of a worker by its
///   commits; writing one twice changes nothing.
/// - Reads see everything that was acknowledged before.
/// - Each row has a place. Whoever writes a row because of another finds the place of that one
///   lower.
#[async_trait]
pub trait Log: Send + Sync + fmt::Debug + 'static {
    /// Gives a process a number of its own, never used before.
    async fn register(&self, worker: &str) -> Result<Writer, LogError>;

    /// Appends a commit.
    ///
    /// # Errors
    /// [`LogError::Fenced`] where the lease of the slot has another epoch, [`LogError::Gap`] where the number is taken by a
    /// commit with another name or does not follow the last one.
    async fn append_commit(&self, row: CommitRow) -> Result<Journaled, LogError>;

    /// Raises the epochs of a partition's leases by `raise`, so that commits under the present ones are refused from now on,
    /// but for one that is under way: a recovery makes streams anew, and no worker may go on from what it read before.
    async fn fence(&self, partition: PartitionId, raise: u64) -> Result<(), LogError>;

    /// Appends an entry.
    async fn append_entry(&self, row: EntryRow) -> Result<(), LogError>;

    /// How far the log of a slot goes.
    async fn head(&self, slot: Slot) -> Result<LogHead, LogError>;

    /// Reads commits with numbers above `after`, in order, up to about `max_bytes` (at least one, where there is one).
    async fn commits(
        &self,
        slot: Slot,
        after: u64,
        max_bytes: usize,
    ) -> Result<Vec<Placed<CommitRow>>, LogError>;

    /// The last entry of each writer in a stream, processes and workers.
    async fn last_entries(&self, stream: StreamId) -> Result<Vec<Origin>, LogError>;

    /// Reads entries of one writer in a stream with numbers above `after`, in order, up to about `max_bytes` (at least one,
    /// where there is one).
    async fn entries(
        &self,
        stream: StreamId,
        after: Origin,
        max_bytes: usize,
    ) -> Result<Vec<Placed<EntryRow>>, LogError>;

    /// The snapshot of a slot.
    async fn snapshot(&self, slot: Slot) -> Result<Option<SnapshotHead>, LogError>;

    /// Reads a chunk of the snapshot that ends with commit `seq`.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] as well where another snapshot has replaced it: begin again with [`Self::snapshot`].
    async fn read_chunk(&self, slot: Slot, seq: u64, number: u32) -> Result<Bytes, LogError>;

    /// Writes a chunk of a snapshot to come; again is no harm. Where a snapshot counts that reaches as far, nothing changes:
    /// publishing will be refused.
    async fn write_chunk(
        &self,
        slot: Slot,
        seq: u64,
        number: u32,
        payload: Bytes,
    ) -> Result<(), LogError>;

    /// Makes a snapshot the one that counts, and removes the chunks of every other. False where the snapshot that counts is
    /// not the one that ends with `replaces` (0: none), or has removed chunks of this one: another process was faster, and
    /// nothing changed. Publishing the same one twice is true twice.
    async fn publish_snapshot(
        &self,
        slot: Slot,
        head: SnapshotHead,
        replaces: u64,
    ) -> Result<bool, LogError>;

    /// Removes some commits up to `seq`, from the first, up to one that was not written before an instant: call it again
    /// until there are none. The caller knows that the snapshot has them, and that the readers of their outputs do. The
    /// instant is minutes ago at the least, so that no append that began before them is under way still. The last commit
    /// stays always, so that the next can follow it.
    async fn cut_commits(
        &self,
        slot: Slot,
        seq: u64,
        written_before: Timestamp,
    ) -> Result<u64, LogError>;

    /// Removes some entries of a writer in a stream up to `upto.seq`, from the first, up to one that was not written before
    /// an instant: call it again until there are none. The caller knows that the reader's snapshot has them. The entry with
    /// the highest number loses its source and its payload, and stays, so that [`Self::last_entries`] tells it.
    async fn cut_entries(
        &self,
        stream: StreamId,
        upto: Origin,
        written_before: Timestamp,
    ) -> Result<Cut, LogError>;
}

/// A shared log.
pub type SharedLog = Arc<dyn Log>;
