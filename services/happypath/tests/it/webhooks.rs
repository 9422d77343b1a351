//! Webhooks over HTTP, as CRMs and shops post them: signed as they document it, to a real process.

mod access;
mod trial;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::Value;

use crate::Dev;
use crate::json::http::{Response, send};

/// The namespaces that the presets need, beside those that are there anyway.
const NAMESPACES: &str = "\
namespace: {name: user_id, priority: 1, limit: 1}
---
namespace: {name: shopify_id, priority: 2, limit: 5}
---
namespace: {name: stripe_id, priority: 3, limit: 5}
---
namespace: {name: hubspot_id, priority: 4, limit: 5}
---
namespace: {name: intercom_id, priority: 5, limit: 5}
---
namespace: {name: salesforce_id, priority: 6, limit: 5}
---
namespace: {name: email, priority: 7, limit: 5, normalizer: NORMALIZER_TRIM}
---
namespace: {name: anonymous_id, priority: 8, limit: 20}
";

/// The secret of all senders that sign.
const SECRET: &str = "c2VjcmV0IG9mIHRoZSBzZW5kZXI=";

/// Sources of all presets, each of its name, and one of nobody's form.
const SOURCES: &str = "\
source: {name: shopify, webhook: {preset: shopify, secret: SECRET}, event_names: {orders/create: order}}
---
source: {name: stripe, webhook: {preset: stripe, secret: SECRET}}
---
source: {name: hubspot, webhook: {preset: hubspot, secret: SECRET, public_url: 'https://events.example.com/'}}
---
source: {name: intercom, webhook: {preset: intercom, secret: SECRET}}
---
source: {name: salesforce, webhook: {preset: salesforce}}
---
source: {name: outbound, webhook: {preset: salesforce_outbound}}
---
source: {name: standard, webhook: {preset: standard, secret: whsec_SECRET}}
";

/// A process that knows all presets.
fn start() -> Dev {
    let dev = Dev::start();
    dev.file("namespaces.yaml", NAMESPACES);
    dev.file("sources.yaml", &SOURCES.replace("SECRET", SECRET));
    dev.ok("apply -f namespaces.yaml");
    dev.ok("apply -f sources.yaml");
    dev
}

fn now_ms() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock").as_millis()
}

fn sign(algorithm: hmac::Algorithm, secret: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(algorithm, secret);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn post(dev: &Dev, source: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let path = format!("/v1/webhooks/{source}");
    send(&dev.address, "POST", &path, headers, body.as_bytes())
}

fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}

/// The header of a post of Stripe that was signed at a time.
fn stripe(body: &str, secret: &str, seconds: u128) -> String {
    let signed = format!("{seconds}.{body}");
    let signature = sign(hmac::HMAC_SHA256, secret.as_bytes(), &signed);
    format!("t={seconds},v1={}", hex(&signature))
}

/// The number of times that a source, or nobody, came to this.
fn count(dev: &Dev, source: &str, reason: &str) -> u64 {
    let status = dev.json("status");
    let counts = status["intake"]["counts"].as_array().cloned();
    let counts = counts.unwrap_or_default();
    let mut found = counts
        .iter()
        .filter(|it| it["source"] == source && it["reason"] == reason);
    found
        .next()
        .map_or(0, |it| it["count"].as_u64().expect("a number"))
}

/// The number of a customer's events of a name.
fn events(dev: &Dev, customer: &str, name: &str) -> u64 {
    let customer = dev.json(&format!("customer {customer}"));
    let events = customer["profile"]["events"].as_array().expect("events");
    let mut found = events.iter().filter(|event| event["name"] == name);
    found
        .next()
        .map_or(0, |it| it["count"].as_u64().expect("a number"))
}

const INVOICE: &str = r#"{"id":"evt_1","type":"invoice.paid","created":1795000000,"data":{"object":{"id":"in_1","customer":"cus_1","customer_email":"ada@example.com","amount_paid":1999}}}"#;

const MESSAGE: &str = r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>00D</OrganizationId><Notification><Id>04l1</Id><sObject xsi:type="sf:Lead" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>00Q1</sf:Id><sf:Email>lea@example.com</sf:Email><sf:Status>Working</sf:Status></sObject></Notification></notifications></soapenv:Body></soapenv:Envelope>"#;

const ORDER: &str = r#"{"id":7,"email":"ada@example.com","created_at":"2026-11-01T00:00:00Z","total_price":"19.90","customer":{"id":70}}"#;

const CHANGE: &str = r#"[{"objectId":71,"propertyName":"email","propertyValue":"ada@example.com","subscriptionType":"contact.propertyChange","eventId":1,"subscriptionId":2,"portalId":3,"occurredAt":1795000000000,"attemptNumber":0}]"#;

const CONTACT: &str = r#"{"type":"notification_event","id":"notif_1","topic":"contact.user.created","created_at":1795000000,"data":{"item":{"type":"contact","id":"72","external_id":"u-7","email":"ada@example.com"}}}"#;

const USER: &str =
    r#"{"type":"user.created","timestamp":"2026-11-01T00:00:00Z","data":{"user_id":"u-7"}}"#;

const RECORD: &str = r#"{"Id":"0031","Email":"con@example.com","attributes":{"type":"Contact"},"LastModifiedDate":"2026-11-01T00:00:00Z"}"#;

/// A post: its source, its headers and its body.
type Post = (&'static str, Vec<(&'static str, String)>, &'static str);

/// A post of each preset, signed as its sender does now.
fn posts() -> [Post; 7] {
    let key = SECRET.as_bytes();
    let (seconds, millis) = (now_ms() / 1_000, now_ms());
    let shopify = sign(hmac::HMAC_SHA256, key, ORDER);
    let address = "https://events.example.com/v1/webhooks/hubspot";
    let hubspot = format!("POST{address}{CHANGE}{millis}");
    let hubspot = sign(hmac::HMAC_SHA256, key, &hubspot);
    let intercom = sign(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key, CONTACT);
    let raw = STANDARD.decode(SECRET).expect("base64");
    let standard = sign(hmac::HMAC_SHA256, &raw, &format!("msg_1.{seconds}.{USER}"));
    [
        (
            "shopify",
            vec![
                ("X-Shopify-Topic", "orders/create".to_owned()),
                ("X-Shopify-Hmac-Sha256", STANDARD.encode(shopify)),
            ],
            ORDER,
        ),
        (
            "stripe",
            vec![("Stripe-Signature", stripe(INVOICE, SECRET, seconds))],
            INVOICE,
        ),
        (
            "hubspot",
            vec![
                ("X-HubSpot-Signature-v3", STANDARD.encode(hubspot)),
                ("X-HubSpot-Request-Timestamp", millis.to_string()),
            ],
            CHANGE,
        ),
        (
            "intercom",
            vec![("X-Hub-Signature", format!("sha1={}", hex(&intercom)))],
            CONTACT,
        ),
        (
            "standard",
            vec![
                ("webhook-id", "msg_1".to_owned()),
                ("webhook-timestamp", seconds.to_string()),
                (
                    "webhook-signature",
                    format!("v1,{}", STANDARD.encode(standard)),
                ),
            ],
            USER,
        ),
        (
            "salesforce",
            vec![("Content-Type", "application/json".to_owned())],
            RECORD,
        ),
        (
            "outbound",
            vec![("Content-Type", "text/xml; charset=UTF-8".to_owned())],
            MESSAGE,
        ),
    ]
}

#[test]
fn each_preset_takes_what_its_sender_signs_and_a_replay_has_no_effect() {
    let dev = start();
    let posts = posts();
    for _ in 0..2 {
        for (source, headers, body) in &posts {
            let headers = headers.iter();
            let headers: Vec<_> = headers
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let answer = post(&dev, source, &headers, body);
            assert_eq!(answer.status, 200, "{source}: {}", text(&answer));
            if *source == "outbound" {
                assert!(text(&answer).contains("<Ack>true</Ack>"));
                assert_eq!(
                    answer.header("content-type"),
                    Some("text/xml; charset=utf-8")
                );
            } else {
                assert_eq!(text(&answer), "{\"success\":true}");
            }
        }
    }
    dev.settle();
    for (customer, name) in [
        ("shopify_id:70", "order"),
        ("stripe_id:cus_1", "invoice.paid"),
        ("hubspot_id:71", "contact.propertyChange"),
        ("intercom_id:72", "contact.user.created"),
        ("user_id:u-7", "user.created"),
        ("salesforce_id:0031", "Contact"),
        ("salesforce_id:00Q1", "Lead"),
    ] {
        assert_eq!(events(&dev, customer, name), 1, "{customer} {name}");
    }
    // All of Ada's ids are one customer's.
    let id = |customer: &str| {
        dev.json(&format!("customer {customer}"))["customer"]["customerId"].clone()
    };
    for other in [
        "shopify_id:70",
        "stripe_id:cus_1",
        "hubspot_id:71",
        "user_id:u-7",
    ] {
        assert_eq!(id("intercom_id:72"), id(other), "{other}");
    }
    let lead = dev.json("customer email:lea@example.com");
    assert_eq!(
        lead["profile"]["traits"]["lead_status"], "Working",
        "{lead}"
    );
    assert_eq!(count(&dev, "stripe", "ACCEPTED"), 2);
    dev.stop();
}

#[test]
fn what_is_forged_stale_or_no_post_is_refused_and_counted() {
    let dev = start();
    let now = now_ms() / 1_000;
    let right = stripe(INVOICE, SECRET, now);
    for (header, body, status, reason) in [
        (
            stripe(INVOICE, "another secret", now),
            INVOICE,
            401,
            "BAD_SIGNATURE",
        ),
        (right.clone(), "{}", 401, "BAD_SIGNATURE"),
        (String::new(), INVOICE, 401, "BAD_SIGNATURE"),
        (
            stripe(INVOICE, SECRET, now - 301),
            INVOICE,
            401,
            "STALE_SIGNATURE",
        ),
        (
            stripe(INVOICE, SECRET, now + 900),
            INVOICE,
            401,
            "STALE_SIGNATURE",
        ),
        (stripe("{", SECRET, now), "{", 400, "MALFORMED_CALL"),
        (stripe("", SECRET, now), "", 400, "MALFORMED_CALL"),
        (stripe("{}", SECRET, now), "{}", 200, "NOT_MAPPED"),
    ] {
        let before = count(&dev, "stripe", reason);
        let answer = post(&dev, "stripe", &[("Stripe-Signature", &header)], body);
        assert_eq!(answer.status, status, "{}", text(&answer));
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(told.get("message").is_some(), status != 200, "{told}");
        assert_eq!(count(&dev, "stripe", reason), before + 1, "{reason}");
    }
    let doctype = format!("<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>{MESSAGE}");
    let answer = post(&dev, "outbound", &[("Content-Type", "text/xml")], &doctype);
    assert_eq!(answer.status, 400, "{}", text(&answer));
    assert!(
        dev.ok("dead-letters list")
            .starts_with("There are no dead letters")
    );
    let (code, _) = dev.refused("customer email:ada@example.com");
    assert_eq!(code, 3, "nothing of it is anybody's");
    dev.stop();
}

#[test]
fn secrets_are_changed_while_posts_come() {
    let dev = start();
    let now = now_ms() / 1_000;
    let status = |secret: &str| {
        let header = stripe(INVOICE, secret, now);
        post(&dev, "stripe", &[("Stripe-Signature", &header)], INVOICE).status
    };
    let define = |secret: &str, previous: &str| {
        let text = format!(
            "source: {{name: stripe, webhook: {{preset: stripe, secret: '{secret}', previous_secret: '{previous}'}}}}\n"
        );
        dev.file("stripe.yaml", &text);
        dev.ok("apply -f stripe.yaml");
    };
    assert_eq!((status(SECRET), status("new")), (200, 401));
    define("new", SECRET);
    assert_eq!((status(SECRET), status("new")), (200, 200));
    // The definition that is shown masks both, and keeps both where it is applied again.
    let shown = dev.ok("get source stripe");
    assert!(
        !shown.contains(SECRET) && shown.matches("whsec_***").count() == 2,
        "{shown}"
    );
    dev.file("shown.yaml", &shown);
    dev.ok("apply -f shown.yaml");
    assert_eq!((status(SECRET), status("new")), (200, 200));
    define("new", "");
    assert_eq!((status(SECRET), status("new")), (401, 200));
    dev.stop();
}

#[test]
fn a_dead_letter_is_taken_once_its_mapping_is_mended() {
    let dev = start();
    let order = r#"{"id":8,"note":"bob@example.com","created_at":"2026-11-01T00:00:00Z"}"#;
    let signature = STANDARD.encode(sign(hmac::HMAC_SHA256, SECRET.as_bytes(), order));
    let headers = [
        ("X-Shopify-Topic", "orders/create"),
        ("X-Shopify-Hmac-Sha256", signature.as_str()),
    ];
    for _ in 0..2 {
        assert_eq!(post(&dev, "shopify", &headers, order).status, 200);
    }
    let letters = dev.json("dead-letters list --source shopify");
    let letters = letters["dead_letters"].as_array().expect("a list");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["reason"], "NO_IDENTIFIER");
    assert_eq!(letters[0]["path"], "/v1/webhooks");
    assert_eq!(letters[0]["field"], "webhook.events[0].identifiers");
    assert!(!letters[0].to_string().contains(&signature), "{letters:?}");
    let said = dev.ok("dead-letters replay --all");
    assert!(said.contains("Taken: 0. Refused again: 1."), "{said}");
    let mended = format!(
        "source:\n  name: shopify\n  webhook:\n    preset: shopify\n    secret: {SECRET}\n    events:\n      - \
         name: headers[\"x-shopify-topic\"]\n        time: item.created_at\n        identifiers: {{email: item.note}}\n"
    );
    dev.file("mended.yaml", &mended);
    dev.ok("apply -f mended.yaml");
    let said = dev.ok("dead-letters replay --all");
    assert!(said.contains("Taken: 1. Refused again: 0."), "{said}");
    // The post is the same event when it is sent again.
    assert_eq!(post(&dev, "shopify", &headers, order).status, 200);
    dev.settle();
    assert_eq!(events(&dev, "email:bob@example.com", "orders/create"), 1);
    let customer = dev.json("customer email:bob@example.com").to_string();
    assert!(customer.contains("2026-11-01T00:00:00Z"), "{customer}");
    dev.stop();
}
