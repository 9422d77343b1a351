//! Splits: a merge is undone, and words of consent, sends and activations go back to the fragments
//! that taught them. And erasure.
//!
//! What does not come apart:
//!
//! 1. An activation with an attempt under way stays where the outcome of the attempt comes, until
//!    it is settled, and there for good. Its receipt is that of the fragment that left. The send is
//!    counted by the cap of that fragment, also where the attempt fails later.
//! 2. A withdrawal that counts for more than was said (there was no room to list it) belongs to
//!    nobody alone. It stays with everybody: of two readings the stricter.
//! 3. What was refused, forgotten or ended for want of room.
//! 4. Fragments beyond [`FRAGMENTS`](decision::limits::FRAGMENTS) are one.

use bytes::Bytes;
use decision::{Split, Step};
use kernel::Reason;
use messages::activation::v1::ActivationStatus;

use crate::merge::need_all;
use crate::receipt::Receipts as _;
use crate::state::{Activation, MissingPart, State};

/// Takes out what fragments that leave taught, and off the counters. Returns the state of whoever
/// comes out of it, whole; absent where nothing is known under these ordinals, or where the step
/// asks for parts first.
pub(crate) fn split_off(
    state: &mut State,
    split: &Split<'_>,
    step: &mut Step<'_>,
) -> Option<Bytes> {
    if need_all(state, step) {
        return None;
    }
    // All of it is loaded.
    let gone = take_out(state, split, step).ok()?;
    state.fit_head();
    (!gone.is_empty()).then(|| gone.encode_whole())
}

fn take_out(
    state: &mut State,
    split: &Split<'_>,
    step: &mut Step<'_>,
) -> Result<State, MissingPart> {
    let ordinal_of = |own| split.ordinal_of(own);
    let mut gone = state.split_others(ordinal_of);
    let before = state.consents()?;
    let mut consents = before.clone();
    let theirs = consents.split_off(ordinal_of);
    if consents != *before {
        state.set_consents(consents);
    }
    gone.set_consents(theirs);
    gone.send_times = state.send_times.split_off(ordinal_of);
    let mut place = 0;
    while let Some(pending) = state.pending().get(place) {
        let ordinal = ordinal_of(pending.ordinal).filter(|_| !pending.in_flight);
        let Some(ordinal) = ordinal else {
            place += 1;
            continue;
        };
        let pending = state.remove_pending(place);
        step.count(&pending.activation()?, -1);
        gone.pending.push(pending.of_fragment(ordinal)?);
    }
    let settled = state.split_settled(ordinal_of)?;
    gone.fold_settled(settled.into_iter())?;
    Ok(gone)
}

/// Takes a customer who is erased off the counters, and tells that nothing that is pending is sent
/// any more. An attempt under way may arrive; nobody hears its outcome.
pub(crate) fn erase(state: &mut State, step: &mut Step<'_>) {
    if need_all(state, step) {
        return;
    }
    for pending in state.pending() {
        // All of it is loaded.
        let (Ok(before), Ok(admitted)) = (pending.activation(), pending.admitted()) else {
            continue;
        };
        step.count(&before, -1);
        let erased = Activation {
            status: ActivationStatus::Suppressed,
            reason: Reason::Erased,
            update_time: step.now,
            ..before
        };
        step.count(&erased, 1);
        step.tell_change(&erased, &admitted.action().purpose);
    }
}
