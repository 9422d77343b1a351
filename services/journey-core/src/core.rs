//! The core as the engine runs it.

use bytes::Bytes;
use decision::{
    Core, Home, Input, Moved, Outcome, PartKey, PartLoad, PartWrites, Poison, Split, Step, WaitKey,
};
use kernel::{CounterKey, Owner, StreamName, Timestamp};
use messages::stream::v1::record::Body;

use crate::counter::{Counter, Group};
use crate::definition::Definitions;
use crate::pass::Pass;
use crate::state::State;
use crate::{codec, wait, wants};

/// Journeys, as the engine runs them.
#[derive(Debug, Clone, Copy)]
pub struct JourneyCore;

impl Core for JourneyCore {
    type Definitions = Definitions;
    type State = State;

    const OWNER: Owner = Owner::Journey;
    const INPUTS: &'static [(StreamName, Option<StreamName>)] =
        &[(StreamName::Facts, Some(StreamName::FactsBulk))];
    const UPSTREAM: &'static [StreamName] = &[StreamName::Events];
    const OUTPUT: Option<(StreamName, StreamName)> =
        Some((StreamName::Actions, StreamName::ActionsBulk));
    const HOME: Home = Home::Journey;
    const HAS_PARTS: bool = true;

    fn decode(bytes: &[u8]) -> Result<State, Poison> {
        codec::decode(bytes)
    }

    fn encode(state: &State) -> Bytes {
        codec::encode(state)
    }

    fn step(
        definitions: &Definitions,
        state: &mut State,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let mut pass = Pass::new(definitions, state, step);
        match input {
            Input::Record(record) => match &record.body {
                Some(Body::Fact(fact)) => pass.take_fact(fact),
                _ => return Err(Poison::new("journeys take facts only")),
            },
            Input::Timer { .. } => pass.take_timer(),
        }
        Ok(pass.finish())
    }

    fn waits(state: &State, waits: &mut Vec<(WaitKey, Timestamp)>) {
        wait::list(state, waits);
    }

    fn take_leave(
        definitions: &Definitions,
        state: &mut State,
        step: &mut Step<'_>,
    ) -> Option<Bytes> {
        if !state.is_known() {
            return None;
        }
        Pass::new(definitions, state, step).take_leave()
    }

    fn fold_in(
        definitions: &Definitions,
        state: &mut State,
        moved: Moved<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let other = codec::decode(moved.state)?;
        let mut pass = Pass::new(definitions, state, step);
        pass.fold_in(&other, &moved);
        Ok(pass.finish())
    }

    fn split_off(
        definitions: &Definitions,
        state: &mut State,
        split: Split<'_>,
        step: &mut Step<'_>,
    ) -> Option<Bytes> {
        if !state.is_known() {
            return None;
        }
        Pass::new(definitions, state, step).split_off(&split)
    }

    fn take_back(
        definitions: &Definitions,
        state: &mut State,
        head: &Bytes,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let other = codec::decode(head)?;
        let mut pass = Pass::new(definitions, state, step);
        pass.take_back(&other);
        Ok(pass.finish())
    }

    fn inseparable(state: &State, split: &Split<'_>) -> Result<Vec<String>, Vec<PartKey>> {
        let missing = state.parts_to_part();
        if !missing.is_empty() {
            return Err(missing);
        }
        let all = crate::inseparable(state, split);
        Ok(all.iter().map(ToString::to_string).collect())
    }

    fn erase(definitions: &Definitions, state: &mut State, step: &mut Step<'_>) {
        Pass::new(definitions, state, step).erase();
    }

    fn wants(
        definitions: &Definitions,
        state: &State,
        input: Input<'_>,
        _now: Timestamp,
        wanted: &mut Vec<PartKey>,
    ) {
        wants::name_wanted(definitions, state, input, wanted);
    }

    fn load_part(state: &mut State, key: PartKey, bytes: Bytes) -> Result<(), Poison> {
        state.load(key, bytes)
    }

    fn drain_parts(state: &mut State, writes: &mut PartWrites) {
        state.drain(writes);
    }

    fn has_parts_apart(state: &State) -> bool {
        state.has_apart()
    }

    fn part_keys(state: &State) -> Vec<PartKey> {
        state.keys_apart()
    }

    fn measure_parts(state: &State) -> PartLoad {
        state.measure()
    }

    fn is_gone(definitions: &Definitions, group: &str) -> bool {
        match Group::parse(group) {
            Some(Group::Journey { journey, version }) => {
                let versions = definitions.journeys.get(journey);
                versions.is_none_or(|own| !own.by_version.contains_key(&version))
            }
            Some(Group::Map(map)) => !definitions.maps.contains_key(map),
            Some(Group::Path(path)) => !definitions.paths.contains_key(path),
            None => false,
        }
    }

    fn counts_presence(counter: &CounterKey) -> bool {
        Counter::parse(counter).is_none_or(|counter| counter.counts_presence())
    }
}
