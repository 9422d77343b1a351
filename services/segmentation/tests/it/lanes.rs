//! Accounts and their members through an engine: subjects in all partitions, on both lanes.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use changes::{ChangeSink, Pending, Place};
use engine::{
    Clock as _, Engine, EngineConfig, EngineHandle, Status as _, SystemClock, TimeSource, counters,
};
use hot::{Append, Cursor, EmbeddedStore, Owner, SharedHotStore, Slot, StreamId, StreamName};
use kernel::{CustomerId, PartitionCount, PartitionId};
use prost::Message as _;
use proto::stream::v1::change_record::Kind;
use proto::stream::v1::{
    Batch, ChangeBatch, ChangeRecord, Event, MembershipChanged, Record, record::Body,
};
use runtime::CustomerReads;
use segmentation_core::{SegmentationCore, State};
use storage::MemoryLeases;
use tokio::sync::watch;

use super::{DAY, compiled, customer};

/// A log of changes in memory.
#[derive(Debug, Default)]
struct Log(Mutex<Vec<ChangeRecord>>);

impl Log {
    fn take(&self, pending: &Pending) {
        let batch = ChangeBatch::decode(pending.changes.clone()).expect("changes");
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(batch.changes);
    }
}

impl ChangeSink for Log {
    fn open(&self, _: Owner, _: PartitionId, _: u64, pending: Vec<Pending>) {
        pending.iter().for_each(|it| self.take(it));
    }

    fn push(&self, _: Owner, _: PartitionId, pending: Pending) {
        self.take(&pending);
    }

    fn logged(&self, _: Owner, _: PartitionId) -> Place {
        Place {
            epoch: u64::MAX,
            seq: u64::MAX,
        }
    }

    fn close(&self, _: Owner, _: PartitionId, _: u64) {}
}

/// An engine over a store of four partitions.
struct Site {
    hot: SharedHotStore,
    engine: EngineHandle,
    log: Arc<Log>,
    partitions: PartitionCount,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let partitions = PartitionCount::try_new(4).expect("a count");
        let hot = EmbeddedStore::open(folder.path(), partitions).await;
        let hot: SharedHotStore = Arc::new(hot.expect("a store"));
        let leases = MemoryLeases::new(|| SystemClock.now());
        let (_, definitions) = watch::channel(compiled());
        let (time, worker) = (TimeSource::Stream, "one");
        let config = EngineConfig::new(Arc::clone(&hot), leases, time, worker, definitions);
        let log = Arc::new(Log::default());
        let config: EngineConfig<SegmentationCore> = config.with_changes(log.clone());
        Self {
            engine: Engine::start(config).await.expect("an engine"),
            hot,
            log,
            partitions,
            _folder: folder,
        }
    }

    async fn append(&self, name: StreamName, who: CustomerId, bodies: Vec<Body>) {
        let records = bodies.into_iter().map(|body| Record {
            customer_id: id(who),
            time_ms: DAY,
            body: Some(body),
            ..Record::default()
        });
        let batch = Batch {
            records: records.collect(),
            ..Batch::default()
        };
        let append = Append {
            to: StreamId {
                name,
                partition: self.partitions.partition_of(who.fragment()),
            },
            payload: batch.encode_to_vec().into(),
            source: None,
            origin: None,
        };
        self.hot.append(&append).await.expect("it is appended");
    }

    async fn settle(&self) {
        self.engine.await_idle().await.expect("it rests");
    }

    async fn state(&self, who: CustomerId) -> State {
        let reads = CustomerReads::new(Arc::clone(&self.hot));
        let found = reads
            .find::<SegmentationCore>(who, "", |_| Vec::new())
            .await;
        let found = found.expect("a read");
        found.state.expect("something is known")
    }

    /// The customers of all facts, over all partitions.
    async fn told(&self) -> Vec<Bytes> {
        let mut told = Vec::new();
        for partition in self.partitions.iter() {
            for name in [StreamName::Facts, StreamName::FactsBulk] {
                let stream = StreamId { name, partition };
                let entries = self.hot.poll(stream, Cursor::START, 1_000).await;
                for entry in entries.expect("entries") {
                    let batch = Batch::decode(entry.payload).expect("a batch");
                    told.extend(batch.records.into_iter().map(|it| it.customer_id));
                }
            }
        }
        told.sort_unstable();
        told
    }

    async fn quarantined(&self) -> u64 {
        let mut records = 0;
        for partition in self.partitions.iter() {
            let slot = Slot {
                owner: Owner::Segmentation,
                partition,
            };
            records += self
                .hot
                .quarantine_size(slot)
                .await
                .expect("a size")
                .records;
        }
        records
    }
}

fn id(who: CustomerId) -> Bytes {
    Bytes::copy_from_slice(who.as_bytes())
}

fn account(number: u8) -> CustomerId {
    customer(number).fragment().into_account().into()
}

fn event(id: &str) -> Body {
    Body::Event(Event {
        event_id: id.to_owned(),
        name: "purchase".to_owned(),
        ..Event::default()
    })
}

fn joined(member: CustomerId, account: CustomerId, number: u64) -> Body {
    Body::Membership(MembershipChanged {
        account_id: id(account),
        member_id: id(member),
        is_member: true,
        member_count: u32::try_from(number).expect("few"),
        number,
        ..MembershipChanged::default()
    })
}

/// Holds that the log of changes tells each member of an account once, and nothing else.
fn is_told_once(site: &Site, people: &[Bytes]) {
    let log = site
        .log
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let of_accounts = log
        .iter()
        .filter(|it| matches!(it.kind, Some(Kind::Account(_))));
    let mut of_accounts: Vec<_> = of_accounts.map(|it| it.customer_id.clone()).collect();
    of_accounts.sort_unstable();
    assert_eq!(of_accounts, people, "each is told once");
    assert!(
        log.iter()
            .all(|it| people.contains(&it.customer_id) && it.time_ms == DAY)
    );
}

#[tokio::test]
async fn members_and_accounts_in_all_partitions_come_through_both_lanes() {
    const PEOPLE: u8 = 12;
    const ACCOUNTS: u8 = 4;
    let site = Site::start().await;
    let spread = |it: &dyn Fn(u8) -> CustomerId, count: u8| {
        let numbers = 1..=count;
        let places = numbers.map(|number| site.partitions.partition_of(it(number).fragment()));
        places.collect::<std::collections::BTreeSet<_>>().len()
    };
    assert!(spread(&customer, PEOPLE) > 2 && spread(&account, ACCOUNTS) > 1);
    let mut numbers = [0; ACCOUNTS as usize + 1];
    for number in 1..=PEOPLE {
        let (member, place) = (customer(number), 1 + number % ACCOUNTS);
        let lane = match number % 3 {
            0 => StreamName::EventsBulk,
            _ => StreamName::Events,
        };
        let next = &mut numbers[usize::from(place)];
        *next += 1;
        let (own, news) = (format!("e-{number}"), joined(member, account(place), *next));
        // Whoever announces dies, and it is announced again, some of it by the other lane.
        for lane in [lane, lane, StreamName::Events] {
            let to_member = vec![event(&own), news.clone()];
            site.append(lane, member, to_member).await;
            let to_account = vec![event(&own), news.clone()];
            site.append(lane, account(place), to_account).await;
        }
    }
    site.settle().await;
    for place in 1..=ACCOUNTS {
        let state = site.state(account(place)).await;
        let members = numbers[usize::from(place)];
        assert_eq!(state.member_count().map(u64::from), Some(members));
        assert_eq!(state.event_totals()[0].count, members);
        assert_eq!(
            state.recent().count(),
            usize::try_from(members).expect("few")
        );
        assert!(state.memberships().is_empty());
    }
    let people: Vec<Bytes> = (1..=PEOPLE).map(|number| id(customer(number))).collect();
    assert_eq!(
        site.told().await,
        people,
        "a fact for each, and none of accounts"
    );
    let counted = counters::totals(site.hot.as_ref(), Owner::Segmentation, "").await;
    let counted = counted
        .expect("counters")
        .into_values()
        .collect::<Vec<i64>>();
    assert_eq!(
        counted,
        [i64::from(PEOPLE); 2],
        "of the event, and of the segment"
    );
    is_told_once(&site, &people);
    assert_eq!(site.quarantined().await, 0);
    site.engine.shutdown().await;
}

#[tokio::test]
async fn a_membership_of_no_account_is_set_aside_and_holds_nobody_up() {
    let site = Site::start().await;
    site.append(
        StreamName::Events,
        customer(1),
        vec![joined(customer(2), customer(3), 1)],
    )
    .await;
    site.append(StreamName::Events, customer(1), vec![event("later")])
        .await;
    site.settle().await;
    assert_eq!(site.quarantined().await, 1);
    assert_eq!(site.state(customer(1)).await.event_totals()[0].count, 1);
    site.engine.shutdown().await;
}
