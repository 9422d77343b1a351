//! `happypath sources`: a post is tried before anything is sent.

use super::{INVOICE, SECRET, start, stripe};

/// Runs `sources presets`, which asks nobody, and returns its output and its remarks.
fn presets(arguments: &[&str]) -> (String, String) {
    let mut command = crate::binary();
    let output = command
        .args(["sources", "presets"])
        .args(arguments)
        .output();
    let output = output.expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr))
}

#[test]
fn a_post_is_tried_and_nothing_comes_of_it() {
    let dev = start();
    dev.file("invoice.json", INVOICE);
    let said = dev.ok("sources try stripe --file invoice.json");
    for part in [
        "The signature was not checked.",
        "Event invoice.paid, id evt_1",
        "ada@example.com",
        "amount_paid",
        "Events: 1. Dead letters: 0. For no mapping, and left out: 0.",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, _) = dev.refused("customer email:ada@example.com");
    assert_eq!(code, 3);
    dev.file("order.json", "{\"id\":1,\"note\":\"ada@example.com\"}");
    let trial = "sources try shopify --file order.json --header X-Shopify-Topic:orders/create";
    let tried = dev.json(trial);
    assert_eq!(tried["faults"][0]["reason"], "NO_IDENTIFIER");
    assert_eq!(tried["faults"][0]["field"], "webhook.events[0].identifiers");
    let preset = presets(&["shopify"]).0;
    let mended = preset.replacen(
        "email: 'coalesce",
        "email: 'has(item.note) ? item.note : coalesce",
        1,
    );
    dev.file("mended.yaml", &mended);
    // A preset that was copied has no secret yet.
    let (code, said) = dev.refused(&format!("{trial} --definitions mended.yaml"));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("webhook.secret is missing"), "{said}");
    let mended = mended.replace(
        "    signature:",
        &format!("    secret: {SECRET}\n    signature:"),
    );
    dev.file("mended.yaml", &mended);
    let tried = dev.json(&format!("{trial} --definitions mended.yaml"));
    assert_eq!(tried["faults"].as_array().map(Vec::len), Some(0), "{tried}");
    assert_eq!(
        tried["events"][0]["identifiers"]["email"],
        "ada@example.com"
    );
    assert!(
        dev.ok("dead-letters list")
            .starts_with("There are no dead letters")
    );
    dev.stop();
}

#[test]
fn a_signature_is_checked_where_its_secret_is_at_hand() {
    let dev = start();
    dev.file("invoice.json", INVOICE);
    let source =
        format!("source: {{name: stripe, webhook: {{preset: stripe, secret: '{SECRET}'}}}}\n");
    dev.file("stripe.yaml", &source);
    let signed = |secret: &str| stripe(INVOICE, secret, super::now_ms() / 1_000);
    let trial = |header: &str| {
        let line = format!(
            "sources try stripe --file invoice.json --definitions stripe.yaml --check-signature --header Stripe-Signature:{header}"
        );
        dev.ok(&line)
    };
    assert!(trial(&signed(SECRET)).contains("The signature is right."));
    assert!(
        trial(&signed("other")).contains("would be refused: the signature is not that of the post")
    );
    let (code, said) = dev.refused("sources try stripe --file invoice.json --header x");
    assert_eq!(code, 2, "{said}");
    let (code, said) = dev.refused("sources try nobody --file invoice.json");
    assert_eq!(code, 3, "{said}");
    let (names, _) = presets(&[]);
    assert!(names.contains("hubspot\nintercom\nsalesforce\n"), "{names}");
    let (_, said) = presets(&["shopfy"]);
    assert!(said.contains("did you mean `shopify`?"), "{said}");
    dev.stop();
}
