//! Customers at the bounds of what is kept of them, alone and merged: nothing is too large, and
//! nothing is left out without a word.

mod everything;

use std::fmt::Write as _;

use journey_core::limits;
use journey_core::state::Customer;
use kernel::Reason;

use crate::world::{World, compiled, customer};

/// A name as long as a name may be.
fn long_name(prefix: &str, number: usize) -> String {
    let tail = format!("{number:03}");
    let filler = "x".repeat(limits::NAME_BYTES - prefix.len() - tail.len());
    format!("{prefix}{filler}{tail}")
}

fn state(world: &World, number: u32) -> Customer {
    world.states[&customer(number)].open()
}

fn bytes(world: &World, number: u32) -> usize {
    world.stored[&customer(number)].bytes()
}

/// The details of the history's entries with a reason.
fn told(world: &World, number: u32, reason: Reason) -> Vec<(String, String)> {
    let state = state(world, number);
    let entries = state.history.iter();
    entries
        .filter(|entry| entry.reason == reason)
        .map(|entry| (entry.subject.to_string(), entry.detail.to_string()))
        .collect()
}

fn count(world: &World, name: &str) -> i64 {
    world.counted(name)
}

const KEYED: &str = "journey:
  name: order
  entry: {triggers: [{event: order}], key: k, reentry: REENTRY_AFTER_EXIT}
  steps: [{id: a, exit: {}}]
---
journey:
  name: welcome
  entry: {triggers: [{event: signed_up}], reentry: REENTRY_NEVER}
  steps: [{id: a, send: {channel: mail, template: t, purpose: p}}]
";

#[test]
fn a_run_that_never_comes_again_is_remembered_whatever_other_journeys_do() {
    let mut world = World::new(compiled(KEYED));
    world.take_line("0s signed_up");
    for key in 0..200 {
        world.take_line(&format!("{}s order k=o{key}", key + 1));
    }
    world.take_line("300s signed_up");
    assert_eq!(count(&world, "journey/welcome/1/entered"), 1);
    assert_eq!(count(&world, "journey/welcome/1/refused/REENTRY_NEVER"), 1);
    assert_eq!(world.activations.len(), 1);
}

#[test]
fn a_run_is_refused_rather_than_an_end_forgotten_that_forbids_it() {
    let mut world = World::new(compiled(
        &KEYED.replace("REENTRY_AFTER_EXIT", "REENTRY_NEVER"),
    ));
    let keys = limits::ENDINGS_PER_JOURNEY;
    for key in 0..=keys {
        world.take_line(&format!("{key}s order k=o{key}"));
    }
    world.take_line(&format!("{}s order k=o0", keys + 1));
    let entered = i64::try_from(keys).expect("a small number");
    assert_eq!(count(&world, "journey/order/1/entered"), entered);
    assert_eq!(count(&world, "journey/order/1/refused/REENTRY_LIMIT"), 1);
    assert_eq!(count(&world, "journey/order/1/refused/REENTRY_NEVER"), 1);
    assert_eq!(told(&world, 1, Reason::ReentryLimit).len(), 1);
    // Other journeys have their own room.
    world.take_line(&format!("{}s signed_up", keys + 2));
    assert_eq!(count(&world, "journey/welcome/1/entered"), 1);
}

#[test]
fn ends_of_both_customers_forbid_a_run_after_their_merge() {
    let mut world = World::new(compiled(
        &KEYED.replace("REENTRY_AFTER_EXIT", "REENTRY_NEVER"),
    ));
    world.take_line("1s c2 signed_up");
    world.take_line("2s c2 order k=mine");
    world.take_line("3s c1 order k=yours");
    world.take_line("4s c2 merged c1");
    world.take_line("5s c1 signed_up");
    world.take_line("6s c1 order k=mine");
    world.take_line("7s c1 order k=yours");
    assert_eq!(count(&world, "journey/welcome/1/refused/REENTRY_NEVER"), 1);
    assert_eq!(count(&world, "journey/order/1/refused/REENTRY_NEVER"), 2);
}

const BRANCHING: &str = "journey:
  name: j
  entry: {triggers: [{event: go}], reentry: REENTRY_AFTER_EXIT}
  steps:
    - {id: b, branch: {arms: [{when: 'event.value > 100.0', next: w}], otherwise: x}}
    - {id: w, wait: {duration: 5d}}
    - {id: x, exit: {}}
";

#[test]
fn a_large_property_does_not_hide_the_others() {
    let mut world = World::new(compiled(BRANCHING));
    let html = "h".repeat(50_000);
    world.take_line(&format!("0s go cart_html={html} value=500"));
    assert_eq!(state(&world, 1).runs[0].step.as_ref(), "w");
    assert_eq!(
        told(&world, 1, Reason::PropertyLimit),
        [("j".to_owned(), "cart_html".to_owned())]
    );
    // A property that no step reads gives way to what one reads, however small it is.
    let mut line = "0s c2 go value=500".to_owned();
    for number in 0..99 {
        write!(line, " a{number:02}={}", "y".repeat(450)).expect("a text takes it");
    }
    world.take_line(&line);
    let run = state(&world, 2).runs[0].clone();
    assert_eq!(run.step.as_ref(), "w");
    assert!(run.trigger.value("value").is_some() && run.trigger.len() > 50);
    assert_eq!(told(&world, 2, Reason::PropertyLimit).len(), 1);
    // Properties that fit are kept whole, and nothing is told.
    world.take_line("0s c3 go cart_html=small value=500");
    assert_eq!(state(&world, 3).runs[0].trigger.len(), 2);
    assert_eq!(told(&world, 3, Reason::PropertyLimit), []);
}

#[test]
fn a_large_event_is_kept_whole_beside_few_runs_and_each_run_has_a_share() {
    let mut world = World::new(compiled(
        "journey:
  name: j
  entry: {triggers: [{event: go}], key: k, reentry: REENTRY_AFTER_EXIT}
  steps: [{id: a, send: {channel: mail, template: t, purpose: p}}, {id: w, wait: {duration: 5d}}]
",
    ));
    let cart = "h".repeat(30_000);
    world.take_line(&format!("0s go k=large cart={cart}"));
    let carried = world.actions[0].properties.iter();
    assert!(carried.map(|own| own.name.as_str()).eq(["cart", "k"]));
    for number in 1..limits::RUNS_ACTIVE {
        let text = "x".repeat(limits::TRIGGER_SHARE - 200);
        world.take_line(&format!("{number}s go k={number} text={text}"));
    }
    assert_eq!(state(&world, 1).runs.len(), limits::RUNS_ACTIVE);
    assert_eq!(told(&world, 1, Reason::PropertyLimit), []);
}

#[test]
fn an_object_that_is_asked_for_stays_beside_the_small() {
    let asks = BRANCHING.replace("event.value > 100.0", "has(event.address)");
    let mut world = World::new(compiled(&asks));
    let mut line = format!("0s go address.city={}", "c".repeat(600));
    for number in 0..99 {
        write!(line, " a{number:02}={}", "y".repeat(450)).expect("a text takes it");
    }
    world.take_line(&line);
    assert_eq!(state(&world, 1).runs[0].step.as_ref(), "w");
}

#[test]
fn many_sends_at_once_to_a_customer_with_large_traits_fit_into_one_commit() {
    let mut world = World::new(compiled(
        "journey:
  name: j
  entry: {triggers: [{event: go}], key: k, reentry: REENTRY_AFTER_EXIT}
  steps:
    - {id: w, wait_for: {branches: [{trigger: {segment_entered: s}, next: a}], timeout: 9d}}
    - {id: a, send: {channel: mail, template: t, purpose: p}}
",
    ));
    let mut line = "0s note @name=Ada".to_owned();
    for number in 0..8 {
        write!(line, " @t{number}={}", "z".repeat(8_000)).expect("a text takes it");
    }
    world.take_line(&line);
    for key in 0..limits::RUNS_ACTIVE {
        let text = "q".repeat(3_800);
        world.take_line(&format!("1s go k=k{key} text={text}"));
    }
    world.take_line("2s +s");
    assert_eq!(world.activations.len(), limits::RUNS_ACTIVE);
    assert!(world.action_bytes < 600 * 1024, "{}", world.action_bytes);
    assert!(!told(&world, 1, Reason::TraitLimit).is_empty());
    let named = world.actions.iter().filter(|action| {
        let mut traits = action.traits.iter();
        traits.any(|named| named.name == "name")
    });
    assert_eq!(named.count(), limits::RUNS_ACTIVE);
}

const MANY_RUNS: &str = "journey:
  name: j
  entry: {triggers: [{event: go}], key: k, reentry: REENTRY_AFTER_EXIT}
  goals: [{name: g, trigger: {event: done}}]
  steps: [{id: a, wait: {duration: 5d}}]
";

#[test]
fn runs_over_the_bound_after_merges_end_with_a_reason_and_stay_in_the_counters() {
    let mut world = World::new(compiled(MANY_RUNS));
    for who in 1..=5 {
        for key in 0..25 {
            world.take_line(&format!("{}s c{who} go k={who}_{key}", who * 100 + key));
        }
    }
    for loser in 2..=5 {
        world.take_line(&format!("1000s c{loser} merged c1"));
        assert_eq!(state(&world, 1).runs.len(), limits::RUNS_ACTIVE);
        assert_eq!(count(&world, "journey/j/1/entered"), 125);
    }
    assert_eq!(count(&world, "journey/j/1/active"), 25);
    assert_eq!(count(&world, "journey/j/1/ended/RUN_LIMIT"), 100);
    // Those that started first go on.
    let runs = state(&world, 1).runs;
    assert!(runs.iter().all(|run| run.key.starts_with("1_")));
    assert!(!told(&world, 1, Reason::RunLimit).is_empty());
    world.take_line("2000s c5 done");
    assert_eq!(count(&world, "journey/j/1/ended/GOAL_REACHED"), 25);
    assert_eq!(count(&world, "journey/j/1/active"), 0);
}

#[test]
fn the_runs_of_a_loser_go_on_where_they_started_first() {
    let mut world = World::new(compiled(MANY_RUNS));
    world.take_line("0s c2 go k=first");
    for key in 0..25 {
        world.take_line(&format!("{}s c1 go k=k{key}", key + 1));
    }
    world.take_line("100s c2 merged c1");
    let runs = state(&world, 1).runs;
    assert_eq!(runs[0].key.as_ref(), "first");
    assert!(!runs.iter().any(|run| run.key.as_ref() == "k24"));
    assert_eq!(count(&world, "journey/j/1/ended/RUN_LIMIT"), 1);
}

#[test]
fn traits_over_the_bound_are_left_out_with_a_reason_and_those_that_are_read_stay() {
    let mut world = World::new(compiled(
        "journey:
  name: j
  entry: {triggers: [{event: go, where: profile.plan == \"pro\"}], reentry: REENTRY_AFTER_EXIT}
  steps: [{id: a, wait: {duration: 5d}}]
",
    ));
    let large = "z".repeat(8_000);
    for number in 0..8 {
        world.take_line(&format!("{number}s note @t{number}={large}"));
    }
    assert_eq!(told(&world, 1, Reason::TraitLimit), []);
    world.take_line(&format!("8s note @t8={large} @plan=pro"));
    assert_eq!(
        told(&world, 1, Reason::TraitLimit),
        [("profile".to_owned(), "t8".to_owned())]
    );
    world.take_line("9s go");
    assert_eq!(state(&world, 1).runs.len(), 1);
}

#[test]
fn memberships_over_the_bound_are_let_go_and_those_that_are_read_stay() {
    let mut world = World::new(compiled(
        "journey:
  name: j
  entry: {triggers: [{event: go, where: 'segments.has(\"wanted\")'}], reentry: REENTRY_AFTER_EXIT}
  exits: [{name: out, trigger: {segment_left: wanted}}]
  steps: [{id: a, wait: {duration: 5d}}]
",
    ));
    let mut line = "0s note +wanted".to_owned();
    for number in 0..600 {
        write!(line, " +{}", long_name("s", number)).expect("a text takes it");
    }
    world.take_line(&line);
    world.take_line("1s go");
    assert_eq!(state(&world, 1).runs.len(), 1);
    world.take_line("2s -wanted");
    assert_eq!(count(&world, "journey/j/1/ended/EXIT_RULE"), 1);
}

#[test]
fn a_membership_that_is_read_and_has_no_room_is_told() {
    let names: Vec<String> = (0..600).map(|number| long_name("s", number)).collect();
    let maps: Vec<String> = names
        .chunks(20)
        .enumerate()
        .map(|(number, names)| {
            let terms: Vec<String> = names
                .iter()
                .map(|name| format!("segments.has(\"{name}\")"))
                .collect();
            format!(
                "journey_map: {{name: m{number}, stages: [{{name: a, enter: [{{event: go, where: '{}'}}]}}]}}",
                terms.join(" || ")
            )
        })
        .collect();
    let mut world = World::new(compiled(&maps.join("\n---\n")));
    let line: Vec<String> = names.iter().map(|name| format!("+{name}")).collect();
    world.take_line(&format!("0s {}", line.join(" ")));
    assert_eq!(told(&world, 1, Reason::SegmentLimit).len(), 1);
    let segments = state(&world, 1).segments.len();
    assert_eq!(segments, limits::SEGMENT_BYTES / (limits::NAME_BYTES + 2));
}

#[test]
fn a_position_beyond_the_bound_is_refused_and_counted() {
    let yaml = maps_and_paths(limits::POSITIONS + 1, 0);
    let mut world = World::new(compiled(yaml.trim_end_matches("---\n")));
    world.take_line("0s go");
    assert_eq!(state(&world, 1).positions.len(), limits::POSITIONS);
    let refused = world.counters.iter();
    let refused = refused.filter(|(key, _)| &*key.name == "refused/POSITION_LIMIT");
    assert_eq!(refused.map(|(_, count)| count).sum::<i64>(), 1);
    assert_eq!(told(&world, 1, Reason::PositionLimit).len(), 1);
    // Another customer's maps are folded in as far as there is room, and the sums stay right.
    world.take_line("1s c2 go");
    world.take_line("2s c2 merged c1");
    assert_eq!(state(&world, 1).positions.len(), limits::POSITIONS);
}

/// Maps of one stage each that `go` leads to, and happy paths of twenty milestones over them.
fn maps_and_paths(maps: usize, paths: usize) -> String {
    let mut yaml = String::new();
    let mut add = |text: String| writeln!(yaml, "{text}\n---").expect("a text takes it");
    for number in 0..maps {
        let (map, stage) = (long_name("m", number), long_name("s", number));
        add(format!(
            "journey_map: {{name: {map}, stages: [{{name: {stage}, enter: [{{event: go}}]}}]}}"
        ));
    }
    for number in 0..paths {
        let (path, map) = (long_name("p", number), long_name("m", number));
        let milestones: Vec<String> = (0..20)
            .map(|place| {
                let within = if place == 0 { "" } else { ", within: 1h" };
                let name = long_name("n", place);
                format!("{{name: {name}, trigger: {{event: e{place}}}{within}}}")
            })
            .collect();
        add(format!(
            "happy_path: {{name: {path}, map: {map}, milestones: [{}]}}",
            milestones.join(", ")
        ));
    }
    yaml
}

#[test]
fn a_happy_path_beyond_the_room_is_refused_and_the_others_go_on() {
    let yaml = maps_and_paths(8, 8);
    let mut world = World::new(compiled(yaml.trim_end_matches("---\n")));
    world.take_line("0s e0");
    let begun = state(&world, 1).progress.len();
    assert!((5..8).contains(&begun), "{begun}");
    let refused = told(&world, 1, Reason::PathLimit);
    assert_eq!(refused.len(), 8 - begun);
    for place in (1..20).rev() {
        world.take_line(&format!("{}h e{place}", 40 - place));
        world.take_line(&format!("{}h e{place}", 60 + place));
    }
    let encoded = bytes(&world, 1);
    assert!(encoded <= limits::PROGRESS_BYTES + 30_000, "{encoded}");
}
