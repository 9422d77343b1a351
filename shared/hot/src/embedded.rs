//! The embedded store: one process, on disk, no server.
//!
//! For development, tests and installations of one machine. A commit is one atomic write to a
//! log-structured database; what is small and asked often (where streams end, what is due) is also
//! in memory. It does not replicate.

mod append;
mod commit;
mod counters;
mod disk;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod head;
mod keys;
mod load;
mod marks;
mod memory;
mod read;
mod scrub;

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kernel::{PartitionCount, PartitionId, Timestamp};

use self::disk::Disk;
pub use self::disk::EMBEDDED_SCHEMAS;
use self::memory::Partition;
use self::scrub::Scrubs;
use crate::hints::{Hints, Topics};
use crate::{
    Append, AppendAnswer, CheckedCommit, Commit, Committed, CounterKey, Cursor, Due, Entry,
    Frontier, Head, HotError, HotStore, Outgoing, PageBounds, QuarantineId, QuarantineSize,
    Quarantined, Scrubbed, Slot, Standing, StateKey, StoreClock, Stored, StreamId, StreamName,
    Unread, WakeReceiver, check,
};

/// How an embedded store uses the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Whether a commit waits for the disk itself, and so outlives a crash of the machine;
    /// otherwise it outlives only a crash of the process.
    pub fsync: bool,
    /// Memory for blocks read from disk, in bytes.
    pub cache_bytes: u64,
    /// Memory for states not yet sorted into tables, in bytes; used only under load. Each time it
    /// is full a good part of all states is written anew, so the more there are of them the more a
    /// larger buffer saves.
    pub state_buffer_bytes: u64,
    /// The same for all else, in bytes for each of three keyspaces.
    pub write_buffer_bytes: u64,
}

impl Default for EmbeddedOptions {
    /// Small: an idle process stays tiny.
    fn default() -> Self {
        Self {
            fsync: false,
            cache_bytes: 8 * 1024 * 1024,
            state_buffer_bytes: 32 * 1024 * 1024,
            write_buffer_bytes: 8 * 1024 * 1024,
        }
    }
}

/// A hot store in a folder of this machine.
#[derive(Debug)]
pub struct EmbeddedStore {
    inner: Arc<Inner>,
    fsync: bool,
}

#[derive(Debug)]
struct Inner {
    disk: Disk,
    count: PartitionCount,
    partitions: Vec<Mutex<Partition>>,
    hints: Hints,
    clock: StoreClock,
    scrubs: Scrubs,
    /// Tells this opening of the folder from all others.
    mark: u64,
}

impl EmbeddedStore {
    /// Opens the store in a folder, creating it where there is none, with the default options.
    ///
    /// # Errors
    /// [`HotError::Mismatch`] where it was created with another partition count or schema, or is
    /// open elsewhere; [`HotError::Unavailable`] where the folder cannot be used.
    pub async fn open(
        folder: impl AsRef<Path>,
        partitions: PartitionCount,
    ) -> Result<Self, HotError> {
        Self::open_with(folder, partitions, EmbeddedOptions::default()).await
    }

    /// Opens the store in a folder, going by a clock that is not the machine's.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_at(
        folder: impl AsRef<Path>,
        partitions: PartitionCount,
        clock: StoreClock,
    ) -> Result<Self, HotError> {
        Self::open_fully(folder, partitions, EmbeddedOptions::default(), clock).await
    }

    /// Opens the store in a folder with options.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(
        folder: impl AsRef<Path>,
        partitions: PartitionCount,
        options: EmbeddedOptions,
    ) -> Result<Self, HotError> {
        Self::open_fully(folder, partitions, options, StoreClock::default()).await
    }

    async fn open_fully(
        folder: impl AsRef<Path>,
        partitions: PartitionCount,
        options: EmbeddedOptions,
        clock: StoreClock,
    ) -> Result<Self, HotError> {
        let folder = folder.as_ref().to_path_buf();
        let inner = blocking(move || {
            std::fs::create_dir_all(&folder).map_err(HotError::unavailable)?;
            let disk = Disk::open(&folder, partitions, options)?;
            let partitions_in_memory = load::partitions(&disk, partitions)?;
            Ok(Inner {
                disk,
                count: partitions,
                partitions: partitions_in_memory,
                hints: Hints::default(),
                clock,
                scrubs: Scrubs::default(),
                mark: RandomState::new().hash_one(()),
            })
        })
        .await?;
        Ok(Self {
            inner: Arc::new(inner),
            fsync: options.fsync,
        })
    }

    /// Takes the folder for the installation that its database knows by this id, where it belongs
    /// to none yet.
    ///
    /// # Errors
    /// [`HotError::Mismatch`] where it belongs to another one.
    pub async fn belong_to(&self, id: Box<str>) -> Result<(), HotError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.disk.belong_to(&id)).await
    }

    /// Changes the store. Without fsync it takes microseconds, so that another thread would cost
    /// more than it saves.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Inner) -> Result<T, HotError> + Send + 'static,
    ) -> Result<T, HotError> {
        if !self.fsync {
            return change(&self.inner);
        }
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let changed = change(&inner)?;
            inner.disk.sync()?;
            Ok(changed)
        })
        .await
    }
}

impl Inner {
    /// Locks a partition. Never held across an await.
    fn partition(&self, partition: PartitionId) -> Result<MutexGuard<'_, Partition>, HotError> {
        check::partition(self.count, partition)?;
        Ok(self.partitions[usize::from(partition.number())]
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs what may wait for the disk on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HotError> + Send + 'static,
) -> Result<T, HotError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(HotError::unavailable)?
}

#[async_trait]
impl HotStore for EmbeddedStore {
    fn partition_count(&self) -> PartitionCount {
        self.inner.count
    }

    fn is_exclusive(&self) -> bool {
        // The database in the folder is locked as long as its process lives.
        true
    }

    async fn open(&self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        self.change(move |inner| inner.open(slot, epoch)).await
    }

    async fn head(&self, slot: Slot) -> Result<Head, HotError> {
        self.inner.head(slot)
    }

    async fn load(&self, slot: Slot, keys: &[StateKey]) -> Result<Vec<Option<Stored>>, HotError> {
        self.inner.load(slot, keys)
    }

    async fn poll(
        &self,
        stream: StreamId,
        after: Cursor,
        max: usize,
    ) -> Result<Vec<Entry>, HotError> {
        self.inner.poll(stream, after, max)
    }

    async fn lag(&self, stream: StreamId, after: Cursor) -> Result<u64, HotError> {
        let partition = self.inner.partition(stream.partition)?;
        Ok(partition.streams[stream.name.index()]
            .tail
            .after(after.minor))
    }

    async fn frontier(
        &self,
        partition: PartitionId,
        streams: &[StreamName],
    ) -> Result<Frontier, HotError> {
        self.inner.frontier(partition, streams)
    }

    async fn unread(&self, slot: Slot, streams: &[StreamName]) -> Result<Unread, HotError> {
        self.inner.unread(slot, streams)
    }

    async fn due(&self, slot: Slot, until: Timestamp, max: usize) -> Result<Due, HotError> {
        self.inner.due(slot, until, max)
    }

    async fn apply(&self, slot: Slot, commit: CheckedCommit<'_>) -> Result<Committed, HotError> {
        if self.fsync {
            let commit = Commit::clone(&commit);
            return self.change(move |inner| inner.commit(slot, &commit)).await;
        }
        self.inner.commit(slot, &commit)
    }

    async fn append_stamped(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        if self.fsync {
            let append = append.clone();
            return self.change(move |inner| inner.append(&append)).await;
        }
        self.inner.append(append)
    }

    async fn outbox(
        &self,
        slot: Slot,
        after_seq: u64,
        max: usize,
    ) -> Result<Vec<Outgoing>, HotError> {
        self.inner.outbox(slot, after_seq, max)
    }

    async fn trim_outbox(&self, at: Standing, seq: u64) -> Result<(), HotError> {
        self.change(move |inner| inner.trim_outbox(at, seq)).await
    }

    async fn trim(&self, at: Standing, stream: StreamName, upto: Cursor) -> Result<(), HotError> {
        // Not worth a wait for the disk: what a crash brings back is trimmed again.
        self.inner.trim(at, stream, upto)
    }

    async fn counters(
        &self,
        slot: Slot,
        groups: &[&str],
    ) -> Result<Vec<(CounterKey, i64)>, HotError> {
        self.inner.counters(slot, groups)
    }

    async fn counter_groups(&self, slot: Slot) -> Result<Vec<Box<str>>, HotError> {
        self.inner.counter_groups(slot)
    }

    async fn quarantined(
        &self,
        slot: Slot,
        after: Option<QuarantineId>,
        page: PageBounds,
    ) -> Result<Vec<Quarantined>, HotError> {
        self.inner.quarantined(slot, after, page)
    }

    async fn quarantine_size(&self, slot: Slot) -> Result<QuarantineSize, HotError> {
        let partition = self.inner.partition(slot.partition)?;
        Ok(partition.slots[slot.owner.index()].head.quarantine)
    }

    async fn subscribe(&self, streams: &[StreamName]) -> Result<WakeReceiver, HotError> {
        let topics = Topics::Streams(streams.to_vec());
        Ok(self.inner.hints.subscribe(topics))
    }

    async fn subscribe_commits(&self) -> Result<WakeReceiver, HotError> {
        Ok(self.inner.hints.subscribe(Topics::Commits))
    }

    async fn scrub(&self, ticket: Option<&str>) -> Result<Scrubbed, HotError> {
        self.scrub_files(ticket).await
    }
}
