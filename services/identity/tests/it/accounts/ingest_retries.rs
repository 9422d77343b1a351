//! Events that are sent again, processes that die between the tables and the streams, and two at
//! once.

use hot::StreamName;
use identity::Source;
use identity_core::Rules;
use sea_orm::ConnectionTrait as _;

use super::world::{
    NOW, World, accept, account, acted, customer, domains, suppress, take, take_from,
};
use crate::fixture::Sql;

/// The number of rows of a table.
async fn rows(world: &World, table: &str) -> usize {
    let orm = world.fixture.identity.database.orm();
    let sql = format!("SELECT 1 FROM {table}");
    let statement = sea_orm::Statement::from_string(orm.get_database_backend(), sql);
    orm.query_all_raw(statement).await.expect("reads").len()
}

#[tokio::test]
async fn an_event_that_is_sent_again_changes_nothing_and_is_told_the_same() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let world = World::open(sql, Rules::default()).await;
        let tables = [
            "identity_identifier",
            "identity_fragment",
            "identity_membership",
        ];
        let intake = world.process().await;
        let source = Source::Request("r1");
        let events = || vec![acted("user_id=ann", "account=acme workspace=w1", 1)];
        let first = take_from(&intake, events(), source).await;
        let mut before = Vec::new();
        for table in tables {
            before.push(rows(&world, table).await);
        }
        for process in [intake, world.process().await] {
            let again = take_from(&process, events(), source).await;
            let (one, other) = (&first.events[0], &again.events[0]);
            assert_eq!(one.event_id, other.event_id);
            assert_eq!(customer(one), customer(other));
            for (one, other) in one.groups.iter().zip(&other.groups) {
                assert_eq!(one.account(), other.account());
                assert!(other.resolution.is_new, "as the first try said");
            }
        }
        for (table, count) in tables.into_iter().zip(before) {
            assert_eq!(rows(&world, table).await, count, "{table}");
        }
        let ann = customer(&first.events[0]);
        assert_eq!(
            world.told(ann, StreamName::Events).await.len(),
            2,
            "once for each"
        );
        world.pass();
        let intake = world.process().await;
        world.announce(&intake).await;
        assert_eq!(world.told(ann, StreamName::Events).await.len(), 2);
    }
}

#[tokio::test]
async fn a_retry_brings_the_account_what_a_dead_process_did_not() {
    let world = World::open(
        Sql::Sqlite,
        domains(proto::identity::v1::DomainRule::Create),
    )
    .await;
    let dead = world.process().await;
    let events = || vec![acted("user_id=ann email=ann@acme.com", "workspace=w1", 1)];
    let source = Source::Request("r1");
    let lost = accept(&dead, events(), source).await;
    let (ann, w1) = (customer(&lost.events[0]), account(&lost.events[0]));
    drop((lost, dead));
    assert!(world.fixture.records(StreamName::Events).await.is_empty());

    let other = world.process().await;
    let again = take_from(&other, events(), source).await;
    assert_eq!(
        (customer(&again.events[0]), account(&again.events[0])),
        (ann, w1)
    );
    let own = world.events_of(w1).await;
    assert_eq!(
        (own.len(), own[0].event_id.as_str()),
        (1, again.events[0].event_id.as_str())
    );
    let groups = &world.events_of(ann).await[0].groups;
    assert_eq!(groups[0].account_id.as_ref(), w1.as_bytes());
    // The memberships that it began are told by whoever looks for what is overdue.
    world.announce(&other).await;
    assert!(
        world.told(w1, StreamName::Events).await.is_empty(),
        "somebody may tell it yet"
    );
    world.pass();
    world.announce(&other).await;
    let told = world.told(w1, StreamName::Events).await;
    assert_eq!((told.len(), told[0].member_count), (1, 1));
    assert_eq!(
        world.told(ann, StreamName::Events).await.len(),
        2,
        "by event and by domain"
    );
    world.pass();
    world.announce(&other).await;
    assert_eq!(world.told(ann, StreamName::Events).await.len(), 2);
}

#[tokio::test]
async fn two_processes_that_make_the_same_account_at_once_end_with_one() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let world = World::open(sql, Rules::default()).await;
        let (one, other) = (world.process().await, world.process().await);
        for round in 0..5 {
            let groups = format!("account=a{round} workspace=w{round}");
            let events = |user: &str| vec![acted(&format!("user_id={user}"), &groups, 1)];
            let (first, second) =
                tokio::join!(take(&one, events("ann")), take(&other, events("bob")));
            let (first, second) = (&first.events[0], &second.events[0]);
            for (own, its) in first.groups.iter().zip(&second.groups) {
                assert_eq!(own.account(), its.account());
                assert!(own.resolution.is_new != its.resolution.is_new);
            }
            assert_eq!(world.members(account(first), NOW).await.len(), 2);
            assert_eq!(world.events_of(account(first)).await.len(), 2);
        }
    }
}

#[tokio::test]
async fn an_erased_or_suppressed_key_is_of_no_account() {
    use identity_core::DropReason;
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let first = take(&intake, vec![acted("user_id=ann", "account=acme", 1)]).await;
    let acme = account(&first.events[0]);
    suppress(&world, "account=acme").await;
    for process in [world.process().await, intake] {
        process.catch_up().await.expect("reads");
        let taken = take(&process, vec![acted("user_id=ann", "account=acme", 2)]).await;
        let group = &taken.events[0].groups[0];
        assert_eq!(
            (group.account(), group.reason()),
            (None, Some(DropReason::Suppressed))
        );
        let alone = accept(&process, vec![acted("", "account=acme", 2)], Source::None).await;
        let (_, fault) = alone.rejected.iter().next().expect("refused");
        assert_eq!(fault.field, "groups");
        assert!(
            fault.description.contains("`account` is SUPPRESSED"),
            "{fault:?}"
        );
    }
    assert_eq!(world.events_of(acme).await.len(), 1);
}
