//! A store that fails at the n-th call, before or after the call takes effect.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hot::{
    Append, AppendAnswer, CheckedCommit, Committed, CounterKey, Cursor, Due, Entry, Frontier, Head,
    HotError, HotStore, Outgoing, PageBounds, QuarantineId, QuarantineSize, Quarantined,
    SharedHotStore, Slot, Standing, StateKey, StateWrite, Stored, StreamId, StreamName, Unread,
    WakeReceiver,
};
use kernel::{PartitionCount, PartitionId, Timestamp};

/// When the call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Before,
    After,
}

#[derive(Debug)]
pub(super) struct Faulty {
    inner: SharedHotStore,
    calls: AtomicU64,
    fails_at: u64,
    fault: Fault,
    loaded_keys: AtomicUsize,
    commits: Mutex<Vec<Written>>,
    ends_hints: AtomicBool,
}

/// The sizes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) states: usize,
    /// Bytes of states, parts and their keys.
    pub(super) bytes: usize,
}

impl Faulty {
    pub(super) fn new(inner: SharedHotStore, fails_at: u64, fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            inner,
            calls: AtomicU64::new(0),
            fails_at,
            fault,
            loaded_keys: AtomicUsize::new(0),
            commits: Mutex::default(),
            ends_hints: AtomicBool::new(false),
        })
    }

    /// One that never fails.
    pub(super) fn watching(inner: SharedHotStore) -> Arc<Self> {
        Self::new(inner, u64::MAX, Fault::Before)
    }

    /// Ends each subscription to commits as soon as it begins.
    pub(super) fn end_hints(&self) {
        self.ends_hints.store(true, Ordering::SeqCst);
    }

    /// Returns the number of states and parts loaded since this was asked last.
    pub(super) fn take_loaded(&self) -> usize {
        self.loaded_keys.swap(0, Ordering::SeqCst)
    }

    /// Returns the sizes of the commits since this was asked last.
    pub(super) fn take_commits(&self) -> Vec<Written> {
        std::mem::take(&mut *self.commits.lock().expect("no panic"))
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    async fn pass<T>(
        &self,
        call: impl Future<Output = Result<T, HotError>>,
    ) -> Result<T, HotError> {
        let fails = self.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.fails_at;
        if fails && self.fault == Fault::Before {
            return Err(HotError::unavailable("injected before"));
        }
        let answer = call.await;
        if fails {
            return Err(HotError::unavailable("injected after"));
        }
        answer
    }
}

#[async_trait]
impl HotStore for Faulty {
    fn partition_count(&self) -> PartitionCount {
        self.inner.partition_count()
    }
    async fn open(&self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        self.pass(self.inner.open(slot, epoch)).await
    }
    async fn head(&self, slot: Slot) -> Result<Head, HotError> {
        self.pass(self.inner.head(slot)).await
    }
    async fn load(&self, slot: Slot, keys: &[StateKey]) -> Result<Vec<Option<Stored>>, HotError> {
        self.loaded_keys.fetch_add(keys.len(), Ordering::SeqCst);
        self.pass(self.inner.load(slot, keys)).await
    }
    async fn poll(
        &self,
        stream: StreamId,
        after: Cursor,
        max: usize,
    ) -> Result<Vec<Entry>, HotError> {
        self.pass(self.inner.poll(stream, after, max)).await
    }
    async fn lag(&self, stream: StreamId, after: Cursor) -> Result<u64, HotError> {
        self.pass(self.inner.lag(stream, after)).await
    }
    async fn frontier(
        &self,
        partition: PartitionId,
        streams: &[StreamName],
    ) -> Result<Frontier, HotError> {
        self.pass(self.inner.frontier(partition, streams)).await
    }
    async fn unread(&self, slot: Slot, streams: &[StreamName]) -> Result<Unread, HotError> {
        self.pass(self.inner.unread(slot, streams)).await
    }
    async fn due(&self, slot: Slot, until: Timestamp, max: usize) -> Result<Due, HotError> {
        self.pass(self.inner.due(slot, until, max)).await
    }
    async fn apply(&self, slot: Slot, commit: CheckedCommit<'_>) -> Result<Committed, HotError> {
        let value = |write: &StateWrite| write.value.as_ref().map_or(0, bytes::Bytes::len);
        let written = Written {
            states: commit.states.len(),
            bytes: commit
                .states
                .iter()
                .map(|it| it.key.len() + value(it))
                .sum(),
        };
        self.commits.lock().expect("no panic").push(written);
        self.pass(self.inner.apply(slot, commit)).await
    }
    async fn append_stamped(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        self.pass(self.inner.append_stamped(append)).await
    }
    async fn outbox(
        &self,
        slot: Slot,
        after_seq: u64,
        max: usize,
    ) -> Result<Vec<Outgoing>, HotError> {
        self.pass(self.inner.outbox(slot, after_seq, max)).await
    }
    async fn trim_outbox(&self, at: Standing, seq: u64) -> Result<(), HotError> {
        self.pass(self.inner.trim_outbox(at, seq)).await
    }
    async fn trim(&self, at: Standing, stream: StreamName, upto: Cursor) -> Result<(), HotError> {
        self.pass(self.inner.trim(at, stream, upto)).await
    }
    async fn counters(
        &self,
        slot: Slot,
        groups: &[&str],
    ) -> Result<Vec<(CounterKey, i64)>, HotError> {
        self.inner.counters(slot, groups).await
    }
    async fn counter_groups(&self, slot: Slot) -> Result<Vec<Box<str>>, HotError> {
        self.inner.counter_groups(slot).await
    }
    async fn quarantined(
        &self,
        slot: Slot,
        after: Option<QuarantineId>,
        page: PageBounds,
    ) -> Result<Vec<Quarantined>, HotError> {
        self.pass(self.inner.quarantined(slot, after, page)).await
    }
    async fn quarantine_size(&self, slot: Slot) -> Result<QuarantineSize, HotError> {
        self.pass(self.inner.quarantine_size(slot)).await
    }
    async fn subscribe(&self, streams: &[StreamName]) -> Result<WakeReceiver, HotError> {
        self.inner.subscribe(streams).await
    }
    async fn subscribe_commits(&self) -> Result<WakeReceiver, HotError> {
        if self.ends_hints.load(Ordering::SeqCst) {
            return Ok(tokio::sync::mpsc::channel(1).1);
        }
        self.inner.subscribe_commits().await
    }
}
