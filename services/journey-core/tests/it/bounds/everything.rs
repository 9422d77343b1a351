//! Customers at every bound at once, merged: the state stays within its budget.

use std::collections::BTreeSet;

use decision::limits::HEAD_BYTES;
use decision::{Core as _, Input, PartKey};
use journey_core::JourneyCore;
use journey_core::state::PartKind;
use messages::stream::v1::{Record, record::Body};

use super::*;
use crate::stored::Stored;

/// Everything that a customer may have, as much of it as may be.
fn everything() -> String {
    let mut yaml = maps_and_paths(201, 6);
    for number in 0..3 {
        let name = long_name("never", number);
        writeln!(
            yaml,
            "journey:
  name: {name}
  entry: {{triggers: [{{event: never{number}}}], key: k, reentry: REENTRY_NEVER}}
  steps: [{{id: a, exit: {{}}}}]
---"
        )
        .expect("a text takes it");
    }
    let name = long_name("runs", 0);
    let (step, hold, end) = (
        long_name("step", 0),
        long_name("hold", 0),
        long_name("end", 0),
    );
    write!(
        yaml,
        "journey:
  name: {name}
  entry: {{triggers: [{{event: run}}], key: k, reentry: REENTRY_AFTER_EXIT}}
  goals: [{{name: g, trigger: {{event: done}}}}]
  steps:
    - {{id: {step}, wait_for: {{branches: [{{trigger: {{event: next}}, next: {hold}}}], timeout: 90d}}}}
    - {{id: {hold}, wait: {{duration: 90d}}}}
    - {{id: {end}, exit: {{}}}}
"
    )
    .expect("a text takes it");
    yaml
}

/// The key of a run, as long as it may be.
fn key(who: usize, number: usize) -> String {
    format!("{:x<1$}", format!("{who}_{number}_"), limits::KEY_BYTES)
}

/// Brings a customer to every bound.
fn fill(world: &mut World, who: usize) {
    for number in 0..3 {
        for key in 0..950 {
            world.take_line(&format!("1h c{who} never{number} k={who}_{key}"));
        }
    }
    let key = |number| key(who, number);
    for number in 0..limits::RUNS_ENDED {
        world.take_line(&format!("2h c{who} run k=a{}", &key(number)[1..]));
    }
    world.take_line(&format!("3h c{who} done"));
    for number in 0..limits::RUNS_ACTIVE + 1 {
        let text = "q".repeat(3_800);
        world.take_line(&format!(
            "4h c{who} run k={} text={text} more={text}",
            key(number)
        ));
    }
    let mut line = format!("5h c{who} go");
    for number in 0..700 {
        write!(line, " +{}", long_name("s", number)).expect("a text takes it");
    }
    for number in 0..9 {
        write!(line, " @t{number}={}", "z".repeat(8_000)).expect("a text takes it");
    }
    world.take_line(&line);
    world.take_line(&format!("6h c{who} e0"));
    for place in (1..20).rev() {
        world.take_line(&format!("{}h c{who} e{place}", 40 - place));
    }
}

#[test]
fn customers_at_every_bound_at_once_merge_within_it() {
    let mut world = World::new(compiled(&everything()));
    fill(&mut world, 1);
    fill(&mut world, 2);
    for who in 1..=2 {
        assert!(bytes(&world, who) > 200 * 1024, "{}", bytes(&world, who));
    }
    let entered = |world: &World| {
        count(
            world,
            &format!("journey/{}/1/entered", long_name("runs", 0)),
        )
    };
    let before = entered(&world);
    world.take_line("50h c2 merged c1");
    assert_eq!(entered(&world), before);
    assert!(bytes(&world, 1) > 200 * 1024, "{}", bytes(&world, 1));
    // A run of either customer that never comes again does not.
    for who in 1..=2 {
        for number in 0..3 {
            let name = long_name("never", number);
            let entered = format!("journey/{name}/1/entered");
            let before = count(&world, &entered);
            world.take_line(&format!("51h c1 never{number} k={who}_0"));
            assert_eq!(count(&world, &entered), before, "{name}");
        }
    }
}

/// The parts of a kind that differ.
fn changed(before: &Stored, after: &Stored, kind: PartKind) -> usize {
    let parts = before.parts.keys().chain(after.parts.keys());
    let keys: BTreeSet<&PartKey> = parts.filter(|key| key.kind == kind as u8).collect();
    let differ = |key: &&&PartKey| before.parts.get(*key) != after.parts.get(*key);
    keys.iter().filter(differ).count()
}

#[test]
fn an_event_of_a_customer_at_every_bound_writes_what_it_touches() {
    let mut world = World::new(compiled(&everything()));
    fill(&mut world, 1);
    let stored = |world: &World| world.stored[&customer(1)].clone();
    let written = |world: &mut World, line: String| {
        let before = stored(world);
        world.take_line(&line);
        let after = stored(world);
        let runs = changed(&before, &after, PartKind::Run);
        (runs, after.written)
    };
    assert!(bytes(&world, 1) > 250 * 1024, "{}", bytes(&world, 1));
    // A run moves on: its own part, the head, and two pages of the history.
    let (runs, bytes) = written(&mut world, format!("50h next k={}", key(1, 3)));
    assert_eq!(runs, 1);
    assert!(bytes <= EVENT_BYTES, "{bytes}");
    // A run ends: no other run is written.
    let (runs, bytes) = written(&mut world, format!("51h done k={}", key(1, 4)));
    assert_eq!(runs, 1);
    assert!(bytes <= END_BYTES, "{bytes}");
    // A fact that no definition reads touches what is known of the customer.
    let (runs, bytes) = written(&mut world, "52h note +another".to_owned());
    assert_eq!(runs, 0);
    assert!(
        bytes <= HEAD_BYTES + limits::SEGMENT_BYTES + 3_300,
        "{bytes}"
    );
    // What the customer has is not what an event of theirs costs.
    let mut small = World::new(compiled(&everything()));
    small.take_line(&format!(
        "4h run k={} text={}",
        key(1, 3),
        "q".repeat(3_800)
    ));
    let (runs, few) = {
        let before = small.stored[&customer(1)].clone();
        small.take_line(&format!("50h next k={}", key(1, 3)));
        let after = small.stored[&customer(1)].clone();
        (changed(&before, &after, PartKind::Run), after.written)
    };
    assert_eq!(runs, 1);
    assert!(few > 4_000, "{few}");
}

/// Bytes that an event writes that moves one run.
const EVENT_BYTES: usize = 20 * 1024;
/// Bytes that an event writes that ends one run: the ends of all journeys of one section, too.
const END_BYTES: usize = 40 * 1024;

#[test]
fn a_fact_that_no_definition_listens_to_loads_neither_history_nor_ends() {
    let mut world = World::new(compiled(&everything()));
    fill(&mut world, 1);
    let stored = world.stored[&customer(1)].clone();
    let base = [PartKind::Positions, PartKind::HappyPaths, PartKind::Run];
    let kinds = |world: &mut World, words: &[&str]| {
        let fact = world.fact(words, world.now);
        let record = Record {
            body: Some(Body::Fact(fact)),
            ..Record::default()
        };
        let (state, mut wanted) = (stored.read(), Vec::new());
        let input = Input::Record(&record);
        JourneyCore::wants(&world.definitions, &state, input, world.now, &mut wanted);
        let kinds: BTreeSet<u8> = wanted.iter().map(|key| key.kind).collect();
        (kinds, wanted.len() == state.not_loaded().len())
    };
    let of = |also: &[PartKind]| -> BTreeSet<u8> {
        base.iter().chain(also).map(|kind| *kind as u8).collect()
    };
    assert_eq!(kinds(&mut world, &["note"]), (of(&[]), false));
    let traits = kinds(&mut world, &["note", "@a=1"]);
    assert_eq!(traits, (of(&[PartKind::Traits]), false));
    let segments = kinds(&mut world, &["+another"]);
    assert_eq!(segments, (of(&[PartKind::Segments]), false));
    assert!(kinds(&mut world, &["next"]).1, "a run may wait for it");
}
