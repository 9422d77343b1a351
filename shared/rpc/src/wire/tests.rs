//! Tests of what is refused before it is built, and that the rest can be.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use proto::definition::v1::ApplyDefinitionsRequest;
use proto::identity::v1::event::{PropertiesForm, TraitsForm};
use proto::identity::v1::{Event, IngestStreamRequest};

use super::*;
use crate::limits::{MESSAGE_BYTES, MESSAGE_MEMORY};

fn stream() -> &'static Method {
    method("/happypath.identity.v1.IdentityService/IngestStream").expect("in the contract")
}

fn apply() -> &'static Method {
    method("/happypath.definition.v1.DefinitionService/ApplyDefinitions").expect("in the contract")
}

fn read_as(method: &Method, bytes: &[u8]) -> Result<Reading, Refusal> {
    read(method, bytes, MESSAGE_MEMORY)
}

fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value {
        kind: Some(Kind::StructValue(Struct {
            fields: fields.into_iter().collect(),
        })),
    }
}

fn list(values: Vec<Value>) -> Value {
    Value {
        kind: Some(Kind::ListValue(ListValue { values })),
    }
}

fn number(number: f64) -> Value {
    Value {
        kind: Some(Kind::NumberValue(number)),
    }
}

fn event_with(value: Value) -> Event {
    Event {
        name: "purchase".to_owned(),
        properties_form: Some(PropertiesForm::Properties(Struct {
            fields: BTreeMap::from([("a".to_owned(), value)]),
        })),
        ..Event::default()
    }
}

fn batch(events: Vec<Event>) -> IngestStreamRequest {
    IngestStreamRequest {
        events,
        ..IngestStreamRequest::default()
    }
}

/// Wraps a value in so many lists, and as many objects.
fn nested(lists: usize, objects: usize) -> Value {
    let mut value = number(1.0);
    for _ in 0..lists {
        value = list(vec![value]);
    }
    for _ in 0..objects {
        value = object([("a".to_owned(), value)]);
    }
    value
}

#[test]
fn empty_elements_are_refused_by_their_number() {
    // Two bytes each.
    let events = [0x0a, 0].repeat(4_000_000);
    assert!(events.len() <= MESSAGE_BYTES);
    let Err(Refusal::Excessive(violation)) = read_as(stream(), &events) else {
        panic!("four million events are too many");
    };
    assert_eq!(
        violation.to_string(),
        "events: has more than 2000 items: must have at most 1000"
    );
    // A little above the rule is for the service, which reports it beside all other faults.
    assert!(read_as(stream(), &[0x0a, 0].repeat(1_001)).is_ok());
    let Err(Refusal::Excessive(violation)) = read_as(apply(), &[0x12, 0].repeat(1_600)) else {
        panic!("1,600 definitions are too many");
    };
    assert_eq!(violation.field, "definitions");
}

#[test]
fn what_no_rule_counts_is_refused_by_its_memory() {
    let values = list(vec![Value::default(); 3_000_000]);
    let lists = batch(vec![event_with(values)]).encode_to_vec();
    let objects = list(vec![nested(0, 1); 400_000]);
    let objects = batch(vec![event_with(objects)]).encode_to_vec();
    for bytes in [lists, objects] {
        assert!(bytes.len() <= MESSAGE_BYTES, "{}", bytes.len());
        let reading = read_as(stream(), &bytes).expect("one event is at fault");
        assert!(reading.cost < 4 * bytes.len(), "{}", reading.cost);
        let [Unread { violation, .. }] = &reading.unread[..] else {
            panic!("that is too much for one event: {:?}", reading.unread);
        };
        assert!(violation.field.starts_with("properties.a["), "{violation}");
        assert!(violation.description.contains("64 MiB"), "{violation}");
    }
}

#[test]
fn what_events_cost_together_is_refused_whole() {
    let values = list(vec![Value::default(); 10_000]);
    let bytes = batch(vec![event_with(values); 180]).encode_to_vec();
    assert!(bytes.len() <= MESSAGE_BYTES, "{}", bytes.len());
    let Err(Refusal::Excessive(violation)) = read_as(stream(), &bytes) else {
        panic!("that is too much for one message");
    };
    assert!(violation.description.contains("64 MiB"), "{violation}");
}

#[test]
fn an_event_that_holds_far_too_much_stops_no_other() {
    let good = event_with(number(1.0));
    let identifiers = (0..1_100).map(|place| (format!("n{place}"), "v".to_owned()));
    let crowd = Event {
        identifiers: identifiers.collect(),
        ..Event::default()
    };
    let bytes = batch(vec![good.clone(), crowd, good.clone()]).encode_to_vec();
    let reading = read_as(stream(), &bytes).expect("the rest can be read");
    let [unread] = &reading.unread[..] else {
        panic!("one event holds too much: {:?}", reading.unread);
    };
    assert_eq!(
        (unread.index, unread.violation.to_string()),
        (
            1,
            "identifiers: has more than 1020 entries: must have at most 20".to_owned()
        )
    );
    let rest = without(&bytes, &reading.unread);
    let rest = IngestStreamRequest::decode(rest.as_slice()).expect("a message");
    assert_eq!(rest.events, [good.clone(), Event::default(), good]);
}

#[test]
fn the_largest_batch_of_the_contract_is_read() {
    let values = |prefix: &str| Struct {
        fields: (0..100)
            .map(|place| (format!("{prefix}{place}"), number(1.0)))
            .collect(),
    };
    let event = Event {
        event_id: "x".repeat(100),
        name: "purchase".to_owned(),
        identifiers: (0..20)
            .map(|place| (format!("n{place}"), "v".repeat(20)))
            .collect(),
        properties_form: Some(PropertiesForm::Properties(values("p"))),
        traits_form: Some(TraitsForm::Traits(values("t"))),
        ..Event::default()
    };
    let bytes = batch(vec![event; 1_000]).encode_to_vec();
    assert!(bytes.len() <= MESSAGE_BYTES);
    let reading = read_as(stream(), &bytes).expect("the contract allows it");
    assert!(reading.unread.is_empty());
    assert!(reading.cost > 20 * bytes.len() / 4, "{}", reading.cost);
}

#[test]
fn only_the_element_at_fault_is_left_out() {
    let good = event_with(number(1.0));
    let deep = event_with(nested(50, 0));
    let mut bytes = batch(vec![good.clone(), deep.clone(), good.clone()]).encode_to_vec();
    // One more event, whose name is no text.
    bytes.extend([0x0a, 3, 0x12, 1, 0xff]);
    bytes.extend(batch(vec![good.clone()]).encode_to_vec());
    let reading = read_as(stream(), &bytes).expect("the rest can be read");
    let told: Vec<(usize, String)> = reading
        .unread
        .iter()
        .map(|one| (one.index, one.violation.to_string()))
        .collect();
    assert_eq!(
        told,
        [
            (
                1,
                "properties.a[0][0]: nests too deep to be read: nest less".to_owned()
            ),
            (
                3,
                "name: is not valid UTF-8: encode texts as UTF-8".to_owned()
            ),
        ]
    );
    let rest = without(&bytes, &reading.unread);
    let rest = IngestStreamRequest::decode(rest.as_slice()).expect("a message");
    let empty = Event::default();
    assert_eq!(
        rest.events,
        [good.clone(), empty.clone(), good.clone(), empty, good]
    );
}

#[test]
fn what_is_no_message_is_refused_whole() {
    for bytes in [
        &[0xff; 40][..],
        &[0x0a],
        &[0x0a, 5, 1],
        // A source that is no text, and one that is a number.
        &[0x12, 1, 0xff],
        &[0x10, 1],
        // An end without a beginning, and another one's end.
        &[0x7c],
        &[0x7b, 0x74],
        // Wire types that do not exist, and field 0.
        &[0x0e],
        &[0x02, 0],
    ] {
        assert!(IngestStreamRequest::decode(bytes).is_err(), "{bytes:?}");
        assert!(
            matches!(read_as(stream(), bytes), Err(Refusal::Unreadable(_))),
            "{bytes:?}"
        );
    }
    // Fields that a newer contract may add are passed.
    for bytes in [&[0x78, 1][..], &[0x7a, 2, 1, 2], &[0x7b, 0x78, 1, 0x7c]] {
        assert!(IngestStreamRequest::decode(bytes).is_ok(), "{bytes:?}");
        assert!(read_as(stream(), bytes).is_ok(), "{bytes:?}");
    }
}

#[test]
fn nesting_ends_where_the_decoder_ends() {
    for (lists, objects) in (0..60)
        .map(|deep| (deep, 0))
        .chain((0..40).map(|deep| (0, deep)))
    {
        let bytes = batch(vec![event_with(nested(lists, objects))]).encode_to_vec();
        let reading = read_as(stream(), &bytes).expect("one element at most is at fault");
        assert_eq!(
            reading.unread.is_empty(),
            IngestStreamRequest::decode(bytes.as_slice()).is_ok(),
            "{lists} {objects}"
        );
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<f64>().prop_map(number),
        ".{0,20}".prop_map(|text| Value {
            kind: Some(Kind::StringValue(text)),
        }),
        Just(Value::default()),
    ];
    leaf.prop_recursive(8, 64, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(list),
            vec((".{0,5}", inner), 0..5).prop_map(object),
        ]
    })
}

fn batches() -> impl Strategy<Value = IngestStreamRequest> {
    let event = (
        ".{0,20}",
        values(),
        any::<u64>(),
        vec((".{0,5}", ".{0,5}"), 0..4),
    );
    let event = event.prop_map(|(name, value, sequence, identifiers)| Event {
        name,
        sequence,
        identifiers: identifiers.into_iter().collect(),
        ..event_with(value)
    });
    (vec(event, 0..5), ".{0,10}", any::<i32>()).prop_map(|(events, source, lane)| {
        IngestStreamRequest {
            events,
            source,
            lane,
            import: String::new(),
        }
    })
}

proptest! {
    #[test]
    fn what_an_encoder_wrote_is_read(request in batches()) {
        let bytes = request.encode_to_vec();
        let reading = read_as(stream(), &bytes).expect("a message");
        prop_assert!(reading.unread.is_empty());
        prop_assert!(reading.cost >= bytes.len());
    }

    #[test]
    fn what_is_read_can_be_built(
        request in batches(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = request.encode_to_vec();
        prop_assume!(!bytes.is_empty());
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(reading) = read_as(stream(), &bytes) {
            let rest = without(&bytes, &reading.unread);
            prop_assert!(IngestStreamRequest::decode(rest.as_slice()).is_ok());
            if reading.unread.is_empty() {
                prop_assert_eq!(rest, bytes);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        for method in [stream(), apply()] {
            if let Ok(reading) = read_as(method, &bytes) {
                let rest = without(&bytes, &reading.unread);
                if method.is_stream {
                    prop_assert!(IngestStreamRequest::decode(rest.as_slice()).is_ok());
                } else {
                    prop_assert!(ApplyDefinitionsRequest::decode(rest.as_slice()).is_ok());
                }
            }
        }
    }
}
