//! Posts of webhooks, of all presets, and formulas over documents.

use std::sync::LazyLock;

use expr::{Document, Formula, Inputs};
use gateway_core::{
    Letter, PRESETS, SourceRules, WEBHOOK_PATH, Webhook, WebhookPost, reread_webhook,
};
use kernel::Timestamp;
use kernel::limits::EVENT_BYTES;
use proto::gateway::v1::{Source, WebhookReading};

use crate::{Target, split, texts, with_text};

/// When the posts came.
const RECEIVED: Timestamp = Timestamp::from_millis(1_796_000_000_000);

/// The rules of a source of each preset.
static RULES: LazyLock<Vec<SourceRules>> = LazyLock::new(|| {
    let rules = PRESETS.into_iter().map(|(name, _)| {
        let is_signed = !name.starts_with("salesforce");
        let webhook = WebhookReading {
            preset: name.to_owned(),
            secret: if is_signed { "c2VjcmV0" } else { "" }.to_owned(),
            public_url: "https://events.example.com".to_owned(),
            ..WebhookReading::default()
        };
        SourceRules::of(&Source {
            webhook: Some(webhook),
            ..Source::default()
        })
    });
    rules.collect()
});

/// Posts: the first byte says of which sender, or that it is a form; a header, up to the end of its
/// line, and the body follow.
pub(crate) const WEBHOOK: Target = Target {
    run: |bytes| {
        let (sender, rest) = split(bytes);
        let rules = &RULES[usize::from(sender) % RULES.len()];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (header, body) = rest.split_at(end.unwrap_or(rest.len()));
        let body = body.strip_prefix(b"\n").unwrap_or(body);
        with_text(header, |header| {
            post(rules, header, body, usize::from(sender) >= RULES.len());
        });
    },
    seeds: || {
        let hubspot = r#"[{"objectId":1246965,"propertyName":"email","propertyValue":"a@b.c","eventId":3,"subscriptionId":25,"portalId":33,"occurredAt":1462216307945,"subscriptionType":"contact.propertyChange","attemptNumber":0}]"#;
        let intercom = r#"{"id":"notif_1","topic":"conversation.user.created","created_at":1686089970,"data":{"item":{"id":"471","contacts":{"contacts":[{"id":"c1","external_id":"u"}]}}}}"#;
        let outbound = r#"<?xml version="1.0"?><e:Envelope xmlns:e="urn:e" xmlns:xsi="urn:x"><e:Body><notifications xmlns="urn:o"><OrganizationId>00D</OrganizationId><Notification><Id>04l</Id><sObject xsi:type="sf:Contact"><sf:Id>003</sf:Id><sf:Email>a&amp;b@c.d</sf:Email></sObject></Notification></notifications></e:Body></e:Envelope>"#;
        let shopify = r#"{"id":7,"email":"a@b.c","created_at":"2026-11-01T00:00:00Z","total_price":"19.90","line_items":[{"sku":"s"}],"customer":{"id":70}}"#;
        let stripe = r#"{"id":"evt_1","type":"customer.subscription.updated","created":1686089970,"data":{"object":{"id":"sub_1","customer":"cus_9","items":{"data":[{"price":{"id":"p"}}]}}}}"#;
        let seeds = [
            (0_u8, "x-hubspot-signature-v3: AAAA", hubspot),
            (1, "x-hub-signature: sha1=00", intercom),
            (
                2,
                "content-type: application/json",
                r#"{"Id":"003","Email":"a@b.c"}"#,
            ),
            (3, "content-type: text/xml", outbound),
            (4, "x-shopify-topic: orders/create", shopify),
            (
                5,
                "webhook-id: msg_1",
                r#"{"type":"a","data":{"user_id":"u"}}"#,
            ),
            (6, "stripe-signature: t=1,v1=00", stripe),
            (9, "a: b", "Id=003&Email=a%40b.c"),
        ];
        let seeds = seeds.into_iter();
        seeds
            .map(|(sender, header, body)| {
                [&[sender], header.as_bytes(), b"\n", body.as_bytes()].concat()
            })
            .collect()
    },
    words: &[
        "<",
        ">",
        "/>",
        "</",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<!DOCTYPE",
        "&lt;",
        "&#x41;",
        "&#",
        "xsi:nil=\"true\"",
        "xsi:type=\"",
        "Notification",
        "null",
        "[",
        "]",
        "{",
        "}",
        "\"\"",
        "\\ud800",
        "%41",
        "%",
        "+",
        "&",
        "=",
        "v1=",
        "t=",
        ",",
        "item",
        "headers",
    ],
    rounds: 2_000,
};

/// A post is not taken for signed, and each of its things is taken, kept or counted.
fn post(rules: &SourceRules, header: &str, body: &[u8], is_form: bool) {
    let webhook: &Webhook = rules.webhook.as_ref().expect("a right definition");
    let (name, value) = header.split_once(':').unwrap_or((header, ""));
    let name = name.trim().to_ascii_lowercase();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let mut headers = vec![(name.as_str(), value.trim())];
    if is_form {
        headers.insert(0, form);
    }
    let post = WebhookPost {
        method: "POST",
        target: "/v1/webhooks/key",
        headers: &headers,
        body,
    };
    let verified = webhook.verify(&post, RECEIVED);
    if let Err(fault) = &verified {
        assert!((1..300).contains(&fault.to_string().len()), "{fault}");
    }
    let Ok(text) = webhook.text(&post) else {
        return;
    };
    let shown = webhook.shown(&post);
    let Ok(call) = webhook.read(&text, &shown) else {
        return;
    };
    let reading = call.events(rules);
    assert_eq!(call.events(rules).events.len(), reading.events.len());
    for event in &reading.events {
        let event = &event.event;
        assert!((1..=20).contains(&event.identifiers.len()), "{event:?}");
        assert!(
            (1..=100).contains(&event.event_id.chars().count()),
            "{event:?}"
        );
        assert!(!event.name.trim().is_empty(), "{event:?}");
    }
    reading.letters.iter().for_each(|it| letter(it, rules));
}

/// A letter says what is wrong, and is refused for as long as nobody mends it.
fn letter(letter: &Letter, rules: &SourceRules) {
    assert_eq!(letter.path, WEBHOOK_PATH);
    assert!(!letter.fault.description.is_empty());
    assert!(letter.payload.len() <= EVENT_BYTES);
    let read = reread_webhook(&letter.payload, RECEIVED, rules);
    if !letter.is_cut {
        let fault = read.expect_err("nothing was mended");
        assert_eq!(fault.reason, letter.fault.reason, "{}", letter.payload);
    }
}

/// Formulas: the text of one, and behind a null character the document that it reads.
pub(crate) const FORMULA: Target = Target {
    run: |bytes| with_text(bytes, formula),
    seeds: || {
        texts(&[
            "\"a_\" + string(item.id)\0{\"id\":12345678901234567890}",
            "coalesce(item.a[0].b, body[\"x y\"], headers[\"x-topic\"])\0{\"a\":[{\"b\":1.50}]}",
            "has(item.a) ? item.a.split(\",\")[1].trim() : \"none\"\0{\"a\":\"x, y\"}",
            "item.n in [1, 2] && !(item.t.matches(\"^a+$\")) || size(item.l) > 1\0{\"n\":1,\"l\":[1,2],\"t\":\"b\"}",
            "timestamp(item.at) + duration(\"1d\") < timestamp(\"2026-11-30T06:00:00Z\")\0{\"at\":1796000000}",
            "int(item.n) * 2 % 3 - double(item.s) / 4\0{\"n\":7.9,\"s\":\"1e3\"}",
            "[item.a, item.a.replace(\"b\", \"cc\").upperAscii()]\0{\"a\":\"abc\"}",
        ])
    },
    words: &[
        "item",
        "body",
        "headers[\"x-topic\"]",
        ".a",
        "[0]",
        "[\"a\"]",
        "string(",
        "int(",
        "double(",
        "timestamp(",
        "coalesce(",
        "has(",
        "size(",
        ".split(\"",
        ".replace(\"",
        ".trim()",
        ".lowerAscii()",
        ".matches(\"",
        "duration(\"1d\")",
        "&&",
        "||",
        "!",
        " in ",
        "==",
        "<=",
        "+",
        "?",
        ":",
        "\0",
        "null",
        "\\ud800",
        "1e309",
        "{\"a\":",
        "[[",
    ],
    rounds: 1_500,
};

fn formula(text: &str) {
    let (source, document) = text.split_once('\0').unwrap_or((text, "{}"));
    let formula = match Formula::compile(source) {
        Ok(formula) => formula,
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for mistake in mistakes {
                assert!(mistake.line > 0 && mistake.column > 0, "{mistake}");
                assert!((1..600).contains(&mistake.message.len()), "{mistake}");
            }
            return;
        }
    };
    let Ok(document) = Document::read(document) else {
        return;
    };
    let headers = [("x-topic", "orders/create")];
    let inputs = Inputs::new(&document, &document, &headers);
    let value = formula.value(&inputs);
    let again = Inputs::new(&document, &document, &headers);
    assert_eq!(
        formula.holds(&again),
        value == Some(expr::Found::Bool(true))
    );
    if let Some(found) = value {
        let mut json = String::new();
        found.write_json(&mut json);
        let read = serde_json::from_str::<serde::de::IgnoredAny>(&json);
        assert!(read.is_ok(), "{source:?} is {json:?}");
    }
}
