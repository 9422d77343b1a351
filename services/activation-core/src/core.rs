//! The activation core: one customer's actions, outcomes and consents.

use bytes::Bytes;
use decision::{Core, Home, Input, Moved, Outcome, Poison, Step, WaitKey};
use kernel::{ActivationId, RunId, Timestamp};
use kernel::{Owner, StreamName};
use messages::stream::v1::{ConsentChange, Record, record::Body};

use crate::consent::{Consent, Taken};
use crate::definitions::Definitions;
use crate::receipt::Receipts as _;
use crate::state::{State, cut};
use crate::{admission, delivery, limits, wait};

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
        match input {
            Input::Timer { .. } => {
                delivery::fire(definitions, state, step);
                Ok(keep(state))
            }
            Input::Record(record) => take(definitions, state, record, step),
        }
    }

    fn waits(state: &State, waits: &mut Vec<(WaitKey, Timestamp)>) {
        wait::list(state, waits);
    }

    /// Counters need no change: they follow each activation wherever it settles.
    fn take_leave(_: &Definitions, state: &mut State, _: &mut Step<'_>) -> Option<Bytes> {
        (!state.is_empty()).then(|| state.encode())
    }

    fn fold_in(
        _: &Definitions,
        state: &mut State,
        moved: Moved<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        fold(state, State::decode(moved.state)?, step);
        Ok(keep(state))
    }
}

fn take(
    definitions: &Definitions,
    state: &mut State,
    record: &Record,
    step: &mut Step<'_>,
) -> Result<Outcome, Poison> {
    let body = record
        .body
        .as_ref()
        .ok_or_else(|| Poison::new("the record has no body"))?;
    let changed = match body {
        Body::Action(action) => {
            let id = activation_id(&action.run_id, action.visit)?;
            admission::admit(definitions, state, id, action, step)
        }
        Body::Outcome(outcome) => {
            let id = activation_id(&outcome.run_id, outcome.visit)?;
            delivery::settle(definitions, state, id, outcome, step)
        }
        Body::Consent(change) => {
            // The clock of the machine that worked here before may have been ahead of this one's.
            let now = state.consents.latest().max(Some(step.now));
            let word = consent(change, record, now.unwrap_or(step.now));
            match state.consents.take(word) {
                Taken::Changed => true,
                Taken::Unchanged => false,
                Taken::Refused(word) => {
                    step.tell_refused(&word);
                    false
                }
            }
        }
        _ => {
            return Err(Poison::new(
                "activation takes actions, outcomes and consents only",
            ));
        }
    };
    Ok(if changed {
        keep(state)
    } else {
        Outcome::Unchanged
    })
}

fn keep(state: &State) -> Outcome {
    Outcome::Keep {
        next_due: state.next_due(),
    }
}

/// Folds another id of the same person in.
fn fold(state: &mut State, other: State, step: &mut Step<'_>) {
    for word in state.consents.fold(other.consents) {
        step.tell_refused(&word);
    }
    state.send_times.fold(other.send_times);
    for activation in other.activations {
        if state.place(activation.id).is_none() {
            state.activations.push(activation);
        }
    }
    state
        .activations
        .sort_by_key(|activation| activation.create_time);
    delivery::end_surplus(state, step);
    state.forget();
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
    }
}

fn activation_id(run: &[u8], visit: u32) -> Result<ActivationId, Poison> {
    RunId::try_from_bytes(run)
        .map(|run| ActivationId { run, visit })
        .map_err(|error| Poison::new(error.to_string()))
}

#[cfg(test)]
mod tests;
