//! Whatever comes: nothing panics, no event is lost, and what goes on keeps to the contracts.

use gateway_core::{Call, Circumstances, Dialect, Route, SourceRules, Text};
use messages::identity::v1::Event;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::received;

const PATHS: [&str; 8] = [
    "/v1/track",
    "/v1/i",
    "/v1/group",
    "/v1/alias",
    "/v1/batch",
    "/capture/",
    "/batch/",
    "/i/v1/analytics/events",
];

/// Words that mean something to a dialect.
const WORDS: [&str; 28] = [
    "userId",
    "anonymousId",
    "previousId",
    "groupId",
    "type",
    "event",
    "traits",
    "properties",
    "context",
    "timestamp",
    "sentAt",
    "messageId",
    "track",
    "identify",
    "alias",
    "distinct_id",
    "$set",
    "$unset",
    "$create_alias",
    "$groupidentify",
    "$group_type",
    "$group_key",
    "$groups",
    "$device_id",
    "uuid",
    "2026-11-30T07:00:00Z",
    "u1",
    "name",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("a number", |it| serde_json::Number::from_f64(it)
            .map(Value::from)),
        proptest::sample::select(&WORDS[..]).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        4 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn check(event: &Event) {
    let ids = event.identifiers.len() + event.other_identifiers.len();
    let least = usize::from(event.groups.is_empty());
    assert!((least..=20).contains(&ids), "{event:?}");
    assert!(event.groups.len() <= 20);
    let is_told = |kind: &String| event.groups.contains_key(kind);
    assert!(event.group_traits.keys().all(is_told), "{event:?}");
    assert!(event.event_id.chars().count() <= 100);
    assert!(!event.name.is_empty());
}

proptest! {
    #[test]
    fn every_event_of_a_call_is_taken_kept_or_counted(
        path in proptest::sample::select(&PATHS[..]),
        events in proptest::collection::vec(value(), 0..6),
    ) {
        let route = Route::of(path).expect("a route");
        let (body, count) = match route {
            Route::One(_) => (events.first().cloned().unwrap_or(json!({})), 1),
            _ => (json!({"batch": events}), events.len()),
        };
        let body = body.to_string();
        let text = Text::of(body.as_bytes());
        let Ok(call) = Call::read(route, &text) else {
            prop_assert!(count == 1, "{body}");
            return Ok(());
        };
        let rules = SourceRules::default();
        let about = Circumstances { path, rules: &rules, key: None, receive_time: received(), request_time: None };
        let reading = call.events(&about);
        prop_assert_eq!(reading.events.len() + reading.letters.len() + reading.nothing_count, count);
        reading.events.iter().for_each(|it| check(&it.event));
        for letter in &reading.letters {
            prop_assert!(!letter.fault.description.is_empty());
        }
        let wants = route.dialect() == Dialect::PostHogV1;
        prop_assert_eq!(reading.verdicts.len(), if wants { count } else { 0 });
    }

    #[test]
    fn no_bytes_make_a_reader_fail(
        path in proptest::sample::select(&PATHS[..]),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        is_form in any::<bool>(),
    ) {
        let bytes = if is_form { [b"data=", &bytes[..]].concat() } else { bytes };
        let text = Text::of(&bytes);
        let route = Route::of(path).expect("a route");
        if let Ok(call) = Call::read(route, &text) {
            let rules = SourceRules::default();
            let about = Circumstances { path, rules: &rules, key: None, receive_time: received(), request_time: None };
            let _ = (call.key(), call.events(&about));
        }
    }
}
