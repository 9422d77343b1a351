//! Dead letters and sources, from the command line: shown, mended, replayed, discarded.

use serde_json::{Value, json};

use crate::Dev;
use crate::json::http::send;

/// A source that calls an event by another name, and takes a trait for an identifier.
const SOURCE: &str = "\
source:
  name: web_shop
  event_names: {Order Completed: purchase}
  identifier_traits: {card: card}
";
/// The namespaces of an installation with cards.
const NAMESPACES: &str = "\
namespace: {name: user_id, priority: 1, limit: 1}
---
namespace: {name: anonymous_id, priority: 3, limit: 5}
---
namespace: {name: card, priority: 2, limit: 5}
";

/// Sends events as an SDK does, and expects what an SDK takes for success.
fn track(dev: &Dev, source: &str, events: &Value) {
    let batch = json!({"writeKey": source, "batch": events}).to_string();
    let kind = [("content-type", "application/json")];
    let answer = send(&dev.address, "POST", "/v1/batch", &kind, batch.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn event(fields: &Value) -> Value {
    let mut event = json!({"type": "track", "event": "Order Completed", "userId": "u1"});
    for (name, value) in fields.as_object().expect("an object") {
        event[name] = value.clone();
    }
    event
}

fn listed(dev: &Dev, line: &str) -> Vec<Value> {
    let listed = dev.json(&format!("dead-letters list{line}"));
    listed["dead_letters"].as_array().expect("a list").clone()
}

fn id(letter: &Value) -> &str {
    letter["id"].as_str().expect("an id")
}

#[test]
fn what_cannot_be_taken_is_shown_mended_and_taken_once() {
    let dev = Dev::start();
    assert!(
        dev.ok("dead-letters list")
            .starts_with("There are no dead letters")
    );
    let hostile = "evil\u{1b}[2J\u{202e}\u{9b}31m";
    track(
        &dev,
        "web_shop",
        &json!([
            event(&json!({"messageId": "m1"})),
            event(&json!({"messageId": "m2", "timestamp": hostile})),
            event(&json!({"messageId": "m3", "userId": null})),
            event(&json!({"messageId": "m4", "type": "trac"})),
        ]),
    );
    let letters = listed(&dev, " --source web_shop");
    assert_eq!(letters.len(), 3);
    assert_eq!(listed(&dev, " --reason no-identifier").len(), 1);
    assert_eq!(listed(&dev, " --source other").len(), 0);
    assert_eq!(listed(&dev, " --to 2020-01-01").len(), 0);
    // A stranger's text gives a terminal no orders, and is whole all the same.
    let late = &listed(&dev, " --reason bad-time")[0];
    assert_eq!(late["payload"]["timestamp"], hostile);
    for line in ["list".to_owned(), format!("show {}", id(late))] {
        let said = dev.ok(&format!("dead-letters {line}"));
        assert!(!said.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{said}");
    }
    let said = dev.ok("dead-letters list --limit 1");
    assert!(said.contains("There are more"), "{said}");

    // Nothing was mended: the reasons stay, and the tries are counted.
    let said = dev.ok("dead-letters replay --all");
    assert!(said.contains("Taken: 0. Refused again: 3."), "{said}");
    assert!(listed(&dev, "").iter().all(|it| it["replay_count"] == 1));
    let mended = event(&json!({"messageId": "m2", "timestamp": "2026-01-01T00:00:00Z"}));
    let file = dev.file("mended.json", &mended.to_string());
    let replay = format!(
        "dead-letters replay {} --payload {}",
        id(late),
        file.display()
    );
    let said = dev.ok(&replay);
    assert!(said.contains("Taken: 1. Refused again: 0."), "{said}");
    let (code, said) = dev.refused(&replay);
    assert_eq!(code, 3, "{said}");
    dev.settle();
    let events = dev.json("customer user_id:u1");
    let counted = events.to_string();
    assert!(counted.contains("2026-01-01T00:00:00Z"), "{counted}");
    let said = dev.ok("dead-letters discard --all --reason unknown-type");
    assert!(said.contains("Removed for good: 1."), "{said}");
    let said = dev.ok("status");
    assert!(said.contains("happypath dead-letters list"), "{said}");
    let intake = &dev.json("status")["intake"];
    assert_eq!(intake["dead_letter_counts"]["web_shop"], 1);
    let counts = intake["counts"].as_array().expect("a list").iter();
    let count = |reason: &str| {
        let mut counts = counts.clone();
        let found = counts.find(|it| it["reason"] == reason);
        found.map(|it| it["count"].as_u64().expect("a number"))
    };
    assert_eq!(count("ACCEPTED"), Some(2));
    assert_eq!(count("NO_IDENTIFIER"), Some(1));
    dev.stop();
}

#[test]
fn a_source_is_defined_and_dead_letters_are_taken_by_its_new_rules() {
    let dev = Dev::start();
    let (source, namespaces) = (dev.file("s.yaml", SOURCE), dev.file("n.yaml", NAMESPACES));
    let apply = |file: &std::path::Path| format!("apply -f {}", file.display());
    let (code, said) = dev.refused(&apply(&source));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("identifier_traits[card]"), "{said}");
    track(
        &dev,
        "web_shop",
        &json!([{"type": "identify", "messageId": "m1", "traits": {"card": "c-7"}}]),
    );
    assert_eq!(listed(&dev, "")[0]["reason"], "NO_IDENTIFIER");
    dev.ok(&format!("{} -f {}", apply(&source), namespaces.display()));
    let said = dev.ok("get sources");
    assert!(said.contains("web_shop"), "{said}");
    assert!(dev.ok("get").contains("source"));
    let (code, said) = dev.refused("delete namespace card");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("source `web_shop`"), "{said}");
    let said = dev.ok("dead-letters replay --all --source web_shop");
    assert!(said.contains("Taken: 1. Refused again: 0."), "{said}");
    track(&dev, "web_shop", &json!([event(&json!({}))]));
    dev.settle();
    let said = dev.ok("customer card:c-7");
    assert!(said.contains("c-7"), "{said}");
    let said = dev.ok("customer user_id:u1");
    assert!(
        said.contains("purchase") && !said.contains("Order Completed"),
        "{said}"
    );
    dev.ok("delete source web_shop");
    dev.stop();
}

#[test]
fn dead_letters_and_statistics_outlive_their_process() {
    let dev = Dev::start();
    let events: Vec<Value> = (0..250)
        .map(|place| json!({"type": "track", "messageId": format!("m{place}")}))
        .collect();
    track(&dev, "shop", &json!(events));
    let folder = dev.stop();
    let dev = Dev::start_in(folder);
    let letters = listed(&dev, " --limit 1000");
    assert_eq!(letters.len(), 250);
    let mut ids: Vec<&str> = letters.iter().map(id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 250);
    assert_eq!(listed(&dev, " --limit 7").len(), 7);
    let intake = &dev.json("status")["intake"];
    let counted = intake["counts"][0]["count"].as_u64();
    assert_eq!(counted, Some(250), "{intake}");
    let said = dev.ok("dead-letters discard --all --source shop");
    assert!(said.contains("Removed for good: 250."), "{said}");
    assert!(listed(&dev, "").is_empty());
    dev.stop();
}
