//! The ledger of imports against everything that can go wrong: processes that die at any step, two
//! at once, batches that come again in other pieces, and time that goes by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::{Clock, TimeSource, VirtualClock};
use hot::StreamName;
use identity::store::IdentityStore;
use identity::{Accepted, Appender, Import, Intake, Keeper};
use identity_core::Rules;
use kernel::{Duration, Timestamp};
use proptest::prelude::*;
use proto::identity::v1;
use proto::stream::v1::record::Body;

use crate::fixture::{Fixture, Sql, event};

/// An installation with a clock of its own.
struct World {
    fixture: Fixture,
    clock: Arc<VirtualClock>,
}

/// Events of one batch.
const EVENTS_PER_BATCH: usize = 5;
/// The event of a batch that a dead process had written behind all others.
const MORE: u8 = 200;

/// Where a process dies while it takes a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// Nowhere.
    None,
    /// Once the ledger has the batch.
    Written,
    /// Once some of it is in the streams.
    HalfAppended,
    /// Once all of it is there.
    Appended,
}

/// A step of a story.
#[derive(Debug, Clone)]
enum Step {
    /// A process takes the events of these numbers, in this order.
    Take(usize, Vec<u8>, Death),
    /// Two processes take them at once, in opposite orders.
    Both(Vec<u8>),
    /// A process is started anew.
    Restart(usize),
    /// The keeper of a process looks, some seconds later.
    Keep(usize),
}

fn events(ids: &[u8]) -> Vec<v1::Event> {
    let events = ids.iter().map(|id| v1::Event {
        event_id: format!("e{id}"),
        ..event(&format!("user_id=u{}", id % 11))
    });
    events.collect()
}

impl World {
    async fn open(sql: Sql) -> Self {
        let mut fixture = Fixture::open(sql, TimeSource::system(), Rules::default()).await;
        let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        fixture.identity.own_clock = Arc::clone(&clock) as Arc<dyn Clock>;
        Self { fixture, clock }
    }

    async fn process(&self) -> Arc<Intake> {
        self.fixture.identity.clone().open().await.expect("opens")
    }

    /// Counts each event in the streams, whatever comes of repetitions behind them.
    async fn taken(&self) -> BTreeMap<String, usize> {
        let mut taken = BTreeMap::new();
        for record in self.fixture.records(StreamName::EventsBulk).await {
            if let Some(Body::Event(event)) = record.body {
                *taken.entry(event.event_id).or_default() += 1;
            }
        }
        taken
    }

    /// Brings what was accepted to its streams, as far as the process lives.
    async fn finish(&self, intake: &Intake, accepted: Accepted, death: Death) {
        let mut outbound = accepted.outbound;
        match death {
            Death::Written => return,
            Death::None => {
                intake.append(outbound, None).await.expect("appends");
                return;
            }
            Death::HalfAppended => outbound.groups.truncate(1),
            Death::Appended => {}
        }
        let appender = Appender::new(Arc::clone(&self.fixture.hot));
        let (groups, source) = (outbound.groups, outbound.source);
        appender
            .append(outbound.stream, groups, source.as_deref(), None)
            .await
            .expect("appends");
    }
}

async fn begin(intake: &Intake) -> Arc<Import> {
    intake.import("a.csv", None).await.expect("opens")
}

async fn accept(intake: &Intake, import: &Arc<Import>, ids: &[u8]) -> Accepted {
    let accepted = intake.accept_import(events(ids), import, StreamName::EventsBulk, None);
    accepted.await.expect("accepts")
}

/// Takes events in one call, in several batches, each written before the one ahead is appended. Who
/// dies has written one more.
async fn take(world: &World, intake: &Intake, ids: &[u8], death: Death) -> (usize, usize) {
    let import = begin(intake).await;
    let mut counts = (0, 0);
    let mut ahead: Option<Accepted> = None;
    for ids in ids.chunks(EVENTS_PER_BATCH) {
        let accepted = accept(intake, &import, ids).await;
        counts.0 += accepted.events.len();
        counts.1 += accepted.replays.count;
        if let Some(before) = ahead.replace(accepted) {
            world.finish(intake, before, Death::None).await;
        }
    }
    let last = ahead.expect("there are some");
    if death != Death::None {
        let more = accept(intake, &import, &[MORE]).await;
        counts.0 += more.events.len();
        counts.1 += more.replays.count;
    }
    world.finish(intake, last, death).await;
    counts
}

async fn play(steps: Vec<Step>) {
    let world = World::open(Sql::Sqlite).await;
    let mut processes = [world.process().await, world.process().await];
    let mut expected = BTreeSet::new();
    for step in steps {
        match step {
            Step::Take(process, ids, death) => {
                let mut all = ids.clone();
                all.extend((death != Death::None).then_some(MORE));
                let own: BTreeSet<u8> = all.iter().copied().collect();
                let new = own.difference(&expected).count();
                let counts = take(&world, &processes[process], &ids, death).await;
                assert_eq!(counts, (new, all.len() - new), "{ids:?}");
                expected.extend(own);
                if death != Death::None {
                    processes[process] = world.process().await;
                }
            }
            Step::Both(ids) => {
                let own: BTreeSet<u8> = ids.iter().copied().collect();
                let new = own.difference(&expected).count();
                let backward: Vec<u8> = ids.iter().rev().copied().collect();
                let (one, other) = tokio::join!(
                    take(&world, &processes[0], &ids, Death::None),
                    take(&world, &processes[1], &backward, Death::None)
                );
                assert_eq!(one.0 + other.0, new, "{one:?} {other:?}");
                expected.extend(own);
            }
            Step::Restart(process) => processes[process] = world.process().await,
            Step::Keep(process) => {
                world
                    .clock
                    .advance_to(world.clock.now() + Duration::from_millis(20_000));
                Keeper::new(Arc::clone(&processes[process])).tick().await;
            }
        }
    }
    world
        .clock
        .advance_to(world.clock.now() + Duration::from_millis(20_000));
    Keeper::new(world.process().await).tick().await;
    let expected: BTreeMap<String, usize> =
        expected.iter().map(|id| (format!("e{id}"), 1)).collect();
    assert_eq!(world.taken().await, expected);
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ids = || prop::collection::vec(0_u8..60, 1..20);
    let death = prop::sample::select(vec![
        Death::None,
        Death::None,
        Death::Written,
        Death::HalfAppended,
        Death::Appended,
    ]);
    let step = prop_oneof![
        6 => (0_usize..2, ids(), death).prop_map(|(process, ids, death)| Step::Take(process, ids, death)),
        2 => ids().prop_map(Step::Both),
        1 => (0_usize..2).prop_map(Step::Restart),
        1 => (0_usize..2).prop_map(Step::Keep),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn each_event_is_taken_once_whoever_dies_where(steps in steps()) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(play(steps));
    }
}

#[tokio::test]
async fn what_a_dead_process_had_written_comes_to_its_streams_days_later() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let world = World::open(sql).await;
        for (death, ids) in [
            (Death::Written, [1, 2, 3, 4]),
            (Death::HalfAppended, [5, 6, 7, 8]),
            (Death::Appended, [9, 10, 11, 12]),
        ] {
            let before = world.taken().await.len();
            take(&world, &*world.process().await, &ids, death).await;
            // Streams and segmentation have forgotten ids of events by then.
            world
                .clock
                .advance_to(world.clock.now() + Duration::from_days(3));
            let counts = take(&world, &*world.process().await, &ids, Death::None).await;
            assert_eq!(counts, (0, 4), "{death:?}");
            let taken = world.taken().await;
            let more = usize::from(before == 0);
            assert_eq!(taken.len(), before + 4 + more, "{death:?}");
            assert!(taken.values().all(|times| *times == 1), "{taken:?}");
        }
    }
}

#[tokio::test]
async fn an_event_is_known_for_thirty_days_and_its_batch_is_removed_then() {
    let world = World::open(Sql::Sqlite).await;
    let intake = world.process().await;
    let mut keeper = Keeper::new(Arc::clone(&intake));
    let store = IdentityStore::new(world.fixture.identity.database.clone());
    let digests = async || {
        let mut all = Vec::new();
        for name in ["a.csv"] {
            all.extend(
                store
                    .import_batches(&identity::import_digest(name), 0)
                    .await
                    .expect("reads"),
            );
        }
        all.len()
    };
    assert_eq!(take(&world, &intake, &[1, 2], Death::None).await, (2, 0));
    let start = world.clock.now();
    let after = |hours: i64| {
        world
            .clock
            .advance_to(start + Duration::from_millis(hours * 3_600_000));
    };
    after(29 * 24);
    keeper.tick().await;
    assert_eq!(take(&world, &intake, &[1, 2, 3], Death::None).await, (1, 2));
    after(30 * 24 - 1);
    let other = world.process().await;
    assert_eq!(take(&world, &other, &[2], Death::None).await, (0, 1));
    // A process that has read the ledger may know it for an hour longer, and no longer than that.
    after(30 * 24 + 2);
    for intake in [&intake, &other] {
        let import = begin(intake).await;
        let known = accept(intake, &import, &[3]).await;
        assert_eq!(known.replays.count, 1, "it was taken a day later");
    }
    assert_eq!(take(&world, &intake, &[1], Death::None).await, (1, 0));
    assert_eq!(take(&world, &other, &[1, 2], Death::None).await, (1, 1));
    assert_eq!(digests().await, 4);
    // A month later nothing is left, and numbers begin anew without a mistake.
    after(62 * 24);
    keeper.tick().await;
    assert_eq!(digests().await, 0);
    assert_eq!(take(&world, &other, &[1, 2, 3], Death::None).await, (3, 0));
    assert_eq!(
        take(&world, &intake, &[1, 2, 3, 4], Death::None).await,
        (1, 3)
    );
    let taken = world.taken().await;
    let taken: Vec<_> = taken.values().copied().collect();
    assert_eq!(taken, [3, 3, 2, 1]);
}
