//! What a split does not take apart, each by name; and erasure.

use decision::{Core as _, PartWrites, Split};
use journey_core::state::State;
use journey_core::{Inseparable, JourneyCore, inseparable};
use kernel::Reason;
use messages::journey::state_v1 as stored;
use prost::Message as _;

use super::{OWN, state};
use crate::world::{World, compiled, customer};

fn world(yaml: &str, lines: &[&str]) -> World {
    let mut world = World::new(compiled(yaml));
    world.tells_fragments = true;
    for line in lines {
        world.take_line(line);
    }
    world
}

/// What a split of the second customer's own fragment would leave joined.
fn told(world: &World) -> Vec<&'static str> {
    let split = Split {
        to: customer(2),
        ordinals: &[(1, 0)],
        merge_time: None,
    };
    let all = inseparable(&world.states[&customer(1)], &split);
    assert!(all.iter().all(|own| own.to_string().ends_with('.')));
    all.iter().map(Inseparable::code).collect()
}

#[test]
fn a_run_that_ended_because_of_the_other_stays_ended() {
    let lines = ["1h c1 go k=same", "2h c2 go k=same", "3h c2 merged c1"];
    let mut world = world(OWN, &lines);
    assert_eq!(told(&world), ["JOURNEY_DECISIONS", "JOURNEY_ENDED_RUN"]);
    world.take_line("4h c2 split");
    let ended = &state(&world, 2).ended;
    assert_eq!((ended.len(), ended[0].reason), (1, Reason::MergedInto));
    assert_eq!(state(&world, 2).runs.len(), 0);
    assert_eq!(state(&world, 1).runs.len(), 1);
}

#[test]
fn what_runs_did_while_their_customers_were_one_is_not_undone() {
    let yaml = "journey:
  name: j
  entry: {triggers: [{event: go}], key: k, reentry: REENTRY_AFTER_EXIT}
  steps:
    - {id: a, wait_for: {branches: [{trigger: {event: hop}, next: b}], timeout: 90d}}
    - {id: b, wait: {duration: 90d}}
";
    let mut world = world(
        yaml,
        &[
            "1d c1 go k=x",
            "1d c2 go k=y",
            "2d c2 merged c1",
            "3d c1 hop",
            "4d c2 split",
        ],
    );
    // The other customer's event moved the run, which stays where it went.
    assert_eq!(state(&world, 2).runs[0].step.as_ref(), "b");
    assert_eq!(state(&world, 2).runs[0].ordinal, 0);
    world.replay.told.clear();
    world.take_line("5d c2 merged c1");
    world.take_line("6d c2 split");
    let run = [
        "b > - MERGED_INTO",
        "- > b MERGED",
        "b > - SPLIT_OFF",
        "- > b UNMERGED",
    ];
    let who = [2, 1, 1, 2];
    let told = who
        .iter()
        .zip(run)
        .map(|(who, run)| format!("c{who} j: {run}"));
    assert_eq!(world.replay.told, told.collect::<Vec<_>>());
}

#[test]
fn a_position_that_gave_way_comes_back_and_both_are_told() {
    let mut world = world(OWN, &["1d c1 a", "2d c2 c", "3d c2 merged c1"]);
    assert_eq!(state(&world, 1).positions[0].stage.as_ref(), "three");
    world.replay.told.clear();
    world.take_line("4d c2 split");
    assert_eq!(
        world.replay.told,
        ["c1 m: three > one UNMERGED", "c2 m: - > three UNMERGED"]
    );
    // An event of the one is none of the other's.
    world.take_line("5d c2 merged c1");
    world.take_line("6d c1 b");
    world.take_line("7d c2 split");
    assert_eq!(state(&world, 1).positions[0].stage.as_ref(), "two");
    assert_eq!(state(&world, 2).positions[0].stage.as_ref(), "three");
}

#[test]
fn an_arm_stays_with_who_has_it_and_the_older_one_counts_only_while_they_are_one() {
    let yaml = "journey:
  name: j
  entry: {triggers: [{event: go}], key: k, reentry: REENTRY_AFTER_EXIT}
  steps:
    - {id: s, split: {arms: [{name: one, share: 5000, next: a}, {name: two, share: 5000, next: a}]}}
    - {id: a, wait: {duration: 90d}}
";
    let mut world = world(yaml, &[]);
    for who in 1..10 {
        world.take_line(&format!("1d c{who} go k=c{who}"));
    }
    let arm = |world: &World, who| state(world, who).assignments[0].arm.clone();
    let first = arm(&world, 1);
    let other = (2..10).find(|who| arm(&world, *who) != first);
    let other = other.expect("each arm has somebody");
    let theirs = arm(&world, other);
    world.take_line(&format!("2d c{other} merged c1"));
    world.take_line(&format!("3d c{other} go k=new"));
    world.take_line(&format!("4d c{other} split"));
    let state = state(&world, other);
    let given: Vec<_> = state.assignments.iter().collect();
    assert_eq!(given.len(), 1);
    assert_eq!(
        (&given[0].arm, given[0].given_to, given[0].ordinal),
        (&theirs, None, 0)
    );
    // The run that began meanwhile has the arm of the joined customer.
    let run = state.runs.iter().find(|run| run.key.as_ref() == "new");
    assert_eq!(run.map(|run| &run.arm), Some(&first));
    assert_eq!(super::state(&world, 1).assignments.len(), 1);
}

/// Maps that all take the same event, and fill a trail.
fn many_maps() -> String {
    let map = |number: usize| {
        let name = format!("m{number:_>40}");
        format!("journey_map: {{name: {name}, stages: [{{name: one, enter: [{{event: reach}}]}}]}}")
    };
    let maps: Vec<String> = (0..190).map(map).collect();
    maps.join("\n---\n")
}

#[test]
fn fragments_for_whose_trails_there_is_no_room_get_what_counts_for_the_joined_customer() {
    let lines = [
        "1d c1 reach",
        "2d c2 reach",
        "3d c3 reach",
        "4d c2 merged c1",
        "5d c3 merged c1",
    ];
    let mut world = world(&many_maps(), &lines);
    assert_eq!(told(&world), ["JOURNEY_DECISIONS", "JOURNEY_LOST_TRAILS"]);
    world.take_line("6d c2 split");
    world.take_line("7d c3 split");
    let positions = [1, 2, 3].map(|who| state(&world, who).positions.len());
    let lost = positions.iter().filter(|own| **own == 0).count();
    assert_eq!(positions[2], 190, "the newest counted");
    assert!(lost <= 2, "{positions:?}");
}

#[test]
fn a_state_that_the_version_before_merged_comes_apart_by_its_ordinals() {
    let lines = [
        "1d c1 a",
        "2d c2 a",
        "3d c2 c",
        "4d c2 merged c1",
        "5d c1 go k=x",
    ];
    let mut world = world(OWN, &lines);
    let of = customer(1);
    let head = world.stored[&of].head.clone();
    let mut message = stored::CustomerState::decode(head).expect("its own bytes");
    assert_eq!(message.trails.len(), 2);
    message.trails.clear();
    let mut state = JourneyCore::decode(&message.encode_to_vec()).expect("a state of before");
    JourneyCore::drain_parts(&mut state, &mut PartWrites::default());
    let mut kept = world.stored.remove(&of).expect("it is stored");
    kept.head = JourneyCore::encode(&state);
    world.stored.insert(of, kept);
    world.states.insert(of, state);
    world.take_line("6d c2 split");
    let theirs = super::state(&world, 2);
    assert_eq!(theirs.positions[0].stage.as_ref(), "two");
    let passages = theirs.progress[0].passages.iter();
    let passages: Vec<_> = passages.map(|own| own.milestone.to_string()).collect();
    assert_eq!(passages, ["a", "c"]);
    // The position that gave way was not kept by that version.
    assert_eq!(super::state(&world, 1).positions.len(), 0);
    assert_eq!(super::state(&world, 1).progress[0].passages.len(), 1);
}

#[test]
fn who_was_never_merged_is_stored_as_before() {
    let world = world(
        OWN,
        &["1d c1 a", "2d c1 c", "3d c1 go k=x", "4d c1 stop k=x"],
    );
    let head = world.stored[&customer(1)].head.clone();
    let message = stored::CustomerState::decode(head).expect("its own bytes");
    assert_eq!(message.trails.len(), 0);
    let pages = message.history_pages.iter().flat_map(|page| &page.entries);
    assert!(pages.clone().count() > 0 && pages.clone().all(|entry| entry.ordinal == 0));
    assert!(
        message
            .journey_endings
            .iter()
            .all(|own| own.ordinals.is_empty())
    );
}

#[test]
fn an_erased_customer_leaves_runs_maps_and_happy_paths_and_nothing_is_sent() {
    let lines = [
        "1h c1 a",
        "1h c1 go k=x",
        "1h c2 a",
        "2h c2 merged c1",
        "2h c3 a",
    ];
    let mut world = world(OWN, &lines);
    world.replay.told.clear();
    world.take_line("3h c1 erased");
    assert_eq!(
        world.replay.told,
        ["c1 j: a > - ERASED", "c1 m: one > - ERASED"]
    );
    assert_eq!(world.counted("journey/j/1/active"), 0);
    assert_eq!(world.counted("journey/j/1/ended/ERASED"), 1);
    assert_eq!(
        world.counted("map/m/present/one"),
        1,
        "of the other customer"
    );
    assert_eq!(world.counted("path/p/started"), 1);
    let keys: Vec<_> = world.states.keys().copied().collect();
    assert_eq!(keys, [customer(3)]);
    assert!(!world.states.values().any(|own| *own == State::default()));
}
