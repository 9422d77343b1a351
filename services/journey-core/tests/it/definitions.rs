//! Mistakes in definitions: every one at once, with its path and what would be right.

use std::collections::BTreeSet;
use std::sync::Arc;

use decision::{Names, Source};
use journey_core::Definitions;

use crate::world::read;

fn faults(yaml: &str) -> Vec<String> {
    let kinds = read(yaml);
    let sources: Vec<Source<'_>> = kinds
        .iter()
        .map(|kind| Source {
            kind,
            version: 1,
            is_current: true,
        })
        .collect();
    let set = |names: &[&str]| {
        let names = names.iter().map(ToString::to_string);
        Some(Arc::new(names.collect::<BTreeSet<_>>()))
    };
    let names = Names {
        segments: set(&["shoppers"]),
        channels: set(&["mail"]),
        templates: set(&["hello"]),
        ..Names::default()
    };
    match Definitions::compile(&sources, &names) {
        Ok(_) => Vec::new(),
        Err(faults) => faults
            .iter()
            .map(|fault| format!("{} {fault}", fault.source))
            .collect(),
    }
}

fn check(yaml: &str, expected: &[&str]) {
    let found = faults(yaml);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}

const ENTRY: &str = "entry: {triggers: [{event: go}], reentry: REENTRY_NEVER}";

#[test]
fn mistakes_of_steps_are_told_all_at_once() {
    check(
        &format!(
            "journey:
  name: j
  {ENTRY}
  goals: [{{name: g, trigger: {{event: x}}}}, {{name: g, trigger: {{segment_left: shopers}}}}]
  steps:
    - {{id: a, send: {{channel: male, template: hullo, purpose: p, expires_after: 99999d}}, next: c}}
    - {{id: b, wait: {{duration: 3651d}}, next: stop}}
    - {{id: b, wait: {{duration: 0s}}}}
    - id: d
      split: {{arms: [{{name: x, share: 4000, next: a}}, {{name: x, share: 5000, next: a}}]}}
    - {{id: e, exit: {{}}, next: a}}
    - {{id: f, branch: {{arms: [{{when: 'segments.has(\"shopers\")', next: a}}], otherwise: zz}}}}"
        ),
        &[
            "0 steps[2].id: `b` is the name of steps[1] too: give each step its own",
            "0 steps[0].send.channel: no channel is named `male`: did you mean `mail`?",
            "0 steps[0].send.template: no template is named `hullo`: did you mean `hello`?",
            "0 steps[0].send.expires_after: `99999d` is not a duration",
            "0 steps[0].next: no step is named `c`: did you mean `a`?",
            "0 steps[1].wait.duration: `3651d` is too long: at most 3650d",
            "0 steps[1].next: no step is named `stop`: there are a, b, b, d, e, f",
            "0 steps[2].wait.duration: must be longer than nothing",
            "0 steps[3].split.arms[1].name: `x` is the name of steps[3].split.arms[0] too",
            "0 steps[3].split.arms: the shares sum to 9000: they must sum to 10,000",
            "0 steps[4].next: only send, wait and milestone have a `next`",
            "0 steps[5].branch.arms[0].when: 1:",
            "0 steps[5].branch.otherwise: no step is named `zz`",
            "0 goals[1].name: `g` is the name of goals[0] too",
            "0 goals[1].trigger.segment_left: no segment is named `shopers`: did you mean `shoppers`?",
        ],
    );
}

#[test]
fn a_shape_that_no_run_could_walk_is_refused() {
    check(
        &format!(
            "journey:
  name: j
  {ENTRY}
  steps:
    - {{id: a, milestone: {{name: m}}, next: b}}
    - {{id: b, branch: {{arms: [{{when: 'true', next: a}}], otherwise: end}}}}
    - {{id: lost, wait: {{duration: 1d}}}}
    - {{id: end, exit: {{}}}}"
        ),
        &[
            "0 steps[2]: no run can come to `lost`",
            "0 steps[0]: a run would go round a, b for ever: put a wait or wait_for into the loop",
        ],
    );
}

#[test]
fn a_loop_with_a_wait_is_fine() {
    check(
        &format!(
            "journey:
  name: j
  {ENTRY}
  steps:
    - {{id: a, wait: {{duration: 1d}}}}
    - {{id: b, branch: {{arms: [{{when: 'true', next: a}}], otherwise: end}}}}
    - {{id: end, exit: {{}}}}"
        ),
        &[],
    );
}

#[test]
fn mistakes_of_entries_are_told() {
    for (entry, expected) in [
        (
            "{triggers: [{event: go}]}",
            "0 entry.reentry: say what happens when it triggers again",
        ),
        (
            "{triggers: [{event: go}], reentry: REENTRY_AFTER_COOLDOWN}",
            "0 entry.cooldown: REENTRY_AFTER_COOLDOWN needs a cool-down",
        ),
        (
            "{triggers: [{event: go}], reentry: REENTRY_NEVER, cooldown: 1d}",
            "0 entry.cooldown: only REENTRY_AFTER_COOLDOWN has a cool-down",
        ),
        (
            "{triggers: [{event: go}, {segment_entered: shoppers}], reentry: REENTRY_NEVER, key: id}",
            "0 entry.key: a key is a property of the event",
        ),
        (
            "{triggers: [{event: go}, {where: 'true'}], reentry: REENTRY_NEVER}",
            "0 entry.triggers[1]: a trigger needs exactly one of",
        ),
        (
            "{triggers: [{event: go, where: 'event.value >'}], reentry: REENTRY_NEVER}",
            "0 entry.triggers[0].where: 1:",
        ),
    ] {
        check(
            &format!("journey: {{name: j, entry: {entry}, steps: [{{id: a, exit: {{}}}}]}}"),
            &[expected],
        );
    }
}

#[test]
fn mistakes_of_maps_and_happy_paths_are_told() {
    check(
        "journey_map:
  name: m
  stages:
    - {name: a, enter: [{event: x}], from: [outsid]}
    - {name: a, enter: [{event: x}]}
    - {name: island, enter: [{event: x}], from: [island]}
---
happy_path:
  name: p
  map: mm
  milestones:
    - {name: a, trigger: {event: x}, within: 3d}
    - {name: a, trigger: {event: x}, optional: true}
---
happy_path: {name: q, map: m, milestones: [{name: a, trigger: {event: x}}, {name: b, trigger: {event: x}}]}
---
happy_path: {name: r, map: m, milestones: [{name: a, trigger: {event: x}}, {name: b, trigger: {event: x}}]}",
        &[
            "0 stages[1].name: `a` is the name of stages[0] too",
            "0 stages[0].from[0]: no stage is named `outsid`: did you mean `outside`?",
            "0 stages[2].from: no customer can come here",
            "1 map: no map is named `mm`: did you mean `m`?",
            "1 milestones[1].name: `a` is the name of milestones[0] too",
            "1 milestones[0].within: the first milestone begins the path",
            "1 milestones[1].optional: the first and the last milestone",
            "3 map: `m` has the happy path `q` already",
        ],
    );
}

const END: &str = "{id: e, exit: {outcome: RUN_OUTCOME_SUCCESS}}";

/// Returns whether definitions hear receipts, and whether they send. The first of them is no longer
/// current.
fn hears_and_sends(yaml: &str, is_first_current: bool) -> (bool, bool) {
    let kinds = read(yaml);
    let sources: Vec<Source<'_>> = (0..)
        .zip(&kinds)
        .map(|(place, kind)| Source {
            kind,
            version: 1,
            is_current: place > 0 || is_first_current,
        })
        .collect();
    let compiled = Definitions::compile(&sources, &Names::default()).expect("they are valid");
    (compiled.hears_receipts(), compiled.sends())
}

#[test]
fn triggers_of_every_kind_hear_receipts() {
    let wait_for = |event: &str| {
        format!(
            "{{id: w, wait_for: {{branches: [{{trigger: {{event: {event}}}, next: e}}], timeout: 1h}}}}"
        )
    };
    let send = "{id: s, send: {channel: mail, template: hello, purpose: p}}";
    let journey = |fields: &str, step: &str| {
        format!("journey: {{name: j, {ENTRY}, {fields} steps: [{step}, {END}]}}")
    };
    let rest = "{id: r, wait: {duration: 1h}}";
    let goal = |event: &str| format!("goals: [{{name: g, trigger: {{event: {event}}}}}],");
    let exit = "exits: [{name: g, trigger: {event: activation_failed}}],";
    let path = "{name: a, trigger: {event: go}}, {name: b, trigger: {event: activation_delivered}}";
    let stages = "{name: a, purpose: p, enter: [{event: activation_suppressed}]}";
    let map = "journey_map: {name: m, stages: [{name: a, purpose: p, enter: [{event: go}]}]}\n";
    for (yaml, expected) in [
        (journey("", &wait_for("go")), (false, false)),
        (journey("", send), (false, true)),
        (
            journey("", &wait_for("activation_delivered")),
            (true, false),
        ),
        (journey(&goal("bought"), rest), (false, false)),
        (journey(&goal("consent_refused"), send), (true, true)),
        (journey(exit, rest), (true, false)),
        (
            journey("", rest).replace("event: go", "event: activation_delivered"),
            (true, false),
        ),
        (
            format!("{map}---\nhappy_path: {{name: p, map: m, milestones: [{path}]}}"),
            (true, false),
        ),
        (
            format!("journey_map: {{name: m, stages: [{stages}]}}"),
            (true, false),
        ),
    ] {
        assert_eq!(hears_and_sends(&yaml, true), expected, "{yaml}");
    }
    // A run may still be on it.
    let older = journey("", &wait_for("activation_delivered"));
    assert_eq!(hears_and_sends(&older, false), (true, false));
}

#[test]
fn names_of_events_and_properties_are_those_of_senders() {
    let journey = |trigger: &str, key: &str| {
        format!(
            "journey:
  name: j
  entry: {{triggers: [{{event: {trigger}, where: 'event[\"Order ID\"] > 9007199254740993'}}], key: {key}, reentry: REENTRY_NEVER}}
  steps: [{{id: a, exit: {{}}}}]"
        )
    };
    check(&journey("Order Completed", "Order ID"), &[]);
    check(&journey("$pageview", "order.id"), &[]);
    check(&journey("'größe 🛒'", "'a\\.b'"), &[]);
    let long = "n".repeat(201);
    check(
        &journey(&long, "k"),
        &["0 entry.triggers[0].event: has a name of 201 bytes: at most 200 are taken"],
    );
    check(
        &journey("e", "a..b"),
        &["0 entry.key: is empty: give it a name"],
    );
    check(&journey("e", "'a\\b'"), &["0 entry.key: has a backslash"]);
}
