//! What must hold after every step, whatever happened.

use std::collections::BTreeMap;

use decision::Effects;
use journey_core::counter::{Counter, PathCount, RunCount, StageCount};
use journey_core::limits;
use journey_core::state::{Customer, EndingList as _, State};

use crate::world::World;

/// In = out + present in every step and stage, and what is counted as present, and what changes
/// tell, is what the states hold.
pub(crate) fn check(world: &World) {
    let mut balance: BTreeMap<String, i64> = BTreeMap::new();
    let mut present: BTreeMap<String, i64> = BTreeMap::new();
    for (key, count) in &world.counters {
        let counter = Counter::parse(key).unwrap_or_else(|| panic!("`{key}` is no counter"));
        assert!(*count >= 0, "{key} is {count}");
        let (place, sign) = match counter {
            Counter::Journey {
                journey,
                version,
                of,
            } => {
                let at = |step: &str| format!("{journey}/{version}/{step}");
                match of {
                    RunCount::In(step) => (at(step), 1),
                    RunCount::Out(step) => {
                        *balance.entry(format!("exits of {}", at(step))).or_default() -= count;
                        (at(step), -1)
                    }
                    RunCount::Present(step) => {
                        *present.entry(at(step)).or_default() += count;
                        (at(step), -1)
                    }
                    RunCount::Entered => (format!("{journey}/{version}"), 1),
                    RunCount::Active => {
                        *present.entry(format!("{journey}/{version}")).or_default() += count;
                        (format!("{journey}/{version}"), -1)
                    }
                    RunCount::Ended(_) => (format!("{journey}/{version}"), -1),
                    RunCount::Exit { step, .. } => (format!("exits of {}", at(step)), 1),
                    _ => continue,
                }
            }
            Counter::Map { map, of } => match of {
                StageCount::In(stage) => (format!("{map}:{stage}"), 1),
                StageCount::Out(stage) => (format!("{map}:{stage}"), -1),
                StageCount::Present(stage) => {
                    *present.entry(format!("{map}:{stage}")).or_default() += count;
                    (format!("{map}:{stage}"), -1)
                }
                StageCount::Move { .. } | StageCount::Refused(_) => continue,
            },
            Counter::Path {
                of: PathCount::Refused(_),
                ..
            } => continue,
            Counter::Path { path, of } => {
                *present.entry(format!("{path}={}", of.name())).or_default() += count;
                continue;
            }
        };
        *balance.entry(place).or_default() += sign * count;
    }
    for (place, rest) in balance {
        assert_eq!(
            rest, 0,
            "{place}: in is not out + present: {:#?}",
            world.counters
        );
    }
    present.retain(|_, count| *count != 0);
    assert_eq!(present, held(world));
    world.replay.check(&world.states);
}

/// What the states hold, as the counters should say.
fn held(world: &World) -> BTreeMap<String, i64> {
    let mut held: BTreeMap<String, i64> = BTreeMap::new();
    let mut add = |place: String| *held.entry(place).or_default() += 1;
    for state in world.states.values().map(State::open) {
        for run in state.runs.iter() {
            add(format!("{}/{}/{}", run.journey, run.version, run.step));
            add(format!("{}/{}", run.journey, run.version));
            assert!(run.due.is_some(), "a run that waits for nothing");
        }
        for position in state.positions.iter() {
            add(format!("{}:{}", position.map, position.stage));
        }
        for progress in state.progress.iter() {
            let path = &progress.path;
            let measure = &progress.measure;
            add(format!("{path}={}", PathCount::Started.name()));
            if measure.followed {
                add(format!("{path}={}", PathCount::Followed.name()));
            }
            if measure.under_way {
                add(format!("{path}={}", PathCount::UnderWay.name()));
            }
            for milestone in &measure.counted {
                add(format!("{path}={}", PathCount::Reached(milestone).name()));
            }
            for deviation in &measure.deviations {
                let of = PathCount::Deviation {
                    kind: deviation.kind,
                    milestone: &deviation.milestone,
                };
                add(format!("{path}={}", of.name()));
            }
        }
    }
    held
}

/// Each section of a state is within its bound.
fn check_bounds(state: &Customer) {
    assert!(state.traits.bytes() <= limits::TRAITS.bytes);
    assert!(state.positions.len() <= limits::POSITIONS);
    assert!(state.runs.len() <= limits::RUNS_ACTIVE);
    assert!(state.ended.len() <= limits::RUNS_ENDED);
    assert!(state.history.len() <= limits::HISTORY);
    assert!(state.endings.bytes() <= limits::ENDING_BYTES);
    let free = limits::RUNS_ACTIVE - state.runs.len();
    let runs = state.runs.iter().map(|run| run.trigger.bytes());
    let kept: usize = runs.map(|bytes| bytes.max(limits::TRIGGER_SHARE)).sum();
    assert!(kept + free * limits::TRIGGER_SHARE <= limits::TRIGGER_BYTES);
}

/// A step keeps the bounds, gives the same effects again, and no timer acted early.
pub(crate) fn check_step(
    world: &World,
    (before, after): (&State, &State),
    (effects, effects_again): (&Effects, &Effects),
) {
    let (before, after) = (before.open(), after.open());
    check_bounds(&after);
    assert_eq!(effects.records, effects_again.records);
    assert_eq!(effects.counts, effects_again.counts);
    assert_eq!(effects.changes, effects_again.changes);
    assert_eq!(effects.lacks_definition, effects_again.lacks_definition);
    for run in after.runs.iter() {
        assert!(run.due.is_none_or(|due| due > run.arrive_time));
        assert!(run.arrive_time <= world.now);
        let was = before.runs.iter().find(|own| own.id == run.id);
        if let Some(was) = was {
            let stayed = run.step == was.step && run.arrive_time == was.arrive_time;
            assert!(
                run.visit > was.visit || stayed,
                "visits are numbered upwards"
            );
        }
    }
}
