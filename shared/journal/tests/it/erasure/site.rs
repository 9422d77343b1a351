//! The services of one partition, by hand, over a journal in SQL.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use hot::marks::Marks;
use hot::memory::MemoryOptions;
use hot::{
    Append, Appended, Commit, Cursor, HotStore as _, MemoryStore, OutboxMessage, Owner, Slot,
    SourceRange, Standing, StateKey, StateWrite, StreamId, StreamName, Timer,
};
use journal::contract::Subject as _;
use journal::{FoldOptions, JournaledStore};
use kernel::{PartitionCount, PartitionId, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use storage::Database;

use crate::sql::Sql;

pub(super) const PARTITION: PartitionId = PartitionId::new(0);
pub(super) const OWNERS: [Owner; 3] = [Owner::Segmentation, Owner::Journey, Owner::Activation];
const EPOCH: u64 = 1;
/// Columns with bytes, by table.
const COLUMNS: [(&str, &str); 5] = [
    ("journal_commit", "payload"),
    ("journal_entry", "payload"),
    ("journal_entry", "customers"),
    ("journal_snapshot", "payload"),
    ("journal_chunk", "payload"),
];

pub(super) fn state(key: &str, value: Option<&str>) -> StateWrite {
    StateWrite {
        key: StateKey::copy_from_slice(key.as_bytes()),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
        timer: Timer::NONE,
        adds_entry: false,
    }
}

pub(super) const fn stream(name: StreamName) -> StreamId {
    StreamId {
        name,
        partition: PARTITION,
    }
}

/// A worker of a service.
pub(super) struct Worker {
    slot: Slot,
    pub(super) seq: u64,
    marks: BTreeMap<StreamName, Marks>,
}

impl Worker {
    const fn new(owner: Owner) -> Self {
        Self {
            slot: Slot {
                owner,
                partition: PARTITION,
            },
            seq: 0,
            marks: BTreeMap::new(),
        }
    }

    /// Commits states and an output, and takes all that waits.
    pub(super) async fn take(
        &mut self,
        store: &JournaledStore,
        states: &[StateWrite],
        output: Option<(StreamName, &str)>,
    ) {
        self.take_some(store, states, output, usize::MAX).await;
    }

    /// The same, with so many entries of each stream.
    pub(super) async fn take_some(
        &mut self,
        store: &JournaledStore,
        states: &[StateWrite],
        output: Option<(StreamName, &str)>,
        most: usize,
    ) {
        self.seq += 1;
        let mut commit = Commit {
            epoch: EPOCH,
            seq: self.seq,
            batch_id: self.seq,
            states: states.to_vec(),
            ..Commit::default()
        };
        let output = output.map(|(name, text)| (name, Bytes::copy_from_slice(text.as_bytes())));
        commit.outputs.extend(output);
        let own = StreamName::ALL.into_iter();
        for name in own.filter(|name| name.reader() == self.slot.owner) {
            let entries = store.poll(stream(name), Cursor::START, 1_000).await;
            for entry in entries.expect("reads").into_iter().take(most) {
                let origin = entry.origin.expect("a journal gives one");
                let marks = self.marks.entry(name).or_default();
                marks.seen.insert(origin.writer, origin.seq);
                commit.cursors.retain(|(of, _)| *of != name);
                commit.cursors.push((name, entry.cursor));
            }
        }
        let marks = self
            .marks
            .iter()
            .map(|(name, marks)| (*name, marks.clone()));
        commit.marks = marks.collect();
        store.commit(self.slot, &commit).await.expect("commits");
    }
}

/// The services, and their stores.
pub(super) struct Site {
    pub(super) hot: MemoryStore,
    pub(super) store: JournaledStore,
    pub(super) database: Database,
    pub(super) segmentation: Worker,
    pub(super) journey: Worker,
    pub(super) activation: Worker,
    /// The milliseconds that the clock is ahead by which the age of rows is measured.
    ahead_ms: Arc<AtomicI64>,
    messages: u64,
}

impl Site {
    pub(super) async fn new(subject: &mut Sql, retention_ms: i64) -> Self {
        let log = subject.open().await;
        let count = PartitionCount::try_new(1).expect("a count");
        let hot = MemoryStore::new(count, MemoryOptions { origins: true });
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let ahead = Arc::clone(&ahead_ms);
        let fold = FoldOptions {
            retention: kernel::Duration::from_millis(retention_ms),
            now: Arc::new(move || {
                let ahead = kernel::Duration::from_millis(ahead.load(Ordering::Relaxed));
                // A row of this very millisecond is old where rows are not kept.
                Timestamp::from(SystemTime::now()) + ahead + kernel::Duration::from_millis(1)
            }),
            ..FoldOptions::default()
        };
        let writer = log.register("test").await.expect("a writer");
        let store = JournaledStore::new(Arc::new(hot.clone()), log, writer, fold.into());
        for owner in OWNERS {
            let slot = Slot {
                owner,
                partition: PARTITION,
            };
            subject.lease(slot, EPOCH).await;
            store.open(slot, EPOCH).await.expect("opens");
        }
        let [segmentation, journey, activation] = OWNERS.map(Worker::new);
        Self {
            hot,
            store,
            database: subject.database(),
            segmentation,
            journey,
            activation,
            ahead_ms,
            messages: 0,
        }
    }

    /// Has so much time passed since the rows were written.
    pub(super) fn pass_to(&self, millis: i64) {
        self.ahead_ms.store(millis, Ordering::Relaxed);
    }

    /// Accepts something from outside.
    pub(super) async fn accept(&self, name: StreamName, payload: impl Into<Bytes>) {
        let append = Append {
            to: stream(name),
            payload: payload.into(),
            source: None,
            origin: None,
        };
        let appended = self.store.append(&append).await.expect("appends");
        assert_eq!(appended, Appended::Applied);
    }

    /// Sends a message from segmentation, as to another partition.
    pub(super) async fn send(&mut self, name: StreamName, payload: &str) {
        let slot = self.segmentation.slot;
        self.segmentation.seq += 1;
        let seq = self.segmentation.seq;
        let message = OutboxMessage {
            to: stream(name),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        };
        let commit = Commit {
            epoch: EPOCH,
            seq,
            batch_id: seq,
            outbox: vec![message.clone()],
            ..Commit::default()
        };
        self.store.commit(slot, &commit).await.expect("commits");
        self.messages += 1;
        let append = Append {
            to: message.to,
            payload: message.payload,
            source: Some(SourceRange {
                source: "outbox".into(),
                first: self.messages,
                last: self.messages,
            }),
            origin: None,
        };
        self.store.append(&append).await.expect("appends");
        let at = Standing {
            slot,
            epoch: EPOCH,
            commit_seq: seq,
        };
        let trimmed = self.store.trim_outbox(at, self.messages).await;
        trimmed.expect("trims");
    }

    /// The last commit of each service.
    pub(super) fn seqs(&self) -> Vec<(Owner, u64)> {
        let workers = [&self.segmentation, &self.journey, &self.activation];
        let seqs = workers.iter().map(|worker| (worker.slot.owner, worker.seq));
        seqs.collect()
    }

    /// The states of all services in the hot store.
    pub(super) async fn states(&self) -> Vec<(Owner, StateKey, Bytes)> {
        let slots = OWNERS.map(|owner| Slot {
            owner,
            partition: PARTITION,
        });
        let states = slots.into_iter().flat_map(|slot| {
            let states = self.hot.states(slot).into_iter();
            states.map(move |(key, stored)| (slot.owner, key, stored.value))
        });
        states.collect()
    }

    /// The number of rows of the journal that have some bytes.
    pub(super) async fn tables_with(&self, text: &str) -> i64 {
        let orm = self.database.orm();
        let backend = orm.get_database_backend();
        let mut rows = 0;
        for (table, column) in COLUMNS {
            let has = match backend {
                DbBackend::Postgres => format!("position($1 IN {column}) > 0"),
                _ => format!("instr({column}, $1) > 0"),
            };
            let count = format!("SELECT count(*) FROM {table} WHERE {has}");
            let value = text.as_bytes().to_vec().into();
            let count = Statement::from_sql_and_values(backend, count, [value]);
            let row = orm.query_one_raw(count).await.expect("reads");
            let found: i64 = row.expect("a row").try_get_by_index(0).expect("a number");
            rows += found;
        }
        rows
    }
}
