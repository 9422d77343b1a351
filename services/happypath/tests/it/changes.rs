//! Changes out: from the command line, over broken connections, and as server-sent events.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;
use testkit::Proxy;

use crate::json::http::send;
use crate::{Dev, Process, binary};

const DEFINITIONS: &str = "\
segment:
  name: buyers
  expression: events(\"purchase\").exists()
---
segment:
  name: visitors
  expression: events(\"visit\").exists()
";

/// A server whose customers enter segments.
fn server() -> Dev {
    let dev = Dev::start();
    dev.file("all.yaml", DEFINITIONS);
    dev.ok("apply -f all.yaml");
    dev
}

/// Lets customers with these numbers enter a segment by an event.
fn enter(dev: &Dev, event: &str, numbers: std::ops::Range<u32>) {
    let file = format!("{event}-{}.csv", numbers.start);
    let lines = numbers.map(|number| format!("2026-01-01,{event},u{number}\n"));
    let lines: String = lines.collect();
    dev.file(&file, &format!("timestamp,event,user_id\n{lines}"));
    dev.ok(&format!("import {file}"));
    dev.settle();
}

/// Returns the changes that a watch prints, and the position that it ends with.
fn watched(dev: &Dev, line: &str) -> (Vec<Value>, String) {
    let output = dev.run(&format!("changes watch --json {line}"));
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{line}: {errors}");
    let lines = String::from_utf8(output.stdout).expect("text");
    let changes = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let (_, position) = errors.rsplit_once("--from ").expect("a position");
    (changes.collect(), position.trim().to_owned())
}

fn ids(changes: &[Value]) -> BTreeSet<String> {
    let ids = changes
        .iter()
        .map(|it| it["id"].as_str().expect("an id").to_owned());
    let ids: BTreeSet<String> = ids.collect();
    assert_eq!(ids.len(), changes.len(), "a change came twice");
    ids
}

#[test]
fn changes_are_printed_from_any_position_on() {
    let dev = server();
    let empty = dev.json("changes status");
    assert_eq!(
        (&empty["change_count"], &empty["oldest_time"]),
        (&0.into(), &Value::Null)
    );
    enter(&dev, "purchase", 0..5);
    enter(&dev, "visit", 0..3);
    let (first, position) = watched(&dev, "--from-start --limit 3");
    let (rest, _) = watched(&dev, &format!("--from {position} --limit 5"));
    let all = [first, rest].concat();
    assert_eq!(ids(&all).len(), 8);
    assert!(all.iter().all(|it| it["membership"]["is_member"] == true));
    let (visitors, _) = watched(
        &dev,
        "--from-start --segment visitors --kind membership --limit 3",
    );
    assert!(
        visitors
            .iter()
            .all(|it| it["membership"]["segment"] == "visitors")
    );
    let said = dev.ok("changes watch --from-start --customer user_id:u1 --limit 2");
    assert!(said.contains("entered segment buyers (EVENT)"), "{said}");
    let state = dev.json("changes status");
    assert_eq!(state["change_count"], 8);
    assert_eq!(state["retention"], "604800s");
    assert!(dev.ok("changes status").contains("7d"));

    for (line, code, words) in [
        ("changes watch --from nonsense", 2, "is no position"),
        (
            "changes watch --from Af__________AAAAAAAAAAgAAAAA",
            2,
            "another installation",
        ),
        ("changes watch --segment Loyal", 2, "segments"),
    ] {
        let (found, said) = dev.refused(line);
        assert_eq!(found, code, "{line}: {said}");
        assert!(said.contains(words), "{line}: {said}");
    }
}

#[test]
fn an_installation_without_changes_says_how_to_have_them() {
    let dev = Dev::start_with(
        tempfile::tempdir().expect("a folder"),
        &["--change-retention", "off"],
    );
    let (code, said) = dev.refused("changes watch");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("change_retention"), "{said}");
    assert!(dev.ok("changes status").contains("change_retention is off"));
}

/// A watch that goes on until it is killed.
fn watching(dev: &Dev, address: &str) -> (Process, BufReader<std::process::ChildStdout>) {
    let mut child: Child = binary()
        .args([
            "changes",
            "watch",
            "--json",
            "--from-start",
            "--address",
            address,
        ])
        .current_dir(dev.folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let lines = BufReader::new(child.stdout.take().expect("piped"));
    (Process(child), lines)
}

#[test]
fn a_watch_goes_on_by_itself_where_its_connection_breaks() {
    let dev = server();
    let port = dev.address.rsplit_once(':').expect("a port").1;
    let proxy = Proxy::start(port.parse().expect("a port")).expect("a door");
    let (_process, mut lines) = watching(&dev, &proxy.url(&dev.address));
    let mut found: Vec<Value> = Vec::new();
    let mut take = |count: usize| {
        while found.len() < count {
            let mut line = String::new();
            lines.read_line(&mut line).expect("a line");
            found.push(serde_json::from_str(&line).expect("JSON"));
        }
        ids(&found).len()
    };
    enter(&dev, "purchase", 0..10);
    assert_eq!(take(10), 10);
    for round in 1..3_u32 {
        proxy.cut();
        enter(&dev, "purchase", 10 * round..10 * round + 10);
        proxy.resume();
        let count = usize::try_from(10 * round + 10).expect("small");
        assert_eq!(take(count), count);
    }
}

/// The events of a stream, each with its id and its data.
fn events(dev: &Dev, target: &str, last: Option<&str>) -> Vec<(String, Value)> {
    let mut headers = vec![("accept", "text/event-stream")];
    headers.extend(last.map(|id| ("last-event-id", id)));
    let answer = send(&dev.address, "GET", target, &headers, b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = String::from_utf8(answer.body).expect("text");
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    let field = |event: &str, name: &str| {
        let mut lines = event.lines();
        lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    let read = events.map(|event| {
        let data = field(event, "data: ").expect("data");
        let id = field(event, "id: ").expect("an id");
        (id, serde_json::from_str(&data).expect("JSON"))
    });
    read.collect()
}

#[test]
fn a_browser_goes_on_behind_the_last_event_that_it_has() {
    let dev = server();
    enter(&dev, "purchase", 0..6);
    let target = "/v1/changes:watch?fromStart=true&maxChanges=2&filter.segments=buyers";
    let whole = events(&dev, target, None);
    let changes = |events: &[(String, Value)]| -> Vec<Value> {
        let lists = events
            .iter()
            .filter_map(|(_, data)| data["changes"].as_array());
        lists.flatten().cloned().collect()
    };
    assert_eq!(ids(&changes(&whole)).len(), 6);
    assert!(
        whole
            .iter()
            .all(|(id, data)| data["position"] == id.as_str())
    );
    for (place, (id, _)) in whole.iter().enumerate() {
        let rest = changes(&events(&dev, target, Some(id)));
        assert_eq!(rest, changes(&whole[place + 1..]), "behind event {place}");
    }
    let refused = send(
        &dev.address,
        "GET",
        target,
        &[("accept", "text/event-stream"), ("last-event-id", "old")],
        b"",
    );
    assert_eq!(refused.status, 400);
    let error: Value = serde_json::from_slice(&refused.body).expect("JSON");
    let details = error["error"]["details"].as_array().expect("details");
    assert!(
        details.iter().any(|it| it["reason"] == "POSITION_INVALID"),
        "{error}"
    );
}
