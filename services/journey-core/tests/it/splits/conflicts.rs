//! Runs of one key that meet in a merge: the journey says which goes on.

use decision::{Names, Source};
use journey_core::{Definitions, limits};
use kernel::Reason;
use messages::definition::v1::definition::Kind;

use super::state;
use crate::world::{World, compiled, customer, read};

fn journey(rule: &str) -> String {
    format!(
        "journey:
  name: j
  entry: {{triggers: [{{event: go}}], reentry: REENTRY_AFTER_EXIT}}
  {rule}
  steps:
    - {{id: mail, send: {{channel: mail, template: t, purpose: p}}}}
    - {{id: rest, wait: {{duration: 90d}}}}
"
    )
}

/// Joins a customer whose run started on the third day into one whose run started on the second, or
/// the other way round. Returns when the runs that go on had started, and the steps that they took.
fn check(rule: &str, older_is_first: bool, expected: &[(i64, u32)]) {
    let mut world = World::new(compiled(&journey(rule)));
    let days = if older_is_first { [2, 3] } else { [3, 2] };
    for (who, day) in [(1, days[0]), (2, days[1])] {
        if day == 2 {
            world.take_line(&format!("2d c{who} go n={who}"));
        }
    }
    for (who, day) in [(1, days[0]), (2, days[1])] {
        if day == 3 {
            world.take_line(&format!("3d c{who} go n={who}"));
        }
    }
    world.take_line("5d c2 merged c1");
    let state = state(&world, 1);
    let days = |millis: i64| millis / (24 * 3_600_000);
    let runs = state.runs.iter();
    let runs: Vec<(i64, u32)> = runs
        .map(|run| (days(run.start_time.as_millis()), run.visit))
        .collect();
    assert_eq!(runs, expected, "{rule}");
    let ended = 2 - expected.iter().filter(|(day, _)| *day < 5).count();
    assert_eq!(state.ended.len(), ended, "{rule}");
    for run in state.ended.iter() {
        assert_eq!(run.reason, Reason::MergedInto);
    }
}

#[test]
fn the_older_customers_run_goes_on_unless_the_journey_says_otherwise() {
    for rule in ["", "on_merge_conflict: ON_MERGE_CONFLICT_KEEP_OLDER"] {
        check(rule, true, &[(2, 2)]);
        check(rule, false, &[(3, 2)]);
    }
}

#[test]
fn the_younger_customers_run_goes_on_where_the_journey_says_so() {
    let rule = "on_merge_conflict: ON_MERGE_CONFLICT_KEEP_NEWER";
    check(rule, true, &[(3, 2)]);
    check(rule, false, &[(2, 2)]);
}

#[test]
fn a_rule_that_nobody_knows_is_a_mistake_with_its_field() {
    let mut kinds = read(&journey(""));
    for kind in &mut kinds {
        if let Kind::Journey(journey) = kind {
            journey.on_merge_conflict = 99;
        }
    }
    let source = |kind| Source {
        kind,
        version: 1,
        is_current: true,
    };
    let sources: Vec<Source<'_>> = kinds.iter().map(source).collect();
    let Err(faults) = Definitions::compile(&sources, &Names::default()) else {
        panic!("a rule 99 was taken");
    };
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let expected = "on_merge_conflict: say what happens to two runs of one key";
    assert!(told[0].starts_with(expected), "{told:?}");
}

#[test]
fn both_runs_go_on_where_the_journey_says_so() {
    let rule = "on_merge_conflict: ON_MERGE_CONFLICT_KEEP_BOTH";
    check(rule, true, &[(2, 2), (3, 2)]);
    check(rule, false, &[(2, 2), (3, 2)]);
}

#[test]
fn a_new_run_begins_for_the_newest_event_where_the_journey_says_so() {
    let rule = "on_merge_conflict: ON_MERGE_CONFLICT_RESTART";
    check(rule, true, &[(5, 2)]);
    check(rule, false, &[(5, 2)]);
    let mut world = World::new(compiled(&journey(rule)));
    for line in ["2d c1 go n=1", "3d c2 go n=2", "5d c2 merged c1"] {
        world.take_line(line);
    }
    let state = state(&world, 1);
    let trigger = state.runs[0].trigger.value("n").map(ToString::to_string);
    assert_eq!(trigger.as_deref(), Some("2"));
    assert_eq!(world.activations.len(), 3, "each run asked for its message");
    assert_eq!(world.counted("journey/j/1/entered"), 3);
    assert_eq!(world.counted("journey/j/1/active"), 1);
}

#[test]
fn runs_that_go_on_beside_each_other_are_ended_together_and_come_apart() {
    let keep = "on_merge_conflict: ON_MERGE_CONFLICT_KEEP_BOTH";
    let yaml = journey(keep).replace("AFTER_EXIT", "REPLACE");
    let mut world = World::new(compiled(&yaml));
    for line in ["2d c1 go", "3d c2 go", "5d c2 merged c1", "6d c2 split"] {
        world.take_line(line);
    }
    assert_eq!(
        (state(&world, 1).runs.len(), state(&world, 2).runs.len()),
        (1, 1)
    );
    for line in ["7d c2 merged c1", "8d c1 go"] {
        world.take_line(line);
    }
    assert_eq!(state(&world, 1).runs.len(), 1, "both were replaced");
    assert_eq!(world.counted("journey/j/1/ended/REPLACED"), 2);
}

#[test]
fn runs_that_are_kept_keep_the_bound() {
    let yaml = journey("on_merge_conflict: ON_MERGE_CONFLICT_KEEP_BOTH");
    let yaml = yaml.replace("}], reentry", "}], key: k, reentry");
    let mut world = World::new(compiled(&yaml));
    for key in 0..20 {
        for who in [1, 2] {
            world.take_line(&format!("2d c{who} go k={key}"));
        }
    }
    world.take_line("5d c2 merged c1");
    assert_eq!(state(&world, 1).runs.len(), limits::RUNS_ACTIVE);
    assert_eq!(world.states.len(), 1);
    assert!(world.states.contains_key(&customer(1)));
}
