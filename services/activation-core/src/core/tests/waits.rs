//! Waits are told apart: one that is set aside is passed over, and no other.

use decision::{Effects, step_without};

use super::*;
use crate::backoff;

fn waits(state: &State) -> Vec<(WaitKey, Timestamp)> {
    let mut waits = Vec::new();
    ActivationCore::waits(state, &mut waits);
    waits
}

#[test]
fn a_wait_that_is_set_aside_is_passed_over_and_no_other() {
    let mut world = World::new(&policy(0, ""));
    for visit in 1..=3 {
        world.now += 1;
        world.send(Body::Action(action(visit))).expect("an action");
    }
    let listed = waits(&world.state);
    assert_eq!(listed.len(), 3);
    let first = listed.iter().map(|(_, due)| *due).min();
    assert_eq!(first, world.state.next_due());
    let now = Timestamp::from_millis(world.now) + backoff::lease(0);
    for (wait, due_time) in &listed {
        let (mut after, mut effects) = (world.state.clone(), Effects::default());
        let outcome = step_without::<ActivationCore>(
            &world.definitions,
            &mut after,
            (world.customer, &[*wait]),
            Input::Timer {
                due_time: *due_time,
            },
            now,
            &mut effects,
        );
        outcome.expect("it fires");
        assert_eq!(effects.wait, None, "it is done with all that it began");
        assert_eq!(effects.dispatches.len(), 2);
        let left = waits(&after);
        let passed: Vec<_> = left.iter().filter(|it| listed.contains(it)).collect();
        assert_eq!(passed, [&(*wait, *due_time)]);
    }
}
