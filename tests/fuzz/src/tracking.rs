//! Calls of tracking SDKs, in any of their dialects.

use gateway_core::{Call, Circumstances, Dialect, Letter, Route, SourceRules, Text, reread};
use kernel::Timestamp;
use kernel::limits::EVENT_BYTES;

use crate::{Target, split};

const PATHS: [&str; 10] = [
    "/v1/track",
    "/v1/i",
    "/v1/p",
    "/v1/s",
    "/v1/g",
    "/v1/alias",
    "/v1/batch",
    "/capture/",
    "/batch/",
    "/i/v1/analytics/events",
];

/// When the calls came.
const RECEIVED: Timestamp = Timestamp::from_millis(1_796_000_000_000);

/// Calls of all paths: the first byte says which, the others are the body, inflated.
pub(crate) const TRACKING: Target = Target {
    run: |bytes| {
        let (path, body) = split(bytes);
        call(PATHS[usize::from(path) % PATHS.len()], body);
    },
    seeds: || {
        let seeds = [
            (
                0,
                r#"{"userId":"u1","anonymousId":null,"event":"Order Completed","properties":{"total":19.0,"products":[{"sku":"0042"}]},"messageId":"m1","timestamp":"2026-11-30T06:54:00.301Z","sentAt":"2026-11-30T06:54:01Z","writeKey":"k"}"#,
            ),
            (
                2,
                r#"{"userId":"u1","name":"Home","category":"Docs","properties":{"url":"https://shop.example.com"},"context":{"traits":{"email":"a@b.io"},"groupId":"g"}}"#,
            ),
            (4, r#"{"userId":"u1","groupId":7,"traits":{"name":"Acme"}}"#),
            (5, r#"{"userId":"u1","previousId":"a1"}"#),
            (
                6,
                r#"{"batch":[{"type":"identify","userId":"u1","traits":{"email":"a@b.io"}},{"type":"alias","userId":"u1","previousId":"a1"},{"type":"x"}],"sentAt":"2026-11-30T06:54:01Z","writeKey":"k"}"#,
            ),
            (
                7,
                r#"data=eyJldmVudCI6IkEiLCJkaXN0aW5jdF9pZCI6ImQifQ%3D%3D"#,
            ),
            (
                8,
                r#"{"api_key":"k","batch":[{"event":"$set","distinct_id":"u1","$set":{"a":1},"properties":{"$unset":["b"],"token":"k","$groups":{"company":"acme"}}},{"event":"$groupidentify","distinct_id":"x"}],"sent_at":"2026-11-30T06:54:01Z"}"#,
            ),
            (
                9,
                r#"{"created_at":"2026-11-30T06:54:01Z","batch":[{"event":"$create_alias","uuid":"1","distinct_id":"a","properties":{"alias":"b"},"options":{"process_person_profile":false},"session_id":"s"}]}"#,
            ),
        ];
        let seeds = seeds.into_iter();
        seeds
            .map(|(path, body)| [&[path], body.as_bytes()].concat())
            .collect()
    },
    words: &[
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
        "batch",
        "distinct_id",
        "$set",
        "$unset",
        "$device_id",
        "uuid",
        "null",
        "\"\"",
        "{",
        "}",
        "[",
        "]",
        "\\u00",
        "data=",
        "%7B",
        "-1e9",
    ],
    rounds: 2_000,
};

/// Every event of a call is taken, kept or counted, and what goes on keeps to the contracts.
fn call(path: &str, body: &[u8]) {
    let text = Text::of(body);
    let route = Route::of(path).expect("a route");
    let Ok(call) = Call::read(route, &text) else {
        return;
    };
    let (rules, key) = (SourceRules::default(), call.key());
    let about = Circumstances {
        path,
        rules: &rules,
        key: key.as_deref(),
        receive_time: RECEIVED,
        request_time: None,
    };
    let reading = call.events(&about);
    let read = reading.events.len() + reading.letters.len() + reading.nothing_count;
    if matches!(route, Route::One(_)) {
        assert_eq!(read, 1);
    }
    if route.dialect() == Dialect::PostHogV1 {
        assert_eq!(reading.verdicts.len(), read);
    }
    for event in reading.events {
        let event = event.event;
        let ids = event.identifiers.len() + event.other_identifiers.len();
        let least = usize::from(event.groups.is_empty());
        assert!(
            (least..=20).contains(&ids) && event.groups.len() <= 20,
            "{event:?}"
        );
        assert!(event.event_id.chars().count() <= 100, "{event:?}");
    }
    reading.letters.iter().for_each(|it| letter(it, &rules));
}

/// A letter says what is wrong, and is refused for as long as nobody mends it.
fn letter(letter: &Letter, rules: &SourceRules) {
    assert!(!letter.fault.description.is_empty());
    assert!(letter.payload.len() <= EVENT_BYTES);
    let read = reread(
        &letter.path,
        &letter.payload,
        letter.sent_time,
        RECEIVED,
        rules,
    );
    if let Ok(event) = read {
        assert!(event.time.is_some() && event.sent_time.is_none());
    }
}
