//! Merges: what is known of a customer goes to the survivor, and becomes part of what is known
//! there, as that of fragments of its own.
//!
//! Words of consent, sends and activations keep the ordinal of the fragment that taught them, so that
//! they come apart again: see [`crate::split`].

use bytes::Bytes;
use decision::{Step, fragment_ordinal};

use crate::delivery;
use crate::receipt::Receipts as _;
use crate::state::{Activation, MissingPart, State};

/// Asks for all parts that are not loaded. Returns whether there are any.
pub(crate) fn need_all(state: &State, step: &mut Step<'_>) -> bool {
    let missing = state.missing();
    let is_missing = !missing.is_empty();
    missing.into_iter().for_each(|it| step.effects.need(it));
    is_missing
}

/// Takes what is pending off the counters. Returns everything that is known; absent where that is
/// nothing, or where the step asks for parts first. All of it goes in one record: nothing is left in
/// `state` to move by itself.
pub(crate) fn take_leave(state: &mut State, step: &mut Step<'_>) -> Option<Bytes> {
    if need_all(state, step) || state.is_empty() {
        return None;
    }
    for pending in state.pending() {
        // All of it is loaded.
        if let Ok(activation) = pending.activation() {
            step.count(&activation, -1);
        }
    }
    let whole = state.encode_whole();
    *state = State::default();
    Some(whole)
}

/// Takes in what is known of a customer who was joined into this one.
///
/// # Errors
/// [`MissingPart`] where a part of the survivor's state is not loaded.
pub(crate) fn fold_in(
    state: &mut State,
    mut other: State,
    first_ordinal: u16,
    step: &mut Step<'_>,
) -> Result<(), MissingPart> {
    let mut consents = state.consents()?.clone();
    let said = other.consents()?.clone();
    if !said.is_empty() {
        for word in consents.fold(said, first_ordinal) {
            step.tell_refused(&word);
        }
        state.set_consents(consents);
    }
    state
        .send_times
        .fold(std::mem::take(&mut other.send_times), first_ordinal);
    // Of one that both know, the survivor's stays.
    for theirs in std::mem::take(&mut other.pending) {
        if !state.knows(theirs.id) {
            let ordinal = fragment_ordinal(first_ordinal, theirs.ordinal);
            let own = theirs.of_fragment(ordinal)?;
            step.count(&own.activation()?, 1);
            state.pending.push(own);
        }
    }
    state.pending.sort_by_key(|pending| pending.create_time);
    let settled = other.activations()?.into_iter().map(|it| Activation {
        ordinal: fragment_ordinal(first_ordinal, it.activation.ordinal),
        ..Activation::clone(&it.activation)
    });
    state.fold_settled(settled)?;
    state.fold_others(&other, first_ordinal);
    delivery::end_surplus(state, step)
}
