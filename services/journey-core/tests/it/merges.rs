//! Merges: whose everything was, and that no order of them loses anything from the counters.

use std::collections::BTreeMap;

use journey_core::limits;
use journey_core::state::Customer;
use proptest::prelude::*;

use crate::world::{World, compiled, customer};

const ALL: &str = "journey:
  name: j
  entry: {trigger: {event: go}, key: k, reentry: REENTRY_AFTER_EXIT}
  exits: [{name: x, trigger: {event: stop}}]
  steps: [{id: a, wait: {duration: 90d}}]
---
journey_map: {name: m, stages: [{name: one, enter: [{event: reach}]}, {name: two, enter: [{event: proceed}]}]}
---
happy_path:
  name: p
  map: m
  milestones: [{name: a, trigger: {event: reach}}, {name: b, trigger: {event: proceed}, within: 90d}]
";

fn state(world: &World, number: u32) -> Customer {
    world.states[&customer(number)].open()
}

fn run_ordinals(world: &World, number: u32) -> BTreeMap<String, u16> {
    let state = state(world, number);
    let runs = state.runs.iter();
    runs.map(|run| (run.key.to_string(), run.ordinal)).collect()
}

#[test]
fn everything_carries_the_fragment_that_it_came_from() {
    let mut world = World::new(compiled(ALL));
    for (who, line) in [
        (1, "go k=one"),
        (2, "go k=two"),
        (3, "go k=three"),
        (3, "go k=gone"),
        (3, "stop k=gone"),
        (4, "go k=four"),
        (2, "reach"),
        (3, "proceed"),
    ] {
        world.take_line(&format!("1d c{who} {line}"));
    }
    for who in 1..=4 {
        assert!(run_ordinals(&world, who).values().all(|own| *own == 0));
    }
    world.take_line("2d c3 merged c2");
    let ordinals = [("three", 1), ("two", 0)].map(|(key, own)| (key.to_owned(), own));
    assert_eq!(run_ordinals(&world, 2), ordinals.into());
    // The fragments of a fragment come after it, and the next merge after all of them.
    world.take_line("3d c2 merged c1");
    world.take_line("4d c4 merged c1");
    let ordinals = [("four", 3), ("one", 0), ("three", 2), ("two", 1)];
    let ordinals = ordinals.map(|(key, own)| (key.to_owned(), own));
    assert_eq!(run_ordinals(&world, 1), ordinals.into());
    let state = state(&world, 1);
    assert_eq!(state.ended[0].ordinal, 2, "the run that was stopped");
    assert_eq!(
        state.positions[0].ordinal, 1,
        "of two at one time the survivor's stands"
    );
    let passages = &state.progress[0].passages;
    let passages: Vec<_> = passages
        .iter()
        .map(|own| (own.milestone.as_ref(), own.ordinal))
        .collect();
    assert_eq!(passages, [("a", 1)]);
    // What happens from now on is the survivor's own.
    world.take_line("5d c3 proceed");
    world.take_line("5d c3 go k=five");
    let after = self::state(&world, 1);
    assert_eq!(after.positions[0].ordinal, 0);
    assert_eq!(after.progress[0].passages[1].ordinal, 0);
    assert_eq!(run_ordinals(&world, 1)["five"], 0);
}

/// Runs of five customers, and merges of all of them in some order.
fn merges() -> impl Strategy<Value = (Vec<u8>, Vec<(u8, u8)>)> {
    let runs = proptest::collection::vec(0..20_u8, 5);
    let pairs = proptest::collection::vec((1..6_u8, 1..6_u8), 0..12);
    (runs, pairs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn runs_over_the_bound_end_with_a_reason_in_whatever_order_customers_merge(
        (runs, pairs) in merges(),
    ) {
        let mut world = World::new(compiled(ALL));
        for (who, runs) in (1..).zip(&runs) {
            for key in 0..*runs {
                world.take_line(&format!("{key}s c{who} go k={who}_{key}"));
            }
        }
        // What is left after the random ones is joined into the first.
        let rest = (2..6).map(|who| (who, 1));
        for (who, into) in pairs.into_iter().chain(rest) {
            world.take_line(&format!("100s c{who} merged c{into}"));
        }
        let entered: i64 = runs.iter().map(|own| i64::from(*own)).sum();
        let most = i64::try_from(limits::RUNS_ACTIVE).expect("a small number");
        let survivors: usize = world.states.values().map(|state| state.open().runs.len()).sum();
        prop_assert_eq!(world.counted("journey/j/1/entered"), entered);
        prop_assert_eq!(world.counted("journey/j/1/active"), entered.min(most));
        prop_assert_eq!(world.counted("journey/j/1/ended/RUN_LIMIT"), (entered - most).max(0));
        prop_assert_eq!(i64::try_from(survivors).expect("a small number"), entered.min(most));
    }
}
