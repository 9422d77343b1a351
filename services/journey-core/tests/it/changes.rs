//! Definitions that change under customers who are on them.

use bytes::Bytes;
use decision::{Core as _, Effects, Input, Moved, Names, Source, fold_in_once, step_once};
use journey_core::state::State;
use journey_core::{Definitions, JourneyCore};
use messages::stream::v1::{Record, record::Body};

use crate::world::{World, compiled, customer, read};

const OLD: &str = "journey:
  name: j
  entry: {triggers: [{event: go}], reentry: REENTRY_AFTER_EXIT}
  steps:
    - {id: a, wait: {duration: 5d}}
    - {id: b, send: {channel: mail, template: old, purpose: p}}";

const NEW: &str = "journey:
  name: j
  entry: {triggers: [{event: go}], reentry: REENTRY_AFTER_EXIT}
  steps:
    - {id: c, send: {channel: mail, template: new, purpose: p}}
    - {id: d, wait: {duration: 1d}}";

const PATH: &str = "journey_map: {name: m, stages: [{name: one, enter: [{event: a}]}, {name: two, enter: [{event: b}]}]}
---
happy_path:
  name: p
  map: m
  milestones: [{name: a, trigger: {event: a}}, {name: b, trigger: {event: b}, within: 2d}]";

/// Versions of one journey, the last of them in force.
pub(crate) fn versions(yamls: &[&str]) -> Definitions {
    let kinds: Vec<_> = yamls.iter().flat_map(|yaml| read(yaml)).collect();
    let sources: Vec<Source<'_>> = (1..)
        .zip(&kinds)
        .map(|(version, kind)| Source {
            kind,
            version,
            is_current: usize::try_from(version).is_ok_and(|version| version == kinds.len()),
        })
        .collect();
    Definitions::compile(&sources, &Names::default()).expect("no faults")
}

/// One version of what is defined, and no other.
fn only(yaml: &str, version: u32) -> Definitions {
    let kinds = read(yaml);
    let sources: Vec<Source<'_>> = kinds
        .iter()
        .map(|kind| Source {
            kind,
            version,
            is_current: true,
        })
        .collect();
    Definitions::compile(&sources, &Names::default()).expect("no faults")
}

fn lines(world: &mut World, lines: &str) -> String {
    world.transcript.clear();
    for line in lines.lines() {
        world.take_line(line);
    }
    world.transcript.clone()
}

#[test]
fn a_run_stays_on_its_version_and_the_next_takes_the_newest() {
    let mut world = World::new(versions(&[OLD]));
    lines(&mut world, "0d c1 go");
    world.definitions = versions(&[OLD, NEW]);
    let told = lines(&mut world, "1d c2 go\n6d c1 go");
    assert!(told.contains("1d c2 > new by mail"), "{told}");
    assert!(told.contains("5d c1 > old by mail"), "{told}");
    assert!(told.contains("6d c1 > new by mail"), "{told}");
    assert_eq!(world.counted("journey/j/1/in/b"), 1);
    assert_eq!(world.counted("journey/j/2/in/c"), 2);
    assert_eq!(world.lacking, 0);
}

#[test]
fn runs_of_what_is_gone_exit_when_they_are_next_looked_at() {
    for (definitions, reason) in [
        (versions(&[NEW]), "STEP_REMOVED"),
        (compiled(PATH), "JOURNEY_DELETED"),
    ] {
        let mut world = World::new(versions(&[OLD]));
        lines(&mut world, "0d c1 go");
        world.definitions = definitions;
        let told = lines(&mut world, "3d c1 other\n9d");
        assert_eq!(told, format!("3d c1 j a {reason}\n"));
        assert!(world.states[&customer(1)].open().runs.is_empty());
        // Said once: another process may know better.
        assert_eq!(world.lacking, 1);
    }
}

#[test]
fn a_happy_path_is_measured_anew_when_it_is_redefined() {
    let mut world = World::new(compiled(PATH));
    lines(&mut world, "0d c1 a\n3d c1 b\n3d c1 other");
    assert_eq!(world.counted("path/p/followed"), 0);
    world.definitions = only(&PATH.replace("2d", "4d"), 2);
    lines(&mut world, "4d c1 other");
    assert_eq!(world.counted("path/p/followed"), 1);
    assert_eq!(world.lacking, 0);
    // As a process that does not know the newest yet would see it.
    let mut behind = World::new(compiled(PATH));
    behind.states.clone_from(&world.states);
    behind.stored.clone_from(&world.stored);
    behind.replay.clone_from(&world.replay);
    behind.counters.clone_from(&world.counters);
    lines(&mut behind, "4d c1 other");
    assert_eq!(behind.lacking, 1);
    world.definitions = versions(&[OLD]);
    lines(&mut world, "5d c1 other");
    assert_eq!(world.counted("path/p/followed"), 0);
    assert_eq!(world.counted("path/p/started"), 0);
    assert_eq!(world.counted("map/m/present/two"), 0);
    assert_eq!(world.lacking, 1);
}

#[test]
fn progress_that_a_merge_brings_is_not_judged_by_who_does_not_know_its_path() {
    // Progress alone moves: positions are told apart already.
    let kinds = read(&PATH.replace("one, enter: [{event: a}]", "one, enter: [{event: z}]"));
    let path = |version| {
        let sources: Vec<Source<'_>> = kinds
            .iter()
            .map(|kind| Source {
                kind,
                version,
                is_current: true,
            })
            .collect();
        Definitions::compile(&sources, &Names::default()).expect("no faults")
    };
    let mut world = World::new(path(2));
    lines(&mut world, "0d c1 a");
    let state = JourneyCore::encode(&world.states[&customer(1)]);
    let moved = Moved::whole(customer(1), &state);
    for (definitions, is_lacking) in [
        (path(2), false),
        (path(3), false),
        // The survivor's process has not read the newest definitions yet.
        (path(1), true),
        (versions(&[OLD]), true),
    ] {
        let (mut survivor, mut effects) = (State::default(), Effects::default());
        let now = kernel::Timestamp::from_millis(1);
        let folded = (customer(2), moved);
        fold_in_once::<JourneyCore>(
            &definitions,
            &mut survivor,
            folded,
            (now, now),
            &mut effects,
        )
        .expect("is taken");
        assert_eq!(effects.lacks_definition, is_lacking);
    }
}

#[test]
fn what_happens_next_is_not_earlier_because_the_next_machine_has_a_clock_that_is_behind() {
    let mut world = World::new(compiled(
        "journey:
  name: j
  entry: {triggers: [{event: go}], reentry: REENTRY_NEVER}
  goals: [{name: bought, trigger: {event: buy}}]
  steps: [{id: a, wait: {duration: 5d}}]",
    ));
    lines(&mut world, "20s go");
    let fact = world.fact(&["buy"], kernel::Timestamp::from_millis(0));
    // What happened before the run does not concern it; what came after it does, by the clock of whoever tells.
    for (time_ms, runs) in [(19_000, 1), (20_500, 0)] {
        let key = Bytes::copy_from_slice(customer(1).as_bytes());
        let record = Record {
            customer_id: key.clone(),
            time_ms,
            body: Some(Body::Fact(fact.clone())),
            ..Record::default()
        };
        let mut state = world.states[&customer(1)].clone();
        let (input, now) = (
            Input::Record(&record),
            kernel::Timestamp::from_millis(18_000),
        );
        let mut effects = Effects::default();
        let who = customer(1);
        step_once::<JourneyCore>(
            &world.definitions,
            &mut state,
            who,
            input,
            now,
            &mut effects,
        )
        .expect("is taken");
        assert_eq!(state.open().runs.len(), runs, "{time_ms}");
    }
}

#[test]
fn nobody_has_more_runs_at_once_than_the_limit() {
    let mut world = World::new(compiled(
        "journey:
  name: j
  entry: {triggers: [{event: go}], key: k, reentry: REENTRY_AFTER_EXIT}
  steps: [{id: a, wait: {duration: 5d}}]",
    ));
    for key in 0..30 {
        world.take_line(&format!("{key}s go k={key}"));
    }
    let state = world.states[&customer(1)].open();
    assert_eq!(state.runs.len(), journey_core::limits::RUNS_ACTIVE);
    assert_eq!(world.counted("journey/j/1/refused/RUN_LIMIT"), 5);
}

#[test]
fn a_split_divides_by_share() {
    let mut world = World::new(compiled(
        "journey:
  name: j
  entry: {triggers: [{event: go}], reentry: REENTRY_AFTER_EXIT}
  steps:
    - {id: s, split: {arms: [{name: x, share: 1000, holdout: true, next: a}, {name: z, share: 9000, next: a}]}}
    - {id: a, send: {channel: mail, template: t, purpose: p}}",
    ));
    for number in 1..=1_000 {
        let who = customer(number);
        let fact = world.fact(&["go"], kernel::Timestamp::from_millis(0));
        world.take_quietly(who, fact);
    }
    let held = world.counted("journey/j/1/arm/s/x");
    assert!((70..130).contains(&held), "{held}");
    assert_eq!(
        world.transcript.matches("(holdout)").count(),
        usize::try_from(held).expect("a count")
    );
}

#[test]
fn counters_of_a_version_that_is_gone_go_once_no_run_is_on_it() {
    let mut world = World::new(versions(&[OLD]));
    lines(&mut world, "0d c1 go");
    world.definitions = versions(&[OLD, NEW]);
    lines(&mut world, "1d c2 go");
    assert_eq!(world.gone_groups(), [""; 0], "both versions are kept");
    world.definitions = only(NEW, 2);
    assert_eq!(world.gone_groups(), [""; 0], "a run is on the first");
    lines(&mut world, "3d c1 other");
    assert_eq!(world.gone_groups(), ["journey/j/1"]);
    world.definitions = compiled(PATH);
    lines(&mut world, "4d c2 other");
    assert_eq!(world.gone_groups(), ["journey/j/1", "journey/j/2"]);
    // What is left balances.
    world
        .counters
        .retain(|key, _| !key.group.starts_with("journey/"));
    world.definitions = only(NEW, 3);
    lines(&mut world, "5d c1 go\n9d");
    assert_eq!(world.counted("journey/j/3/in/c"), 1);
}

#[test]
fn counters_of_maps_and_happy_paths_that_are_gone_go_once_nobody_is_there() {
    let mut world = World::new(compiled(PATH));
    lines(&mut world, "0d c1 a");
    assert_eq!(world.gone_groups(), [""; 0]);
    world.definitions = versions(&[OLD]);
    assert_eq!(world.gone_groups(), [""; 0], "the customer is still there");
    lines(&mut world, "1d c1 other");
    assert_eq!(world.gone_groups(), ["map/m", "path/p"]);
}
