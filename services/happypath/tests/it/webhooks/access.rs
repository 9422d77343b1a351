//! Write keys of webhooks: in the path or in a header, and never in a log.

use std::process::Stdio;

use super::{SECRET, post, stripe, text};
use crate::Dev;
use crate::json::http::send;
use crate::tracking::keys::make_keys;

const BODY: &str =
    r#"{"id":"evt_1","type":"invoice.paid","data":{"object":{"customer_email":"a@example.com"}}}"#;

#[test]
fn a_key_names_the_source_wherever_it_stands_and_is_in_no_log() {
    let (folder, keys) = make_keys(&[
        (Some("shop"), &["events:write"]),
        (Some("app"), &["events:write"]),
        (None, &["definitions:write"]),
    ]);
    let [shop, app, admin] = keys.try_into().expect("three keys");
    let log = folder.path().join("log");
    let file = std::fs::File::create(&log).expect("a file");
    let settings = ["--access", "required", "--log-level", "debug"];
    let dev = Dev::start_to(folder, &settings, Stdio::from(file));
    dev.file(
        "shop.yaml",
        &format!(
            "source:\n  name: shop\n  webhook:\n    preset: stripe\n    secret: {SECRET}\n    events:\n      - \
             name: item.type\n        identifiers: {{email: item.data.object.customer_email}}\n"
        ),
    );
    let applied = crate::binary()
        .args(["apply", "-f", "shop.yaml", "--address", &dev.address])
        .current_dir(dev.folder.path())
        .env("HAPPYPATH_KEY", &admin)
        .output()
        .expect("it runs");
    assert!(applied.status.success(), "{applied:?}");
    let signature = stripe(BODY, SECRET, super::now_ms() / 1_000);
    let signed = ("Stripe-Signature", signature.as_str());
    let bearer = format!("Bearer {shop}");
    for (path, headers, status) in [
        (format!("/v1/webhooks/{shop}"), vec![signed], 200),
        (format!("/v1/webhooks/{shop}/"), vec![signed], 200),
        (
            "/v1/webhooks".to_owned(),
            vec![signed, ("Authorization", &bearer)],
            200,
        ),
        // The header is the sender's own where the path has a key.
        (
            format!("/v1/webhooks/{shop}"),
            vec![signed, ("Authorization", "Token x")],
            200,
        ),
        (format!("/v1/webhooks/{shop}"), vec![], 401),
        (format!("/v1/webhooks/{app}"), vec![signed], 404),
        (format!("/v1/webhooks/{shop}x"), vec![signed], 401),
        ("/v1/webhooks/shop".to_owned(), vec![signed], 401),
        ("/v1/webhooks".to_owned(), vec![signed], 401),
    ] {
        let answer = send(&dev.address, "POST", &path, &headers, BODY.as_bytes());
        assert_eq!(answer.status, status, "{headers:?}: {}", text(&answer));
        assert!(!text(&answer).contains(&shop), "{}", text(&answer));
    }
    let asked = format!("/v1/webhooks/{shop}");
    let answer = send(&dev.address, "HEAD", &asked, &[], b"");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let answer = send(&dev.address, "GET", &asked, &[], b"");
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("POST, HEAD"))
    );
    let folder = dev.stop();
    let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
    assert!(!log.is_empty());
    for secret in [shop.as_str(), &app, &admin, SECRET] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[test]
fn definitions_with_faults_are_refused_with_their_path() {
    let dev = Dev::start();
    for (webhook, told) in [
        ("{preset: shopfy, secret: s}", "webhook.preset"),
        ("{preset: stripe}", "webhook.secret"),
        ("{preset: hubspot, secret: s}", "webhook.public_url"),
        (
            "{preset: shopify, secret: s}",
            "there is no namespace `shopify_id`",
        ),
        (
            "{preset: stripe, secret: s, events: [{name: item.type, identifiers: {email: itm.email}}]}",
            "webhook.events[0].identifiers[email]",
        ),
    ] {
        let text = format!("source: {{name: shop, webhook: {webhook}}}\n");
        dev.file("shop.yaml", &text);
        let (code, said) = dev.refused("apply -f shop.yaml");
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(told), "{told}: {said}");
    }
    let answer = post(&dev, "shop", &[], BODY);
    assert_eq!(answer.status, 404, "{}", text(&answer));
    dev.stop();
    // A namespace that a preset names is not deleted from under it.
    let dev = super::start();
    let (code, said) = dev.refused("delete namespace hubspot_id");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("source `hubspot`"), "{said}");
    dev.stop();
}
