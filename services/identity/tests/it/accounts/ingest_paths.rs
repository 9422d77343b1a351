//! The ways in: streams, sources on stream time, imports. Each brings an account its own records,
//! once.

use std::sync::Arc;

use hot::StreamName;
use identity::{Intake, Keeper, Source};
use identity_core::Rules;
use kernel::CustomerId;
use proto::identity::v1;

use super::world::{BEGIN, NOW, World, account, acted, customer, take, take_from};
use crate::fixture::Sql;
use crate::rpc::{connect, stream};

/// Events of a source, of these customers and accounts.
fn message(first: u64, events: &[(&str, &str)]) -> Vec<v1::Event> {
    let events = events.iter().zip(first..);
    let events = events.map(|((identifiers, groups), sequence)| v1::Event {
        sequence,
        ..acted(identifiers, groups, i64::try_from(sequence).expect("small"))
    });
    events.collect()
}

/// A message of a stream.
fn batch(source: &str, events: Vec<v1::Event>) -> v1::IngestStreamRequest {
    v1::IngestStreamRequest {
        events,
        source: source.to_owned(),
        ..v1::IngestStreamRequest::default()
    }
}

#[tokio::test]
async fn a_request_and_a_stream_tell_of_groups() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let mut client = connect(&world.fixture).await;
    let request = v1::IngestRequest {
        events: vec![
            acted("user_id=ann", "account=acme team=t1 workspace=null", 1),
            acted("", "account=acme", 2),
        ],
        ..v1::IngestRequest::default()
    };
    let answer = client.ingest(request).await.expect("ingests").into_inner();
    let [ann, alone] = answer.results.as_slice() else {
        panic!("{answer:?}");
    };
    let told: Vec<_> = ann
        .groups
        .iter()
        .map(|it| {
            (
                it.r#type.as_str(),
                it.account_id.is_empty(),
                it.created,
                it.reason.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("account", false, true, ""),
            ("workspace", true, false, "BLOCKED_VALUE")
        ]
    );
    assert!(alone.customer_id.is_empty() && !alone.created);
    assert_eq!(alone.groups[0].account_id, ann.groups[0].account_id);
    assert!(!alone.groups[0].created);

    let own = [
        ("user_id=bob", "account=acme"),
        ("user_id=kim", "account=null"),
        ("", "account=acme"),
    ];
    let answers = stream(
        &mut client,
        vec![batch("", message(1, &own)), batch("file", message(1, &own))],
    );
    let answers = answers.await.expect("takes");
    let [first, second] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    // Customers alone are counted.
    assert_eq!((first.accepted_count, first.created_count), (3, 2));
    assert_eq!((second.accepted_count, second.created_count), (3, 0));
    let dropped = first.dropped_identifiers[0]
        .identifier
        .as_ref()
        .expect("one");
    assert_eq!(
        (dropped.namespace.as_str(), dropped.reason.as_str()),
        ("account", "BLOCKED_VALUE")
    );
    assert_eq!(first.dropped_identifier_count, 1);
    let acme: CustomerId = ann.groups[0].account_id.parse().expect("an id");
    assert_eq!(world.events_of(acme).await.len(), 6);
    assert_eq!(world.members(acme, NOW).await.len(), 2);
}

#[tokio::test]
async fn a_request_of_accounts_alone_that_are_nobody_is_refused_by_field() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let mut client = connect(&world.fixture).await;
    let request = v1::IngestRequest {
        events: vec![acted("", "account=null", 1)],
        ..v1::IngestRequest::default()
    };
    let refused = client.ingest(request).await.expect_err("names nobody");
    assert_eq!(crate::rpc::fields(&refused), ["events[0].groups"]);
}

#[tokio::test]
async fn on_stream_time_a_source_that_is_sent_again_brings_nothing_twice() {
    let world = World::on_stream_time(Sql::Sqlite).await;
    let events = [
        ("user_id=ann", "account=acme workspace=w1"),
        ("user_id=bob", "account=acme"),
        ("", "workspace=w1"),
        ("user_id=ann email=ann@acme.com", "account=acme"),
    ];
    let intake = world.process().await;
    let source = intake.source("file").await.expect("reads");
    let first = take_from(&intake, message(1, &events), source).await;
    let (ann, acme) = (customer(&first.events[0]), account(&first.events[0]));
    let before = world.fixture.records(StreamName::Events).await;
    assert_eq!(world.events_of(acme).await.len(), 3);
    assert_eq!(world.told(ann, StreamName::Events).await.len(), 2);
    // Times of a partition never go back, so that news come no later than their event.
    let records = world.records_of(acme, StreamName::Events).await;
    assert!(records.is_sorted_by_key(|it| it.time_ms), "{records:?}");

    // The mark of the source tells nothing to a process that does not ask, the streams do.
    let other = world.process().await;
    let none = identity::store::SourceMark::NONE;
    let again = take_from(&other, message(1, &events), Source::Named("file", none)).await;
    assert_eq!(again.events.len(), 4);
    assert_eq!(account(&again.events[1]), acme);
    let after = world.fixture.records(StreamName::Events).await;
    assert_eq!(after.len(), before.len(), "{after:?}");
}

#[tokio::test]
async fn the_keeper_of_imports_brings_accounts_what_a_dead_process_wrote_down() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let events = |count: u8| {
        let events = (0..count).map(|number| v1::Event {
            event_id: format!("e{number}"),
            ..acted(
                &format!("user_id=u{number}"),
                "account=acme",
                i64::from(number),
            )
        });
        events.collect::<Vec<_>>()
    };
    let intake = world.process().await;
    let import = intake.import("a.csv", None).await.expect("opens");
    let lane = StreamName::EventsBulk;
    let written = intake.accept_import(events(5), &import, lane, None);
    let written = written.await.expect("accepts");
    let acme = account(&written.events[0]);
    drop((written, import, intake));

    let other = world.process().await;
    world.pass();
    Keeper::new(Arc::clone(&other)).tick().await;
    let count = |records: Vec<proto::stream::v1::Record>| {
        use proto::stream::v1::record::Body;
        records
            .iter()
            .filter(|it| matches!(it.body, Some(Body::Event(_))))
            .count()
    };
    assert_eq!(count(world.records_of(acme, lane).await), 5);
    // Sent again with more: what is there stays as it is.
    let import = other.import("a.csv", None).await.expect("opens");
    let again = other
        .accept_import(events(7), &import, lane, None)
        .await
        .expect("accepts");
    assert_eq!((again.events.len(), again.replays.count), (2, 5));
    finish(&other, again).await;
    assert_eq!(count(world.records_of(acme, lane).await), 7);
    let members = world.members(acme, NOW).await;
    assert_eq!(members.len(), 7);
    assert!(members.iter().all(|it| it.valid_from >= BEGIN));
}

async fn finish(intake: &Intake, accepted: identity::Accepted) {
    intake
        .append(accepted.outbound, None)
        .await
        .expect("appends");
}

#[tokio::test]
async fn the_bulk_lane_takes_the_records_of_accounts_too() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let lane = StreamName::EventsBulk;
    let accepted = intake.accept(
        vec![acted("user_id=ann", "account=acme", 1)],
        Source::None,
        lane,
    );
    let accepted = accepted.await.expect("accepts");
    let (ann, acme) = (customer(&accepted.events[0]), account(&accepted.events[0]));
    finish(&intake, accepted).await;
    assert_eq!(world.records_of(acme, lane).await.len(), 2);
    assert_eq!(world.told(ann, lane).await.len(), 1);
    assert!(world.fixture.records(StreamName::Events).await.is_empty());
    take(&intake, vec![acted("user_id=ann", "account=acme", 2)]).await;
    assert_eq!(world.events_of(acme).await.len(), 1);
}
