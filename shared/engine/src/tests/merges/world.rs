//! Three services, one behind the other, in two partitions of one store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use hot::{
    Append, Appended, Cursor, HotError, MemoryStore, SharedHotStore, Slot, StreamId, StreamName,
};
use kernel::{CustomerId, PartitionId, Timestamp};
use messages::stream::v1::{Batch, Record};
use prost::Message;
use storage::MemoryLeases;
use tokio::sync::watch;

use super::super::counting::counter;
use super::super::driver;
use super::super::ledger::{Book, Ledger};
use super::records::{customer, number};
use super::told::NoLog;
use crate::head::id_bytes;
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};
use crate::{
    EngineConfig, Head, TimeSource, VirtualClock, counters, find_customer_with, head, limits,
};
use decision::Core;

/// Services of the way.
pub(super) const SERVICES: usize = 3;
/// Partitions of the store.
pub(super) const PARTITIONS: u16 = 2;
/// Workers: one for each service and partition.
pub(super) const WORKERS: usize = SERVICES * PARTITIONS as usize;

/// Does something with the core of a service by its number.
macro_rules! of_service {
    ($service:expr, $core:ident => $does:expr) => {
        match $service {
            0 => {
                type $core = Ledger<0>;
                $does
            }
            1 => {
                type $core = Ledger<1>;
                $does
            }
            _ => {
                type $core = Ledger<2>;
                $does
            }
        }
    };
}

/// A worker of any service.
#[async_trait]
pub(super) trait Works: Send {
    async fn tick(&mut self) -> TickOutcome;
    fn hint(&mut self);
}

#[async_trait]
impl<C: Core> Works for Worker<C> {
    async fn tick(&mut self) -> TickOutcome {
        Self::tick(self).await
    }

    fn hint(&mut self) {
        Self::hint(self, ALL_LANES);
    }
}

/// The store, and what is told to the services.
pub(super) struct World {
    pub(super) hot: SharedHotStore,
    pub(super) memory: MemoryStore,
    epoch: AtomicU64,
    /// Bytes of a piece of a state that moves.
    pub(super) piece_bytes: usize,
    /// The most records of a customer that wait.
    pub(super) parked_records: u64,
    /// The most records of a customer that waited and that one batch takes.
    pub(super) parked_per_batch: usize,
    /// Set where services say what changed, in states that stay.
    pub(super) has_changes: bool,
    /// The clock of the services, where they do not go by the times of records.
    pub(super) clock: Option<Arc<VirtualClock>>,
}

impl World {
    pub(super) fn new(memory: MemoryStore) -> Self {
        Self {
            hot: Arc::new(memory.clone()),
            memory,
            epoch: AtomicU64::new(0),
            // Each part goes alone.
            piece_bytes: 1,
            parked_records: limits::PARKED_RECORDS,
            parked_per_batch: limits::PARKED_PER_BATCH,
            has_changes: false,
            clock: None,
        }
    }

    /// The same, on a clock that is moved by hand, with a small share of a batch for each customer.
    pub(super) fn on_clock(parked_per_batch: usize) -> Self {
        let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(1_000)));
        Self {
            parked_per_batch,
            clock: Some(Arc::clone(&clock)),
            ..Self::new(driver::memory_at(&clock))
        }
    }

    /// The same, through a store that may fail.
    pub(super) fn through(self, hot: SharedHotStore) -> Self {
        Self { hot, ..self }
    }

    /// The same, through nothing.
    pub(super) fn direct(self) -> Self {
        let hot = Arc::new(self.memory.clone());
        self.through(hot)
    }

    /// An epoch that nobody has had.
    pub(super) fn next_epoch(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Opens the worker of a number again and again until the store lets it.
    pub(super) async fn open(&self, number: usize) -> Box<dyn Works> {
        loop {
            let opened =
                of_service!(number % SERVICES, C => self.try_open::<C>(number / SERVICES).await);
            match opened {
                Ok(worker) => return worker,
                Err(HotError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn try_open<C: Core<Definitions = i64>>(
        &self,
        partition: usize,
    ) -> Result<Box<dyn Works>, HotError> {
        let (sender, definitions) = watch::channel(Arc::new(0));
        drop(sender);
        let mut config = EngineConfig::<C>::new(
            Arc::clone(&self.hot),
            MemoryLeases::new(Timestamp::default),
            self.clock
                .clone()
                .map_or(TimeSource::Stream, |clock| TimeSource::Wall(clock)),
            "worker",
            definitions,
        );
        config.piece_bytes = self.piece_bytes;
        config.parked_records = self.parked_records;
        config.parked_per_batch = self.parked_per_batch;
        if self.has_changes {
            config = config.with_changes(Arc::new(NoLog));
        }
        let partition = PartitionId::new(u16::try_from(partition).expect("small"));
        let epoch = self.next_epoch();
        Ok(Box::new(Worker::open(config, partition, epoch).await?))
    }

    /// Appends a record to what a service reads.
    pub(super) async fn tell(&self, service: usize, record: Record) {
        self.tell_lane((service, false), record).await;
    }

    /// The same, in the low-priority lane too.
    pub(super) async fn tell_lane(&self, (service, bulk): (usize, bool), record: Record) {
        let customer = CustomerId::try_from_bytes(&record.customer_id).expect("a customer");
        let partition = self.slot_of(service, customer).partition;
        let (live, low) = of_service!(service, C => C::INPUTS[0]);
        let name = low.filter(|_| bulk).unwrap_or(live);
        self.append(StreamId { name, partition }, record).await;
    }

    /// Appends a record to what a service reads in a partition.
    pub(super) async fn tell_partition(&self, service: usize, partition: u16, record: Record) {
        let (name, _) = of_service!(service, C => C::INPUTS[0]);
        let partition = PartitionId::new(partition);
        self.append(StreamId { name, partition }, record).await;
    }

    pub(super) async fn append(&self, to: StreamId, record: Record) {
        let batch = Batch {
            records: vec![record],
            ..Batch::default()
        };
        let append = Append {
            to,
            payload: batch.encode_to_vec().into(),
            source: None,
            origin: None,
        };
        // Not through the store that fails: what is told is told.
        let appended = hot::HotStore::append(&self.memory, &append).await;
        assert_eq!(appended.expect("it is appended"), Appended::Applied);
    }

    pub(super) async fn settle(&self) {
        self.settle_with(|_| {}).await;
    }

    /// Lets all services do all there is, and shows every record that waits in a stream meanwhile.
    pub(super) async fn settle_with(&self, mut show: impl FnMut(&Record)) {
        let mut workers = Vec::new();
        for number in 0..WORKERS {
            workers.push(self.open(number).await);
        }
        let mut resting = 0;
        // A worker that finds nothing to do may have forwarded what waited, so all are asked once
        // more.
        while resting < 2 * WORKERS {
            for worker in &mut workers {
                for record in self.unread_records().await {
                    show(&record);
                }
                worker.hint();
                match worker.tick().await {
                    TickOutcome::Idle { .. } => resting += 1,
                    TickOutcome::Worked => resting = 0,
                    other => panic!("unexpected {other:?}"),
                }
            }
        }
    }

    pub(super) async fn unread_records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for name in StreamName::ALL {
            for partition in self.hot.partition_count().iter() {
                let stream = StreamId { name, partition };
                let entries = self.hot.poll(stream, Cursor::START, 1_000).await;
                for entry in entries.expect("it polls") {
                    records.extend(Batch::decode(entry.payload).expect("a batch").records);
                }
            }
        }
        records
    }

    pub(super) fn slot_of(&self, service: usize, customer: CustomerId) -> Slot {
        let count = self.hot.partition_count();
        Slot {
            owner: of_service!(service, C => C::OWNER),
            partition: count.partition_of(customer.fragment()),
        }
    }

    /// The head of a customer under their own id.
    pub(super) async fn head(&self, service: usize, who: u16) -> Head {
        let slot = self.slot_of(service, customer(who));
        let loaded = self.hot.load(slot, &[id_bytes(customer(who))]).await;
        let stored = loaded.expect("it loads").into_iter().next().flatten();
        stored.map_or_else(Head::default, |stored| {
            head::read::<Ledger>(&stored.value).expect("a value").0
        })
    }

    /// Where the redirect of a customer leads, or the customer.
    pub(super) async fn root(&self, service: usize, who: u16) -> u16 {
        let redirect = self.head(service, who).await.redirect;
        redirect.map_or(who, number)
    }

    pub(super) async fn fragments(&self, service: usize, who: u16) -> Vec<u16> {
        let fragments = self.head(service, who).await.fragments;
        fragments
            .into_iter()
            .map(|it| number(it.customer))
            .collect()
    }

    /// The log of a service for a customer, whoever they are now.
    pub(super) async fn log(&self, service: usize, who: u16) -> Vec<String> {
        self.book(service, who).await.log()
    }

    /// The state that a service has of a customer, whoever they are now, with all its parts.
    pub(super) async fn book(&self, service: usize, who: u16) -> Book {
        let hot = self.hot.as_ref();
        let state = of_service!(service, C => {
            let found = find_customer_with::<C>(hot, customer(who), Book::not_loaded).await;
            found.expect("a customer").state
        });
        state.unwrap_or_default()
    }

    pub(super) async fn count(&self, service: usize, name: &str) -> i64 {
        let owner = of_service!(service, C => C::OWNER);
        let totals = counters::totals(self.hot.as_ref(), owner, "").await;
        totals
            .expect("counters")
            .get(&counter(name))
            .copied()
            .unwrap_or(0)
    }

    pub(super) fn slots(&self) -> Vec<Slot> {
        let owners = (0..SERVICES).map(|service| of_service!(service, C => C::OWNER));
        let partitions = self.hot.partition_count();
        owners
            .flat_map(|owner| {
                partitions
                    .iter()
                    .map(move |partition| Slot { owner, partition })
            })
            .collect()
    }

    /// All states and counters.
    pub(super) async fn picture(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for slot in self.slots() {
            for state in self.memory.states(slot) {
                lines.push(format!("{slot:?}: {state:?}"));
            }
            let mut counters = counters::of_slot(self.hot.as_ref(), slot, "")
                .await
                .expect("counters");
            counters.sort();
            lines.push(format!("{slot:?}: {counters:?}"));
        }
        lines
    }

    /// The reasons of all that was set aside.
    pub(super) async fn quarantined(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for slot in self.slots() {
            reasons.extend(driver::quarantined(self.hot.as_ref(), slot).await);
        }
        reasons
    }
}
