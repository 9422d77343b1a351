//! Signatures of webhooks: documented examples, and all that is none.

use gateway_core::{Reason, SignatureFault, Webhook, WebhookPost};
use kernel::Timestamp;
use messages::gateway::v1::signature::Kind;
use messages::gateway::v1::{
    EventMapping, HmacSignature, SecretEncoding, Signature, SignatureEncoding, SignatureHash,
    TokenHeader, UnsignedPosts, WebhookReading,
};
use ring::hmac;

/// 2021-02-25T15:02:10Z: that of the example of Standard Webhooks.
const NOW: Timestamp = Timestamp::from_millis(1_614_265_330_000);

/// A reading with this signature, by one secret or two.
fn reading(kind: Kind, secret: &str, previous: &str) -> WebhookReading {
    WebhookReading {
        secret: secret.to_owned(),
        previous_secret: previous.to_owned(),
        signature: Some(Signature { kind: Some(kind) }),
        public_url: "https://www.example.com".to_owned(),
        events: vec![EventMapping {
            name: "\"x\"".to_owned(),
            identifiers: [("user_id".to_owned(), "item.id".to_owned())].into(),
            ..EventMapping::default()
        }],
        ..WebhookReading::default()
    }
}

fn compile(reading: &WebhookReading) -> Webhook {
    Webhook::compile(reading, &|_| true).expect("a right definition")
}

fn verify(webhook: &Webhook, headers: &[(&str, &str)], body: &str) -> Result<(), SignatureFault> {
    let post = WebhookPost {
        method: "POST",
        target: "/webhook_uri",
        headers,
        body: body.as_bytes(),
    };
    webhook.verify(&post, NOW)
}

fn hmac(header: &str, prefix: &str) -> HmacSignature {
    HmacSignature {
        header: header.to_owned(),
        prefix: prefix.to_owned(),
        ..HmacSignature::default()
    }
}

/// The signature of a text, in small hexadecimal digits.
pub(crate) fn signed(algorithm: hmac::Algorithm, secret: &[u8], text: &str) -> String {
    let key = hmac::Key::new(algorithm, secret);
    kernel::to_hex(hmac::sign(&key, text.as_bytes()).as_ref())
}

#[test]
fn documented_signatures_are_right() {
    const HUBSPOT: &str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
    let standard = HmacSignature {
        encoding: SignatureEncoding::Base64.into(),
        signed: "{id}.{timestamp}.{body}".to_owned(),
        timestamp: "webhook-timestamp".to_owned(),
        id: "webhook-id".to_owned(),
        secret_encoding: SecretEncoding::Base64.into(),
        ..hmac("webhook-signature", "v1,")
    };
    let v1 = HmacSignature {
        signed: "{secret}{body}".to_owned(),
        ..hmac("X-HubSpot-Signature", "")
    };
    let v2 = HmacSignature {
        signed: "{secret}{method}{url}{body}".to_owned(),
        ..v1.clone()
    };
    for (kind, secret, headers, body) in [
        // https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
        (
            hmac("X-Hub-Signature-256", "sha256="),
            "It's a Secret to Everybody",
            vec![(
                "x-hub-signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            )],
            "Hello, World!",
        ),
        // https://github.com/standard-webhooks/standard-webhooks
        (
            standard,
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            vec![
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                ),
            ],
            "{\"test\": 2432232314}",
        ),
        // https://legacydocs.hubspot.com/docs/faq/validating-requests-from-hubspot
        (
            v1,
            HUBSPOT,
            vec![(
                "x-hubspot-signature",
                "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de",
            )],
            r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]"#,
        ),
        // https://legacydocs.hubspot.com/docs/faq/v2-request-validation
        (
            v2,
            HUBSPOT,
            vec![(
                "x-hubspot-signature",
                "9569219F8BA981FFA6F6F16AA0F48637D35D728C7E4D93D0D52EFAA512AF7900",
            )],
            "{\"example_field\":\"example_value\"}",
        ),
    ] {
        let webhook = compile(&reading(Kind::Hmac(kind), secret, ""));
        assert_eq!(verify(&webhook, &headers, body), Ok(()), "{body}");
        let forged = verify(&webhook, &headers, &format!("{body} "));
        assert_eq!(forged, Err(SignatureFault::Wrong), "{body}");
        let bare = verify(&webhook, &[], body).map_err(|fault| fault.reason());
        assert_eq!(bare, Err(Reason::BadSignature), "{body}");
    }
}

#[test]
fn one_of_several_signatures_has_to_be_right() {
    let webhook = compile(&reading(Kind::Hmac(hmac("Signature", "v1=")), "secret", ""));
    let right = signed(hmac::HMAC_SHA256, b"secret", "{}");
    let wrong = signed(hmac::HMAC_SHA256, b"other", "{}");
    for (value, is_right) in [
        (format!("v1={right}"), true),
        (format!("t=1,v1={wrong}, v1={right}"), true),
        (format!("t=1;v1={right};v0=x"), true),
        (format!("v1={wrong} v1={}", right.to_uppercase()), true),
        (format!("v0={right}"), false),
        (right.clone(), false),
        (format!("v1={}", &right[..62]), false),
        (format!("v1={right}00"), false),
        ("v1=".to_owned(), false),
        (format!("v1={wrong},").repeat(10_000), false),
    ] {
        let verified = verify(&webhook, &[("signature", &value)], "{}");
        assert_eq!(verified.is_ok(), is_right, "{value:.200}");
    }
    let twice = [
        ("signature", "v1=00"),
        ("signature", &format!("v1={right}")),
    ];
    assert_eq!(verify(&webhook, &twice, "{}"), Ok(()));
}

#[test]
fn a_time_is_checked_once_the_signature_is_right() {
    let kind = |tolerance: &str| HmacSignature {
        signed: "{timestamp}.{body}".to_owned(),
        timestamp: "Stripe-Signature:t".to_owned(),
        tolerance: tolerance.to_owned(),
        ..hmac("Stripe-Signature", "v1=")
    };
    let now = NOW.as_millis() / 1_000;
    for (told, tolerance, expected) in [
        (now.to_string(), "", Ok(())),
        ((now - 300).to_string(), "", Ok(())),
        ((now - 301).to_string(), "", Err(Reason::StaleSignature)),
        ((now + 301).to_string(), "", Err(Reason::StaleSignature)),
        ((now - 301).to_string(), "1h", Ok(())),
        ((now * 1_000).to_string(), "1s", Ok(())),
        ("2021-02-25T15:02:10Z".to_owned(), "1s", Ok(())),
        ("soon".to_owned(), "", Err(Reason::BadSignature)),
    ] {
        let webhook = compile(&reading(Kind::Hmac(kind(tolerance)), "secret", ""));
        let right = signed(hmac::HMAC_SHA256, b"secret", &format!("{told}.{{}}"));
        let value = format!("t={told},v1={right}");
        let verified = verify(&webhook, &[("stripe-signature", &value)], "{}");
        assert_eq!(
            verified.map_err(|it| it.reason()),
            expected,
            "{told} {tolerance}"
        );
        // Whoever has no secret is not told whose clock is wrong.
        let value = format!("t={told},v1={}", "0".repeat(64));
        let verified = verify(&webhook, &[("stripe-signature", &value)], "{}");
        assert_eq!(verified, Err(SignatureFault::Wrong));
        let value = format!("v1={right}");
        let verified = verify(&webhook, &[("stripe-signature", &value)], "{}");
        assert_eq!(
            verified.map_err(|it| it.reason()),
            Err(Reason::BadSignature)
        );
    }
}

#[test]
fn both_secrets_count_while_they_are_changed() {
    let kind = || Kind::Hmac(hmac("Signature", ""));
    let webhook = compile(&reading(kind(), "new", "old"));
    for (secret, is_right) in [("new", true), ("old", true), ("older", false)] {
        let value = signed(hmac::HMAC_SHA256, secret.as_bytes(), "{}");
        let verified = verify(&webhook, &[("signature", &value)], "{}");
        assert_eq!(verified.is_ok(), is_right, "{secret}");
    }
    assert!(!format!("{webhook:?}").contains("new"));
}

#[test]
fn every_hash_and_spelling_is_read() {
    for (hash, algorithm) in [
        (SignatureHash::Sha1, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        (SignatureHash::Sha256, hmac::HMAC_SHA256),
        (SignatureHash::Sha512, hmac::HMAC_SHA512),
    ] {
        for (encoding, secret) in [
            (SecretEncoding::Text, "6b6579"),
            (SecretEncoding::Hex, "6b6579"),
            (SecretEncoding::Base64, "whsec_a2V5"),
            (SecretEncoding::Base64, "a2V5"),
        ] {
            let kind = HmacSignature {
                hash: hash.into(),
                secret_encoding: encoding.into(),
                ..hmac("Signature", "")
            };
            let key: &[u8] = match encoding {
                SecretEncoding::Text => b"6b6579",
                _ => b"key",
            };
            let webhook = compile(&reading(Kind::Hmac(kind), secret, ""));
            let value = signed(algorithm, key, "{}");
            let verified = verify(&webhook, &[("signature", &value)], "{}");
            assert_eq!(verified, Ok(()), "{hash:?} {encoding:?}");
        }
    }
}

#[test]
fn a_header_can_hold_the_secret_itself() {
    let token = TokenHeader {
        header: "Authorization".to_owned(),
        prefix: "Bearer ".to_owned(),
    };
    let webhook = compile(&reading(Kind::Token(token), "new", "old"));
    for (value, is_right) in [
        ("Bearer new", true),
        ("Bearer old", true),
        ("Bearer ne", false),
        ("Bearer new1", false),
        ("new", false),
        ("Bearer ", false),
    ] {
        let verified = verify(&webhook, &[("authorization", value)], "{}");
        assert_eq!(verified.is_ok(), is_right, "{value}");
    }
    let unsigned = compile(&reading(Kind::Unsigned(UnsignedPosts {}), "", ""));
    assert_eq!(verify(&unsigned, &[], "{}"), Ok(()));
}
