//! The way in: unary and streamed, what is refused, and what is sent again.

use engine::TimeSource;
use hot::{Append, Appended, Commit, Owner, Slot, StreamId, StreamName};
use kernel::{CustomerId, PartitionId};
use proto::identity::v1;
use proto::stream::v1::record::Body;
use tonic::Code;
use tonic_types::StatusExt;

use super::{connect, fields, ingest, reason, serve, stream};
use crate::fixture::{Fixture, event};

#[tokio::test]
async fn ingest_says_who_each_event_happened_to_and_a_replay_gives_the_first_answer() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let events = [
        "anonymous_id=a1",
        "email=e@x.io",
        "anonymous_id=a1 email=E@x.io user_id=null",
    ];
    let first = ingest(&mut client, "r1", &events).await.expect("ingests");
    assert_eq!(
        first.iter().map(|it| it.created).collect::<Vec<_>>(),
        [true, true, false]
    );
    assert_eq!(first[2].customer_id, first[0].customer_id);
    assert_eq!(first[2].merged_customer_ids, [first[1].customer_id.clone()]);
    let dropped = &first[2].dropped_identifiers[0];
    assert_eq!(
        (dropped.value.as_str(), dropped.reason.as_str()),
        ("null", "BLOCKED_VALUE")
    );

    assert_eq!(
        ingest(&mut client, "r1", &events).await.expect("replays"),
        first
    );
    let records = fixture.records(StreamName::Events).await;
    assert_eq!(records.len(), 4, "three events and one merge, once");
    let merged = records
        .iter()
        .find(|record| matches!(record.body, Some(Body::Merged(_))))
        .expect("a merge");
    let loser: CustomerId = first[1].customer_id.parse().expect("an id");
    assert_eq!(merged.customer_id.as_ref(), loser.as_bytes());

    let refused = ingest(&mut client, "r1", &events[..1])
        .await
        .expect_err("another body");
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "REQUEST_ID_REUSED")
    );
}

#[tokio::test]
async fn a_bad_event_does_not_stop_the_others_of_a_request() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let request = v1::IngestRequest {
        request_id: "r1".to_owned(),
        events: vec![
            event("user_id=null"),
            event("user_id=u1"),
            v1::Event::default(),
            event("user_id=u2"),
        ],
        ..Default::default()
    };
    let first = client.ingest(request.clone()).await.expect("takes two");
    let first = first.into_inner();
    let places: Vec<_> = first.results.iter().map(|it| it.index).collect();
    assert_eq!(places, [1, 3]);
    let refused: Vec<_> = first
        .rejected
        .iter()
        .map(|it| (it.index, it.field.as_str()))
        .collect();
    assert_eq!(
        refused,
        [(0, "identifiers"), (2, "name"), (2, "identifiers")]
    );
    let again = client.ingest(request).await.expect("replays").into_inner();
    assert_eq!(again, first);
    assert_eq!(fixture.records(StreamName::Events).await.len(), 2);
}

#[tokio::test]
async fn a_request_of_bad_events_alone_is_refused_and_names_every_fault() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let mut request = v1::IngestRequest {
        events: vec![event("user_id=null"), v1::Event::default()],
        ..Default::default()
    };
    let refused = client.ingest(request.clone()).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(
        fields(&refused),
        [
            "events[0].identifiers",
            "events[1].name",
            "events[1].identifiers"
        ]
    );
    request.events.clear();
    request.lane = 9;
    request.request_id = "x".repeat(101);
    let refused = client.ingest(request).await.expect_err("refused");
    assert_eq!(fields(&refused), ["request_id", "events", "lane"]);
    assert_eq!(fixture.records(StreamName::Events).await, []);
    let listed = client
        .list_customers(v1::ListCustomersRequest::default())
        .await
        .expect("lists");
    assert_eq!(
        listed.into_inner().customers,
        [],
        "nothing was half-applied"
    );
}

#[tokio::test]
async fn several_identifiers_of_one_namespace_name_one_customer() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let mut both = event("email=one@x.io");
    let other = |value: &str| v1::Identifier {
        namespace: "email".to_owned(),
        value: value.to_owned(),
    };
    both.other_identifiers = vec![other("two@x.io"), other("ONE@x.io"), other("no address")];
    both.groups = [("account".to_owned(), "acme".to_owned())].into();
    let batch = |events| v1::IngestStreamRequest {
        events,
        ..Default::default()
    };
    let batches = vec![batch(vec![both]), batch(vec![event("email=two@x.io")])];
    let answers = stream(&mut client, batches).await.expect("answers");
    let created: Vec<_> = answers.iter().map(|it| it.created_count).collect();
    assert_eq!(
        created,
        [1, 0],
        "the second one is known by the other address"
    );
    let dropped = &answers[0].dropped_identifiers;
    assert_eq!(answers[0].dropped_identifier_count, 1);
    assert_eq!(dropped[0].index, 0);
    let identifier = dropped[0].identifier.as_ref().expect("an identifier");
    assert_eq!(
        (identifier.value.as_str(), identifier.reason.as_str()),
        ("no address", "MALFORMED_VALUE")
    );
    let records = fixture.records(StreamName::Events).await;
    let events = records.iter().filter_map(|it| match &it.body {
        Some(Body::Event(event)) => Some(event),
        _ => None,
    });
    // The account has a record of its own.
    let mut events = events.filter(|it| it.member_id.is_empty());
    let event = events.next().expect("an event");
    let named: Vec<_> = event
        .identifiers
        .iter()
        .map(|it| it.value.as_str())
        .collect();
    assert_eq!(named, ["one@x.io", "two@x.io"]);
    assert_eq!(event.groups[0].key, "acme");
}

#[tokio::test]
async fn a_stream_answers_each_batch_and_a_bad_event_does_not_stop_the_others() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let batch = |events: &[&str]| v1::IngestStreamRequest {
        events: events
            .iter()
            .map(|identifiers| event(identifiers))
            .collect(),
        lane: v1::Lane::Bulk.into(),
        ..Default::default()
    };
    let mut bad = batch(&["user_id=u1", "user_id=u2", "user_id=u1"]);
    bad.events[1].name = "not\na name".to_owned();
    let answers = stream(&mut client, vec![bad, batch(&["user_id=u1", "user_id=u3"])])
        .await
        .expect("answers");
    let counts: Vec<_> = answers
        .iter()
        .map(|it| (it.accepted_count, it.created_count))
        .collect();
    assert_eq!(counts, [(2, 1), (2, 1)]);
    assert_eq!(
        (
            answers[0].rejected[0].index,
            answers[0].rejected[0].field.as_str()
        ),
        (1, "name")
    );
    assert_eq!(fixture.records(StreamName::EventsBulk).await.len(), 4);
    assert_eq!(fixture.records(StreamName::Events).await, []);

    let refused = stream(&mut client, vec![v1::IngestStreamRequest::default()])
        .await
        .expect_err("empty");
    assert_eq!(
        (refused.code(), fields(&refused)),
        (Code::InvalidArgument, vec!["events".to_owned()])
    );
}

#[tokio::test]
async fn a_source_that_is_sent_again_has_no_effect_above_what_is_new() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let batch = |range: std::ops::RangeInclusive<u64>| v1::IngestStreamRequest {
        events: range
            .map(|sequence| v1::Event {
                sequence,
                ..event(&format!("user_id=u{}", sequence % 7))
            })
            .collect(),
        source: "file".to_owned(),
        ..Default::default()
    };
    let first = stream(&mut client, vec![batch(1..=40)])
        .await
        .expect("answers");
    assert_eq!((first[0].accepted_count, first[0].replayed_count), (40, 0));
    // Another process, as after a crash of the first one.
    let mut client = connect(&fixture).await;
    let again = stream(&mut client, vec![batch(21..=60), batch(1..=10)])
        .await
        .expect("answers");
    assert_eq!((again[0].accepted_count, again[0].replayed_count), (40, 20));
    assert_eq!(again[1].replayed_count, 10);
    let mut ids: Vec<String> = fixture
        .records(StreamName::Events)
        .await
        .into_iter()
        .filter_map(|record| match record.body {
            Some(Body::Event(event)) => Some(event.event_id),
            _ => None,
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 60);

    let mut backwards = batch(70..=71);
    backwards.events.reverse();
    let answers = stream(&mut client, vec![backwards]).await.expect("answers");
    assert_eq!(answers[0].rejected[0].field, "sequence");
}

/// Fills the events of every partition.
pub(crate) async fn fill(fixture: &Fixture) {
    fill_some(fixture, fixture.partitions.iter()).await;
}

/// Fills the events of some partitions.
pub(crate) async fn fill_some(fixture: &Fixture, partitions: impl Iterator<Item = PartitionId>) {
    for partition in partitions {
        let append = Append {
            to: StreamId {
                name: StreamName::Events,
                partition,
            },
            payload: bytes::Bytes::new(),
            source: None,
            origin: None,
        };
        while fixture.hot.append(&append).await.expect("appends") == Appended::Applied {}
    }
}

/// Removes all that is in the events of every partition.
pub(crate) async fn make_room(fixture: &Fixture) {
    make_room_in(fixture, fixture.partitions.iter()).await;
}

/// Removes all that is in the events of some partitions.
pub(crate) async fn make_room_in(fixture: &Fixture, partitions: impl Iterator<Item = PartitionId>) {
    for partition in partitions {
        let stream = StreamId {
            name: StreamName::Events,
            partition,
        };
        let entries = fixture.hot.poll(stream, hot::Cursor::START, 10_000).await;
        let last = entries.expect("polls").last().expect("full").cursor;
        let slot = Slot {
            owner: Owner::Segmentation,
            partition,
        };
        let head = fixture.hot.head(slot).await.expect("a head");
        let trimmed = fixture.hot.trim(head.standing(slot), stream.name, last);
        trimmed.await.expect("trims");
    }
}

#[tokio::test]
async fn on_stream_time_a_full_stream_refuses_both_lanes() {
    let (mut client, fixture) = serve(TimeSource::Stream).await;
    fill(&fixture).await;
    let refused = ingest(&mut client, "", &["user_id=u1"]).await;
    assert_eq!(reason(&refused.expect_err("full")), "STREAM_FULL");
    let bulk = v1::IngestRequest {
        events: vec![event("user_id=u2")],
        lane: v1::Lane::Bulk.into(),
        ..Default::default()
    };
    let refused = client.ingest(bulk).await.expect_err("full");
    assert_eq!(reason(&refused), "STREAM_FULL");
}

#[tokio::test]
async fn a_full_stream_refuses_with_a_delay_and_takes_nothing() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    fill(&fixture).await;
    for _ in 0..2 {
        let refused = ingest(&mut client, "full", &["user_id=u1"])
            .await
            .expect_err("full");
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::ResourceExhausted, "STREAM_FULL")
        );
        assert!(refused.get_error_details().retry_info().is_some());
    }
    assert!(fixture.records(StreamName::Events).await.is_empty());
    make_room(&fixture).await;
    ingest(&mut client, "full", &["user_id=u1"])
        .await
        .expect("there is room again");
}

#[tokio::test]
async fn a_stream_that_waits_for_room_in_a_quarantine_refuses_with_the_remedy() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    fill(&fixture).await;
    for partition in fixture.partitions.iter() {
        // Not the reader of the events, but one that they reach through it.
        let slot = Slot {
            owner: Owner::Journey,
            partition,
        };
        fixture.hot.open(slot, 1).await.expect("opens");
        let half = hot::limits::QUARANTINED_PER_COMMIT_BYTES / 2;
        let mut seq = 0;
        while fixture
            .hot
            .quarantine_size(slot)
            .await
            .expect("a size")
            .bytes
            < hot::limits::QUARANTINE_BYTES
        {
            seq += 1;
            let commit = Commit {
                epoch: 1,
                seq,
                batch_id: seq,
                quarantine: vec![vec![0; half].into(); 2],
                ..Commit::default()
            };
            fixture.hot.commit(slot, &commit).await.expect("commits");
        }
    }
    let refused = ingest(&mut client, "full", &["user_id=u1"])
        .await
        .expect_err("full");
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::ResourceExhausted, "QUARANTINE_FULL")
    );
    assert!(refused.get_error_details().retry_info().is_some());
    assert!(
        refused
            .message()
            .contains("happypath quarantine journey list"),
        "{refused:?}"
    );
    // A stream of batches waits for a reader, and not for an operator.
    let batch = v1::IngestStreamRequest {
        events: vec![event("user_id=u1")],
        ..Default::default()
    };
    let refused = stream(&mut client, vec![batch]).await.expect_err("full");
    assert_eq!(reason(&refused), "QUARANTINE_FULL");
}
