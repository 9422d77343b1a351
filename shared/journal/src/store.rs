//! A hot store with a journal: every commit and every append from outside goes to the log first.
//!
//! What is logged is accepted. It reaches the store in the same call, in the next one, by a
//! background task, or by a recovery, and never twice. Reads go to the store alone. What the store
//! has lost is found when a partition is opened and when a writer's number is missing; it never
//! waits for a check.

mod append;
mod background;
mod forget;
mod join;
mod lane;
mod recovery;
mod retention;

use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use hot::{
    Append, AppendAnswer, CheckedCommit, Committed, CounterKey, Cursor, Due, Entry, Forgotten,
    Frontier, Gate, Head, HotError, HotStore, Outgoing, Owner, PageBounds, QuarantineId,
    QuarantineSize, Quarantined, Scrubbed, SharedRestorableStore, Slot, Standing, StateKey, Stored,
    StreamId, StreamName, Unread, WakeReceiver, Writer,
};
use kernel::{Duration, InstallationName, PartitionCount, PartitionId, Timestamp};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use self::background::FoldWatch;
use self::lane::Inlet;
use crate::error::hot_error;
use crate::events::is_event_log;
use crate::packed::pack_commit;
use crate::{CommitRow, JournalOptions, LogError, SharedLog, limits, metrics};

/// A hot store with a journal. Cheap to clone; clones are the same process.
#[derive(Clone)]
pub struct JournaledStore {
    shared: Arc<Shared>,
}

struct Shared {
    hot: SharedRestorableStore,
    log: SharedLog,
    writer: Writer,
    options: JournalOptions,
    /// By partition and stream: what this process appends to each.
    inlets: Vec<Inlet>,
    /// One for each partition: who recovers it, and the gate that is left closed where that failed.
    recoveries: Vec<Mutex<Option<Gate>>>,
    /// How often each partition was recovered here.
    recovered: Vec<AtomicU64>,
    /// For as many recoveries as there may be at once.
    permits: Semaphore,
    gates: AtomicU64,
    folds: FoldWatch,
}

impl fmt::Debug for JournaledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournaledStore")
            .field("hot", &self.shared.hot)
            .field("writer", &self.shared.writer)
            .finish_non_exhaustive()
    }
}

impl JournaledStore {
    /// A store around another one, whose entries must carry origins. The writer is what
    /// [`crate::Log::register`] gave this process. Nothing runs in the background: call
    /// [`Self::redeliver`] and [`Self::fold`], or use [`Self::start`].
    pub fn new(
        hot: SharedRestorableStore,
        log: SharedLog,
        writer: Writer,
        options: JournalOptions,
    ) -> Self {
        let partitions = usize::from(hot.partition_count().get());
        let inlets = partitions * StreamName::ALL.len();
        let shared = Shared {
            hot,
            log,
            writer,
            options,
            inlets: (0..inlets).map(|_| Inlet::default()).collect(),
            recoveries: (0..partitions).map(|_| Mutex::default()).collect(),
            recovered: (0..partitions).map(|_| AtomicU64::default()).collect(),
            permits: Semaphore::new(limits::RECOVERIES_AT_ONCE),
            gates: AtomicU64::new(0),
            folds: FoldWatch::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Registers this process and starts its background tasks, which end when `stop` is cancelled.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] where the log does not answer.
    pub fn start(
        hot: SharedRestorableStore,
        log: SharedLog,
        worker: &str,
        options: JournalOptions,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<Self, LogError>> {
        Box::pin(async move {
            metrics::begin();
            let writer = log.register(worker).await?;
            let store = Self::new(hot, log, writer, options);
            store.spawn_tasks(stop);
            Ok(store)
        })
    }

    /// Who this process is in the log.
    pub fn writer(&self) -> Writer {
        self.shared.writer
    }

    /// The number of recoveries of a partition by this process.
    pub fn recoveries_of(&self, partition: PartitionId) -> u64 {
        let recovered = self.shared.recovered.get(usize::from(partition.number()));
        recovered.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// A number for one recovery that no other process has.
    fn next_gate(&self) -> Gate {
        let process = u64::from(self.shared.writer.number()) << 32;
        Gate(process | self.shared.gates.fetch_add(1, Ordering::Relaxed))
    }

    fn inlet(&self, stream: StreamId) -> Result<&Inlet, HotError> {
        let partition = usize::from(stream.partition.number());
        let inlet = partition * StreamName::ALL.len() + stream.name as usize;
        self.shared.inlets.get(inlet).ok_or(HotError::Invalid(
            "there is no such partition: partitions are numbered from 0 to below the count",
        ))
    }
}

#[async_trait]
impl HotStore for JournaledStore {
    fn partition_count(&self) -> PartitionCount {
        self.shared.hot.partition_count()
    }

    fn installation(&self) -> Option<&InstallationName> {
        self.shared.hot.installation()
    }

    async fn open(&self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        self.open_compared(slot, epoch).await
    }

    async fn apply(&self, slot: Slot, commit: CheckedCommit<'_>) -> Result<Committed, HotError> {
        // What is logged is applied, whatever it was decided on: by a store that was emptied
        // meanwhile it was on nothing, and by an older copy of it on entries that were read before.
        self.shared
            .hot
            .check_follows(slot, commit.epoch, commit.seq)
            .await?;
        let payload = pack_commit(&commit);
        let bytes = payload.len();
        let outputs = commit.outputs.iter();
        let events = outputs.filter(|(name, _)| is_event_log(*name));
        let row = CommitRow {
            slot,
            seq: commit.seq,
            epoch: commit.epoch,
            batch_id: commit.batch_id,
            payload,
            events: events.cloned().collect(),
        };
        self.shared
            .log
            .append_commit(row)
            .await
            .map_err(|error| hot_error(slot.partition, error))?;
        self.shared.folds.count(slot, bytes as u64);
        self.shared.hot.apply(slot, commit).await
    }

    async fn append_stamped(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        self.append_logged(append).await
    }

    async fn head(&self, slot: Slot) -> Result<Head, HotError> {
        self.shared.hot.head(slot).await
    }

    async fn load(&self, slot: Slot, keys: &[StateKey]) -> Result<Vec<Option<Stored>>, HotError> {
        self.shared.hot.load(slot, keys).await
    }

    async fn poll(
        &self,
        stream: StreamId,
        after: Cursor,
        max: usize,
    ) -> Result<Vec<Entry>, HotError> {
        self.shared.hot.poll(stream, after, max).await
    }

    async fn lag(&self, stream: StreamId, after: Cursor) -> Result<u64, HotError> {
        self.shared.hot.lag(stream, after).await
    }

    async fn frontier(
        &self,
        partition: PartitionId,
        streams: &[StreamName],
    ) -> Result<Frontier, HotError> {
        self.shared.hot.frontier(partition, streams).await
    }

    async fn unread(&self, slot: Slot, streams: &[StreamName]) -> Result<Unread, HotError> {
        self.shared.hot.unread(slot, streams).await
    }

    async fn due(&self, slot: Slot, until: Timestamp, max: usize) -> Result<Due, HotError> {
        self.shared.hot.due(slot, until, max).await
    }

    async fn outbox(
        &self,
        slot: Slot,
        after_seq: u64,
        max: usize,
    ) -> Result<Vec<Outgoing>, HotError> {
        self.shared.hot.outbox(slot, after_seq, max).await
    }

    async fn trim_outbox(&self, at: Standing, seq: u64) -> Result<(), HotError> {
        self.shared.hot.trim_outbox(at, seq).await
    }

    async fn trim(&self, at: Standing, stream: StreamName, upto: Cursor) -> Result<(), HotError> {
        self.shared.hot.trim(at, stream, upto).await
    }

    async fn counters(
        &self,
        slot: Slot,
        groups: &[&str],
    ) -> Result<Vec<(CounterKey, i64)>, HotError> {
        self.shared.hot.counters(slot, groups).await
    }

    async fn counter_groups(&self, slot: Slot) -> Result<Vec<Box<str>>, HotError> {
        self.shared.hot.counter_groups(slot).await
    }

    async fn quarantined(
        &self,
        slot: Slot,
        after: Option<QuarantineId>,
        page: PageBounds,
    ) -> Result<Vec<Quarantined>, HotError> {
        self.shared.hot.quarantined(slot, after, page).await
    }

    async fn quarantine_size(&self, slot: Slot) -> Result<QuarantineSize, HotError> {
        self.shared.hot.quarantine_size(slot).await
    }

    async fn subscribe(&self, streams: &[StreamName]) -> Result<WakeReceiver, HotError> {
        self.shared.hot.subscribe(streams).await
    }

    async fn subscribe_commits(&self) -> Result<WakeReceiver, HotError> {
        self.shared.hot.subscribe_commits().await
    }

    async fn forget(
        &self,
        partition: PartitionId,
        upto: &[(Owner, u64)],
    ) -> Result<Forgotten, HotError> {
        self.forget_upto(partition, upto).await
    }

    async fn scrub(&self, ticket: Option<&str>) -> Result<Scrubbed, HotError> {
        self.shared.hot.scrub(ticket).await
    }
}

/// How long journals reach back, unless somebody says otherwise: a copy of the hot store up to this
/// age needs nothing but the commits after it.
pub const DEFAULT_RETENTION: Duration = Duration::from_millis(3_600_000);
