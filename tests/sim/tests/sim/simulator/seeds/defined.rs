//! What is defined in a run.

use super::Kind;

/// The definitions of a run.
pub(super) fn definitions(kind: Kind) -> String {
    match kind {
        Kind::Usual => DEFINITIONS.to_owned(),
        Kind::NearBounds => DEFINITIONS.replace("profile.first_name", LARGE),
        Kind::LongHistory => format!("{DEFINITIONS}---{LONG}"),
    }
}

/// Another version of the journey of orders, which reminds over a channel and by a template of its
/// own.
pub(super) fn another_order(kind: Kind, number: u64) -> String {
    let all = definitions(kind);
    let mut parts = all.split("---");
    let journey = parts.find(|part| part.contains("name: order\n"));
    let journey = journey
        .expect("a journey of orders")
        .replace("timeout: 3m", &format!("timeout: {number}m"))
        .replace(
            "remind, send: {channel: mail, template: hello",
            &format!("remind, send: {{channel: mail_{number}, template: hello_{number}"),
        );
    format!(
        "channel: {{name: mail_{number}, log: {{}}}}\n---\n\
         template: {{name: hello_{number}, text: {{subject: Hello, body: Hello again}}}}\n---{journey}"
    )
}

/// What messages repeat of what an event brought, so that pending ones take room.
const LARGE: &str = "event.note";

/// Segments that read all of a long history, and a part of it.
const LONG: &str = r#"
segment: {name: constant, expression: events("visited").count() >= 20000}
---
segment: {name: regular, expression: events("visited").within("5d").count() >= 100}
"#;

const DEFINITIONS: &str = r#"
channel: {name: mail, log: {}}
---
template: {name: hello, text: {subject: Hello, body: "Hello {{ profile.first_name }}"}}
---
policy: {name: default, consent_by_default: true, exempt_purposes: [transactional]}
---
segment: {name: busy, expression: events("ordered").within("4m").count() >= 2}
---
segment: {name: lapsing, expression: events("ordered").exists() && !events("ordered").within("6m").exists()}
---
journey:
  name: order
  entry: {triggers: [{event: ordered}], key: order_id, reentry: REENTRY_AFTER_EXIT}
  goals: [{name: paid, trigger: {event: paid}}]
  steps:
    - {id: confirm, send: {channel: mail, template: hello, purpose: transactional}}
    - id: pay
      wait_for: {branches: [{trigger: {event: promised}, next: trust}], timeout: 3m, on_timeout: remind}
    - {id: remind, send: {channel: mail, template: hello, purpose: marketing}}
    - {id: trust, wait: {duration: 5m}}
---
journey:
  name: win_back
  entry: {triggers: [{segment_entered: lapsing}], reentry: REENTRY_AFTER_EXIT}
  goals: [{name: came_back, trigger: {segment_left: lapsing}}]
  steps:
    - {id: miss, send: {channel: mail, template: hello, purpose: marketing}}
    - {id: rest, wait: {duration: 2m}}
---
journey:
  name: thanks
  entry: {triggers: [{event: activation_delivered, where: event.step == "remind"}], key: activation_id, reentry: REENTRY_AFTER_EXIT}
  steps: [{id: rest, wait: {duration: 1m}}]
---
journey_map:
  name: life
  stages:
    - {name: new, enter: [{event: ordered}]}
    - {name: buyer, enter: [{event: paid}]}
    - {name: lapsing, enter: [{segment_entered: lapsing}]}
---
happy_path:
  name: first_order
  map: life
  milestones:
    - {name: ordered, trigger: {event: ordered}}
    - {name: paid, trigger: {event: paid}, within: 4m}
"#;
