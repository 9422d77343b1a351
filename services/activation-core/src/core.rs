//! The activation core: one customer's actions, outcomes, consents and merges.

use bytes::Bytes;
use decision::{Core, Input, Outcome, Poison, Step};
use kernel::{ActivationId, CustomerId, RunId, Timestamp};
use kernel::{Owner, StreamName};
use messages::stream::v1::{
    Carried, ConsentChange, CustomerMerged, Home, Record, StateMoved, record::Body,
};

use crate::consent::Consent;
use crate::definitions::Definitions;
use crate::state::State;
use crate::{admission, delivery};

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
    if let Body::Carried(carried) = body {
        return hand_over(definitions, carried, step);
    }
    if let Some(survivor) = state.redirect {
        return redirect(definitions, state, survivor, record, step);
    }
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
            state.consents.take(word)
        }
        Body::Merged(merged) => {
            merge_into(definitions, state, survivor_of(merged, step)?, record, step);
            true
        }
        Body::Moved(moved) => {
            fold(state, State::decode(&moved.state)?);
            true
        }
        Body::Event(_)
        | Body::Fact(_)
        | Body::Tick(_)
        | Body::Delivery(_)
        | Body::Carried(_)
        | Body::Quarantine(_) => {
            return Err(Poison::new(
                "activation takes actions, outcomes, consents and merges only",
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

/// Sends what is left of the customer after the survivor, and becomes a redirect.
fn merge_into(
    definitions: &Definitions,
    state: &mut State,
    survivor: CustomerId,
    record: &Record,
    step: &mut Step<'_>,
) {
    let rest = std::mem::replace(
        state,
        State {
            redirect: Some(survivor),
            ..State::default()
        },
    );
    if !rest.is_empty() {
        let moved = StateMoved {
            from_customer_id: Bytes::copy_from_slice(step.customer.as_bytes()),
            state: rest.encode(),
        };
        forward(definitions, survivor, Body::Moved(moved), record, step);
    }
}

/// Takes a record of a customer who was merged: sends it after the survivor.
fn redirect(
    definitions: &Definitions,
    state: &mut State,
    survivor: CustomerId,
    record: &Record,
    step: &mut Step<'_>,
) -> Result<Outcome, Poison> {
    match record.body.clone() {
        Some(Body::Merged(merged)) => {
            let next = survivor_of(&merged, step)?;
            if next == survivor {
                return Ok(Outcome::Unchanged);
            }
            // The survivor was merged in its turn: later records take the short way.
            state.redirect = Some(next);
            Ok(Outcome::Keep { next_due: None })
        }
        Some(body) => {
            forward(definitions, survivor, body, record, step);
            Ok(Outcome::Unchanged)
        }
        None => Err(Poison::new("the record has no body")),
    }
}

/// Hands over what other services send after a merged customer, at the end of its way: behind all that was sent before.
fn hand_over(
    definitions: &Definitions,
    carried: &Carried,
    step: &mut Step<'_>,
) -> Result<Outcome, Poison> {
    let stream = match carried.home() {
        Home::Segmentation => StreamName::Events,
        Home::Journey => StreamName::Facts,
        Home::Unspecified => return Err(Poison::new("what is carried has no home")),
    };
    let record = carried
        .record
        .as_deref()
        .ok_or_else(|| Poison::new("nothing is carried"))?;
    let survivor = customer_of(&record.customer_id)?;
    let partition = definitions.partitions().partition_of(survivor.fragment());
    step.effects.forward(partition, stream, record.clone());
    Ok(Outcome::Unchanged)
}

/// Everything that follows a merged customer takes the one stream that its state took, so that it arrives after it.
fn forward(
    definitions: &Definitions,
    survivor: CustomerId,
    body: Body,
    record: &Record,
    step: &mut Step<'_>,
) {
    step.effects.forward(
        definitions.partitions().partition_of(survivor.fragment()),
        StreamName::Actions,
        Record {
            customer_id: Bytes::copy_from_slice(survivor.as_bytes()),
            time_ms: record.time_ms,
            trace_parent: record.trace_parent.clone(),
            body: Some(body),
        },
    );
}

/// Folds another id of the same person in. Counters need no change: they follow each activation wherever it settles.
fn fold(state: &mut State, other: State) {
    state.consents.fold(other.consents);
    state.send_times.fold(other.send_times);
    for activation in other.activations {
        if state.place(activation.id).is_none() {
            state.activations.push(activation);
        }
    }
    state
        .activations
        .sort_by_key(|activation| activation.create_time);
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
        source: change.source.as_str().into(),
    }
}

fn survivor_of(merged: &CustomerMerged, step: &Step<'_>) -> Result<CustomerId, Poison> {
    let survivor = CustomerId::try_from_bytes(&merged.into_customer_id)
        .map_err(|error| Poison::new(error.to_string()))?;
    if survivor == step.customer {
        return Err(Poison::new("a customer cannot be merged into itself"));
    }
    Ok(survivor)
}

fn customer_of(key: &[u8]) -> Result<CustomerId, Poison> {
    CustomerId::try_from_bytes(key).map_err(|error| Poison::new(error.to_string()))
}

fn activation_id(run: &[u8], visit: u32) -> Result<ActivationId, Poison> {
    RunId::try_from_bytes(run)
        .map(|run| ActivationId { run, visit })
        .map_err(|error| Poison::new(error.to_string()))
}

#[cfg(test)]
mod tests;
