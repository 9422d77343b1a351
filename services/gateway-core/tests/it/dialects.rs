//! The dialects, a word at a time.

use gateway_core::{Call, CallFault, Route, SourceRules, Text, reread};
use messages::gateway::v1::Source;

use crate::{
    context_of, fault, identifiers, one, properties_of, read, received, time_of, traits_of,
};

#[test]
fn ids_that_are_null_or_empty_are_none() {
    let event = one(
        "/v1/track",
        r#"{"userId":"u1","anonymousId":null,"event":"A","messageId":"m1"}"#,
    );
    assert_eq!(identifiers(&event), ["user_id=u1"]);
    let event = one("/v1/t", r#"{"userId":"","anonymousId":"a1","event":"A"}"#);
    assert_eq!(identifiers(&event), ["anonymous_id=a1"]);
    let event = one("/v1/t", r#"{"userId":9007199254740993,"event":"A"}"#);
    assert_eq!(identifiers(&event), ["user_id=9007199254740993"]);
}

#[test]
fn objects_go_on_as_they_were_written() {
    let properties = r#"{"n":9007199254740993,"f":19.0,"products":[{"sku":"a b"}],"u":"\u00fc"}"#;
    let event = one(
        "/v1/track",
        &format!("{{\"userId\":\"u\",\"event\":\"A\",\"properties\":{properties}}}"),
    );
    assert_eq!(properties_of(&event), properties);
}

#[test]
fn traits_are_found_where_each_sdk_puts_them() {
    let event = one(
        "/v1/identify",
        r#"{"userId":"u","context":{"library":{"name":"x"},"traits":{"email":"a@b.io"}}}"#,
    );
    assert_eq!(traits_of(&event), r#"{"email":"a@b.io"}"#);
    assert_eq!(identifiers(&event), ["email=a@b.io", "user_id=u"]);
    assert_eq!(context_of(&event), r#"{"library":{"name":"x"}}"#);
}

#[test]
fn a_distinct_id_is_a_visitors_or_a_known_ones() {
    for (inside, expected) in [
        (r#""distinct_id":"d","properties":{}"#, &["user_id=d"][..]),
        (
            r#""distinct_id":"d","properties":{"$device_id":"d"}"#,
            &["anonymous_id=d"],
        ),
        (
            r#""distinct_id":"d","properties":{"$device_id":"e"}"#,
            &["user_id=d"],
        ),
        (
            r#""distinct_id":"d","properties":{"$process_person_profile":false}"#,
            &["anonymous_id=d"],
        ),
        (
            r#""distinct_id":"d","options":{"process_person_profile":false}"#,
            &["anonymous_id=d"],
        ),
        (
            r#""distinct_id":"d","properties":{"$is_identified":false}"#,
            &["anonymous_id=d"],
        ),
        (
            r#""properties":{"distinct_id":"d","$is_identified":true}"#,
            &["user_id=d"],
        ),
        (r#""distinct_id":7"#, &["user_id=7"]),
        (
            r#""distinct_id":"u","properties":{"$anon_distinct_id":"d"}"#,
            &["anonymous_id=d", "user_id=u"],
        ),
    ] {
        let event = one(
            "/capture/",
            &format!("{{\"api_key\":\"k\",\"event\":\"A\",{inside}}}"),
        );
        assert_eq!(identifiers(&event), expected, "{inside}");
    }
    let cookieless = r#"{"api_key":"k","event":"A","distinct_id":"$posthog_cookieless"}"#;
    assert_eq!(fault("/capture/", cookieless).0, "NO_IDENTIFIER");
}

#[test]
fn an_alias_points_both_ways() {
    for body in [
        r#"{"event":"$create_alias","distinct_id":"x","properties":{"distinct_id":"x","alias":"y"}}"#,
        r#"{"event":"$create_alias","distinct_id":"y","properties":{"distinct_id":"y","alias":"x"}}"#,
    ] {
        let event = one("/capture/", body);
        let expected = ["anonymous_id=x", "anonymous_id=y", "user_id=x", "user_id=y"];
        assert_eq!(identifiers(&event), expected);
        assert!(event.is_alias);
    }
    let event = one(
        "/v1/alias",
        r#"{"previousId":"a","userId":"u","anonymousId":"a"}"#,
    );
    assert_eq!(identifiers(&event), ["anonymous_id=a", "user_id=u"]);
}

#[test]
fn traits_are_set_and_removed() {
    let event = one(
        "/batch/",
        r#"{"batch":[{"event":"$set","distinct_id":"u","$set":{"a":1},"properties":{"$set":{"a":2,"b":3},"$unset":["c","a"],"$set_once":{"d":4},"x":5}}]}"#,
    );
    assert_eq!(traits_of(&event), r#"{"a":1,"b":3,"c":null}"#);
    assert_eq!(properties_of(&event), r#"{"x":5}"#);
    assert_eq!(context_of(&event), r#"{"$set_once":{"d":4}}"#);
    let event = one(
        "/i/v1/analytics/events",
        r#"{"batch":[{"event":"A","distinct_id":"u","session_id":"s","options":{},"properties":{}}]}"#,
    );
    assert_eq!(properties_of(&event), r#"{"$session_id":"s"}"#);
}

#[test]
fn browsers_send_bare_lists_with_the_key_in_each_event() {
    let body = r#"[{"event":"A","properties":{"token":"k","distinct_id":"u","$groups":{"company":"acme","Bad Type":"x"}},"sent_at":"2026-11-30T09:30:00Z","timestamp":"2026-11-30T09:00:00Z"}]"#;
    let event = one("/e/", body);
    assert!(
        !properties_of(&event).contains("token"),
        "{}",
        properties_of(&event)
    );
    // It is ahead: that tells of the clock, and not of how long the call was under way.
    assert_eq!(time_of(event.sent_time.as_ref()), "2026-11-30T09:30:00Z");
}

#[test]
fn a_time_of_sending_that_may_be_the_first_trys_says_nothing_of_the_past() {
    let old = "2026-11-30T04:00:00Z";
    for (path, body, expected) in [
        ("/v1/batch", r#"{"sentAt":"OLD","batch":[EVENT]}"#, old),
        ("/v1/track", r#"{"sentAt":"OLD",REST"#, old),
        ("/v1/batch", r#"{"batch":[{"sentAt":"OLD",REST]}"#, ""),
        (
            "/batch",
            r#"{"sent_at":"OLD","batch":[{"event":"A","distinct_id":"u"}]}"#,
            "",
        ),
    ] {
        let rest = r#""type":"track","event":"A","userId":"u"}"#;
        let body = body
            .replace("REST", rest)
            .replace("EVENT", &format!("{{{rest}"));
        let event = one(path, &body.replace("OLD", old));
        assert_eq!(time_of(event.sent_time.as_ref()), expected, "{body}");
    }
    // No call is under way for years: it can only be the clock.
    let body = r#"{"sent_at":"2020-01-01T00:00:00Z","batch":[{"event":"A","distinct_id":"u"}]}"#;
    let event = one("/batch", body);
    assert_eq!(time_of(event.sent_time.as_ref()), "2020-01-01T00:00:00Z");
    // Whoever passed it on has corrected the time.
    let event = one(
        "/v1/track",
        r#"{"event":"A","userId":"u","timestamp":"2026-11-30T07:00:00Z","originalTimestamp":"2026-11-30T03:00:00Z","sentAt":"2026-11-30T03:00:05Z"}"#,
    );
    assert_eq!(time_of(event.time.as_ref()), "2026-11-30T07:00:00Z");
    assert_eq!(event.sent_time, None);
}

#[test]
fn an_event_has_an_id_or_gets_one_that_stays() {
    let id = |body: &str| one("/v1/track", body).event_id;
    let event = |sent: &str| {
        format!(
            r#"{{"event":"A","userId":"u","timestamp":"2026-11-30T07:00:00Z","sentAt":"{sent}"}}"#
        )
    };
    let first = id(&event("2026-11-30T07:00:01Z"));
    assert!(first.starts_with("hash-"), "{first}");
    assert_eq!(first, id(&event("2026-11-30T07:00:09Z")));
    // Without a time nothing tells a second try from a second event.
    assert_eq!(id(r#"{"event":"A","userId":"u"}"#), "");
    let long = "m".repeat(101);
    let hashed = id(&format!(
        r#"{{"event":"A","userId":"u","messageId":"{long}"}}"#
    ));
    assert!(
        hashed.starts_with("hash-") && hashed.len() == 37,
        "{hashed}"
    );
}

/// Calls of one event that cannot be taken, each with the reason and the field.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    ("/v1/track", r#"{"userId":"u"}"#, "MALFORMED_EVENT", "event"),
    (
        "/v1/track",
        r#"{"userId":"u","event":7}"#,
        "MALFORMED_EVENT",
        "event",
    ),
    ("/v1/track", r#"{"event":"A"}"#, "NO_IDENTIFIER", ""),
    (
        "/v1/track",
        r#"{"userId":true,"event":"A"}"#,
        "MALFORMED_EVENT",
        "userId",
    ),
    (
        "/v1/track",
        r#"{"userId":"u","event":"A","userId":"v"}"#,
        "MALFORMED_EVENT",
        "userId",
    ),
    (
        "/v1/track",
        r#"{"userId":"u","event":"A","properties":[]}"#,
        "MALFORMED_EVENT",
        "properties",
    ),
    (
        "/v1/track",
        r#"{"userId":"u","event":"A","timestamp":"x"}"#,
        "BAD_TIME",
        "timestamp",
    ),
    (
        "/v1/group",
        r#"{"userId":"u"}"#,
        "MALFORMED_EVENT",
        "groupId",
    ),
    (
        "/v1/alias",
        r#"{"userId":"u"}"#,
        "MALFORMED_EVENT",
        "previousId",
    ),
    (
        "/v1/batch",
        r#"{"batch":[{"type":"merge"}]}"#,
        "UNKNOWN_TYPE",
        "type",
    ),
    (
        "/v1/batch",
        r#"{"batch":[{"userId":"u"}]}"#,
        "MALFORMED_EVENT",
        "type",
    ),
    ("/v1/batch", r#"{"batch":[7]}"#, "MALFORMED_EVENT", ""),
    (
        "/v1/batch",
        r#"{"writeKey":"a","batch":[{"type":"page","userId":"u","writeKey":"b"}]}"#,
        "OTHER_KEY",
        "writeKey",
    ),
    (
        "/batch",
        r#"{"batch":[{"distinct_id":"u"}]}"#,
        "MALFORMED_EVENT",
        "event",
    ),
    (
        "/batch",
        r#"{"batch":[{"event":"A","distinct_id":"u","$set":1}]}"#,
        "MALFORMED_EVENT",
        "$set",
    ),
];

#[test]
fn what_cannot_be_taken_says_why_in_the_words_of_its_sender() {
    let long = "x".repeat(401);
    let large = format!(
        r#"{{"userId":"u","event":"A","properties":{{"a":"{}"}}}}"#,
        "x".repeat(33_000)
    );
    for (path, body, reason, field) in FAULTS {
        assert_eq!(fault(path, body), (*reason, (*field).to_owned()), "{body}");
    }
    let body = format!(r#"{{"userId":"{long}","event":"A"}}"#);
    assert_eq!(fault("/v1/track", &body).1, "userId");
    assert_eq!(fault("/v1/track", &large).0, "EVENT_TOO_LARGE");
}

#[test]
fn bytes_that_are_no_text_cost_their_own_event() {
    let body = b"{\"batch\":[{\"type\":\"page\",\"userId\":\"\xff\"},{\"type\":\"page\",\"userId\":\"u\"}]}";
    read("/v1/batch", body, &SourceRules::default(), |reading| {
        assert_eq!((reading.events.len(), reading.letters.len()), (1, 1));
        assert_eq!(reading.letters[0].fault.reason.code(), "BAD_TEXT");
    });
    let text = Text::of(b"{\"batch\":[],\"a\":\"\xff\"}");
    let call = Call::read(Route::Batch, &text);
    assert!(matches!(call, Err(CallFault::Malformed(_))));
}

#[test]
fn a_letter_has_no_write_key() {
    for (path, body) in [
        ("/v1/track", r#"{"writeKey":"hpk_secret","userId":"u"}"#),
        ("/capture", r#"{"api_key":"hpk_secret","event":"A"}"#),
        (
            "/e",
            r#"[{"event":"A","properties":{"token":"hpk_secret"}}]"#,
        ),
        (
            "/v1/batch",
            r#"{"writeKey":"k","batch":[{"type":"page","writeKey":"hpk_secret"}]}"#,
        ),
    ] {
        read(path, body.as_bytes(), &SourceRules::default(), |reading| {
            assert_eq!(reading.letters.len(), 1, "{body}");
            assert!(!reading.letters[0].payload.contains("secret"), "{body}");
        });
    }
}

#[test]
fn a_source_names_its_events_and_namespaces() {
    let source = Source {
        event_names: [("Order Completed".to_owned(), "purchase".to_owned())].into(),
        user_namespace: "customer_no".to_owned(),
        identifier_traits: [("card".to_owned(), "loyalty_card".to_owned())].into(),
        ..Source::default()
    };
    let rules = SourceRules::of(&source);
    let body = r#"{"type":"track","event":"Order Completed","userId":"u","context":{"traits":{"card":12,"email":"a@b.io"}}}"#;
    read("/v1/track", body.as_bytes(), &rules, |reading| {
        let event = &reading.events[0].event;
        assert_eq!(event.name, "purchase");
        assert_eq!(identifiers(event), ["customer_no=u", "loyalty_card=12"]);
    });
}

#[test]
fn a_letter_is_read_again_by_the_clock_of_then() {
    let rules = SourceRules::default();
    let event = r#"{"type":"page","userId":"u","timestamp":"2026-11-30T09:00:00Z"}"#;
    let sent = "2026-11-30T09:30:00Z".parse().ok();
    let read = reread("/v1/batch", event, sent, received(), &rules).expect("it is read");
    assert_eq!(time_of(read.time.as_ref()), "2026-11-30T07:00:00Z");
    assert_eq!(read.sent_time, None);
    let read = reread("/v1/page", r#"{"userId":"u"}"#, None, received(), &rules);
    let read = read.expect("it is read");
    assert_eq!(time_of(read.time.as_ref()), "2026-11-30T07:30:00Z");
    assert!(reread("/v1/nothing", event, None, received(), &rules).is_err());
    assert!(reread("/v1/track", "{", None, received(), &rules).is_err());
}
