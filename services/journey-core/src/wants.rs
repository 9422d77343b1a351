//! The parts that an input is going to need, as far as the head tells without them.
//!
//! A part that this does not name costs the step another round, nothing else.

use decision::{Input, PartKey};
use messages::stream::v1::{Fact, record::Body};

use crate::definition::Definitions;
use crate::state::State;

/// Names the parts that are not loaded and that an input is going to need.
pub(crate) fn name_wanted(
    definitions: &Definitions,
    state: &State,
    input: Input<'_>,
    wanted: &mut Vec<PartKey>,
) {
    if state.is_loaded() {
        return;
    }
    let fact = match input {
        Input::Record(record) => match &record.body {
            Some(Body::Fact(fact)) if fact.profile.is_none() => Some(fact),
            _ => None,
        },
        Input::Timer { .. } => None,
    };
    match fact {
        // No definition listens to it: it is taken over, and nothing else comes of it.
        Some(fact) if !is_heard(definitions, fact) => {
            wanted.extend(state.parts_to_step());
            wanted.extend(state.parts_to_mirror(has_traits(fact), !fact.changes.is_empty()));
        }
        // A merge, a timer, or a fact that somebody listens to: nearly all is touched.
        _ => wanted.extend(state.not_loaded()),
    }
}

fn is_heard(definitions: &Definitions, fact: &Fact) -> bool {
    let reads = &definitions.reads;
    let mut events = fact.event.iter();
    let mut changes = fact.changes.iter();
    events.any(|event| reads.has_event(&event.name))
        || changes.any(|change| reads.has_segment(&change.segment))
}

fn has_traits(fact: &Fact) -> bool {
    !fact.set_traits.is_empty() || !fact.removed_traits.is_empty()
}
