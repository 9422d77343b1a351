//! A run that hears its own send, on stream time: an import and its lines one by one say the same.

use serde_json::Value;

use super::Dev;

const DEFINITIONS: &str = r#"channel: {name: mail, log: {}}
---
template: {name: hello, text: {subject: Hello, body: Hello}}
---
policy: {name: default, consent_by_default: true}
---
journey:
  name: welcome
  entry: {triggers: [{event: go}], reentry: REENTRY_NEVER}
  steps:
    - {id: greet, send: {channel: mail, template: hello, purpose: marketing}}
    - id: hear
      wait_for:
        branches: [{trigger: {event: activation_delivered}, next: heard}]
        timeout: 1h
        on_timeout: missed
    - {id: heard, exit: {outcome: RUN_OUTCOME_SUCCESS}}
    - {id: missed, exit: {outcome: RUN_OUTCOME_FAILURE}}
"#;

/// Imports the files and returns the run of the customer.
fn run(files: &[&str]) -> Value {
    let dev = Dev::start_with(
        tempfile::tempdir().expect("a folder"),
        &["--clock", "stream"],
    );
    dev.file("all.yaml", DEFINITIONS);
    dev.ok("apply -f all.yaml");
    for (number, lines) in files.iter().enumerate() {
        let name = format!("{number}.csv");
        dev.file(&name, &format!("timestamp,customer_id,event\n{lines}"));
        dev.ok(&format!("import {name}"));
    }
    dev.settle();
    let mut customer = dev.json("customer user_id:1");
    dev.stop();
    customer["journeys"]["runs"][0].take()
}

#[test]
fn an_import_tells_a_run_of_its_receipt_as_its_lines_one_by_one_do() {
    let (go, y) = ("2026-01-01T10:00:00Z,1,go\n", "2026-01-01T12:00:00Z,1,y\n");
    let (together, apart) = (run(&[&format!("{go}{y}")]), run(&[go, y]));
    for run in [&together, &apart] {
        assert_eq!(run["outcome"], "RUN_OUTCOME_SUCCESS", "{run}");
        assert_eq!(run["end_time"], "2026-01-01T10:00:00Z", "{run}");
    }
}
