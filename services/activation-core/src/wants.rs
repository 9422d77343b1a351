//! The parts that an input is going to need, as far as the state tells without them.
//!
//! Steps need few: what was admitted of the activation that an outcome is about or that is due, and
//! for an action or a word of consent what the customer has said. Settled activations are needed by
//! merges only.

use decision::{Input, PartKey};
use kernel::Timestamp;
use messages::stream::v1::{Outcome, record::Body};

use crate::core::activation_id;
use crate::definitions::Definitions;
use crate::state::{Pending, State};

/// Names the parts that are not loaded and that an input is going to need.
pub(crate) fn name_wanted(
    definitions: &Definitions,
    state: &State,
    input: Input<'_>,
    now: Timestamp,
    wanted: &mut Vec<PartKey>,
) {
    let body = match input {
        Input::Timer { .. } => {
            let due = state.pending().iter().filter(|pending| pending.due <= now);
            wanted.extend(due.filter_map(Pending::missing));
            return;
        }
        Input::Record(record) => &record.body,
    };
    match body {
        Some(Body::Action(action)) if definitions.policy().is_exempt(&action.purpose) => {}
        Some(Body::Action(_) | Body::Consent(_)) => wanted.extend(state.missing_consents()),
        Some(Body::Outcome(outcome)) => wanted.extend(of_outcome(state, outcome)),
        // A merge moves everything, and meets everything.
        Some(Body::Merged(_) | Body::Moved(_)) => wanted.extend(state.missing()),
        _ => {}
    }
}

/// The part that the outcome of an attempt needs.
fn of_outcome(state: &State, outcome: &Outcome) -> Option<PartKey> {
    let id = activation_id(&outcome.run_id, outcome.visit).ok()?;
    let pending = &state.pending()[state.place(id)?];
    let is_newest = pending.is_at_attempt(outcome.attempt);
    pending.missing().filter(|_| is_newest)
}
