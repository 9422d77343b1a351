//! The core as the engine runs it.

use bytes::Bytes;
use decision::{Core, Effects, Input, Outcome, Poison, Step};
use kernel::{CustomerId, Owner, StreamName, Timestamp};
use messages::stream::v1::{Carried, Home, Record, record::Body};

use crate::codec;
use crate::definition::Definitions;
use crate::pass::Pass;
use crate::state::State;

/// Journeys, as the engine runs them.
#[derive(Debug, Clone, Copy)]
pub struct JourneyCore;

impl Core for JourneyCore {
    type Definitions = Definitions;
    type State = State;

    const OWNER: Owner = Owner::Journey;
    const INPUTS: &'static [(StreamName, Option<StreamName>)] =
        &[(StreamName::Facts, Some(StreamName::FactsBulk))];
    const OUTPUT: Option<(StreamName, StreamName)> =
        Some((StreamName::Actions, StreamName::ActionsBulk));

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
        let (customer, now) = (step.customer, step.now);
        match input {
            Input::Record(record) => {
                take_record(definitions, state, customer, record, now, step.effects)
            }
            Input::Timer { .. } => {
                let mut pass = Pass::new(definitions, customer, state, step.effects, now);
                pass.take_timer();
                Ok(pass.finish())
            }
        }
    }
}

fn take_record(
    definitions: &Definitions,
    state: &mut State,
    customer: CustomerId,
    record: &Record,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Outcome, Poison> {
    let Some(body) = record.body.as_ref() else {
        return Err(Poison::new("the record has no body"));
    };
    if let Body::Carried(_) = body {
        effects.emit(record.clone());
        return Ok(Outcome::Unchanged);
    }
    if let Some(survivor) = state.redirect {
        // A second word on the merge says nothing new; all else follows the customer.
        if !matches!(body, Body::Merged(_)) {
            let mut record = record.clone();
            record.customer_id = Bytes::copy_from_slice(survivor.as_bytes());
            effects.emit(carried(customer, record));
        }
        return Ok(Outcome::Unchanged);
    }
    let mut pass = Pass::new(definitions, customer, state, effects, now);
    pass.caused_by(record);
    match body {
        Body::Fact(fact) => pass.take_fact(fact),
        Body::Merged(merged) => pass.take_merge(&merged.into_customer_id)?,
        Body::Moved(moved) => pass.take_moved(&moved.state)?,
        _ => {
            return Err(Poison::new(
                "journeys read facts, merges and moved states only",
            ));
        }
    }
    Ok(pass.finish())
}

/// A record for the survivor of a merge, on the way that leads to it: behind what activation sends there itself.
pub(crate) fn carried(from: CustomerId, record: Record) -> Record {
    Record {
        customer_id: Bytes::copy_from_slice(from.as_bytes()),
        time_ms: record.time_ms,
        trace_parent: record.trace_parent.clone(),
        body: Some(Body::Carried(Box::new(Carried {
            home: Home::Journey.into(),
            record: Some(Box::new(record)),
        }))),
    }
}
