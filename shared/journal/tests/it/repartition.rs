//! A change of the number of partitions on real databases: what a recovery makes of the record is
//! the same before and after, wherever it is.

mod world;

use std::collections::BTreeMap;

use changes::{ChangeLog, ChangeSink as _, Scribe};
use hot::{Owner, Slot};
use journal::{EventLog, EventQuery, EventsBy, Left, Repartition, RepartitionError};
use kernel::{PartitionCount, PartitionId, Timestamp};
use messages::stream::v1::change_record::Kind;
use sea_orm::ConnectionTrait as _;
use storage::{Database, RecountError};

use self::world::{Content, World, pending};
use crate::events::search;
use crate::sql::Sql;

fn count(number: u64) -> PartitionCount {
    PartitionCount::try_new(number).expect("a count")
}

/// Returns all that the event log shows.
async fn events(world: &World, partitions: PartitionCount) -> Vec<String> {
    let log = EventLog::open(world.sql.database(), partitions).await;
    let query = EventQuery {
        by: EventsBy::All,
        from: Timestamp::MIN,
        to: Timestamp::MAX,
        is_on_stream_time: false,
    };
    let found = search(&log.expect("opens"), &query, 50).await;
    let mut found: Vec<String> = found.iter().map(|event| format!("{event:?}")).collect();
    found.sort_unstable();
    found
}

/// Changes the number of partitions of a world again and again, and compares.
async fn everything_is_the_same(sql: Sql, seed: u64, counts: &[u64]) {
    let mut world = World::new(sql, count(counts[0]), seed).await;
    world.go_on(60).await;
    for to in counts[1..].iter().copied().map(count) {
        let from = world.count();
        let before = world.recovered_content().await;
        let logged = events(&world, from).await;
        let epochs = world.top_epoch().await;
        world.stop();
        let database = world.sql.database();
        let change = Repartition::begin(&database, to).await.expect("may be");
        let done = change.expect("another number").write("new").await;
        let done = done.expect("changes");
        assert_eq!((done.from, done.to), (from, to));
        assert!(
            Repartition::begin(&database, to)
                .await
                .expect("may be")
                .is_none()
        );

        world.start(to).await;
        let after = world.recovered_content().await;
        compare(&before, &after, seed);
        let customers = done
            .services
            .iter()
            .filter(|it| it.owner == Owner::Segmentation);
        let customers: u64 = customers.map(|it| it.customers).sum();
        assert_eq!(customers, before.customers(Owner::Segmentation));
        assert_eq!(logged, events(&world, to).await, "seed {seed}");
        world.go_on(30).await;
        assert!(world.top_epoch().await > epochs);
    }
}

/// Connects as another process of the installation does.
async fn as_another_process(database: &Database) -> Database {
    let other = database.apart(1);
    let name = "SET application_name = 'happypath/another/happypath-identity'";
    let orm = other.orm();
    orm.execute_unprepared(name).await.expect("is named");
    other
}

fn compare(before: &Content, after: &Content, seed: u64) {
    assert_eq!(before.states, after.states, "seed {seed}");
    assert_eq!(before.counters, after.counters, "seed {seed}");
    let empty = Vec::new();
    let all: BTreeMap<_, ()> = before
        .waiting
        .keys()
        .chain(after.waiting.keys())
        .map(|key| (key.clone(), ()))
        .collect();
    for key in all.keys() {
        let (one, other) = (before.waiting.get(key), after.waiting.get(key));
        assert_eq!(
            one.unwrap_or(&empty),
            other.unwrap_or(&empty),
            "seed {seed}: {key:?}"
        );
    }
}

#[tokio::test]
async fn everything_is_the_same_on_sqlite() {
    for seed in 1..=6 {
        everything_is_the_same(Sql::sqlite(), seed, &[3, 8, 2, 3]).await;
    }
}

#[tokio::test]
async fn everything_is_the_same_on_postgres() {
    for seed in 11..=13 {
        everything_is_the_same(Sql::postgres(), seed, &[3, 8, 2, 3]).await;
    }
}

/// A change is refused while something cannot go on, and nothing changes.
#[tokio::test]
async fn what_is_left_is_told_and_nothing_changes() {
    let mut world = World::new(Sql::postgres(), count(3), 5).await;
    world.go_on(20).await;
    let database = world.sql.database();

    world.beat().await;
    let refused = Repartition::begin(&database, count(8)).await;
    let said = refused.expect_err("somebody lives").to_string();
    assert!(
        said.contains("1 still live: worker w of journey (counts as dead in"),
        "{said}"
    );
    world.stop_beating().await;

    let other = as_another_process(&database).await;
    let refused = Repartition::begin(&database, count(8))
        .await
        .expect_err("somebody is there");
    assert!(
        matches!(refused, RepartitionError::Recount(RecountError::Alive(_))),
        "{refused}"
    );
    drop(other);

    world.set_aside().await;
    let before = world.recovered_content().await;
    world.stop();
    let change = world.begin_once_alone(count(8)).await;
    let refused = change
        .write("new")
        .await
        .expect_err("a record is set aside");
    assert!(
        matches!(
            &refused,
            RepartitionError::Quarantine(left) if matches!(left[..], [Left::Quarantine { records: 1, .. }])
        ),
        "{refused}"
    );
    world.start(count(3)).await;
    compare(&before, &world.recovered_content().await, 5);

    world.command().await;
    world.stop();
    let refused = Repartition::begin(&database, count(8))
        .await
        .expect_err("a command waits");
    let said = refused.to_string();
    assert!(
        said.contains("commands about the quarantine wait: 1 in journey.commands of"),
        "{said}"
    );
}

/// Returns the names of all changes in the log, in order.
async fn logged_changes(log: &ChangeLog) -> Vec<String> {
    let oldest = log.extent().await.expect("reads").oldest;
    let rows = log.read(oldest, 1 << 20).await.expect("reads").into_iter();
    let changes = rows.flat_map(|row| row.changes);
    changes
        .map(|change| match change.kind {
            Some(Kind::Position(position)) => position.journey_map,
            other => panic!("not a position: {other:?}"),
        })
        .collect()
}

/// Changes that were committed and are not in their log yet come there with the new record.
async fn changes_that_wait_are_logged_once(sql: Sql) {
    let mut world = World::new(sql, count(3), 7).await;
    world.go_on(20).await;
    let [segmentation, activation] =
        [(Owner::Segmentation, 0), (Owner::Activation, 2)].map(|(owner, partition)| Slot {
            owner,
            partition: PartitionId::new(partition),
        });
    let database = world.sql.database();
    let log = ChangeLog::open(database.clone()).await.expect("opens");
    // One is in the log, and its state is not removed yet.
    let scribe = Scribe::new(log.clone());
    let Slot { owner, partition } = segmentation;
    scribe.open(owner, partition, 4, Vec::new());
    scribe.push(owner, partition, pending((4, 7), &["a"]).0);
    scribe.flush().await.expect("writes");
    drop(scribe);
    let waiting: [((u64, u64), &[&str]); 3] =
        [((4, 7), &["a"]), ((4, 8), &["b", "c"]), ((5, 1), &["d"])];
    world.pend(segmentation, &waiting).await;
    world.pend(activation, &[((9, 1), &["e"])]).await;
    world.stop();
    assert_eq!(logged_changes(&log).await, ["a"]);

    let change = world.begin_once_alone(count(8)).await;
    drop(change);
    assert_eq!(logged_changes(&log).await, ["a"], "nothing was changed");
    let change = world.begin_once_alone(count(8)).await;
    let done = change.write("new").await.expect("changes");
    assert_eq!(done.changes, 4);
    assert_eq!(logged_changes(&log).await, ["a", "b", "c", "d", "e"]);

    world.start(count(8)).await;
    // All keys are those of customers.
    let content = world.recovered_content().await;
    assert!(content.customers(Owner::Segmentation) > 0);
    let change = world.begin_once_alone(count(2)).await;
    let done = change.write("newer").await.expect("changes");
    assert_eq!((done.changes, logged_changes(&log).await.len()), (0, 5));
}

#[tokio::test]
async fn changes_that_wait_are_logged_once_on_sqlite() {
    changes_that_wait_are_logged_once(Sql::sqlite()).await;
}

#[tokio::test]
async fn changes_that_wait_are_logged_once_on_postgres() {
    changes_that_wait_are_logged_once(Sql::postgres()).await;
}

/// On stream time partitions are changed at one time of all, and with nothing waiting.
#[tokio::test]
async fn on_stream_time_all_partitions_are_at_one_time() {
    let mut world = World::new(Sql::sqlite(), count(3), 5).await;
    let database = world.sql.database();
    for (partition, millis) in [(0, 7), (1, 9)] {
        world.pass_time(partition, millis).await;
    }
    let refused = Repartition::begin(&database, count(2)).await;
    let said = refused.expect_err("two times").to_string();
    assert_eq!(said, "the partitions of journey are at different times");
    world.pass_time(0, 9).await;
    world.go_on(1).await;
    let refused = Repartition::begin(&database, count(2)).await;
    let refused = refused.expect_err("records wait");
    assert!(
        matches!(refused, RepartitionError::OnStreamTime(_)),
        "{refused}"
    );

    let mut world = World::new(Sql::sqlite(), count(3), 5).await;
    world.pass_time(2, 9).await;
    let database = world.sql.database();
    let change = Repartition::begin(&database, count(2)).await;
    let change = change.expect("may be").expect("another number");
    change.write("new").await.expect("changes");
    world.start(count(2)).await;
    assert_eq!(world.times().await, [Some(Timestamp::from_millis(9)); 2]);
}
