//! Handlers on a store, filled by the core as an engine would.

use std::sync::Arc;

use activation_core::{ActivationCore, Definitions};
use decision::{Core as _, Effects, Input, PartWrites, step_once};
use engine::{Head, VirtualClock, head};
use hot::{Commit, Cursor, EmbeddedStore, HotStore, Slot, StateWrite, Timer};
use kernel::{CounterKey, PartitionCount, PartitionId, Timestamp};
use storage::{Database, DatabaseUrl, Requests};

use super::*;

/// Handlers on an embedded store of their own.
pub(super) struct Bench {
    pub(super) handlers: Handlers,
    pub(super) hot: Arc<EmbeddedStore>,
    pub(super) folder: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hot = EmbeddedStore::open(folder.path().join("hot"), PartitionCount::DEFAULT)
            .await
            .expect("a store");
        let hot = Arc::new(hot);
        let url: DatabaseUrl = format!("sqlite:{}", folder.path().join("test.db").display())
            .parse()
            .expect("a url");
        let database = Database::connect(&url).await.expect("a database");
        database.migrate("runtime", &[]).await.expect("migrated");
        let shared: SharedHotStore = hot.clone();
        let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(5_000)));
        Self {
            handlers: Handlers::new(
                shared,
                TimeSource::Wall(clock),
                Idempotency::new(Requests::new(database)),
            ),
            hot,
            folder,
        }
    }

    pub(super) fn partition(customer: CustomerId) -> PartitionId {
        PartitionCount::DEFAULT.partition_of(customer.fragment())
    }

    /// Runs the core over what came for a customer and stores what is left, as the engine does.
    pub(super) async fn process(&self, customer: CustomerId, bodies: Vec<Body>) {
        let definitions = Definitions::empty();
        let (mut state, mut effects) = (State::default(), Effects::default());
        let key = Bytes::copy_from_slice(customer.as_bytes());
        for body in bodies {
            let record = Record {
                customer_id: key.clone(),
                time_ms: 1_000,
                trace_parent: String::new(),
                body: Some(body),
                ..Record::default()
            };
            let (input, now) = (Input::Record(&record), Timestamp::from_millis(1_000));
            step_once::<ActivationCore>(
                &definitions,
                &mut state,
                customer,
                input,
                now,
                &mut effects,
            )
            .expect("a step");
        }
        let mut parts = PartWrites::default();
        ActivationCore::drain_parts(&mut state, &mut parts);
        let value = head::write::<ActivationCore>(&Head::plain(), &state);
        self.keep(customer, value, parts, effects.counts).await;
    }

    /// Says that a customer was joined into another.
    pub(super) async fn redirect(&self, customer: CustomerId, survivor: CustomerId) {
        let head = Head::redirected_to(survivor);
        let state = State::default();
        let value = head::write::<ActivationCore>(&head, &state);
        self.keep(customer, value, PartWrites::default(), Vec::new())
            .await;
    }

    /// Stores what is kept of a customer, and counters.
    async fn keep(
        &self,
        customer: CustomerId,
        value: Bytes,
        parts: PartWrites,
        counters: Vec<(CounterKey, i64)>,
    ) {
        let slot = Slot {
            owner: Owner::Activation,
            partition: Self::partition(customer),
        };
        let opened = self.hot.open(slot, 1).await.expect("opened");
        let parts = parts.into_iter();
        let parts = parts.map(|(part, value)| (part.of_customer(customer), value));
        let head = (Bytes::copy_from_slice(customer.as_bytes()), Some(value));
        let states = std::iter::once(head).chain(parts);
        let states = states.map(|(key, value)| StateWrite {
            key,
            value,
            timer: Timer::NONE,
            adds_entry: false,
        });
        let commit = Commit {
            epoch: 1,
            seq: opened.commit_seq + 1,
            batch_id: 1,
            states: states.collect(),
            counters,
            ..Commit::default()
        };
        self.hot.commit(slot, &commit).await.expect("committed");
    }

    /// The records that wait in a customer's actions.
    pub(super) async fn actions(&self, customer: CustomerId) -> Vec<Record> {
        let stream = StreamId {
            name: StreamName::Actions,
            partition: Self::partition(customer),
        };
        let entries = self
            .hot
            .poll(stream, Cursor::START, 100)
            .await
            .expect("a poll");
        entries
            .into_iter()
            .flat_map(|entry| Batch::decode(entry.payload).expect("a batch").records)
            .collect()
    }
}
