//! A small world of slots that read, write, send to each other and stop anywhere, and what a
//! recovery finds of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use hot::marks::{Marks, Part};
use hot::memory::MemoryOptions;
use hot::{
    Append, Commit, CounterKey, HotStore, MemoryStore, OutboxMessage, Owner, RestorableStore as _,
    Slot, SourceRange, StateKey, StateWrite, StreamId, StreamName, Timer,
};
use journal::contract::Subject as _;
use journal::{FoldOptions, JournaledStore, Repartition, RepartitionError, SharedLog};
use kernel::{CustomerId, Duration, PartitionCount, PartitionId, Timestamp};
use messages::stream::v1::{Batch, Record};
use prost::Message as _;
use storage::{Database, Heartbeat, Installation, LeaseStore, MemberId, RecountError};

use crate::events::{customer, event};
use crate::sql::Sql;

const OWNERS: [Owner; 3] = [Owner::Segmentation, Owner::Journey, Owner::Activation];
/// Customers, spread over all partitions.
const CUSTOMERS: u64 = 40;

/// The records of one customer that wait in a stream.
type Lane = (StreamName, Vec<u8>);

/// All that a recovery finds, wherever it is.
pub(super) struct Content {
    pub(super) states: BTreeMap<(Owner, StateKey), (Bytes, Option<Timestamp>)>,
    pub(super) counters: BTreeMap<(Owner, CounterKey), i64>,
    pub(super) waiting: BTreeMap<Lane, Vec<Record>>,
}

impl Content {
    pub(super) fn customers(&self, owner: Owner) -> u64 {
        let states = self.states.keys();
        states
            .filter(|(of, key)| *of == owner && key.len() == 16)
            .count() as u64
    }
}

impl Content {
    fn wait(&mut self, stream: StreamName, records: impl IntoIterator<Item = Record>) {
        for record in records {
            let lane = (stream, record.customer_id.to_vec());
            self.waiting.entry(lane).or_default().push(record);
        }
    }
}

struct Open {
    epoch: u64,
    seq: u64,
    marks: BTreeMap<StreamName, Marks>,
    cursors: BTreeMap<StreamName, hot::Cursor>,
    messages: u64,
}

pub(super) struct World {
    pub(super) sql: Sql,
    log: SharedLog,
    store: JournaledStore,
    hot: MemoryStore,
    count: PartitionCount,
    open: BTreeMap<Slot, Open>,
    epochs: BTreeMap<Slot, u64>,
    sent: u64,
    dice: u64,
}

async fn started(log: &SharedLog, count: PartitionCount) -> (JournaledStore, MemoryStore) {
    let hot = MemoryStore::new(count, MemoryOptions { origins: true });
    let writer = log.register("test").await.expect("a writer");
    let fold = FoldOptions {
        retention: Duration::from_millis(0),
        ..FoldOptions::default()
    };
    let store = JournaledStore::new(Arc::new(hot.clone()), Arc::clone(log), writer, fold.into());
    (store, hot)
}

impl World {
    pub(super) async fn new(mut sql: Sql, count: PartitionCount, seed: u64) -> Self {
        let log = sql.open().await;
        let installation = Installation {
            partition_count: count,
            is_count_fixed: true,
            schema_version: 1,
            oldest_schema_version: 1,
        };
        let database = sql.database();
        database
            .check_installation(installation)
            .await
            .expect("is created");
        database.installation_id("old").await.expect("an id");
        let (store, hot) = started(&log, count).await;
        Self {
            sql,
            log,
            store,
            hot,
            count,
            open: BTreeMap::new(),
            epochs: BTreeMap::new(),
            sent: 0,
            dice: seed,
        }
    }

    pub(super) const fn count(&self) -> PartitionCount {
        self.count
    }

    /// Ends all processes wherever they are.
    pub(super) fn stop(&mut self) {
        self.open.clear();
    }

    /// Starts a process on an empty hot store.
    pub(super) async fn start(&mut self, count: PartitionCount) {
        self.count = count;
        (self.store, self.hot) = started(&self.log, count).await;
        self.open.clear();
    }

    fn below(&mut self, end: u64) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.dice >> 33) % end
    }

    /// A customer, of a partition where one is asked for.
    fn customer(&mut self, partition: Option<PartitionId>) -> CustomerId {
        loop {
            let id = customer(u128::from(self.below(CUSTOMERS)));
            let own = self.count.partition_of(id.fragment());
            if partition.is_none_or(|wanted| wanted == own) {
                return id;
            }
        }
    }

    fn record(&mut self, customer: CustomerId, is_copy: bool) -> Record {
        self.sent += 1;
        let (mut record, _) = event(
            customer,
            1_000 + self.sent.cast_signed(),
            &format!("{}", self.sent),
            false,
        );
        if is_copy {
            record.forwarded_from_id = record.customer_id.clone();
        }
        record
    }

    /// Everybody does something, so many times.
    pub(super) async fn go_on(&mut self, rounds: u64) {
        for _ in 0..rounds {
            self.accept().await;
            let partitions = u64::from(self.count.get());
            let partition = PartitionId::new(u16::try_from(self.below(partitions)).expect("small"));
            let owner = OWNERS[usize::try_from(self.below(3)).expect("small")];
            let slot = Slot { owner, partition };
            if !self.open.contains_key(&slot) {
                self.open(slot).await;
            }
            self.work(slot).await;
            if self.below(3) == 0 {
                self.forward(slot).await;
            }
            if self.below(8) == 0 {
                self.store.fold(slot).await.expect("folds");
            }
        }
    }

    /// Accepts events of one partition, from a source or from none.
    async fn accept(&mut self) {
        let first = self.customer(None);
        let partition = self.count.partition_of(first.fragment());
        let mut records = vec![self.record(first, false)];
        for _ in 0..self.below(3) {
            let customer = self.customer(Some(partition));
            records.push(self.record(customer, false));
        }
        let (source, number) = (self.below(3), self.sent);
        let name = if self.below(4) == 0 {
            StreamName::EventsBulk
        } else {
            StreamName::Events
        };
        let append = Append {
            to: StreamId { name, partition },
            payload: batch(records, 0, 0),
            source: (source > 0).then(|| SourceRange {
                source: format!("client {source}").into(),
                first: number,
                last: number,
            }),
            origin: None,
        };
        self.store.append(&append).await.expect("is accepted");
    }

    async fn open(&mut self, slot: Slot) {
        let leased = self
            .leased(slot)
            .await
            .max(self.epochs.get(&slot).copied().unwrap_or(0));
        let epoch = leased + 1;
        self.epochs.insert(slot, epoch);
        self.sql.lease(slot, epoch).await;
        let head = match self.store.open(slot, epoch).await {
            Ok(head) => head,
            Err(hot::HotError::Fenced { current, .. }) => {
                self.epochs.insert(slot, current + 1);
                self.sql.lease(slot, current + 1).await;
                self.store.open(slot, current + 1).await.expect("opens")
            }
            Err(error) => panic!("{error}"),
        };
        let open = Open {
            epoch: self.epochs[&slot],
            seq: head.commit_seq,
            marks: head.marks.clone(),
            cursors: head.cursors.iter().copied().collect(),
            messages: 0,
        };
        self.open.insert(slot, open);
    }

    /// Commits a batch: some entries of one input, the last of them perhaps in part.
    async fn work(&mut self, slot: Slot) {
        let inputs: Vec<StreamName> = StreamName::ALL
            .into_iter()
            .filter(|name| name.reader() == slot.owner && !name.is_commands())
            .collect();
        let name = inputs[usize::try_from(self.below(inputs.len() as u64)).expect("small")];
        let stream = StreamId {
            name,
            partition: slot.partition,
        };
        let after = self.open[&slot]
            .cursors
            .get(&name)
            .copied()
            .unwrap_or_default();
        let most = usize::try_from(self.below(4)).expect("small");
        let entries = self.store.poll(stream, after, most).await.expect("reads");
        let mut marks = self.open[&slot]
            .marks
            .get(&name)
            .cloned()
            .unwrap_or_default();
        let mut cursor = after;
        let breaks_off = self.below(3) == 0;
        let last = entries.len().saturating_sub(1);
        for (at, entry) in entries.iter().enumerate() {
            let origin = entry.origin.expect("it has one");
            let records = Batch::decode(entry.payload.clone())
                .expect("a batch")
                .records
                .len();
            if at == last && breaks_off && records > 1 && marks.part.is_none() {
                marks.part = Some(Part {
                    origin: Some(origin),
                    index: 1,
                });
                break;
            }
            marks.part = None;
            marks.seen.insert(origin.writer, origin.seq);
            cursor = entry.cursor;
        }
        let mut commit = self.commit(slot);
        commit.marks = vec![(name, marks.clone())];
        commit.cursors = vec![(name, cursor)];
        self.write_states(slot, &mut commit);
        self.write_outputs(slot, &mut commit);
        self.store.commit(slot, &commit).await.expect("commits");
        let open = self.open.get_mut(&slot).expect("it is open");
        open.seq = commit.seq;
        open.marks.insert(name, marks);
        open.cursors.insert(name, cursor);
    }

    fn commit(&self, slot: Slot) -> Commit {
        let open = &self.open[&slot];
        Commit {
            epoch: open.epoch,
            seq: open.seq + 1,
            batch_id: open.epoch * 1_000 + open.seq,
            ..Commit::default()
        }
    }

    fn write_states(&mut self, slot: Slot, commit: &mut Commit) {
        let mut keys = BTreeSet::new();
        for _ in 0..=self.below(3) {
            let id = self.customer(Some(slot.partition));
            keys.insert(id.as_bytes().to_vec());
            let mut part = id.as_bytes().to_vec();
            part.extend([u8::try_from(self.below(3)).expect("small"); 11]);
            keys.insert(part);
        }
        for key in keys {
            let value = (self.below(6) > 0).then(|| Bytes::from(self.sent.to_be_bytes().to_vec()));
            let due = (self.below(3) == 0 && value.is_some())
                .then(|| Timestamp::from_millis(self.sent.cast_signed() * 7));
            let (timer, adds_entry) = Timer::NONE.set(due);
            commit.states.push(StateWrite {
                key: key.into(),
                value,
                timer,
                adds_entry,
            });
        }
        for name in ["in", "out"] {
            let group = format!("group {}", self.below(3));
            let key = CounterKey {
                group: group.into(),
                name: name.into(),
            };
            commit.counters.push((key, self.below(9).cast_signed() - 4));
        }
        if self.below(20) == 0 {
            commit
                .dropped_groups
                .push(format!("group {}", self.below(3)).into());
        }
        commit.counters.sort_by(|one, other| one.0.cmp(&other.0));
    }

    fn write_outputs(&mut self, slot: Slot, commit: &mut Commit) {
        let outputs = match slot.owner {
            Owner::Segmentation => [StreamName::Facts, StreamName::FactsBulk],
            Owner::Journey => [StreamName::Actions, StreamName::ActionsBulk],
            _ => [StreamName::Events, StreamName::EventsBulk],
        };
        for name in outputs {
            if self.below(2) == 0 {
                let customers = [
                    self.customer(Some(slot.partition)),
                    self.customer(Some(slot.partition)),
                ];
                let records = customers.map(|id| self.record(id, false));
                commit
                    .outputs
                    .push((name, batch(records.to_vec(), commit.seq, 0)));
            }
        }
        if self.below(2) == 0 {
            let to = self.customer(None);
            let partition = self.count.partition_of(to.fragment());
            let open = self.open.get_mut(&slot).expect("it is open");
            open.messages += 1;
            let number = (open.epoch << 32) | open.messages;
            let record = self.record(to, true);
            commit.outbox.push(OutboxMessage {
                to: StreamId {
                    name: outputs[0],
                    partition,
                },
                payload: batch(vec![record], 0, number),
            });
        }
    }

    /// Sends some of the messages of a slot; now and then it ends before it knows that they came.
    async fn forward(&mut self, slot: Slot) {
        let knows = self.below(3) > 0;
        let head = self.store.head(slot).await.expect("reads");
        if let Some(seq) = send(&self.store, slot, head.forwarded_seq, 2).await
            && knows
        {
            let at = hot::Standing {
                slot,
                epoch: self.open[&slot].epoch,
                commit_seq: head.commit_seq,
            };
            self.store.trim_outbox(at, seq).await.expect("trims");
        }
    }

    /// Recovers all partitions into an empty store, and reads all of it, with what is on its way.
    pub(super) async fn recovered_content(&self) -> Content {
        let (store, hot) = started(&self.log, self.count).await;
        for partition in self.count.iter() {
            store.recover(partition).await.expect("recovers");
        }
        let slots: Vec<Slot> = OWNERS
            .into_iter()
            .flat_map(|owner| {
                self.count
                    .iter()
                    .map(move |partition| Slot { owner, partition })
            })
            .collect();
        let mut content = self.read_content(&hot, &slots).await;
        for slot in slots {
            let head = hot.head(slot).await.expect("reads");
            let messages = hot.outbox(slot, head.forwarded_seq, usize::MAX).await;
            for outgoing in messages.expect("reads") {
                let message = outgoing.message;
                let batch = Batch::decode(message.payload).expect("a batch");
                let sources = hot.sources(message.to).await.expect("reads");
                let mut taken = sources
                    .iter()
                    .filter(|(source, _)| **source == slot.source());
                if taken
                    .next()
                    .is_none_or(|(_, mark)| *mark < batch.message_number)
                {
                    content.wait(message.to.name, batch.records);
                }
            }
        }
        content
    }

    async fn read_content(&self, hot: &MemoryStore, slots: &[Slot]) -> Content {
        let mut content = Content {
            states: BTreeMap::new(),
            counters: BTreeMap::new(),
            waiting: BTreeMap::new(),
        };
        for slot in slots {
            for (key, stored) in hot.states(*slot) {
                let id = CustomerId::try_from_bytes(&key[..16]).expect("a customer");
                assert_eq!(self.count.partition_of(id.fragment()), slot.partition);
                let before = content
                    .states
                    .insert((slot.owner, key), (stored.value, stored.timer.due));
                assert!(before.is_none(), "a state is in two partitions");
            }
            let groups = hot.counter_groups(*slot).await.expect("reads");
            let groups: Vec<&str> = groups.iter().map(|group| &**group).collect();
            for (key, value) in hot.counters(*slot, &groups).await.expect("reads") {
                *content.counters.entry((slot.owner, key)).or_default() += value;
            }
            let head = hot.head(*slot).await.expect("reads");
            for name in StreamName::ALL
                .into_iter()
                .filter(|it| it.reader() == slot.owner)
            {
                let stream = StreamId {
                    name,
                    partition: slot.partition,
                };
                let entries = hot.poll(stream, hot::Cursor::START, usize::MAX).await;
                let part = head.marks(name).part;
                for (at, entry) in entries.expect("reads").into_iter().enumerate() {
                    let done = part.filter(|part| at == 0 && part.origin == entry.origin);
                    let done = done.map_or(0, |part| usize::try_from(part.index).expect("small"));
                    let batch = Batch::decode(entry.payload).expect("a batch");
                    content.wait(name, batch.records.into_iter().skip(done));
                }
            }
        }
        content.counters.retain(|_, value| *value != 0);
        content
    }

    /// The epoch of the lease of a slot.
    async fn leased(&self, slot: Slot) -> u64 {
        let leases = LeaseStore::new(self.sql.database());
        let leases = leases
            .list(slot.owner.name())
            .await
            .expect("reads")
            .into_iter();
        let mut own = leases.filter(|lease| lease.partition == slot.partition);
        own.next().map_or(0, |lease| lease.epoch)
    }

    /// The highest epoch of all leases.
    pub(super) async fn top_epoch(&self) -> u64 {
        let mut top = 0;
        for owner in OWNERS {
            let leases = LeaseStore::new(self.sql.database());
            let leases = leases.list(owner.name()).await.expect("reads");
            top = leases.iter().map(|lease| lease.epoch).fold(top, u64::max);
        }
        top
    }

    /// Says that a process is alive.
    pub(super) async fn beat(&self) {
        let beat = Heartbeat {
            member: MEMBER,
            ttl: Duration::from_millis(600_000),
            takes_part: true,
            clock_skew_ms: None,
        };
        let leases = LeaseStore::new(self.sql.database());
        leases.heartbeat(beat).await.expect("is heard");
    }

    /// The process ends.
    pub(super) async fn stop_beating(&self) {
        let leases = LeaseStore::new(self.sql.database());
        leases.leave(MEMBER).await.expect("leaves");
    }

    /// Begins once the sessions of others are gone.
    pub(super) async fn begin_once_alone(&self, to: PartitionCount) -> Repartition {
        let database: Database = self.sql.database();
        loop {
            match Repartition::begin(&database, to).await {
                Err(RepartitionError::Recount(RecountError::Alive(_))) => {
                    tokio::task::yield_now().await
                }
                begun => return begun.expect("may be").expect("another number"),
            }
        }
    }

    /// Sets a record aside.
    pub(super) async fn set_aside(&mut self) {
        let slot = Slot {
            owner: Owner::Journey,
            partition: PartitionId::new(1),
        };
        self.open(slot).await;
        let commit = Commit {
            quarantine: vec![Bytes::from_static(b"bad")],
            ..self.commit(slot)
        };
        self.store.commit(slot, &commit).await.expect("commits");
    }

    /// Logs a command of an operator, which nobody carries out; and takes back what was set aside.
    pub(super) async fn command(&mut self) {
        let partition = PartitionId::new(1);
        let append = Append {
            to: StreamId {
                name: StreamName::JourneyCommands,
                partition,
            },
            payload: batch(vec![Record::default()], 0, 0),
            source: None,
            origin: None,
        };
        self.store.append(&append).await.expect("is accepted");
    }
}

const MEMBER: MemberId<'_> = MemberId {
    service: "journey",
    worker: "w",
    incarnation: "i",
};

/// Sends up to so many messages of a slot, and tells the last one.
async fn send(store: &JournaledStore, slot: Slot, after: u64, most: usize) -> Option<u64> {
    let mut sent = None;
    for outgoing in store.outbox(slot, after, most).await.expect("reads") {
        let payload = outgoing.message.payload;
        let number = Batch::decode(payload.clone())
            .expect("a batch")
            .message_number;
        let append = Append {
            to: outgoing.message.to,
            payload,
            source: Some(SourceRange {
                source: slot.source().into(),
                first: number,
                last: number,
            }),
            origin: None,
        };
        store.append(&append).await.expect("is taken");
        sent = Some(outgoing.seq);
    }
    sent
}

fn batch(records: Vec<Record>, commit_seq: u64, message_number: u64) -> Bytes {
    let batch = Batch {
        records,
        commit_seq,
        message_number,
        ..Batch::default()
    };
    batch.encode_to_vec().into()
}
