//! Letters of things that could not be taken, and replays of them.

use gateway_core::{Reason, SourceRules, WEBHOOK_PATH, reread_webhook};
use messages::gateway::v1::{EventMapping, Source};

use super::{line, read, source};
use crate::received;

#[test]
fn a_thing_that_cannot_be_taken_is_read_again_once_the_mapping_is_mended() {
    let mut source = source("shopify");
    let headers = [
        ("x-shopify-topic", "orders/create"),
        ("x-shopify-hmac-sha256", "secret"),
        ("x-shopify-shop-domain", "a.myshopify.com"),
        ("authorization", "Bearer secret"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    let body = r#"{"id":1,"created_at":"2022-01-01T00:00:00Z","note":"ada@example.com"}"#;
    let letter = read(&source, &headers, body, |reading| {
        assert_eq!(reading.events.len(), 0);
        reading.letters[0].clone()
    });
    assert_eq!(
        (letter.path.as_str(), letter.fault.reason),
        (WEBHOOK_PATH, Reason::NoIdentifier)
    );
    assert_eq!(letter.fault.field, "webhook.events[0].identifiers");
    let kept = format!(
        r#"{{"item":{body},"headers":{{"x-shopify-topic":"orders/create","x-shopify-shop-domain":"a.myshopify.com"}}}}"#
    );
    assert_eq!(letter.payload, kept);
    let reread =
        |source: &Source| reread_webhook(&letter.payload, received(), &SourceRules::of(source));
    assert_eq!(
        reread(&source).expect_err("as before").reason,
        Reason::NoIdentifier
    );
    let webhook = source.webhook.as_mut().expect("one");
    webhook.events = vec![EventMapping {
        name: "headers[\"x-shopify-topic\"] + headers[\"x-shopify-shop-domain\"]".to_owned(),
        identifiers: [("email".to_owned(), "item.note".to_owned())].into(),
        ..EventMapping::default()
    }];
    let event = reread(&source).expect("it is mended").expect("an event");
    assert_eq!(
        line(&event),
        "orders/createa.myshopify.com hash 2026-11-30T07:30:00Z email=ada@example.com"
    );
    let first = read(&source, &headers, body, |it| {
        it.events[0].event.event_id.clone()
    });
    assert_eq!(event.event_id, first, "a replay is the same event");
    source.webhook = None;
    assert!(
        reread(&source)
            .expect_err("no webhook")
            .description
            .contains("set `webhook`")
    );
}

#[test]
fn a_letter_of_one_thing_among_many_has_what_stands_around_it() {
    let mut source = source("stripe");
    let webhook = source.webhook.as_mut().expect("one");
    webhook.items = "body.list".to_owned();
    let thing = |bytes: usize| format!("{{\"id\":1,\"text\":\"{}\"}}", "x".repeat(bytes));
    for (bytes, expected) in [
        (
            10,
            r#""body":{"shop":"s","list":[{"id":1,"text":"xxxxxxxxxx"}],"more":{"a":1}}}"#,
        ),
        (20_000, r#""body":{"shop":"s"}}"#),
    ] {
        let body = format!(
            r#"{{"shop":"s","list":[{}],"more":{{"a":1}}}}"#,
            thing(bytes)
        );
        let webhook = source.webhook.as_mut().expect("one");
        webhook.events = vec![EventMapping {
            name: "body.shop".to_owned(),
            identifiers: [("email".to_owned(), "item.email".to_owned())].into(),
            ..EventMapping::default()
        }];
        let letter = read(&source, &[], &body, |reading| reading.letters[0].clone());
        assert!(
            !letter.is_cut && letter.payload.ends_with(expected),
            "{:.200}",
            letter.payload
        );
        let again = reread_webhook(&letter.payload, received(), &SourceRules::of(&source));
        assert_eq!(again.expect_err("nobody").reason, Reason::NoIdentifier);
    }
}

#[test]
fn a_post_as_large_as_any_costs_no_more_than_it_may_whatever_its_source_looks_for() {
    let mut source = source("hubspot");
    let item = r#"{"objectId":1,"subscriptionType":"contact.creation","eventId":2,"portalId":3,"subscriptionId":4,"occurredAt":5}"#;
    let body = format!("[{}]", vec![item; 10_000].join(","));
    let count = |source: &Source, body: &str| {
        read(source, &[], body, |it| (it.events.len(), it.letters.len()))
    };
    assert_eq!(count(&source, &body), (10_000, 0));
    // Each thing looks through all of the post, until no more work may be done.
    let webhook = source.webhook.as_mut().expect("one");
    webhook.items = "body.items".to_owned();
    webhook.events = vec![EventMapping {
        when: "item in body.others".to_owned(),
        name: "\"x\"".to_owned(),
        identifiers: [("email".to_owned(), "\"a@b.c\"".to_owned())].into(),
        ..EventMapping::default()
    }];
    let numbers = |from: u32| {
        (from..from + 9_000)
            .map(|it| it.to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    let body = format!(
        "{{\"items\":[{}],\"others\":[{}]}}",
        numbers(0),
        numbers(100_000)
    );
    let (events, letters) = count(&source, &body);
    assert!(events == 0 && letters > 8_000, "{events} {letters}");
}
