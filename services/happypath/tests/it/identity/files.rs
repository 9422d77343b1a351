//! Files of events and of namespaces: what is read, and what is refused with its place.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use super::{decide, simulate, told};
use crate::binary;

/// Simulates files, and returns the exit code, what was printed, and what was said about it.
fn run(files: &[(&str, &str)], arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let output = simulate(folder.path(), arguments);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = output.status.code().expect("a code");
    (code, text(output.stdout), text(output.stderr))
}

#[test]
fn a_policy_is_named_or_all_are_listed() {
    let (code, _, said) = run(&[], &["--policy", "newest", "a.jsonl"]);
    assert_eq!(code, 2, "{said}");
    for name in ["drop_lowest_priority", "union_all", "switch_session"] {
        assert!(said.contains(name), "{name} in {said}");
    }
}

#[test]
fn bad_lines_are_told_with_line_field_reason_and_remedy() {
    let lines = "\
        {\"ids\": {\"user_id\": \"u1\"}}\n\
        \n\
        {\"time\": \"never\", \"ids\": {}}\n\
        {\"ids\": {\"user_id\": {}}, \"name\": \"x\"}\n\
        [1]\n\
        {\"ids\"";
    let (code, shown, said) = run(
        &[("bad.jsonl", lines)],
        &["--policy", "union_all", "bad.jsonl", "--json"],
    );
    assert_eq!((code, shown.as_str()), (2, ""), "{said}");
    for part in [
        "4 lines are no event; nothing was decided",
        "bad.jsonl:3: time: `never` is no instant",
        "bad.jsonl:4: ids.user_id: expected a text such as \"u1\"",
        "name: is not known here: a line has `time` and `ids`",
        "bad.jsonl:5:1: is not a JSON object",
        "bad.jsonl:6:",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (code, _, said) = run(&[], &["--policy", "union_all", "none.jsonl"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("none.jsonl: cannot be read"), "{said}");
}

#[test]
fn bad_namespaces_are_told_by_their_place() {
    let files = [
        ("a.jsonl", ""),
        ("bad.yaml", "namespace: {name: x, priority: 0, limit: 1}\n"),
        ("other.yaml", "segment: {name: x, expression: 'true'}\n"),
    ];
    for (file, part) in [
        ("bad.yaml", "; nothing was decided\nbad.yaml:1:"),
        ("other.yaml", "does not count here"),
        ("none.yaml", "none.yaml: cannot be read"),
    ] {
        let arguments = ["--policy", "union_all", "--namespaces", file, "a.jsonl"];
        let (code, _, said) = run(&files, &arguments);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn namespaces_are_laid_over_the_built_in_ones_in_yaml_and_in_json() {
    let events = ["user_id=u1 badge=B7 email=e@x.io", "badge=b7"];
    let expected = ["c1", "c1", "c1: badge=b7 email=e@x.io user_id=u1"];
    for namespaces in [
        "namespace: {name: badge, priority: 9, limit: 2, normalizer: NORMALIZER_LOWERCASE}",
        r#"{"namespace": {"name": "badge", "priority": 9, "limit": 2,
            "normalizer": "NORMALIZER_LOWERCASE"}}"#,
        "namespace: {name: badge, priority: 3, limit: 2, normalizer: NORMALIZER_LOWERCASE}\n\
         ---\n\
         identity_policy: {name: default, identifier_limit: 10}\n",
    ] {
        let answer = decide("drop_lowest_priority", namespaces, &events);
        assert_eq!(told(&answer), expected, "{namespaces}");
    }
}

#[test]
fn hostile_events_make_nobody_large() {
    let thousand: Vec<String> = (0..1_000).map(|number| format!("\"v{number}\"")).collect();
    let lines = format!(
        "{{\"ids\": {{\"anonymous_id\": [{}]}}}}\n\
         {{\"ids\": {{}}}}\n\
         {{\"ids\": {{\"user_id\": [\"\\u0000\", \"null\", \"[object Object]\", \"\\\\N\"]}}}}\n\
         {{\"ids\": {{\"user_id\": [\"u1\", \"u1\", \" u1 \"], \"email\": \"x\"}}}}\n",
        thousand.join(",")
    );
    let (code, shown, said) = run(
        &[("a.jsonl", &lines)],
        &["--policy", "drop_lowest_priority", "a.jsonl", "--json"],
    );
    assert_eq!(code, 0, "{said}");
    let answer: Value = serde_json::from_str(&shown).expect("JSON");
    let events = answer["events"].as_array().expect("a list");
    let dropped = events[0]["dropped"].as_array().expect("a list");
    assert!(dropped.len() >= 980, "{}", dropped.len());
    assert!(dropped.iter().any(|own| own["reason"] == "TOO_MANY"));
    assert_eq!(events[1]["customer"], Value::Null);
    assert_eq!(events[2]["customer"], Value::Null);
    assert_eq!(events[2]["dropped"].as_array().map(Vec::len), Some(4));
    assert_eq!(
        events[3]["dropped"],
        serde_json::json!([{"namespace": "email", "value": "x", "reason": "MALFORMED_VALUE"}])
    );
}

#[test]
fn events_come_by_a_pipe_and_tables_are_for_people() {
    let mut process = binary()
        .args(["identity", "simulate", "--policy", "union_all", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = process.stdin.take().expect("piped");
    stdin
        .write_all(b"{\"ids\": {\"user_id\": \"u1\", \"email\": \"null\"}}\n")
        .expect("written");
    drop(stdin);
    let output = process.wait_with_output().expect("ended");
    let shown = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success());
    for part in [
        "customer",
        "email:null BLOCKED_VALUE",
        "Customers",
        "user_id:u1",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}
