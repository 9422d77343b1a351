//! A dry run of an unmerge says what would stay, in every service that decides.

use crate::Dev;

const WAITING: &str = "\
segment:
  name: buyers
  expression: events(\"purchase\").exists()
---
journey:
  name: welcome
  entry:
    triggers:
      - event: signed_up
    reentry: REENTRY_NEVER
  steps:
    - id: first_purchase
      wait_for:
        branches:
          - trigger:
              event: purchase
            next: happy
        timeout: 30d
    - id: happy
      exit:
        outcome: RUN_OUTCOME_SUCCESS
";

#[test]
fn a_dry_run_of_an_unmerge_names_the_run_that_the_merge_ended() {
    let dev = Dev::start();
    dev.file("all.yaml", WAITING);
    dev.ok("apply -f all.yaml");
    for user in ["u1", "u2"] {
        dev.ok(&format!("track signed_up --id user_id={user}"));
    }
    dev.settle();
    dev.ok("identity merge user_id:u1 user_id:u2");
    dev.settle();
    let history = dev.json("identity history user_id:u2");
    let operation = &history["operations"][0]["operation_id"];
    let operation = operation.as_str().expect("a name");

    let planned = dev.json(&format!(
        "identity unmerge --operation {operation} --dry-run"
    ));
    let told = planned["indivisible"].as_array().expect("a list");
    let says = |text: &str| {
        let mut told = told.iter().filter_map(|it| it.as_str());
        told.any(|it| it.contains(text))
    };
    let ended = "The run of the journey welcome that ended with MERGED_INTO stays ended.";
    assert!(says(ended), "{planned}");
    assert!(says("arms that were given stay"), "{planned}");
    assert!(!says("could not be asked"), "{planned}");
    let shown = dev.ok(&format!(
        "identity unmerge --operation {operation} --dry-run"
    ));
    assert!(shown.contains(ended), "{shown}");
    dev.stop();
}
