//! Memberships that an unmerge gives back are nothing new.

use kernel::{Duration, Timestamp};
use messages::stream::v1::{ChangeReason, Fact, Profile, SegmentChange};

use super::state;
use crate::world::{World, compiled, customer};

const VIP: &str = "journey:
  name: welcome
  entry: {triggers: [{segment_entered: vip}], reentry: REENTRY_AFTER_EXIT}
  exits: [{name: x, trigger: {segment_left: vip}}]
  steps: [{id: a, wait: {duration: 90d}}]
---
journey:
  name: upgrade
  entry: {triggers: [{event: go}], reentry: REENTRY_AFTER_EXIT}
  goals: [{name: g, trigger: {segment_entered: vip}}]
  steps: [{id: a, wait: {duration: 90d}}]
---
journey:
  name: watch
  entry: {triggers: [{event: go}], reentry: REENTRY_AFTER_EXIT}
  steps:
    - {id: a, wait_for: {branches: [{trigger: {segment_entered: vip}, next: b}], timeout: 90d}}
    - {id: b, wait: {duration: 90d}}
---
journey_map:
  name: m
  stages:
    - {name: one, enter: [{segment_entered: vip}]}
    - {name: two, enter: [{event: go}]}
";

/// Everything that segmentation knows of a customer, who is in these segments.
fn tell_whole(world: &mut World, (who, days): (u32, i64), names: &[&str], reason: ChangeReason) {
    let time = Timestamp::from_millis(0) + Duration::from_millis(days * 86_400_000);
    let segments = names.iter().map(|name| SegmentChange {
        segment: (*name).to_owned(),
        version: 1,
        entered: true,
        reason: reason.into(),
        time_ms: 0,
    });
    let segments: Vec<SegmentChange> = segments.collect();
    let fact = Fact {
        changes: segments.clone(),
        profile: Some(Profile {
            segments,
            ..Profile::default()
        }),
        ..Fact::default()
    };
    world.take_fact(customer(who), time, fact);
}

/// The runs under way of a customer, by journey, each with its step.
fn runs(world: &World, who: u32) -> Vec<String> {
    let state = state(world, who);
    let runs = state.runs.iter();
    let mut runs: Vec<String> = runs
        .map(|run| format!("{} {}", run.journey, run.step))
        .collect();
    runs.sort();
    runs
}

#[test]
fn a_segment_that_an_unmerge_gives_back_starts_no_run_and_meets_nothing() {
    let mut world = World::new(compiled(VIP));
    world.tells_fragments = true;
    world.take_line("1d c2 +vip");
    world.take_line("2d c2 go");
    assert_eq!(runs(&world, 2), ["upgrade a", "watch a", "welcome a"]);
    world.take_line("3d c2 merged c1");
    tell_whole(&mut world, (1, 3), &[], ChangeReason::Merge);
    assert_eq!(runs(&world, 1), ["upgrade a", "watch a"]);
    world.take_line("4d c2 split");
    tell_whole(&mut world, (2, 4), &["vip"], ChangeReason::Unmerge);
    assert!(state(&world, 2).is_in_segment("vip"));
    assert_eq!(runs(&world, 2), ["upgrade a", "watch a"]);
    assert_eq!(state(&world, 2).positions[0].stage.as_ref(), "two");
    // Whoever enters it again by what they do enters it.
    world.take_line("5d c2 -vip");
    world.take_line("6d c2 +vip");
    assert_eq!(runs(&world, 2), ["watch b", "welcome a"]);
}

#[test]
fn a_segment_that_is_new_to_both_starts_runs_at_a_merge() {
    let mut world = World::new(compiled(VIP));
    world.take_line("1d c1 go");
    world.take_line("2d c2 merged c1");
    tell_whole(&mut world, (1, 2), &["vip"], ChangeReason::Merge);
    assert_eq!(runs(&world, 1), ["watch b", "welcome a"]);
}

#[test]
fn a_segment_that_an_unmerge_takes_ends_the_runs_that_it_holds() {
    let mut world = World::new(compiled(VIP));
    world.tells_fragments = true;
    world.take_line("1d c2 go");
    world.take_line("2d c2 merged c1");
    tell_whole(&mut world, (1, 2), &["vip"], ChangeReason::Merge);
    world.take_line("3d c2 split");
    tell_whole(&mut world, (1, 3), &[], ChangeReason::Unmerge);
    assert!(!state(&world, 1).is_in_segment("vip"));
    assert_eq!(runs(&world, 1), Vec::<String>::new());
}
