//! Bad events of every kind, each between good neighbours: who sends them is told the field and the
//! remedy of each, and the neighbours are taken.

use engine::TimeSource;
use hot::StreamName;
use proto::identity::v1;
use proto::identity::v1::event::{ContextForm, PropertiesForm, TraitsForm};
use proto::stream::v1::record::Body;

use super::{serve, stream};
use crate::fixture::event;

/// A change that makes an event bad, the field that is told, and words of the reason.
type Fault = (fn(&mut v1::Event), &'static str, &'static str);

fn properties(event: &mut v1::Event, json: impl Into<String>) {
    event.properties_form = Some(PropertiesForm::PropertiesJson(json.into()));
}

fn number(event: &mut v1::Event, number: f64) {
    event.traits_form = Some(TraitsForm::Traits(prost_types::Struct {
        fields: [("n".to_owned(), number.into())].into(),
    }));
}

/// Faults of names and ids.
const NAMES: &[Fault] = &[
    (|it| it.name.clear(), "name", "is empty"),
    (|it| it.name = "n".repeat(201), "name", "201 bytes"),
    (|it| it.name = "ü".repeat(101), "name", "202 bytes"),
    (
        |it| it.name = "a\nb".to_owned(),
        "name",
        "control character",
    ),
    (
        |it| it.name = "a\u{85}".to_owned(),
        "name",
        "control character",
    ),
    (|it| it.name = "a\0".to_owned(), "name", "control character"),
    (
        |it| it.event_id = "i".repeat(10_000),
        "event_id",
        "at most 100",
    ),
    (
        |it| *it = event(&format!("user_id={}", "v".repeat(10_000))),
        "identifiers[\"user_id\"]",
        "1 to 400 characters",
    ),
    (
        |it| *it = event(&format!("{}=v", "n".repeat(10_000))),
        "identifiers[\"nnn",
        "at most 64",
    ),
    (
        |it| it.other_identifiers = vec![v1::Identifier::default(); 20],
        "identifiers",
        "at most 20",
    ),
    (
        |it| {
            let (namespace, value) = ("email".to_owned(), "v".repeat(10_000));
            it.other_identifiers = vec![v1::Identifier { namespace, value }];
        },
        "other_identifiers[0].value",
        "1 to 400 characters",
    ),
    (
        |it| it.groups = [("account".to_owned(), "k".repeat(10_000))].into(),
        "groups[\"account\"]",
        "1 to 400 characters",
    ),
    (
        |it| *it = event("user_id=null"),
        "identifiers",
        "name nobody",
    ),
    (
        |it| {
            it.time = Some(prost_types::Timestamp {
                seconds: 32_503_680_000,
                nanos: 0,
            });
        },
        "time",
        "ahead of the clock",
    ),
];

/// Faults of values and of their keys.
const VALUES: &[Fault] = &[
    (
        |it| properties(it, format!("{{{:?}:1}}", "k".repeat(201))),
        "properties_json.kkk",
        "201 bytes",
    ),
    (
        |it| properties(it, r#"{"a":{"":1}}"#),
        "properties_json.a.",
        "is empty",
    ),
    (
        |it| properties(it, r#"{"a\u0007":1}"#),
        "properties_json.a\u{7}",
        "control character",
    ),
    (
        |it| properties(it, format!("{}1{}", "{\"a\":".repeat(40), "}".repeat(40))),
        "properties_json.a.a.a.a",
        "32 deep",
    ),
    (
        |it| {
            let fields: Vec<String> = (0..101).map(|n| format!("\"k{n}\":{n}")).collect();
            properties(it, format!("{{{}}}", fields.join(",")));
        },
        "properties_json",
        "more than 100 values",
    ),
    (
        |it| properties(it, format!("{{\"a\":[{}1]}}", "1,".repeat(17_000))),
        "",
        "at most 32768",
    ),
    (
        |it| properties(it, r#"{"n":1e400}"#),
        "properties_json.n",
        "beyond what a double holds",
    ),
    (
        |it| properties(it, format!("{{\"n\":-{}}}", "9".repeat(40))),
        "properties_json.n",
        "40 digits",
    ),
    (
        |it| properties(it, r#"{"Order ID":1,"order id":2}"#),
        "properties_json.order id",
        "nothing but case",
    ),
    (
        |it| properties(it, "{\"gr\u{f6}\":1,\"gro\u{308}\":2}"),
        "properties_json.gro\u{308}",
        "form of its characters",
    ),
    (
        |it| properties(it, r#"{"a":1,"a":1}"#),
        "properties_json.a",
        "is there twice",
    ),
    (
        |it| properties(it, "{\"a\":"),
        "properties_json",
        "is not JSON",
    ),
    (|it| number(it, f64::NAN), "traits.n", "finite"),
    (|it| number(it, f64::NEG_INFINITY), "traits.n", "finite"),
    (
        |it| {
            let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
            it.context_form = Some(ContextForm::ContextJson(deep));
        },
        "context_json",
        "32 deep",
    ),
    (
        |it| {
            it.context_form = Some(ContextForm::Context(prost_types::Struct {
                fields: [("k".to_owned(), "\u{1}".repeat(30_000).into())].into(),
            }));
        },
        "context",
        "bytes as JSON",
    ),
];

/// Changes that make an event unusual, and not bad.
const GOOD: &[fn(&mut v1::Event)] = &[
    |it| it.name = "in".to_owned(),
    |it| it.name = "true".to_owned(),
    |it| it.name = "ü".repeat(100),
    |it| it.name = "$pageview".to_owned(),
    |it| properties(it, r#"{"event":{"profile":1},"in":true,"null":"null"}"#),
    |it| properties(it, format!("{{\"n\":{},\"f\":1e300}}", "9".repeat(38))),
    |it| properties(it, format!("{}1{}", "{\"a\":".repeat(30), "}".repeat(30))),
];

/// Returns events, a good one after each bad one.
fn mixed(faults: &[Fault]) -> Vec<v1::Event> {
    let goods = GOOD.iter().cycle();
    let pairs = faults.iter().zip(goods).zip(0..);
    let pairs = pairs.flat_map(|(((break_it, ..), unusual), number)| {
        let (mut bad, mut good) = (event("user_id=u"), event(&format!("user_id=u{number}")));
        break_it(&mut bad);
        unusual(&mut good);
        [bad, good]
    });
    pairs.collect()
}

fn check(rejected: &[v1::RejectedEvent], faults: &[Fault]) {
    assert_eq!(rejected.len(), faults.len(), "{rejected:#?}");
    for (place, (told, (_, field, words))) in rejected.iter().zip(faults).enumerate() {
        assert_eq!(told.index as usize, 2 * place, "{told:?}");
        assert!(told.field.starts_with(field), "{field} in {told:?}");
        assert_eq!(told.field.is_empty(), field.is_empty(), "{told:?}");
        assert!(told.description.contains(words), "{words} in {told:?}");
    }
}

async fn check_both_ways(faults: &[Fault]) {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let request = v1::IngestRequest {
        events: mixed(faults),
        ..Default::default()
    };
    let answer = client.ingest(request).await.expect("takes the good ones");
    let answer = answer.into_inner();
    check(&answer.rejected, faults);
    let places: Vec<_> = answer.results.iter().map(|it| it.index as usize).collect();
    let good: Vec<_> = (0..faults.len()).map(|place| 2 * place + 1).collect();
    assert_eq!(places, good);
    let batch = v1::IngestStreamRequest {
        events: mixed(faults),
        ..Default::default()
    };
    let answers = stream(&mut client, vec![batch]).await.expect("an answer");
    check(&answers[0].rejected, faults);
    assert_eq!(answers[0].accepted_count as usize, faults.len());
    let records = fixture.records(StreamName::Events).await;
    let events = records
        .iter()
        .filter(|it| matches!(it.body, Some(Body::Event(_))));
    assert_eq!(events.count(), 2 * faults.len());
}

#[tokio::test]
async fn bad_names_and_ids_are_told_one_by_one_and_their_neighbours_are_taken() {
    check_both_ways(NAMES).await;
}

#[tokio::test]
async fn bad_values_are_told_one_by_one_and_their_neighbours_are_taken() {
    check_both_ways(VALUES).await;
}
