//! Splits: what a merge joined comes apart again. Each side is as if it had never been joined, but
//! for what this names.

mod conflicts;
mod exceptions;
mod segments;

use std::fmt::Write as _;

use journey_core::state::Customer;
use proptest::prelude::*;

use crate::world::{World, compiled, customer};

/// Everything whose facts say whose they are: runs by key, a map, and a happy path.
pub(crate) const OWN: &str = "journey:
  name: j
  entry: {triggers: [{event: go}], key: k, reentry: REENTRY_AFTER_COOLDOWN, cooldown: 10h}
  exits: [{name: x, trigger: {event: stop}}]
  steps:
    - {id: a, wait: {duration: 30h}}
    - {id: b, wait_for: {branches: [{trigger: {event: hop}, next: a}], timeout: 40h}}
---
journey_map:
  name: m
  stages:
    - {name: one, enter: [{event: a}]}
    - {name: two, from: [one], enter: [{event: b}, {event: c}]}
    - {name: three, from: [outside, two], enter: [{event: c}]}
---
happy_path:
  name: p
  map: m
  horizon: 90h
  milestones:
    - {name: a, trigger: {event: a}}
    - {name: b, trigger: {event: b}, within: 30h, optional: true}
    - {name: c, trigger: {event: c}, within: 50h}
    - {name: b2, trigger: {event: b}, within: 40h}
";

pub(crate) fn state(world: &World, number: u32) -> Customer {
    let state = world.states.get(&customer(number)).cloned();
    state.unwrap_or_default().open()
}

/// All that a customer did, without ids of runs, which name the customer they began with.
fn seen(world: &World, number: u32) -> String {
    let state = state(world, number);
    let mut text = String::new();
    let mut runs: Vec<_> = state.runs.iter().collect();
    runs.sort_by_key(|run| (run.start_time, run.key.clone()));
    for run in runs {
        let times = (run.start_time, run.arrive_time, run.since, run.due);
        let at = (&run.key, &run.step, run.visit, run.ordinal);
        writeln!(text, "run {at:?} {times:?} {:?}", run.trigger).expect("a text takes it");
    }
    let mut ended: Vec<_> = state.ended.iter().collect();
    ended.sort_by_key(|run| (run.end_time, run.key.clone()));
    for run in ended {
        let times = (run.start_time, run.end_time);
        let how = (&run.key, run.reason, run.visit, run.ordinal);
        writeln!(text, "ended {how:?} {times:?}").expect("a text takes it");
    }
    for own in state.endings.iter() {
        let mut ends = own.ends.clone();
        ends.sort_by_key(|end| (end.time, end.key));
        writeln!(text, "ends {} {ends:?}", own.journey).expect("a text takes it");
    }
    for position in state.positions.iter() {
        writeln!(text, "{position:?}").expect("a text takes it");
    }
    for progress in state.progress.iter() {
        writeln!(text, "{progress:?}").expect("a text takes it");
    }
    for own in state.remembered.iter() {
        writeln!(text, "{own:?}").expect("a text takes it");
    }
    assert_eq!(state.trails.len(), 0, "nothing of others is left");
    text
}

/// Something that happens to customers, with the hours that have passed.
#[derive(Debug, Clone)]
enum Happening {
    Fact(String),
    Merge(u8, u8),
    /// A customer comes out, alone or with all fragments that are younger.
    Split(u8, bool),
}

fn happenings() -> impl Strategy<Value = Vec<(u64, Happening)>> {
    let event = prop_oneof![
        3 => prop::sample::select(vec!["a", "b", "c"]),
        2 => prop::sample::select(vec!["go", "hop"]),
        1 => Just("stop"),
    ];
    let fact = (1..4_u8, event, 0..2_u8, prop::bool::weighted(0.15));
    let fact = fact.prop_map(|(who, event, key, is_late)| {
        let late = if is_late { "late" } else { "" };
        Happening::Fact(format!("{late} c{who} {event} k=c{who}_{key}"))
    });
    let pair = prop::sample::select(vec![(2, 1), (3, 1), (3, 2)]);
    let happening = prop_oneof![
        12 => fact,
        2 => pair.prop_map(|(who, into)| Happening::Merge(who, into)),
        1 => (2..4_u8, any::<bool>()).prop_map(|(who, all)| Happening::Split(who, all)),
    ];
    prop::collection::vec((0..30_u64, happening), 1..60)
}

/// The customers of a world as they go on when all of it happened and all were taken apart.
fn end_of(happenings: &[(u64, Happening)], is_merged: bool) -> World {
    let mut world = World::new(compiled(OWN));
    world.tells_fragments = true;
    let mut hours = 200;
    for (later, happening) in happenings {
        hours += later;
        world.take_line(&format!("{hours}h"));
        match happening {
            Happening::Fact(fact) => {
                let late = fact.strip_prefix("late");
                let at = hours - late.map_or(0, |_| 45);
                world.take_line(&format!("{at}h {}", late.unwrap_or(fact)));
            }
            Happening::Merge(who, into) if is_merged => {
                // An older one survives, as the engine sees to.
                let roots = [*who, *into].map(|own| world.root(customer(own.into())));
                if roots[0] > roots[1] {
                    world.take_line(&format!("{hours}h c{who} merged c{into}"));
                }
            }
            Happening::Split(who, with_younger) if is_merged => {
                split(&mut world, *who, *with_younger, hours);
            }
            Happening::Merge(..) | Happening::Split(..) => {}
        }
    }
    for who in [2, 3] {
        if is_merged {
            split(&mut world, who, false, hours);
        }
    }
    world
}

fn split(world: &mut World, who: u8, with_younger: bool, hours: u64) {
    let root = world.root(customer(who.into()));
    let mut line = format!("{hours}h c{who} split");
    for younger in who + 1..4 {
        if with_younger && world.root(customer(younger.into())) == root {
            write!(line, " c{younger}").expect("a text takes it");
        }
    }
    world.take_line(&line);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_side_is_as_if_it_had_never_been_joined(happenings in happenings()) {
        let mut merged = end_of(&happenings, true);
        let mut alone = end_of(&happenings, false);
        for who in 1..4 {
            prop_assert_eq!(seen(&merged, who), seen(&alone, who), "c{}", who);
        }
        // They go on in the same way.
        for world in [&mut merged, &mut alone] {
            for line in ["9000h c1 b", "9001h c2 c", "9002h c3 b k=c3_0", "9010h c1 go k=c1_0"] {
                world.take_line(line);
            }
        }
        for who in 1..4 {
            prop_assert_eq!(seen(&merged, who), seen(&alone, who), "c{} later", who);
        }
    }
}
