//! The contract of every hot store. It does not tell how one is restored: `restorable` does.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kernel::{InstallationName, PartitionCount, PartitionId, Timestamp};

use crate::{
    Append, AppendAnswer, Appended, CheckedCommit, Commit, Committed, CounterKey, Cursor, Due,
    Entry, Forgotten, Frontier, Head, HotError, Outgoing, Owner, PageBounds, QuarantineId,
    QuarantineSize, Quarantined, Scrubbed, Slot, Standing, StateKey, Stored, StreamId, StreamName,
    Unread, Wake,
};

/// The calls of every hot store: all that a worker, a reader and a sender ask for. A journal asks
/// for a [`RestorableStore`](crate::RestorableStore).
///
/// # Contract
/// - [`open`](Self::open) raises the partition's epoch and never lowers it; every commit with a
///   lower one is [`HotError::Fenced`] from then on and changes nothing.
/// - [`commit`](Self::commit) takes effect wholly or not at all, once for each (seq, `batch_id`),
///   in the order of `seq`.
/// - Entries of a stream are returned in the order in which they were appended, each at most once
///   for a growing cursor.
/// - An entry of the index of timers is returned by [`due`](Self::due) when `until` is at or after
///   its time, oldest first, until a commit names it as `fired`; the entries that a commit adds are
///   there after it, also one that it names as fired. An entry that was fired can come back after
///   the next [`open`](Self::open): it no longer counts. A partition's timers are asked for by its
///   owner only, after [`open`](Self::open).
/// - What was acknowledged is there after the process dies.
#[async_trait]
pub trait HotStore: Send + Sync + fmt::Debug + 'static {
    /// How many partitions the store was created with.
    fn partition_count(&self) -> PartitionCount;

    /// The name of the installation whose partitions these are, among those that share servers.
    /// `None` where it has none.
    fn installation(&self) -> Option<&InstallationName> {
        None
    }

    /// Returns whether only one process can have the store open, so that whoever does knows that
    /// nobody else works on it.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// Opens a partition for a new owner: raises its epoch to `epoch` and tells what it has seen.
    ///
    /// # Errors
    /// [`HotError::Fenced`] where a higher epoch opened it before.
    async fn open(&self, slot: Slot, epoch: u64) -> Result<Head, HotError>;

    /// Tells what a partition has seen, changing nothing.
    async fn head(&self, slot: Slot) -> Result<Head, HotError>;

    /// Loads states, in the order of the keys, all of them as one commit left them.
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

    /// Tells how far the readers of some streams of a partition are, all at one instant. An entry
    /// that is accepted later has the time of the frontier or a later one.
    async fn frontier(
        &self,
        partition: PartitionId,
        streams: &[StreamName],
    ) -> Result<Frontier, HotError>;

    /// Tells what the reader of some streams has still to take, all at one instant; timers do not
    /// count. Where that is anything, whoever listens to commits is told of the next one of `slot`.
    ///
    /// # Contract
    /// The streams are read by the owner of `slot`.
    async fn unread(&self, slot: Slot, streams: &[StreamName]) -> Result<Unread, HotError>;

    /// Returns up to `max` entries of the index of timers, with times up to and with `until`.
    async fn due(&self, slot: Slot, until: Timestamp, max: usize) -> Result<Due, HotError>;

    /// Checks a commit and applies it.
    ///
    /// # Errors
    /// As [`CheckedCommit::try_new`] and [`Self::apply`].
    async fn commit(&self, slot: Slot, commit: &Commit) -> Result<Committed, HotError> {
        let commit = CheckedCommit::try_new(self.partition_count(), commit)?;
        self.apply(slot, commit).await
    }

    /// Applies a commit that was checked: what stores implement, and a store around another one
    /// calls. What its cursors pass is removed from the streams with it.
    ///
    /// # Errors
    /// [`HotError::Fenced`], [`HotError::Gap`]; [`HotError::Unavailable`] says nothing about
    /// whether it took effect: retry with the very same commit.
    async fn apply(&self, slot: Slot, commit: CheckedCommit<'_>) -> Result<Committed, HotError>;

    /// Appends as [`Self::append_stamped`] does, where nobody asks when it was accepted.
    ///
    /// # Errors
    /// As [`Self::append_stamped`].
    async fn append(&self, append: &Append) -> Result<Appended, HotError> {
        Ok(self.append_stamped(append).await?.appended)
    }

    /// Appends from outside: ingest, consent changes, delivery outcomes, the forwarder.
    ///
    /// The source decides before the stream's limit does, so that a retry of what was taken is
    /// never told to wait.
    ///
    /// An origin decides before both: its journal counts without gaps, so every append in sequence
    /// moves the mark of its writer, also one whose source was taken before. [`Appended::Replayed`]
    /// and [`Appended::Overlaps`] then mean that nothing of it is in the stream, and never will be:
    /// what is above the source's mark is sent again as a new append, and whoever restores the
    /// stream leaves this one out.
    ///
    /// # Errors
    /// [`HotError::Invalid`] for an append with an origin where the store is no
    /// [`RestorableStore`](crate::RestorableStore);
    /// [`HotError::Unavailable`] says nothing about whether it took effect: retry with the very
    /// same append.
    async fn append_stamped(&self, append: &Append) -> Result<AppendAnswer, HotError>;

    /// Returns up to `max` messages of a partition's outbox after `after_seq`, oldest first.
    async fn outbox(
        &self,
        slot: Slot,
        after_seq: u64,
        max: usize,
    ) -> Result<Vec<Outgoing>, HotError>;

    /// Removes the messages of an outbox up to `seq`: they are in their target streams.
    ///
    /// # Errors
    /// [`HotError::Fenced`] and [`HotError::Gap`] where the partition is not where its worker
    /// believes it to be: the messages may wait there again.
    async fn trim_outbox(&self, at: Standing, seq: u64) -> Result<(), HotError>;

    /// Removes the entries of a stream of the same partition up to a cursor that its reader has
    /// committed. They are gone unless a program before this one committed it, which removed them
    /// later.
    ///
    /// # Errors
    /// [`HotError::Fenced`] and [`HotError::Gap`] where the partition is not where its worker
    /// believes it to be: the entries may have to be read there again.
    async fn trim(&self, at: Standing, stream: StreamName, upto: Cursor) -> Result<(), HotError>;

    /// Returns the counters of these groups, by group and name; a group that is not there has none.
    async fn counters(
        &self,
        slot: Slot,
        groups: &[&str],
    ) -> Result<Vec<(CounterKey, i64)>, HotError>;

    /// Returns the groups that have counters, by name.
    async fn counter_groups(&self, slot: Slot) -> Result<Vec<Box<str>>, HotError>;

    /// Reads a page of quarantined entries after one, which need not be there any more, or from the
    /// first; oldest first. It ends where it would grow over its bounds, and nothing more is read:
    /// each entry may be as large as a commit.
    async fn quarantined(
        &self,
        slot: Slot,
        after: Option<QuarantineId>,
        page: PageBounds,
    ) -> Result<Vec<Quarantined>, HotError>;

    /// Tells how much is quarantined; cheap.
    async fn quarantine_size(&self, slot: Slot) -> Result<QuarantineSize, HotError>;

    /// Hints about streams with news, from now on. Each subscriber gets its own.
    async fn subscribe(&self, streams: &[StreamName]) -> Result<WakeReceiver, HotError>;

    /// Hints about commits that somebody waits for, as [`Self::unread`] says, from now on. Others
    /// may be told of as well.
    async fn subscribe_commits(&self) -> Result<WakeReceiver, HotError>;

    /// Removes from the record of a partition what the commits of its services up to some numbers
    /// wrote, and the entries that they took, so that nothing is left of states that are gone. What
    /// counts still is written again first. Call it again until it is done: some of it has to be a
    /// minute old. A store that keeps no record has nothing to do.
    ///
    /// # Errors
    /// [`HotError::Unavailable`]: repeat it.
    async fn forget(
        &self,
        partition: PartitionId,
        upto: &[(Owner, u64)],
    ) -> Result<Forgotten, HotError> {
        let _ = (partition, upto);
        Ok(Forgotten::DONE)
    }

    /// Writes the files of the store again without what was removed before this call, as far as the
    /// store can be asked for that. Call it first without a ticket, then with that of the last
    /// answer, until it is done.
    ///
    /// # Errors
    /// [`HotError::Unavailable`]: repeat it.
    async fn scrub(&self, ticket: Option<&str>) -> Result<Scrubbed, HotError> {
        let _ = ticket;
        Ok(Scrubbed::done())
    }
}

/// Receives hints; a full one drops new hints and ends with [`Wake::All`].
pub type WakeReceiver = tokio::sync::mpsc::Receiver<Wake>;

/// A shared hot store.
pub type SharedHotStore = Arc<dyn HotStore>;
