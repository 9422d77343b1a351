//! Imports as a client sends them: what the ledger has is a replay, in whatever order it comes.

use engine::TimeSource;
use hot::StreamName;
use proto::identity::v1;
use proto::stream::v1::record::Body;
use tonic::Code;

use super::{Client, connect, fields, serve, stream};
use crate::fixture::{Fixture, event};

/// A batch of an import: an event with each of these ids.
fn batch(import: &str, ids: &[&str]) -> v1::IngestStreamRequest {
    let events = ids.iter().map(|id| v1::Event {
        event_id: (*id).to_owned(),
        ..event(&format!("user_id=u{id}"))
    });
    v1::IngestStreamRequest {
        events: events.collect(),
        import: import.to_owned(),
        ..Default::default()
    }
}

/// Sends batches, and returns of each how many events were accepted and how many of these were
/// replays.
async fn counts(client: &mut Client, batches: Vec<v1::IngestStreamRequest>) -> Vec<(u32, u32)> {
    let answers = stream(client, batches).await.expect("answers");
    answers
        .iter()
        .map(|it| (it.accepted_count, it.replayed_count))
        .collect()
}

/// The ids of all events in the streams, sorted.
async fn ids(fixture: &Fixture) -> Vec<String> {
    let records = fixture.records(StreamName::Events).await;
    let ids = records.into_iter().filter_map(|record| match record.body {
        Some(Body::Event(event)) => Some(event.event_id),
        _ => None,
    });
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn what_an_import_has_taken_is_a_replay_in_whatever_order_it_comes() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let first = vec![
        batch("a.csv", &["1", "2"]),
        batch("a.csv", &["3", "4", "3"]),
    ];
    assert_eq!(counts(&mut client, first).await, [(2, 0), (3, 1)]);
    // By another process too, which knows nothing but what is stored.
    for mut client in [client, connect(&fixture).await] {
        let again = vec![
            batch("a.csv", &["4", "2"]),
            batch("a.csv", &["1", "3", "1"]),
        ];
        assert_eq!(counts(&mut client, again).await, [(2, 2), (3, 3)]);
    }
    let mut client = connect(&fixture).await;
    let corrected = vec![batch("a.csv", &["5", "1", "6", "4"])];
    assert_eq!(counts(&mut client, corrected).await, [(4, 2)]);
    assert_eq!(ids(&fixture).await, ["1", "2", "3", "4", "5", "6"]);
    // Each import has a ledger of its own.
    assert_eq!(
        counts(&mut client, vec![batch("b.csv", &["1", "7"])]).await,
        [(2, 0)]
    );
    assert_eq!(ids(&fixture).await.len(), 8);
}

#[tokio::test]
async fn replays_have_a_position_that_a_read_can_wait_for() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let sent = vec![batch("a.csv", &["1", "2"])];
    let first = stream(&mut client, sent.clone()).await.expect("answers");
    assert!(!first[0].position.is_empty());
    let again = stream(&mut client, sent.clone()).await.expect("answers");
    assert!(!again[0].position.is_empty());
    let mut other = connect(&fixture).await;
    let again = stream(&mut other, sent).await.expect("answers");
    assert_eq!((again[0].accepted_count, again[0].replayed_count), (2, 2));
    assert_eq!(again[0].created_count, 0);
}

#[tokio::test]
async fn an_import_on_stream_time_is_known_as_well() {
    let (mut client, fixture) = serve(TimeSource::Stream).await;
    let sent = vec![batch("a.csv", &["1", "2"]), batch("a.csv", &["2", "3"])];
    assert_eq!(counts(&mut client, sent.clone()).await, [(2, 0), (2, 1)]);
    let mut client = connect(&fixture).await;
    assert_eq!(counts(&mut client, sent).await, [(2, 2), (2, 2)]);
    assert_eq!(ids(&fixture).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn an_import_and_a_source_exclude_each_other() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    for (import, source, expected) in [
        ("a", "b", &["source"][..]),
        (&"x".repeat(101), "", &["import"]),
        ("a\u{7}", "", &["import"]),
    ] {
        let sent = v1::IngestStreamRequest {
            source: source.to_owned(),
            ..batch(import, &["1"])
        };
        let refused = stream(&mut client, vec![sent]).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(fields(&refused), expected);
    }
}

#[tokio::test]
async fn an_event_of_an_import_has_an_id() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let mut sent = batch("a.csv", &["1", "", "3"]);
    sent.events[1] = event("user_id=2");
    sent.events.push(v1::Event {
        event_id: "x".repeat(101),
        ..event("user_id=2")
    });
    sent.events.push(v1::Event {
        name: String::new(),
        ..event("user_id=2")
    });
    let answers = stream(&mut client, vec![sent]).await.expect("answers");
    assert_eq!(answers[0].accepted_count, 2);
    let rejected = answers[0].rejected.iter();
    let rejected: Vec<_> = rejected.map(|it| (it.index, it.field.as_str())).collect();
    let expected = [
        (1, "event_id"),
        (3, "event_id"),
        (4, "event_id"),
        (4, "name"),
    ];
    assert_eq!(rejected, expected);
    assert!(answers[0].rejected[0].description.contains("import"));
    assert_eq!(ids(&fixture).await, ["1", "3"]);
}

#[tokio::test]
async fn an_event_that_is_refused_is_taken_once_it_is_mended() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let mut bad = batch("a.csv", &["1", "2", "3"]);
    bad.events[1].name = String::new();
    assert_eq!(counts(&mut client, vec![bad]).await, [(2, 0)]);
    let mended = vec![batch("a.csv", &["1", "2", "3"])];
    assert_eq!(counts(&mut client, mended).await, [(3, 2)]);
    assert_eq!(ids(&fixture).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn two_processes_that_take_one_import_at_once_take_each_event_once() {
    let (client, fixture) = serve(TimeSource::system()).await;
    let names: Vec<String> = (0..400).map(|number| number.to_string()).collect();
    let forward: Vec<&str> = names.iter().map(String::as_str).collect();
    let backward: Vec<&str> = forward.iter().rev().copied().collect();
    let batches =
        |names: &[&str]| -> Vec<_> { names.chunks(40).map(|ids| batch("a.csv", ids)).collect() };
    let (mut one, mut other) = (client.clone(), connect(&fixture).await);
    let mut third = client;
    let (one, other, third) = tokio::join!(
        counts(&mut one, batches(&forward)),
        counts(&mut other, batches(&backward)),
        counts(&mut third, batches(&forward)),
    );
    let taken: u32 = one
        .iter()
        .chain(&other)
        .chain(&third)
        .map(|(accepted, replayed)| accepted - replayed)
        .sum();
    assert_eq!(taken, 400, "{one:?} {other:?} {third:?}");
    assert_eq!(ids(&fixture).await.len(), 400);
}
