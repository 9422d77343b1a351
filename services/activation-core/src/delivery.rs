//! Delivery: what an outcome means, and what is tried next.
//!
//! Every attempt has its own number, and only the newest one's outcome counts. While an attempt is
//! under way the state holds a lease on it: if no outcome came by then (the process died), it is
//! lost, and the next attempt is handed out under the same idempotency key. Lost attempts do not
//! count as failures of the destination.

use bytes::Bytes;
use decision::Step;
use kernel::{ActivationId, Duration, Reason};
use messages::activation::v1::ActivationStatus;
use messages::stream::v1::{Delivery, DeliveryResult, Outcome, Record, record::Body};

use crate::admission::render;
use crate::backoff;
use crate::definitions::Definitions;
use crate::limits;
use crate::receipt::Receipts as _;
use crate::state::{Activation, MissingPart, Pending, State, cut, detail};
use crate::template::Rendered;
use crate::wait;

/// The end of an activation: its status, the reason, and detail for people.
type End<'a> = (ActivationStatus, Reason, &'a str);

/// Hands the next attempt of a pending activation to the channel.
///
/// # Errors
/// [`MissingPart`] where what was admitted is not loaded.
pub(crate) fn dispatch(
    pending: &mut Pending,
    rendered: Rendered,
    step: &mut Step<'_>,
) -> Result<(), MissingPart> {
    pending.attempts += 1;
    pending.in_flight = true;
    pending.due = step.now + backoff::lease(pending.lapses);
    let admitted = pending.admitted()?;
    let action = admitted.action();
    step.effects.dispatch(Record {
        customer_id: Bytes::copy_from_slice(step.customer.as_bytes()),
        time_ms: step.now.as_millis(),
        trace_parent: admitted.trace_parent().to_owned(),
        body: Some(Body::Delivery(Delivery {
            run_id: Bytes::copy_from_slice(pending.id.run.as_bytes()),
            visit: pending.id.visit,
            attempt: pending.attempts,
            journey: action.journey.clone(),
            step: action.step.clone(),
            channel: action.channel.clone(),
            template: action.template.clone(),
            subject: rendered.subject,
            body: rendered.body,
        })),
        ..Record::default()
    });
    Ok(())
}

/// Begins what is due: the next attempt of what failed, another one of what was lost.
///
/// # Errors
/// [`MissingPart`] where what was admitted of one that is due is not loaded.
pub(crate) fn fire(
    definitions: &Definitions,
    state: &mut State,
    step: &mut Step<'_>,
) -> Result<(), MissingPart> {
    let mut place = 0;
    while let Some(pending) = state.pending.get_mut(place) {
        if pending.due > step.now {
            place += 1;
            continue;
        }
        let wait = wait::of(pending.id, pending.due);
        if step.set_aside.contains(&wait) {
            place += 1;
            continue;
        }
        step.effects.begin_wait(wait);
        let before = state.pending.len();
        begin(definitions, state, place, step)?;
        // One that ended has left its place to the next.
        place += usize::from(state.pending.len() == before);
    }
    step.effects.end_wait();
    Ok(())
}

/// Begins the next attempt of one that is due.
fn begin(
    definitions: &Definitions,
    state: &mut State,
    place: usize,
    step: &mut Step<'_>,
) -> Result<(), MissingPart> {
    let pending = &mut state.pending[place];
    if pending.in_flight {
        pending.in_flight = false;
        pending.lapses += 1;
        if pending.lapses > limits::LAPSES {
            return fail(
                state,
                place,
                (Reason::DeadLetter, "no attempt came back"),
                step,
            );
        }
    }
    attempt(definitions, state, place, step)
}

/// Takes what became of an attempt. One of an older attempt, or of an activation that is not
/// pending, changes nothing.
///
/// Returns whether the state changed.
///
/// # Errors
/// [`MissingPart`] where what was admitted is not loaded.
pub(crate) fn settle(
    definitions: &Definitions,
    state: &mut State,
    id: ActivationId,
    outcome: &Outcome,
    step: &mut Step<'_>,
) -> Result<bool, MissingPart> {
    let Some(place) = state.place(id) else {
        return Ok(false);
    };
    let pending = &mut state.pending[place];
    if !pending.is_at_attempt(outcome.attempt) {
        return Ok(false);
    }
    pending.in_flight = false;
    match outcome.result() {
        DeliveryResult::Delivered => {
            let delivered = (
                ActivationStatus::Delivered,
                Reason::Delivered,
                outcome.detail.as_str(),
            );
            end(state, place, delivered, step)?;
        }
        DeliveryResult::Rejected => {
            let why = (Reason::ProviderRejected, outcome.detail.as_str());
            fail(state, place, why, step)?;
        }
        DeliveryResult::Retry | DeliveryResult::Unspecified => {
            retry(definitions, state, place, outcome, step)?;
        }
    }
    Ok(true)
}

fn retry(
    definitions: &Definitions,
    state: &mut State,
    place: usize,
    outcome: &Outcome,
    step: &mut Step<'_>,
) -> Result<(), MissingPart> {
    let text = outcome.detail.as_str();
    let pending = &mut state.pending[place];
    pending.failures += 1;
    let before = pending.activation()?;
    let max_attempts = definitions
        .channel(&before.channel)
        .map_or(limits::DEFAULT_ATTEMPTS, |channel| channel.max_attempts);
    if pending.failures >= max_attempts {
        return fail(state, place, (Reason::DeadLetter, text), step);
    }
    let asked = Duration::from_millis(outcome.retry_after_ms);
    pending.due = step.now + backoff::wait(pending.id, pending.failures, asked);
    // What will be too late is told now, not when it would have been tried.
    if pending.admitted()?.is_expired(pending.due) {
        return fail(state, place, (Reason::Expired, text), step);
    }
    pending.reason = Reason::Retrying;
    pending.detail = cut(text, limits::PENDING_DETAIL_BYTES);
    pending.update_time = step.now;
    step.count(&before, -1);
    let is_first = before.reason != Reason::Retrying;
    let retrying = Activation {
        reason: Reason::Retrying,
        update_time: step.now,
        ..before
    };
    step.count(&retrying, 1);
    if is_first {
        let purpose = &pending.admitted()?.action().purpose;
        step.tell_change(&retrying, purpose);
    }
    Ok(())
}

/// Begins another attempt, with the definitions of now.
fn attempt(
    definitions: &Definitions,
    state: &mut State,
    place: usize,
    step: &mut Step<'_>,
) -> Result<(), MissingPart> {
    let pending = &mut state.pending[place];
    let admitted = pending.admitted()?;
    let action = admitted.action();
    if admitted.is_expired(step.now) {
        return fail(state, place, (Reason::Expired, ""), step);
    }
    if definitions.channel(&action.channel).is_none() {
        return fail(state, place, (Reason::UnknownChannel, ""), step);
    }
    if !definitions.templates().contains(&action.template) {
        return fail(state, place, (Reason::UnknownTemplate, ""), step);
    }
    match render(definitions, pending.id, action) {
        Ok(rendered) => dispatch(pending, rendered, step),
        Err(error) => fail(state, place, (error.reason(), &error.message), step),
    }
}

/// Ends pending activations over the bounds, as a merge may bring them: those that wait before
/// those under way, the newest first, as if they had been asked for when there was no room.
///
/// # Errors
/// [`MissingPart`] where what was admitted of one of them is not loaded.
pub(crate) fn end_surplus(state: &mut State, step: &mut Step<'_>) -> Result<(), MissingPart> {
    while state.pending.len() > limits::PENDING || state.pending_bytes() > limits::PENDING_BYTES {
        let pending = state.pending.iter().enumerate();
        let newest = pending.map(|(place, own)| (!own.in_flight, own.create_time, place));
        let Some((.., place)) = newest.max() else {
            return Ok(());
        };
        let detail = "merged customers had more pending activations than one may have";
        fail(state, place, (Reason::PendingLimit, detail), step)?;
    }
    Ok(())
}

/// Gives up, and gives the reserved send back: nothing arrived.
fn fail(
    state: &mut State,
    place: usize,
    (reason, text): (Reason, &str),
    step: &mut Step<'_>,
) -> Result<(), MissingPart> {
    if matches!(reason, Reason::UnknownChannel | Reason::UnknownTemplate) {
        step.effects.lack_definition();
    }
    let pending = &state.pending[place];
    if let Some(time) = pending.reserved {
        state.send_times.give_back(time, pending.ordinal);
    }
    end(state, place, (ActivationStatus::Failed, reason, text), step)
}

/// Ends a pending activation: it is counted and told, and what was admitted is forgotten.
fn end(
    state: &mut State,
    place: usize,
    (status, reason, text): End<'_>,
    step: &mut Step<'_>,
) -> Result<(), MissingPart> {
    let before = state.pending[place].activation()?;
    let pending = state.remove_pending(place);
    step.count(&before, -1);
    let ended = Activation {
        status,
        reason,
        detail: detail(text),
        update_time: step.now,
        ..before
    };
    step.count(&ended, 1);
    let admitted = pending.admitted()?;
    step.tell_change(&ended, &admitted.action().purpose);
    // An outcome tells it in its own trace; by time alone, it belongs to the trace of the action.
    let trace_parent = match step.trace_parent {
        "" => admitted.trace_parent(),
        cause => cause,
    };
    step.tell(&ended, trace_parent);
    state.push_settled(ended);
    Ok(())
}
