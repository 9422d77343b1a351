//! Merges: whose everything was, and that no order of them loses anything from the counters.

use std::collections::BTreeMap;

use journey_core::limits;
use journey_core::state::Customer;
use proptest::prelude::*;

use crate::changes::versions;
use crate::world::{World, compiled, customer};

const ALL: &str = "journey:
  name: j
  entry: {triggers: [{event: go}], key: k, reentry: REENTRY_AFTER_EXIT}
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
    // The second one was remembered of a customer who had not begun.
    assert_eq!(passages, [("a", 1), ("b", 2)]);
    // What happens from now on is the survivor's own.
    world.take_line("5d c3 proceed");
    world.take_line("5d c3 go k=five");
    let after = self::state(&world, 1);
    assert_eq!(after.positions[0].ordinal, 0);
    assert_eq!(run_ordinals(&world, 1)["five"], 0);
}

/// A journey with a split, which customers walk once for each key.
const SPLIT: &str = "journey:
  name: j
  entry: {triggers: [{event: go}], key: k, reentry: REENTRY_AFTER_EXIT}
  steps:
    - {id: s, split: {arms: [{name: one, share: 5000, next: a}, {name: two, share: 5000, next: a}]}}
    - {id: a, wait: {duration: 90d}}
";

/// The arms of a customer's runs, by key.
fn arms(world: &World, number: u32) -> BTreeMap<String, String> {
    let state = state(world, number);
    let runs = state.runs.iter();
    runs.map(|run| (run.key.to_string(), run.arm.to_string()))
        .collect()
}

/// The first customers, two with each arm: those with `one`, and those with `two`.
fn of_each_arm() -> (World, [u32; 2], [u32; 2]) {
    let mut world = World::new(compiled(SPLIT));
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    for who in 1.. {
        world.take_line(&format!("1d c{who} go k=c{who}"));
        let own = arms(&world, who);
        let group = if own[&format!("c{who}")] == "one" {
            &mut xs
        } else {
            &mut ys
        };
        group.push(who);
        if xs.len() >= 2 && ys.len() >= 2 {
            break;
        }
    }
    (world, [xs[0], xs[1]], [ys[0], ys[1]])
}

#[test]
fn an_assignment_to_an_arm_survives_merges_and_two_that_differ_are_kept_and_told() {
    let (mut world, xs, ys) = of_each_arm();
    // Whoever survives goes on with the arm that they were given, and the other one is kept.
    let (older, younger) = (xs[0].min(ys[0]), xs[0].max(ys[0]));
    let arm = arms(&world, older)[&format!("c{older}")].clone();
    world.take_line(&format!("2d c{younger} merged c{older}"));
    assert_eq!(world.counted("journey/j/1/arm_conflict/s"), 1);
    for key in ["p", "q", "r"] {
        world.take_line(&format!("3d c{older} go k={key}"));
        assert_eq!(arms(&world, older)[key], arm);
    }
    let state = state(&world, older);
    let mut given: Vec<_> = state.assignments.iter().collect();
    given.sort_by_key(|own| own.given_to);
    let given: Vec<_> = given
        .iter()
        .map(|own| (own.arm.to_string(), own.given_to))
        .collect();
    let other = if arm == "one" { "two" } else { "one" };
    assert_eq!(
        given,
        [(arm, None), (other.to_owned(), Some(customer(younger)))]
    );
    // Two of one arm agree, and nothing is told.
    let (older, younger) = (xs[1].min(xs[0]), xs[1].max(xs[0]));
    let mut agreed = World::new(compiled(SPLIT));
    for who in [older, younger] {
        agreed.take_line(&format!("1d c{who} go k=c{who}"));
    }
    agreed.take_line(&format!("2d c{younger} merged c{older}"));
    assert_eq!(agreed.counted("journey/j/1/arm_conflict/s"), 0);
    // Each keeps what it was given, for the time after an unmerge.
    let state = self::state(&agreed, older);
    let mut given: Vec<u16> = state.assignments.iter().map(|own| own.ordinal).collect();
    given.sort_unstable();
    assert_eq!(given, [0, 1]);
}

#[test]
fn a_survivor_who_came_to_no_split_has_the_arm_of_the_oldest_who_did() {
    for order in [[0, 1], [1, 0]] {
        let (mut world, xs, ys) = of_each_arm();
        // Somebody older than all, for whom the split was never asked.
        let pair = [xs[1], ys[1]];
        let oldest = pair[0].min(pair[1]);
        let arm = arms(&world, oldest)[&format!("c{oldest}")].clone();
        for place in order {
            world.take_line(&format!("2d c{} merged c0", pair[place]));
        }
        world.take_line("3d c0 go k=new");
        assert_eq!(arms(&world, 0)["new"], arm);
        assert_eq!(world.counted("journey/j/1/arm_conflict/s"), 1);
    }
}

#[test]
fn each_merge_of_customers_with_different_arms_is_counted() {
    let (mut world, xs, ys) = of_each_arm();
    let (own, others) = if xs[0] < ys[0] { (xs, ys) } else { (ys, xs) };
    for (who, expected) in [(others[0], 1), (others[1], 2), (own[1], 2)] {
        world.take_line(&format!("2d c{who} merged c{}", own[0]));
        let counted = world.counted("journey/j/1/arm_conflict/s");
        assert_eq!(counted, expected, "c{who}");
    }
    // Those who agree are one, and what was counted of them is not counted again.
    let (mut world, xs, ys) = of_each_arm();
    let (own, others) = if xs[0] < ys[0] { (xs, ys) } else { (ys, xs) };
    world.take_line(&format!("2d c{} merged c{}", others[1], others[0]));
    assert_eq!(world.counted("journey/j/1/arm_conflict/s"), 0);
    let (older, younger) = (own[1].min(others[0]), own[1].max(others[0]));
    world.take_line(&format!("2d c{younger} merged c{older}"));
    assert_eq!(world.counted("journey/j/1/arm_conflict/s"), 1);
    let survivor = arms_that_count(&world, older);
    world.take_line(&format!("2d c{older} merged c{}", own[0]));
    let agree = survivor == arms_that_count(&world, own[0]);
    let expected = if agree { 1 } else { 2 };
    assert_eq!(world.counted("journey/j/1/arm_conflict/s"), expected);
}

/// The arm that counts for a customer.
fn arms_that_count(world: &World, number: u32) -> Option<String> {
    let state = state(world, number);
    let oldest = state.assignments.iter().min_by_key(|own| own.given_to);
    oldest.map(|own| own.arm.to_string())
}

#[test]
fn an_arm_of_an_older_version_is_kept_as_long_as_the_version() {
    let salted = SPLIT.replace("split: {", "split: {salt: other, ");
    let renamed = SPLIT.replace("name: one", "name: three");
    for new in [salted.as_str(), renamed.as_str()] {
        let (mut world, xs, _) = of_each_arm();
        let who = xs[0];
        world.definitions = versions(&[SPLIT, new]);
        world.take_line(&format!("2d c{who} go k=new"));
        let arms = |world: &World| {
            let state = state(world, who);
            let given = state.assignments.iter().map(|own| own.arm.to_string());
            given.collect::<Vec<_>>()
        };
        let given = arms(&world);
        assert_eq!((given.len(), given[0].as_str()), (2, "one"), "{given:?}");
        // Each version gives its own again.
        world.take_line(&format!("3d c{who} go k=again"));
        assert_eq!(arms(&world), given);
        world.definitions = compiled(&SPLIT.replace("split: {", "split: {salt: third, "));
        world.take_line(&format!("4d c{who} go k=last"));
        assert_eq!(arms(&world).len(), 1, "the others are gone");
    }
}

#[test]
fn an_arm_that_is_gone_is_given_anew() {
    let (mut world, xs, _) = of_each_arm();
    world.definitions = compiled(&SPLIT.replace("name: one", "name: three"));
    world.take_line(&format!("2d c{} go k=new", xs[0]));
    assert_eq!(arms(&world, xs[0])["new"], "three");
    assert_eq!(state(&world, xs[0]).assignments.len(), 1);
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
