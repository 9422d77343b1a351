//! A small world of slots that read, write, send to each other and stop anywhere, and what a
//! recovery finds of it.

mod content;
mod pending;
mod refusals;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hot::marks::{Marks, Part};
use hot::memory::MemoryOptions;
use hot::{
    Append, Commit, Cursor, HotError, HotStore as _, MemoryStore, Owner, Slot, SourceRange,
    Standing, StreamId, StreamName,
};
use journal::contract::Subject as _;
use journal::{FoldOptions, JournaledStore, SharedLog};
use kernel::{CustomerId, Duration, PartitionCount, PartitionId, Schemas};
use messages::stream::v1::{Batch, Record};
use prost::Message as _;
use storage::{Installation, LeaseStore};

pub(super) use self::content::Content;
pub(super) use self::pending::pending;
use crate::events::{customer, event};
use crate::sql::Sql;

const OWNERS: [Owner; 3] = [Owner::Segmentation, Owner::Journey, Owner::Activation];
/// Customers, spread over all partitions.
const CUSTOMERS: u64 = 40;

struct Open {
    epoch: u64,
    seq: u64,
    marks: BTreeMap<StreamName, Marks>,
    cursors: BTreeMap<StreamName, Cursor>,
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
            schemas: Schemas {
                written: 1,
                oldest_reader: 1,
                oldest_read: 1,
            },
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
            Err(HotError::Fenced { current, .. }) => {
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

    /// Sends some of the messages of a slot; now and then it ends before it knows that they came.
    async fn forward(&mut self, slot: Slot) {
        let knows = self.below(3) > 0;
        let head = self.store.head(slot).await.expect("reads");
        if let Some(seq) = send(&self.store, slot, head.forwarded_seq, 2).await
            && knows
        {
            let at = Standing {
                slot,
                epoch: self.open[&slot].epoch,
                commit_seq: head.commit_seq,
            };
            self.store.trim_outbox(at, seq).await.expect("trims");
        }
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
}

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
