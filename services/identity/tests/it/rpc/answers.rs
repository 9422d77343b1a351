//! Answers that arrive: faults of requests and of single events, as a client takes them.

use std::collections::{BTreeMap, BTreeSet};

use engine::TimeSource;
use hot::StreamName;
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use proto::identity::v1;
use proto::identity::v1::event::{PropertiesForm, TraitsForm};
use tonic::Code;

use super::{fields, serve, stream};
use crate::fixture::event;

/// An event with a property in so many lists.
fn nested(user: &str, lists: usize) -> v1::Event {
    let mut value = Value {
        kind: Some(Kind::BoolValue(true)),
    };
    for _ in 0..lists {
        value = Value {
            kind: Some(Kind::ListValue(ListValue {
                values: vec![value],
            })),
        };
    }
    v1::Event {
        properties_form: Some(PropertiesForm::Properties(Struct {
            fields: BTreeMap::from([("a".to_owned(), value)]),
        })),
        ..event(user)
    }
}

#[tokio::test]
async fn many_faults_are_told_as_far_as_clients_take_them_and_the_rest_is_counted() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    for count in [80, 500] {
        let mut request = v1::IngestRequest {
            events: vec![event("user_id=u1"); count],
            ..v1::IngestRequest::default()
        };
        for event in &mut request.events {
            event.name = "\u{1b}".to_owned();
        }
        let refused = client.ingest(request).await.expect_err("bad names");
        assert_eq!(refused.code(), Code::InvalidArgument);
        let fields = fields(&refused);
        assert!(fields.len() >= 10, "{fields:?}");
        assert_eq!(
            (fields[0].as_str(), fields[9].as_str()),
            ("events[0].name", "events[9].name")
        );
        assert_eq!(fields.len() + rpc::omitted_violations(&refused), count);
    }
    assert_eq!(fixture.records(StreamName::Events).await, []);
}

#[tokio::test]
async fn the_answer_of_a_batch_lists_every_fault() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    let mut batch = v1::IngestStreamRequest {
        events: vec![event("user_id=u1"); 1_000],
        ..v1::IngestStreamRequest::default()
    };
    for event in &mut batch.events {
        event.name = "\u{1b}".to_owned();
    }
    let answers = stream(&mut client, vec![batch]).await.expect("answers");
    assert_eq!(answers[0].rejected.len(), 1_000);
}

/// Bytes that clients take by default.
const CLIENT_BYTES: usize = 4 * 1024 * 1024;

#[tokio::test]
async fn an_answer_with_very_many_faults_is_one_that_clients_take() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    // A hundred numbers beyond every type, twice in each event.
    let entries = (0..100).map(|place| format!("\"{place:02}\":1e999"));
    let wrong = format!("{{{}}}", entries.collect::<Vec<_>>().join(","));
    let bad = v1::Event {
        properties_form: Some(PropertiesForm::PropertiesJson(wrong.clone())),
        traits_form: Some(TraitsForm::TraitsJson(wrong)),
        ..event("user_id=u1")
    };
    let mut events = vec![bad.clone(); 999];
    events.push(event("user_id=u1"));
    let batch = v1::IngestStreamRequest {
        events,
        ..v1::IngestStreamRequest::default()
    };
    let answers = stream(&mut client, vec![batch]).await.expect("answers");
    let [answer] = answers.as_slice() else {
        panic!("one answer: {}", answers.len());
    };
    assert!(
        answer.encoded_len() < CLIENT_BYTES,
        "{}",
        answer.encoded_len()
    );
    let told: BTreeSet<u32> = answer.rejected.iter().map(|it| it.index).collect();
    assert_eq!((told.len(), answer.accepted_count), (999, 1));
    let omitted = usize::try_from(answer.omitted_fault_count).expect("a count");
    assert_eq!(answer.rejected.len() + omitted, 999 * 200);

    let mut events = vec![bad; 499];
    events.push(event("user_id=u1"));
    let request = v1::IngestRequest {
        events,
        ..v1::IngestRequest::default()
    };
    let answer = client.ingest(request).await.expect("one is good");
    let answer = answer.into_inner();
    assert!(
        answer.encoded_len() < CLIENT_BYTES,
        "{}",
        answer.encoded_len()
    );
    let omitted = usize::try_from(answer.omitted_fault_count).expect("a count");
    assert_eq!(answer.rejected.len() + omitted, 499 * 200);
}

#[tokio::test]
async fn an_answer_with_very_many_dropped_identifiers_is_one_that_clients_take() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    let events = (0..270).map(|user| {
        let mut event = event(&format!("user_id=u{user}"));
        let unknown = (0..18).map(|place| (format!("n{place}"), "ü".repeat(400)));
        event.identifiers.extend(unknown);
        event
    });
    let request = v1::IngestRequest {
        events: events.collect(),
        ..v1::IngestRequest::default()
    };
    let answer = client.ingest(request).await.expect("they are taken");
    let answer = answer.into_inner();
    assert!(
        answer.encoded_len() < CLIENT_BYTES,
        "{}",
        answer.encoded_len()
    );
    let named = answer.results.iter().map(|it| it.dropped_identifiers.len());
    assert_eq!(named.sum::<usize>(), 1_000);
    assert_eq!(answer.dropped_identifier_count, 270 * 18);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_stops_no_other() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let batch = |events: Vec<v1::Event>| v1::IngestStreamRequest {
        events,
        ..v1::IngestStreamRequest::default()
    };
    let batches = vec![
        batch(vec![
            event("user_id=u1"),
            nested("user_id=u2", 49),
            event("user_id=u3"),
        ]),
        batch(vec![nested("user_id=u2", 60)]),
        batch(vec![event("user_id=u4")]),
    ];
    let answers = stream(&mut client, batches).await.expect("answers");
    let told: Vec<_> = answers
        .iter()
        .map(|answer| {
            let rejected = answer.rejected.iter();
            let rejected = rejected.map(|event| (event.index, event.field.as_str()));
            (answer.accepted_count, rejected.collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(
        told,
        [
            (2, vec![(1, "properties.a[0][0]")]),
            (0, vec![(0, "properties.a[0][0]")]),
            (1, vec![]),
        ]
    );
    assert!(answers[0].rejected[0].description.contains("nest less"));
    assert_eq!(fixture.records(StreamName::Events).await.len(), 3);

    let request = v1::IngestRequest {
        events: vec![event("user_id=u1"), nested("user_id=u2", 49)],
        ..v1::IngestRequest::default()
    };
    let answer = client.ingest(request).await.expect("one is good");
    let answer = answer.into_inner();
    assert_eq!((answer.results.len(), answer.rejected.len()), (1, 1));
    let rejected = &answer.rejected[0];
    assert_eq!(
        (rejected.index, rejected.field.as_str()),
        (1, "properties.a[0][0]")
    );

    let request = v1::IngestRequest {
        events: vec![nested("user_id=u2", 49)],
        ..v1::IngestRequest::default()
    };
    let refused = client.ingest(request).await.expect_err("too deep");
    assert_eq!(
        (refused.code(), fields(&refused)),
        (
            Code::InvalidArgument,
            vec!["events[0].properties.a[0][0]".to_owned()]
        )
    );
}

#[tokio::test]
async fn no_number_of_events_that_cannot_be_read_stops_another() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    // Nested deeper than protobuf is read.
    let mut events = vec![nested("user_id=u1", 60); 499];
    events.push(event("user_id=u1"));
    let batch = v1::IngestStreamRequest {
        events: events.clone(),
        ..v1::IngestStreamRequest::default()
    };
    let answers = stream(&mut client, vec![batch]).await.expect("answers");
    let counts = (answers[0].accepted_count, answers[0].rejected.len());
    assert_eq!((counts, answers[0].refusal.as_str()), ((1, 499), ""));
    let request = v1::IngestRequest {
        events,
        ..v1::IngestRequest::default()
    };
    let answer = client.ingest(request).await.expect("one is good");
    let answer = answer.into_inner();
    assert_eq!((answer.results.len(), answer.rejected.len()), (1, 499));
    assert!(answer.rejected[0].description.contains("nest less"));
}

#[tokio::test]
async fn an_event_far_beyond_its_rules_stops_no_other() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let identifiers = (0..2_000).map(|place| (format!("n{place}"), "v".to_owned()));
    let crowd = v1::Event {
        identifiers: identifiers.collect(),
        ..event("user_id=u1")
    };
    let values = vec![Value::default(); 1_500_000];
    let costly = v1::Event {
        properties_form: Some(PropertiesForm::Properties(Struct {
            fields: BTreeMap::from([(
                "a".to_owned(),
                Value {
                    kind: Some(Kind::ListValue(ListValue { values })),
                },
            )]),
        })),
        ..event("user_id=u1")
    };
    let good = event("user_id=u1");
    let events = vec![good.clone(), crowd, good.clone(), costly, good];
    let request = v1::IngestRequest {
        events: events.clone(),
        ..v1::IngestRequest::default()
    };
    let answer = client.ingest(request).await.expect("three are good");
    let answer = answer.into_inner();
    let batch = v1::IngestStreamRequest {
        events,
        ..v1::IngestStreamRequest::default()
    };
    let answers = stream(&mut client, vec![batch]).await.expect("answers");
    assert_eq!(answer.results.len(), 3);
    assert_eq!(answers[0].accepted_count, 3);
    // A batch is copied less often than a call, so more of an event fits in the same memory.
    for rejected in [&answer.rejected, &answers[0].rejected] {
        let [crowd, costly] = rejected.as_slice() else {
            panic!("two are refused: {rejected:?}");
        };
        assert_eq!((crowd.index, crowd.field.as_str()), (1, "identifiers"));
        assert_eq!(costly.index, 3);
        assert!(costly.field.starts_with("properties.a["), "{costly:?}");
        assert!(
            costly.description.contains("send less at once"),
            "{costly:?}"
        );
    }
    assert_eq!(fixture.records(StreamName::Events).await.len(), 6);
}

#[tokio::test]
async fn a_list_far_beyond_its_rule_is_refused_before_it_is_built() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    let request = v1::IngestRequest {
        events: vec![v1::Event::default(); 1_000_000],
        ..v1::IngestRequest::default()
    };
    let refused = client.ingest(request).await.expect_err("too many");
    assert_eq!(
        (refused.code(), fields(&refused)),
        (Code::InvalidArgument, vec!["events".to_owned()])
    );
    assert!(
        refused.message().contains("more than 1500"),
        "{}",
        refused.message()
    );
}
