//! `happypath delete` keeps what runs under way still need.

use super::Dev;

const FIRST: &str = r#"segment: {name: vip, expression: 'profile.plan == "pro"'}
---
segment: {name: buyers, expression: 'events("purchase").exists()'}
---
channel: {name: mail, log: {}}
---
template: {name: hello, text: {subject: Hello, body: Hello}}
---
policy: {name: default, consent_by_default: true}
---
journey:
  name: welcome
  entry: {triggers: [{event: signed_up}], reentry: REENTRY_NEVER}
  steps:
    - {id: pause, wait: {duration: 30d}}
    - {id: choose, branch: {arms: [{when: 'segments.has("vip")', next: greet}], otherwise: done}}
    - {id: greet, send: {channel: mail, template: hello, purpose: marketing}}
    - {id: done, exit: {}}
"#;

const SECOND: &str = "journey:
  name: welcome
  entry: {triggers: [{event: signed_up}], reentry: REENTRY_NEVER}
  steps:
    - {id: pause, wait: {duration: 30d}}
    - {id: done, exit: {}}
";

#[test]
fn what_runs_on_an_older_version_need_is_not_deleted() {
    let dev = Dev::start();
    dev.file("first.yaml", FIRST);
    dev.file("second.yaml", SECOND);
    dev.ok("apply -f first.yaml");
    dev.ok("track signed_up --id user_id=u1");
    dev.settle();
    dev.ok("apply -f second.yaml");
    for needed in ["segment vip", "channel mail"] {
        let (code, said) = dev.refused(&format!("delete {needed}"));
        assert_eq!(code, 2, "{said}");
        let runs = format!("{needed} is needed by 1 run on version 1 of journey welcome");
        assert!(said.contains(&runs), "{said}");
    }
    dev.ok("delete segment buyers");
    dev.ok("delete segment vip --force");
}
