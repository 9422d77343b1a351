//! Waits are told apart: one that is set aside is passed over, and no other.

use decision::{Core as _, Effects, Input, Outcome, WaitKey, step_without};
use journey_core::JourneyCore;
use journey_core::state::State;
use kernel::{Duration, Timestamp};

use crate::world::{World, compiled, customer};

const WAITING: &str = "journey:
  name: j
  entry: {triggers: [{event: go}], key: k, reentry: REENTRY_AFTER_EXIT}
  steps: [{id: a, wait: {duration: 2d}}, {id: b, wait: {duration: 30d}}]
---
journey_map: {name: m, stages: [{name: one, enter: [{event: begin}]}, {name: two, enter: [{event: finish}]}]}
---
happy_path:
  name: p
  map: m
  milestones: [{name: begin, trigger: {event: begin}}, {name: finish, trigger: {event: finish}, within: 2d}]";

fn waits(state: &State) -> Vec<(WaitKey, Timestamp)> {
    let mut waits = Vec::new();
    JourneyCore::waits(state, &mut waits);
    waits
}

#[test]
fn a_wait_that_is_set_aside_is_passed_over_and_no_other() {
    let mut world = World::new(compiled(WAITING));
    for line in ["0d c1 go k=1", "1s c1 go k=2", "2s c1 begin"] {
        world.take_line(line);
    }
    let who = customer(1);
    let before = &world.states[&who];
    let listed = waits(before);
    assert_eq!(listed.len(), 3, "two runs and a deadline");
    let first = listed.iter().map(|(_, due)| *due).min();
    assert_eq!(first, before.open().next_due());
    let now = Timestamp::from_millis(0) + Duration::from_millis(3 * 86_400_000);
    for (wait, due_time) in &listed {
        let (mut after, mut effects) = (before.clone(), Effects::default());
        let outcome = step_without::<JourneyCore>(
            &world.definitions,
            &mut after,
            (who, &[*wait]),
            Input::Timer {
                due_time: *due_time,
            },
            now,
            &mut effects,
        );
        assert!(matches!(outcome, Ok(Outcome::Keep { .. })));
        assert_eq!(effects.wait, None, "it is done with all that it began");
        let left = waits(&after);
        let passed: Vec<_> = left.iter().filter(|it| listed.contains(it)).collect();
        assert_eq!(passed, [&(*wait, *due_time)]);
        // The runs that went on wait for the next step, under another name.
        let runs = left.iter().filter(|(_, due)| *due > now).count();
        let is_run = listed[..2].contains(&(*wait, *due_time));
        assert_eq!(runs, if is_run { 1 } else { 2 });
    }
}
