//! Events that come before the beginning of their path is known: files are imported in any order,
//! and the figures are those of the order of time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kernel::Timestamp;
use proptest::prelude::*;

use crate::world::{World, compiled, customer};

/// A path of three milestones that remembers for so long.
fn path(horizon: &str) -> String {
    format!(
        "journey_map:
  name: m
  stages: [{{name: one, enter: [{{event: a}}]}}, {{name: two, enter: [{{event: b}}]}}]
---
happy_path:
  name: p
  map: m
  horizon: {horizon}
  milestones:
    - {{name: a, trigger: {{event: a}}}}
    - {{name: b, trigger: {{event: b}}, within: 30h}}
    - {{name: c, trigger: {{event: c}}, within: 50h}}
"
    )
}

/// Takes events of `c1`, such as `5h a`, and lets time come to the end.
fn world(horizon: &str, events: &[String], end: &str) -> World {
    let mut world = World::new(compiled(&path(horizon)));
    for event in events {
        let (time, name) = event.split_once(' ').expect("a time and a name");
        world.take_line(&format!("{time} c1 {name}"));
    }
    world.take_line(end);
    world
}

/// The counters of the path that are not zero.
fn counted(world: &World) -> BTreeMap<String, i64> {
    let counters = world.counters.iter().filter(|(_, count)| **count != 0);
    let counters = counters.map(|(key, count)| (key.to_string(), *count));
    counters
        .filter(|(key, _)| key.starts_with("path"))
        .collect()
}

/// What the customer's path came to: each milestone in order, with its time, and what was missed.
fn told(world: &World) -> String {
    let state = world.states[&customer(1)].open();
    let mut told = String::new();
    for progress in state.progress.iter() {
        for own in &progress.measure.reached {
            let hours = own.time.as_millis() / 3_600_000;
            write!(told, "{}@{hours}h ", own.milestone).expect("a text takes it");
        }
        for own in &progress.measure.deviations {
            write!(told, "{:?}:{} ", own.kind, own.milestone).expect("a text takes it");
        }
        write!(told, "followed={}", progress.measure.followed).expect("a text takes it");
    }
    told
}

fn check(horizon: &str, events: &[&str], expected: &str) {
    let events: Vec<String> = events.iter().map(ToString::to_string).collect();
    assert_eq!(
        told(&world(horizon, &events, "400h")),
        expected,
        "{events:?}"
    );
}

#[test]
fn what_came_before_the_beginning_counts_by_its_own_time() {
    check(
        "\"\"",
        &["20h b", "10h a"],
        "a@10h b@20h Stalled:c followed=false",
    );
    check(
        "\"\"",
        &["60h c", "20h b", "10h a"],
        "a@10h b@20h c@60h followed=true",
    );
    // Late, since more than 30 hours lie between.
    check(
        "\"\"",
        &["50h b", "10h a"],
        "a@10h b@50h Stalled:b Late:b Stalled:c followed=false",
    );
}

#[test]
fn what_happened_before_the_beginning_does_not_count() {
    check("\"\"", &["5h b", "10h a"], "a@10h Stalled:b followed=false");
}

#[test]
fn a_path_begins_with_its_first_beginning_whichever_arrives_first() {
    let followed = "a@10h b@20h c@60h followed=true";
    check("\"\"", &["20h b", "30h a", "60h c", "10h a"], followed);
    check("\"\"", &["30h a", "60h c", "20h b", "10h a"], followed);
}

#[test]
fn what_gives_way_to_an_earlier_one_is_read_again_in_its_turn() {
    let events = [
        "33h c", "79h c", "85h b", "97h a", "27h b", "123h c", "71h a", "48h b", "32h a",
    ];
    let expected = "a@32h b@48h c@79h Skipped:b OutOfOrder:b followed=true";
    check("\"\"", &events, expected);
}

#[test]
fn nothing_is_remembered_beyond_the_horizon() {
    check("0s", &["20h b", "10h a"], "a@10h Stalled:b followed=false");
    check(
        "30h",
        &["20h b", "60h c", "10h a"],
        "a@10h Stalled:b Skipped:b followed=false",
    );
}

#[test]
fn a_stall_that_was_never_one_is_not_told() {
    let world = world(
        "\"\"",
        &["20h b".to_owned(), "60h c".to_owned(), "10h a".to_owned()],
        "400h",
    );
    assert!(
        !world.transcript.contains("DEVIATED"),
        "{}",
        world.transcript
    );
}

#[test]
fn customers_who_are_joined_remember_together() {
    let mut world = World::new(compiled(&path("\"\"")));
    for line in [
        "20h c2 b",
        "60h c1 c",
        "61h c2 merged c1",
        "10h c1 a",
        "400h",
    ] {
        world.take_line(line);
    }
    assert_eq!(told(&world), "a@10h b@20h c@60h followed=true");
    let mut world = World::new(compiled(&path("\"\"")));
    for line in [
        "20h c2 b",
        "60h c2 c",
        "10h c1 a",
        "61h c2 merged c1",
        "400h",
    ] {
        world.take_line(line);
    }
    assert_eq!(told(&world), "a@10h b@20h c@60h followed=true");
}

#[test]
fn a_horizon_is_a_duration_of_at_most_400_days() {
    for (horizon, is_right) in [("400d", true), ("401d", false), ("0s", true)] {
        let kinds = crate::world::read(&path(horizon));
        let sources: Vec<_> = kinds
            .iter()
            .map(|kind| decision::Source {
                kind,
                version: 1,
                is_current: true,
            })
            .collect();
        let compiled = journey_core::Definitions::compile(&sources, &decision::Names::default());
        assert_eq!(compiled.is_ok(), is_right, "{horizon}");
    }
}

proptest! {
    /// Each event at an hour of its own, in the order of time and in any other.
    #[test]
    fn the_order_of_arrival_changes_no_figure(
        events in proptest::sample::subsequence((1..200_u32).collect::<Vec<_>>(), 1..12)
            .prop_flat_map(|hours| {
                let count = hours.len();
                (Just(hours), proptest::collection::vec(0..3_usize, count))
            }),
        seed in any::<prop::sample::Index>(),
    ) {
        let (hours, names) = events;
        let in_order: Vec<String> = hours.iter().zip(names)
            .map(|(hour, name)| format!("{hour}h {}", ["a", "b", "c"][name]))
            .collect();
        let mut shuffled = in_order.clone();
        let mut state = seed.index(usize::MAX) | 1;
        for place in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(place, (state >> 33) % (place + 1));
        }
        let (right, other) = (world("\"\"", &in_order, "900h"), world("\"\"", &shuffled, "900h"));
        prop_assert_eq!(told(&other), told(&right), "{:?}", shuffled);
        prop_assert_eq!(counted(&other), counted(&right), "{:?}", shuffled);
        prop_assert!(other.now == Timestamp::from_millis(900 * 3_600_000));
    }
}
