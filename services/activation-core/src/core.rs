//! The activation core: one customer's actions, outcomes and consents.

use bytes::Bytes;
use decision::{
    Core, Home, Input, Moved, Outcome, PartKey, PartLoad, PartWrites, Poison, Split, Step, WaitKey,
};
use kernel::{ActivationId, CounterKey, Owner, RunId, StreamName, Timestamp};
use messages::stream::v1::{ConsentChange, Record, record::Body};

use crate::consent::{Consent, Taken};
use crate::counter::Counter;
use crate::definitions::Definitions;
use crate::receipt::Receipts as _;
use crate::state::{MissingPart, State, cut};
use crate::{admission, delivery, limits, merge, split, wait, wants};

/// Activation's decisions, as the engine runs them.
#[derive(Debug, Clone, Copy)]
pub struct ActivationCore;

impl Core for ActivationCore {
    type Definitions = Definitions;
    type State = State;

    const OWNER: Owner = Owner::Activation;
    const INPUTS: &'static [(StreamName, Option<StreamName>)] = &[
        (StreamName::Outcomes, None),
        (StreamName::Actions, Some(StreamName::ActionsBulk)),
    ];
    const OUTPUT: Option<(StreamName, StreamName)> = None;
    const HOME: Home = Home::Activation;
    const IS_IN_REAL_TIME: bool = true;
    const HAS_PARTS: bool = true;

    fn decode(bytes: &[u8]) -> Result<State, Poison> {
        State::decode(bytes)
    }

    fn encode(state: &State) -> Bytes {
        state.encode()
    }

    fn step(
        definitions: &Definitions,
        state: &mut State,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let taken = match input {
            Input::Timer { .. } => delivery::fire(definitions, state, step).map(|()| true),
            Input::Record(record) => take(definitions, state, record, step)?,
        };
        match taken {
            Ok(true) => Ok(keep(state)),
            Ok(false) => Ok(Outcome::Unchanged),
            Err(MissingPart(part)) => {
                step.effects.need(part);
                Ok(Outcome::Unchanged)
            }
        }
    }

    fn waits(state: &State, waits: &mut Vec<(WaitKey, Timestamp)>) {
        wait::list(state, waits);
    }

    /// Takes what is pending off the counters, so that a partition knows what is there.
    fn take_leave(_: &Definitions, state: &mut State, step: &mut Step<'_>) -> Option<Bytes> {
        merge::take_leave(state, step)
    }

    fn fold_in(
        _: &Definitions,
        state: &mut State,
        moved: Moved<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let other = State::decode(moved.state)?;
        Ok(fold_in(state, other, moved.ordinal_of(0), step))
    }

    fn split_off(
        _: &Definitions,
        state: &mut State,
        split: Split<'_>,
        step: &mut Step<'_>,
    ) -> Option<Bytes> {
        split::split_off(state, &split, step)
    }

    fn take_back(
        _: &Definitions,
        state: &mut State,
        head: &Bytes,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        // Its ordinals are right already.
        Ok(fold_in(state, State::decode(head)?, 0, step))
    }

    fn inseparable(state: &State, split: &Split<'_>) -> Result<Vec<String>, Vec<PartKey>> {
        let all = crate::inseparable(state, split).map_err(|missing| vec![missing.0])?;
        Ok(all.iter().map(ToString::to_string).collect())
    }

    fn erase(_: &Definitions, state: &mut State, step: &mut Step<'_>) {
        split::erase(state, step);
    }

    fn wants(
        definitions: &Definitions,
        state: &State,
        input: Input<'_>,
        now: Timestamp,
        wanted: &mut Vec<PartKey>,
    ) {
        wants::name_wanted(definitions, state, input, now, wanted);
    }

    fn load_part(state: &mut State, key: PartKey, bytes: Bytes) -> Result<(), Poison> {
        state.load_part(key, bytes)
    }

    fn drain_parts(state: &mut State, writes: &mut PartWrites) {
        state.drain_parts(writes);
    }

    fn has_parts_apart(state: &State) -> bool {
        state.has_parts_apart()
    }

    fn part_keys(state: &State) -> Vec<PartKey> {
        state.part_keys()
    }

    fn measure_parts(state: &State) -> PartLoad {
        state.measure_parts()
    }

    fn is_gone(definitions: &Definitions, group: &str) -> bool {
        let journey = group.strip_prefix(Counter::GROUPS);
        journey.is_some_and(|journey| !definitions.may_have_journey(journey))
    }

    fn counts_presence(counter: &CounterKey) -> bool {
        Counter::parse(counter).is_none_or(|counter| counter.counts_presence())
    }
}

fn fold_in(state: &mut State, other: State, first: u16, step: &mut Step<'_>) -> Outcome {
    match merge::fold_in(state, other, first, step) {
        Ok(()) => keep(state),
        Err(_) => {
            // Everything meets: so everything is asked for at once.
            merge::need_all(state, step);
            Outcome::Unchanged
        }
    }
}

/// Takes a record. Returns whether the state changed.
fn take(
    definitions: &Definitions,
    state: &mut State,
    record: &Record,
    step: &mut Step<'_>,
) -> Result<Result<bool, MissingPart>, Poison> {
    let body = record
        .body
        .as_ref()
        .ok_or_else(|| Poison::new("the record has no body"))?;
    Ok(match body {
        Body::Action(action) => {
            let id = activation_id(&action.run_id, action.visit)?;
            admission::admit(definitions, state, id, action, step)
        }
        Body::Outcome(outcome) => {
            let id = activation_id(&outcome.run_id, outcome.visit)?;
            delivery::settle(definitions, state, id, outcome, step)
        }
        Body::Consent(change) => take_consent(state, change, record, step),
        _ => {
            return Err(Poison::new(
                "activation takes actions, outcomes and consents only",
            ));
        }
    })
}

/// Takes what the customer says. Returns whether the state changed.
fn take_consent(
    state: &mut State,
    change: &ConsentChange,
    record: &Record,
    step: &mut Step<'_>,
) -> Result<bool, MissingPart> {
    let mut consents = state.consents()?.clone();
    // The clock of the machine that worked here before may have been ahead of this one's.
    let now = consents.latest().max(Some(step.now));
    let word = Consent {
        ordinal: step.ordinal,
        ..consent(change, record, now.unwrap_or(step.now))
    };
    Ok(match consents.take(word) {
        Taken::Changed => {
            state.set_consents(consents);
            true
        }
        Taken::Unchanged => false,
        Taken::Refused(word) => {
            step.tell_refused(&word);
            false
        }
    })
}

/// Ends a step that changed the state.
fn keep(state: &mut State) -> Outcome {
    state.forget();
    state.fit_head();
    Outcome::Keep {
        next_due: state.next_due(),
    }
}

fn consent(change: &ConsentChange, record: &Record, now: Timestamp) -> Consent {
    // A record without a time was written where stream time is not known.
    let time = match record.time_ms {
        0 => now,
        millis => Timestamp::from_millis(millis).min(now),
    };
    Consent {
        purpose: change.purpose.as_str().into(),
        channel: change.channel.as_str().into(),
        granted: change.granted,
        time,
        source: cut(&change.source, limits::SOURCE_BYTES),
        ordinal: 0,
    }
}

/// Reads the id of an activation.
///
/// # Errors
/// [`Poison`] where the bytes name no run.
pub(crate) fn activation_id(run: &[u8], visit: u32) -> Result<ActivationId, Poison> {
    RunId::try_from_bytes(run)
        .map(|run| ActivationId { run, visit })
        .map_err(|error| Poison::new(error.to_string()))
}

#[cfg(test)]
mod tests;
