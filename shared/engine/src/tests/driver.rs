//! Drives workers tick by tick, and looks at what they leave behind.

use std::sync::Arc;

use bytes::Bytes;
use decision::Core;
use hot::embedded::EmbeddedStore;
use hot::memory::MemoryOptions;
use hot::{
    Append, Appended, Cursor, HotStore, MemoryStore, Origin, Owner, PageBounds, Quarantined,
    SharedHotStore, Slot, StoreClock, StreamId, StreamName,
};
use kernel::{PartitionCount, PartitionId, Timestamp};
use messages::engine::v1::QuarantinedRecord;
use messages::stream::v1::{Batch, Event, Record, record::Body};
use prost::Message;
use storage::{MemoryLeases, SharedLeases};
use tempfile::TempDir;
use tokio::sync::watch;

use super::counting::{Counting, Seen, counter};
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};
use crate::{Clock as _, EngineConfig, SystemClock, TimeSource, VirtualClock, head};

/// A store, of two partitions unless more are needed, in a folder that goes away with it.
pub(super) struct Bench {
    pub(super) hot: SharedHotStore,
    pub(super) leases: SharedLeases,
    _folder: Option<TempDir>,
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::of(2).await
    }

    pub(super) async fn of(partitions: u64) -> Self {
        Self::with_clock(partitions, StoreClock::default()).await
    }

    /// The same, where the store goes by a clock that is moved by hand.
    pub(super) async fn at(clock: &Arc<VirtualClock>) -> Self {
        Self::with_clock(2, store_clock(clock)).await
    }

    async fn with_clock(partitions: u64, clock: StoreClock) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let count = PartitionCount::try_new(partitions).expect("a count");
        let hot = EmbeddedStore::open_at(folder.path(), count, clock)
            .await
            .expect("a store");
        Self {
            _folder: Some(folder),
            ..Self::on(Arc::new(hot))
        }
    }

    /// On a store that needs no folder, with leases of its own.
    pub(super) fn on(hot: SharedHotStore) -> Self {
        Self {
            hot,
            leases: Arc::new(MemoryLeases::new(|| SystemClock.now())),
            _folder: None,
        }
    }

    /// The same over another store.
    pub(super) fn over(&self, hot: SharedHotStore) -> Self {
        Self {
            leases: Arc::clone(&self.leases),
            ..Self::on(hot)
        }
    }

    pub(super) fn config(&self, hot: SharedHotStore, time: TimeSource) -> EngineConfig<Counting> {
        self.config_of(hot, time)
    }

    pub(super) fn config_of<C: Core<Definitions = i64>>(
        &self,
        hot: SharedHotStore,
        time: TimeSource,
    ) -> EngineConfig<C> {
        let (sender, definitions) = watch::channel(Arc::new(0));
        // Definitions do not change in these tests.
        drop(sender);
        let unused = MemoryLeases::new(Timestamp::default);
        let mut config = EngineConfig::new(hot, unused, time, "worker", definitions);
        config.leases = Arc::clone(&self.leases);
        config
    }

    pub(super) async fn worker(
        &self,
        partition: u16,
        epoch: u64,
        time: TimeSource,
    ) -> Worker<Counting> {
        let config = self.config(Arc::clone(&self.hot), time);
        Worker::open(config, PartitionId::new(partition), epoch)
            .await
            .expect("it opens")
    }

    /// Appends one entry.
    pub(super) async fn append(&self, partition: u16, name: StreamName, records: Vec<Record>) {
        self.append_from(partition, name, None, records).await;
    }

    /// Appends one entry of a writer that keeps a journal.
    pub(super) async fn append_from(
        &self,
        partition: u16,
        name: StreamName,
        origin: Option<Origin>,
        records: Vec<Record>,
    ) {
        let payload = Batch {
            records,
            ..Batch::default()
        }
        .encode_to_vec()
        .into();
        let to = stream(partition, name);
        let append = Append {
            to,
            payload,
            source: None,
            origin,
        };
        let appended = self.hot.append(&append).await.expect("it is appended");
        assert_eq!(appended, Appended::Applied);
    }

    pub(super) async fn state(&self, partition: u16, customer: u8) -> Option<Seen> {
        let stored = self
            .hot
            .load(slot(partition), &[key(customer)])
            .await
            .expect("it loads");
        let stored = stored.into_iter().next().flatten()?;
        let (_, state) = head::read::<Counting>(&stored.value).expect("a state");
        Some(state)
    }

    pub(super) async fn log(&self, partition: u16, customer: u8) -> Vec<String> {
        self.state(partition, customer)
            .await
            .map_or_else(Vec::new, |state| state.log)
    }

    /// The records of a stream that is not trimmed.
    pub(super) async fn records(&self, partition: u16, name: StreamName) -> Vec<Record> {
        let entries = self
            .hot
            .poll(stream(partition, name), Cursor::START, 10_000)
            .await
            .expect("it polls");
        entries
            .into_iter()
            .flat_map(|entry| Batch::decode(entry.payload).expect("a batch").records)
            .collect()
    }

    /// The names of the facts, with their times.
    pub(super) async fn facts(&self, partition: u16) -> Vec<String> {
        let records = self.records(partition, StreamName::Facts).await;
        records.iter().map(describe).collect()
    }

    pub(super) async fn count(&self, name: &str) -> i64 {
        let totals = crate::counters::totals(self.hot.as_ref(), Owner::Segmentation, "").await;
        totals
            .expect("counters")
            .get(&counter(name))
            .copied()
            .unwrap_or(0)
    }
}

pub(super) fn describe(record: &Record) -> String {
    match &record.body {
        Some(Body::Fact(fact)) => {
            let name = fact.event.as_ref().map_or("", |event| event.name.as_str());
            format!("{name}@{}", record.time_ms)
        }
        Some(Body::Tick(_)) => format!("tick@{}", record.time_ms),
        other => panic!("not a fact: {other:?}"),
    }
}

/// An empty store in memory, of two partitions.
pub(super) fn memory() -> MemoryStore {
    let count = PartitionCount::try_new(2).expect("a count");
    MemoryStore::new(count, MemoryOptions::default())
}

/// The same, going by a clock that is moved by hand.
pub(super) fn memory_at(clock: &Arc<VirtualClock>) -> MemoryStore {
    let count = PartitionCount::try_new(2).expect("a count");
    MemoryStore::with_clock(count, MemoryOptions::default(), store_clock(clock))
}

/// A clock that is moved by hand, as a store is told it.
pub(super) fn store_clock(clock: &Arc<VirtualClock>) -> StoreClock {
    let clock = Arc::clone(clock);
    StoreClock::new(move || clock.now())
}

pub(super) fn stream(partition: u16, name: StreamName) -> StreamId {
    StreamId {
        name,
        partition: PartitionId::new(partition),
    }
}

pub(super) fn slot(partition: u16) -> Slot {
    Slot {
        owner: Owner::Segmentation,
        partition: PartitionId::new(partition),
    }
}

pub(super) fn key(customer: u8) -> Bytes {
    Bytes::copy_from_slice(&[customer; 16])
}

pub(super) fn event(customer: u8, id: &str, what: &str, time_ms: i64) -> Record {
    Record {
        customer_id: key(customer),
        time_ms,
        trace_parent: String::new(),
        body: Some(Body::Event(Event {
            event_id: id.to_owned(),
            name: what.to_owned(),
            ..Event::default()
        })),
        ..Record::default()
    }
}

pub(super) fn tick(time_ms: i64) -> Record {
    Record {
        time_ms,
        body: Some(Body::Tick(messages::stream::v1::Tick {})),
        ..Record::default()
    }
}

/// Removes the entries of an output up to a cursor, as its reader does.
pub(super) async fn trim_output(hot: &dyn HotStore, output: StreamId, upto: Cursor) {
    let reader = Slot {
        owner: output.name.reader(),
        partition: output.partition,
    };
    let head = hot.head(reader).await.expect("a head");
    let trimmed = hot.trim(head.standing(reader), output.name, upto).await;
    trimmed.expect("it trims");
}

/// The reasons of what was set aside.
pub(super) async fn quarantined(hot: &dyn HotStore, slot: Slot) -> Vec<String> {
    let entries = hot
        .quarantined(slot, None, PageBounds::entries(100))
        .await
        .expect("a list");
    let reason = |entry: Quarantined| {
        let record = QuarantinedRecord::decode(entry.payload);
        record.expect("a record").reason
    };
    entries.into_iter().map(reason).collect()
}

/// Ticks a worker until it rests; how many batches that took.
pub(super) async fn settle<C: Core>(worker: &mut Worker<C>) -> usize {
    worker.hint(ALL_LANES);
    for batches in 0..10_000 {
        match worker.tick().await {
            TickOutcome::Worked => {}
            TickOutcome::Idle { .. } => return batches,
            other => panic!("unexpected {other:?}"),
        }
    }
    panic!("the worker never rests");
}
