//! Identity by the command line: policies tried on files, and customers found, joined, taken apart
//! and explained.

mod acts;
mod again;
mod cases;
mod examples;
mod files;
mod left;

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use super::binary;

/// Runs `identity simulate` in a folder, without any service.
fn simulate(folder: &Path, arguments: &[&str]) -> Output {
    binary()
        .args(["identity", "simulate"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("ran")
}

/// Simulates events such as `user_id=u1 email=a@x.io`, each at a time of its own where it begins
/// with one such as `@2026-01-31`; returns the answer.
fn decide(policy: &str, namespaces: &str, events: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: Vec<String> = events.iter().map(|event| line(event)).collect();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    write("events.jsonl", &lines.join("\n"));
    let mut arguments = vec!["--policy", policy, "--json", "events.jsonl"];
    if !namespaces.is_empty() {
        write("namespaces.yaml", namespaces);
        arguments.extend(["--namespaces", "namespaces.yaml"]);
    }
    let output = simulate(folder.path(), &arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A line of an event.
fn line(event: &str) -> String {
    let mut ids: serde_json::Map<String, Value> = serde_json::Map::new();
    let mut time = Value::Null;
    for word in event.split_whitespace() {
        match (word.strip_prefix('@'), word.split_once('=')) {
            (Some(at), _) => time = at.into(),
            (None, Some((namespace, value))) => {
                let values = ids.entry(namespace).or_insert_with(|| json!([]));
                values.as_array_mut().expect("a list").push(value.into());
            }
            (None, None) => panic!("{word}"),
        }
    }
    match time {
        Value::Null => json!({ "ids": ids }).to_string(),
        time => json!({ "time": time, "ids": ids }).to_string(),
    }
}

/// The answer in lines: of each event its customer and what was left out, then the customers.
fn told(answer: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let identifier = |own: &Value| format!("{}={}", text(&own["namespace"]), text(&own["value"]));
    let events = answer["events"].as_array().expect("a list").iter();
    let events = events.map(|event| {
        let (now, then) = (text(&event["customer"]), text(&event["customer_then"]));
        let customer = match now == then {
            true => now,
            false => format!("{now} then {then}"),
        };
        let dropped = event["dropped"].as_array().expect("a list").iter();
        let dropped =
            dropped.map(|own| format!(", not {}: {}", identifier(own), text(&own["reason"])));
        format!("{customer}{}", dropped.collect::<String>())
    });
    let customers = answer["customers"].as_array().expect("a list").iter();
    let customers = customers.map(|customer| {
        let own = customer["identifiers"].as_array().expect("a list").iter();
        let own: Vec<String> = own.map(identifier).collect();
        format!("{}: {}", text(&customer["customer"]), own.join(" "))
    });
    events.chain(customers).collect()
}
