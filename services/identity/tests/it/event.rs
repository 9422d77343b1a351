//! The rules of an event, written by hand, against the interpreter of the contract.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::{Clock, TimeSource, VirtualClock};
use identity::{ClockReading, IngestClock, check_event, prepare};
use identity_core::Rules;
use kernel::Timestamp;
use proptest::prelude::*;
use proto::identity::v1;
use proto::identity::v1::event::{ContextForm, PropertiesForm, TraitsForm};

/// Texts at and over every limit, and with every kind of letter.
fn text(limit: usize) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z][a-z0-9_.-]{0,6}",
        2 => "[ -~]{0,4}",
        1 => "\\PC{0,4}",
        1 => Just(String::new()),
        1 => (limit.saturating_sub(1)..limit + 2, prop_oneof![Just("a"), Just("é")]).prop_map(|(n, letter)| letter.repeat(n)),
        1 => Just("a\n".to_owned()),
    ]
}

fn event() -> impl Strategy<Value = v1::Event> {
    let identifiers = prop_oneof![
        6 => prop::collection::hash_map(text(64), text(400), 0..5),
        1 => prop::collection::hash_map("[a-z]{3,5}", Just("v".to_owned()), 18..24),
    ];
    let others = prop_oneof![
        6 => prop::collection::vec((text(64), text(400)), 0..3),
        1 => prop::collection::vec(("[a-z]{3}", Just("v".to_owned())), 18..24),
    ];
    let groups = prop::collection::hash_map(text(64), text(400), 0..2);
    let told = prop_oneof![
        6 => prop::collection::vec(text(64), 0..2),
        1 => prop::collection::vec("[a-z]{5}", 18..24),
    ];
    (text(100), text(200), identifiers, others, (groups, told)).prop_map(
        |(event_id, name, identifiers, others, (groups, told))| v1::Event {
            event_id,
            name,
            identifiers: identifiers.into_iter().collect(),
            other_identifiers: others
                .into_iter()
                .map(|(namespace, value)| v1::Identifier { namespace, value })
                .collect(),
            groups: groups.into_iter().collect(),
            group_traits: told
                .into_iter()
                .map(|name| (name, v1::GroupTraits::default()))
                .collect(),
            ..Default::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_fast_check_gives_the_verdict_of_the_contract(event in event()) {
        let count = event.identifiers.len() + event.other_identifiers.len();
        let fast: BTreeSet<String> = check_event(&event).into_iter().map(|violation| violation.field).collect();
        let contract: BTreeSet<String> = match rpc::validate(&event) {
            Ok(()) => BTreeSet::new(),
            Err(violations) => violations.iter().map(|violation| violation.field.clone()).collect(),
        };
        // Two fields together have a limit that the contract says in words, and one that groups
        // lift; beyond it nothing else is looked at.
        if (usize::from(event.groups.is_empty())..=20).contains(&count) {
            prop_assert_eq!(fast, contract, "{:?}", event);
        } else {
            prop_assert!(fast.contains("identifiers"), "{:?}", event);
        }
    }
}

/// A clock that shows seven milliseconds, and lets events be a day ahead.
fn clock() -> ClockReading {
    ClockReading {
        now: Timestamp::from_millis(7),
        is_virtual: false,
        latest: Timestamp::from_millis(86_400_007),
    }
}

#[test]
fn an_event_far_ahead_of_the_clock_is_refused_with_a_remedy() {
    let at = |millis: i64| v1::Event {
        time: Some(proto::convert::timestamp(Timestamp::from_millis(millis))),
        ..crate::fixture::event("user_id=u1")
    };
    let check = |clock: &ClockReading, latest: i64, words: &str| {
        prepare(at(latest), 0, &Rules::default(), clock).expect("in time");
        let violations =
            prepare(at(latest + 1), 0, &Rules::default(), clock).expect_err("far ahead");
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(violations[0].field, "time");
        assert!(violations[0].description.contains(words), "{violations:?}");
    };
    let day = 86_400_000;
    let wall: Arc<dyn Clock> = Arc::new(VirtualClock::new(Timestamp::from_millis(7)));
    let wall = IngestClock::new(&TimeSource::Wall(wall), None);
    check(
        &wall.read(),
        7 + day,
        "more than 24 hours ahead of the clock",
    );
    let stream = IngestClock::new(&TimeSource::Stream, None);
    prepare(at(9_000 * day), 0, &Rules::default(), &stream.read()).expect("the first event");
    stream.observe(Timestamp::from_millis(day));
    check(&stream.read(), 401 * day, "AdvanceClock");
    stream
        .advance(Timestamp::from_millis(1_000 * day))
        .expect("forward");
    check(&stream.read(), 1_400 * day, "more than 400 days ahead");
    // Within one request, too, an event is compared with those before it.
    let mut reading = stream.read();
    for days in [1_399, 1_790, 1_200, 2_190] {
        prepare(at(days * day), 0, &Rules::default(), &reading).expect("in time");
        reading.pass(Timestamp::from_millis(days * day));
    }
    check(&reading, 2_590 * day, "more than 400 days ahead");
    let mut reading = IngestClock::new(&TimeSource::Stream, None).read();
    reading.pass(Timestamp::from_millis(day));
    check(&reading, 401 * day, "more than 400 days ahead");
    assert_eq!(reading.now, Timestamp::from_millis(day));
    let mut reading = wall.read();
    reading.pass(Timestamp::from_millis(9));
    assert_eq!(reading, wall.read(), "a wall clock goes on by itself");
}

fn number(number: f64) -> prost_types::Value {
    prost_types::Value {
        kind: Some(prost_types::value::Kind::NumberValue(number)),
    }
}

#[test]
fn what_is_beyond_the_contract_is_refused_by_field() {
    let good = crate::fixture::event("user_id=u1");
    let properties = |value| prost_types::Struct {
        fields: [("colour".to_owned(), value)].into_iter().collect(),
    };
    for (event, field) in [
        (
            v1::Event {
                properties_form: Some(PropertiesForm::Properties(properties(number(f64::NAN)))),
                ..good.clone()
            },
            "properties.colour",
        ),
        (
            v1::Event {
                context_form: Some(ContextForm::ContextJson("[]".to_owned())),
                ..good.clone()
            },
            "context_json",
        ),
        (
            v1::Event {
                context_form: Some(ContextForm::Context(properties(prost_types::Value {
                    kind: Some(prost_types::value::Kind::StringValue(
                        "\u{1}".repeat(20_000),
                    )),
                }))),
                ..good.clone()
            },
            "context",
        ),
        (
            v1::Event {
                traits_form: Some(TraitsForm::Traits(properties(number(f64::INFINITY)))),
                ..good.clone()
            },
            "traits.colour",
        ),
        (
            v1::Event {
                time: Some(prost_types::Timestamp {
                    seconds: i64::MAX,
                    nanos: 0,
                }),
                ..good.clone()
            },
            "time",
        ),
        (
            crate::fixture::event("user_id=null email=undefined crm=1"),
            "identifiers",
        ),
        (
            crate::fixture::event(&format!("user_id={}", "x".repeat(40_000))),
            "",
        ),
    ] {
        let violations = prepare(event, 0, &Rules::default(), &clock()).expect_err(field);
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(violations[0].field, field);
    }
    let prepared = prepare(good, 3, &Rules::default(), &clock()).expect("an event");
    assert_eq!(
        (prepared.index, prepared.time),
        (3, Timestamp::from_millis(7))
    );
}

#[test]
fn a_null_is_told() {
    let null = prost_types::Value {
        kind: Some(prost_types::value::Kind::NullValue(0)),
    };
    let inner = prost_types::Value {
        kind: Some(prost_types::value::Kind::StructValue(prost_types::Struct {
            fields: [("city".to_owned(), null.clone())].into_iter().collect(),
        })),
    };
    let empty = prost_types::Value {
        kind: Some(prost_types::value::Kind::StructValue(
            prost_types::Struct::default(),
        )),
    };
    let object = prost_types::Struct {
        fields: [
            ("plan".to_owned(), null),
            ("age".to_owned(), number(7.0)),
            ("home".to_owned(), inner),
            ("office".to_owned(), empty),
        ]
        .into_iter()
        .collect(),
    };
    let event = v1::Event {
        properties_form: Some(PropertiesForm::Properties(object.clone())),
        traits_form: Some(TraitsForm::Traits(object)),
        ..crate::fixture::event("user_id=u1")
    };
    let event = prepare(event, 0, &Rules::default(), &clock())
        .expect("an event")
        .event;
    let told = |values: &[proto::stream::v1::NamedValue]| -> Vec<(String, bool)> {
        values
            .iter()
            .map(|named| {
                let value = named.value.as_ref().and_then(proto::convert::value);
                (named.name.clone(), value.is_some())
            })
            .collect()
    };
    // An object without values is a value of a property, and takes a trait away.
    let expected = |is_office_known| {
        let told = [
            ("age", true),
            ("home.city", false),
            ("office", is_office_known),
            ("plan", false),
        ];
        told.map(|(name, known)| (name.to_owned(), known))
    };
    assert_eq!(told(&event.properties), expected(true));
    assert_eq!(told(&event.traits), expected(false));
}

/// Keys of every kind of letter, within the limit.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[a-z]{1,4}",
        2 => "[A-Za-z0-9 $.\\\\_-]{1,8}",
        1 => "[^\\p{Cc}]{1,6}",
        1 => Just("a".repeat(90)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn names_of_every_kind_are_read_from_both_forms_and_by_expressions(
        name in key(),
        outer in key(),
        inner in key(),
        number in -9.0_f64..9.0,
    ) {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let json = format!("{{{}:{{{}:{number}}}}}", text(&outer), text(&inner));
        let value = self::number(number);
        let object = |key: &str, value| prost_types::Struct {
            fields: [(key.to_owned(), value)].into_iter().collect(),
        };
        let nested = prost_types::Value {
            kind: Some(prost_types::value::Kind::StructValue(object(&inner, value))),
        };
        let event = |form| v1::Event {
            name: name.clone(),
            properties_form: Some(form),
            ..crate::fixture::event("user_id=u1")
        };
        let read = |form| prepare(event(form), 0, &Rules::default(), &clock());
        let event = read(PropertiesForm::PropertiesJson(json)).expect("an event").event;
        let other = read(PropertiesForm::Properties(object(&outer, nested)));
        prop_assert_eq!(&event, &other.expect("an event").event);
        let source = format!(
            "events({}).where(event[{}][{}] == {number:?}).exists()",
            text(&name), text(&outer), text(&inner),
        );
        let scope = expr::Scope { aggregates: true, event: false, segments: None };
        let condition = expr::Condition::compile(&source, &scope).expect("a condition");
        let feature = &condition.features()[0];
        prop_assert_eq!(feature.event.as_ref(), &event.name);
        let filter = feature.filter.as_ref().expect("a filter");
        let properties = proto::convert::properties(&event.properties);
        let past = Past(properties);
        prop_assert!(filter.accepts(&past), "{source} {past:?}");
    }
}

/// An event of the past.
#[derive(Debug)]
struct Past(kernel::Properties);

impl expr::Subject for Past {
    fn profile(&self, _name: &str) -> Option<&kernel::Value> {
        None
    }

    fn event(&self, name: &str) -> Option<&kernel::Value> {
        self.0.value(name)
    }

    fn in_segment(&self, _name: &str) -> bool {
        false
    }
}
