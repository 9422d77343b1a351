//! Consumers of changes: what the changes alone tell is what the states hold, whatever happens to
//! customers and definitions.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::{Names, Source};
use journey_core::Definitions;
use journey_core::state::{EndedRun, State};
use kernel::{CustomerId, Reason};
use messages::journey::v1::RunOutcome;
use messages::stream::v1::{ChangeRecord, MapMoved, RunMoved, change_record::Kind};
use proptest::prelude::*;

use crate::random::{REST, facts, journey};
use crate::world::{World, compiled, customer, number, read};

/// A consumer who knows nothing but changes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Replay {
    /// The newest change of each customer and run that is at a step.
    runs: BTreeMap<(CustomerId, Bytes), RunMoved>,
    /// The visits of runs that left with their customer and are nowhere yet.
    leaving: BTreeMap<Bytes, u32>,
    /// The last change of each run that ended.
    ended: BTreeMap<Bytes, RunMoved>,
    /// The stage of each customer in each map.
    stages: BTreeMap<(CustomerId, String), String>,
    /// The changes since it was last asked, as `c1 j: a > b REASON`.
    pub(crate) told: Vec<String>,
}

/// The place of a run: whose it is, the journey with its version, the step, the visit, and whether
/// it is in a control group.
type At = (CustomerId, String, u32, String, u32, bool);

impl Replay {
    /// Takes a change, which follows from what is known.
    pub(crate) fn take(&mut self, change: &ChangeRecord) {
        let who = CustomerId::try_from_bytes(&change.customer_id).expect("a customer");
        match change.kind.as_ref().expect("a kind") {
            Kind::Transition(moved) => self.take_run(who, moved),
            Kind::Position(moved) => self.take_position(who, moved),
            other => panic!("not of journeys: {other:?}"),
        }
    }

    fn take_run(&mut self, who: CustomerId, moved: &RunMoved) {
        let id = moved.run_id.clone();
        let before = self.runs.remove(&(who, id.clone()));
        let (from, visit) = before.map_or((String::new(), 0), |own| (own.to_step, own.visit));
        assert_eq!(moved.from_step, from, "it leaves where it was: {moved:?}");
        assert!(!self.ended.contains_key(&id), "it is over: {moved:?}");
        assert!(Reason::from_code(&moved.reason).is_some());
        let places = (from.as_str(), moved.to_step.as_str());
        self.tell(who, (&moved.journey, &moved.reason), places);
        if !moved.outcome.is_empty() {
            assert_eq!((places.1, moved.visit), ("", 0));
            self.ended.insert(id, moved.clone());
        } else if moved.to_step.is_empty() {
            let reasons = [Reason::MergedInto.code(), Reason::SplitOff.code()];
            assert!(reasons.contains(&moved.reason.as_str()), "{moved:?}");
            assert_eq!(self.leaving.insert(id, visit), None);
        } else {
            let came = self.leaving.remove(&id);
            let reasons = [Reason::Merged.code(), Reason::Unmerged.code()];
            assert_eq!(came.is_some(), reasons.contains(&moved.reason.as_str()));
            assert_eq!(moved.visit, came.unwrap_or(visit + 1));
            self.runs.insert((who, id), moved.clone());
        }
    }

    fn take_position(&mut self, who: CustomerId, moved: &MapMoved) {
        let (from, to) = (moved.from_stage.as_str(), moved.to_stage.as_str());
        assert_ne!(from, to, "nothing changed: {moved:?}");
        self.tell(who, (&moved.journey_map, &moved.reason), (from, to));
        let place = (who, moved.journey_map.clone());
        let before = if to.is_empty() {
            self.stages.remove(&place)
        } else {
            self.stages.insert(place, to.to_owned())
        };
        assert_eq!(before.unwrap_or_default(), from, "{moved:?}");
        let gone = [Reason::StageRemoved, Reason::MergedInto, Reason::SplitOff];
        let is_gone = gone.iter().any(|own| moved.reason == own.code());
        assert!(moved.version > 0 || is_gone || moved.reason == Reason::Erased.code());
    }

    /// Forgets the ends of runs, whose customer was erased.
    pub(crate) fn forget_ends(&mut self) {
        let erased = Reason::Erased.code();
        self.ended.retain(|_, moved| moved.reason != erased);
    }

    fn tell(&mut self, who: CustomerId, (of, reason): (&str, &str), (from, to): (&str, &str)) {
        let none = |place: &str| if place.is_empty() { "-" } else { place }.to_owned();
        let (who, from, to) = (number(who), none(from), none(to));
        self.told
            .push(format!("c{who} {of}: {from} > {to} {reason}"));
    }

    /// Compares with the states.
    pub(crate) fn check(&self, states: &BTreeMap<CustomerId, State>) {
        let (mut runs, mut stages) = (BTreeMap::new(), BTreeMap::new());
        for (who, state) in states {
            let state = state.open();
            for run in state.runs.iter() {
                let (journey, step) = (run.journey.to_string(), run.step.to_string());
                let at = (*who, journey, run.version, step, run.visit, run.holdout);
                runs.insert(run.id.as_bytes().to_vec(), at);
            }
            for position in state.positions.iter() {
                let place = (*who, position.map.to_string());
                stages.insert(place, position.stage.to_string());
            }
            state.ended.iter().for_each(|run| self.check_end(run));
        }
        let told: BTreeMap<Vec<u8>, At> = self
            .runs
            .iter()
            .map(|((who, id), own)| (id.to_vec(), at_of(*who, own)))
            .collect();
        assert_eq!(told, runs, "where runs are");
        assert!(self.leaving.is_empty(), "all came to a survivor");
        assert_eq!(self.stages, stages, "where customers are in maps");
    }

    fn check_end(&self, run: &EndedRun) {
        let id = Bytes::copy_from_slice(run.id.as_bytes());
        let told = &self.ended[&id];
        let outcome = match run.outcome {
            RunOutcome::Success => "SUCCESS",
            RunOutcome::Failure => "FAILURE",
            RunOutcome::Neutral | RunOutcome::Unspecified => "NEUTRAL",
        };
        assert_eq!(told.outcome, outcome);
        assert_eq!(told.reason, run.reason.code());
    }
}

fn at_of(who: CustomerId, own: &RunMoved) -> At {
    let (journey, step) = (own.journey.clone(), own.to_step.clone());
    (who, journey, own.version, step, own.visit, own.is_holdout)
}

/// Takes lines, and returns what was told of them.
fn check(world: &mut World, lines: &str, told: &[&str]) {
    world.replay.told.clear();
    for line in lines.lines() {
        world.take_line(line.trim());
    }
    assert_eq!(world.replay.told, told);
    world.replay.check(&world.states);
}

const MAIL: &str = "journey:
  name: j
  entry: {triggers: [{event: go}], reentry: REENTRY_AFTER_EXIT}
  goals: [{name: g, trigger: {event: bought}}]
  steps:
    - {id: mail, send: {channel: mail, template: t, purpose: p}}
    - {id: rest, wait: {duration: 5d}}
---
journey_map:
  name: m
  stages:
    - {name: one, enter: [{event: go}]}
    - {name: two, enter: [{event: bought}]}
";

#[test]
fn a_run_and_a_position_are_told_from_beginning_to_end() {
    let mut world = World::new(compiled(MAIL));
    check(
        &mut world,
        "0d c1 go",
        &[
            "c1 j: - > mail ENTERED",
            "c1 j: mail > rest ACTIVATION_REQUESTED",
            "c1 m: - > one STAGE_ENTERED",
        ],
    );
    check(
        &mut world,
        "1d c1 bought",
        &[
            "c1 j: rest > - GOAL_REACHED",
            "c1 m: one > two STAGE_ENTERED",
        ],
    );
    check(&mut world, "2d c1 bought", &[]);
}

#[test]
fn who_leaves_by_a_merge_leaves_maps_and_the_survivor_goes_on_with_the_runs() {
    let mut world = World::new(compiled(MAIL));
    check(
        &mut world,
        "0d c2 go",
        &[
            "c2 j: - > mail ENTERED",
            "c2 j: mail > rest ACTIVATION_REQUESTED",
            "c2 m: - > one STAGE_ENTERED",
        ],
    );
    check(
        &mut world,
        "1d c2 merged c1",
        &[
            "c2 j: rest > - MERGED_INTO",
            "c2 m: one > - MERGED_INTO",
            "c1 j: - > rest MERGED",
            "c1 m: - > one MERGED",
        ],
    );
    world.take_line("2d c3 go");
    check(
        &mut world,
        "3d c3 merged c1",
        &[
            "c3 j: rest > - MERGED_INTO",
            "c3 m: one > - MERGED_INTO",
            "c1 j: - > rest MERGED",
            "c1 j: rest > - MERGED_INTO",
        ],
    );
}

#[test]
fn what_is_not_defined_any_more_is_left_when_the_customer_is_next_looked_at() {
    let mut world = World::new(compiled(MAIL));
    world.take_line("0d c1 go");
    world.definitions = defined(&[]);
    check(
        &mut world,
        "1d c1 other",
        &[
            "c1 j: rest > - JOURNEY_DELETED",
            "c1 m: one > - STAGE_REMOVED",
        ],
    );
    assert!(world.states[&customer(1)].open().runs.is_empty());
}

/// Compiles definitions of versions, of which the last is in force.
fn defined(all: &[(&str, u32)]) -> Definitions {
    let kinds = all.iter().map(|(yaml, version)| (read(yaml), *version));
    let kinds: Vec<_> = kinds.collect();
    let newest = all.last().map_or(0, |(_, version)| *version);
    let sources = kinds.iter().flat_map(|(kinds, version)| {
        kinds.iter().map(|kind| Source {
            kind,
            version: *version,
            is_current: *version == newest,
        })
    });
    let sources: Vec<Source<'_>> = sources.collect();
    Definitions::compile(&sources, &Names::default()).expect("definitions without fault")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    // The replay is compared with the states after each fact and each merge, as all that must hold.
    #[test]
    fn changes_tell_where_everybody_is_whatever_is_redefined(
        (one, other) in (journey(), journey()),
        facts in facts(),
        redefined in proptest::collection::btree_map(0..60_usize, 0..5_u8, 0..4),
    ) {
        let (one, other) = (one + REST, other + &REST.replace("two", "zwei"));
        let (one, other) = ((one.as_str(), 1), (other.as_str(), 2));
        let mut world = World::new(defined(&[one]));
        for (place, line) in facts.iter().enumerate() {
            match redefined.get(&place) {
                Some(0) => world.definitions = defined(&[one]),
                Some(1 | 2) => world.definitions = defined(&[one, other]),
                Some(3) => world.definitions = defined(&[other]),
                Some(_) => world.definitions = defined(&[]),
                None => {}
            }
            world.take_line(line);
        }
        world.take_line("2000h c1 nothing");
    }
}
