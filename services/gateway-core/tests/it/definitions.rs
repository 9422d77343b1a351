//! Definitions of webhooks: every fault, with its path.

use gateway_core::{PRESETS, Webhook};
use messages::gateway::v1::signature::Kind;
use messages::gateway::v1::{
    EventMapping, HmacSignature, SecretEncoding, Signature, UnsignedPosts, WebhookReading,
};

fn faults(reading: &WebhookReading) -> Vec<String> {
    let compiled = Webhook::compile(reading, &|name| name == "email");
    let faults = compiled.err().unwrap_or_default();
    let told = faults
        .into_iter()
        .map(|fault| format!("{} {}", fault.field, fault.description));
    told.collect()
}

fn check(reading: &WebhookReading, expected: &[&str]) {
    let found = faults(reading);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} is not {expected}");
    }
}

fn preset(name: &str) -> WebhookReading {
    WebhookReading {
        preset: name.to_owned(),
        secret: "s".to_owned(),
        events: vec![event()],
        ..WebhookReading::default()
    }
}

fn event() -> EventMapping {
    EventMapping {
        name: "\"x\"".to_owned(),
        identifiers: [("email".to_owned(), "item.email".to_owned())].into(),
        ..EventMapping::default()
    }
}

fn hmac(signature: HmacSignature) -> WebhookReading {
    let header = "X-Signature".to_owned();
    let signature = HmacSignature {
        header,
        ..signature
    };
    WebhookReading {
        preset: String::new(),
        signature: Some(Signature {
            kind: Some(Kind::Hmac(signature)),
        }),
        ..preset("")
    }
}

#[test]
fn every_preset_is_right_where_its_namespaces_are_there() {
    for (name, text) in PRESETS {
        let is_signed = !name.starts_with("salesforce");
        let reading = WebhookReading {
            secret: if is_signed {
                "c2VjcmV0".to_owned()
            } else {
                String::new()
            },
            public_url: "https://events.example.com".to_owned(),
            events: Vec::new(),
            ..preset(name)
        };
        let compiled = Webhook::compile(&reading, &|_| true);
        assert!(compiled.is_ok(), "{name}: {:?}", compiled.err());
        // Its top names every namespace that it needs.
        let told = text.split("source:").next().unwrap_or_default();
        let _ = Webhook::compile(&reading, &|namespace| {
            assert!(
                told.contains(&format!("`{namespace}`")),
                "{name} {namespace}"
            );
            true
        });
        assert!(text.contains(&format!("\n  name: {name}\n")), "{name}");
    }
}

#[test]
fn a_preset_says_which_namespaces_it_lacks() {
    let reading = WebhookReading {
        events: Vec::new(),
        ..preset("shopify")
    };
    check(
        &reading,
        &[
            "webhook.preset the events of `shopify` cannot be used: there is no namespace `shopify_id`: define it, or name another one; or list `events` of your own",
        ],
    );
}

#[test]
fn a_definition_that_says_too_little_is_told_what_is_missing() {
    check(
        &preset("shopifi"),
        &[
            "webhook.preset there is no preset `shopifi`: did you mean `shopify`?; there are hubspot, ",
        ],
    );
    check(
        &WebhookReading::default(),
        &["webhook.signature is missing", "webhook.events is empty"],
    );
    let secretless = WebhookReading {
        secret: String::new(),
        ..preset("stripe")
    };
    check(&secretless, &["webhook.secret is missing"]);
    check(
        &preset("hubspot"),
        &["webhook.public_url is missing: the sender signs the address"],
    );
    let signed = |signed: &str| HmacSignature {
        signed: signed.to_owned(),
        ..HmacSignature::default()
    };
    check(
        &hmac(signed("{timestamp}.{id}.{body}")),
        &[
            "webhook.signature.hmac.timestamp is missing",
            "webhook.signature.hmac.id is missing",
        ],
    );
    check(
        &hmac(signed("{url}{body}")),
        &["webhook.public_url is missing"],
    );
    check(
        &hmac(signed("{time}{body}")),
        &["webhook.signature.hmac.signed has a `{`"],
    );
    check(
        &hmac(signed("{id}")),
        &["webhook.signature.hmac.signed has no {body}"],
    );
}

#[test]
fn what_cannot_be_right_is_told_with_its_path() {
    let tolerant = |timestamp: &str, tolerance: &str| {
        hmac(HmacSignature {
            timestamp: timestamp.to_owned(),
            tolerance: tolerance.to_owned(),
            ..HmacSignature::default()
        })
    };
    check(&tolerant("t", "1s"), &[]);
    check(
        &tolerant("t", "999ms"),
        &["webhook.signature.hmac.tolerance is not from 1s to 1d"],
    );
    check(
        &tolerant("t", "25h"),
        &["webhook.signature.hmac.tolerance is not from 1s to 1d"],
    );
    check(
        &tolerant("", "5m"),
        &["webhook.signature.hmac.tolerance is not used"],
    );
    check(
        &tolerant("a:", ""),
        &["webhook.signature.hmac.timestamp is no header"],
    );
    let encoded = hmac(HmacSignature {
        secret_encoding: SecretEncoding::Hex.into(),
        ..HmacSignature::default()
    });
    check(&encoded, &["webhook.secret is not written in hexadecimal"]);
    let unsigned = WebhookReading {
        signature: Some(Signature {
            kind: Some(Kind::Unsigned(UnsignedPosts {})),
        }),
        previous_secret: "t".to_owned(),
        ..preset("")
    };
    check(
        &unsigned,
        &[
            "webhook.secret is not used",
            "webhook.previous_secret is not used",
        ],
    );
    let itemized = WebhookReading {
        items: "\"a\"".to_owned(),
        ..preset("stripe")
    };
    check(
        &itemized,
        &["webhook.items makes a string, and a list or an object of what was sent is needed"],
    );
    let mut mapped = preset("stripe");
    mapped.events[0].name = "item.".to_owned();
    mapped.events[0]
        .identifiers
        .insert("card".to_owned(), "item.card".to_owned());
    check(
        &mapped,
        &[
            "webhook.events[0].name 1:6:",
            "webhook.events[0].identifiers[card] there is no namespace",
        ],
    );
}
