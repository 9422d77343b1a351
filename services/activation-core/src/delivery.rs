//! Delivery: what an outcome means, and what is tried next.
//!
//! Every attempt has its own number, and only the newest one's outcome counts. While an attempt is under way the state
//! holds a lease on it: if no outcome came by then (the process died), it is lost, and the next attempt is handed out
//! under the same idempotency key. Lost attempts do not count as failures of the destination.

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
use crate::state::{Activation, State};
use crate::template::Rendered;
use crate::wait;

/// Hands the next attempt of a pending activation to the channel.
pub(crate) fn dispatch(activation: &mut Activation, rendered: Rendered, step: &mut Step<'_>) {
    let Some(pending) = activation.pending.as_mut() else {
        return;
    };
    activation.attempts += 1;
    pending.in_flight = true;
    pending.due = step.now + backoff::lease(pending.lapses);
    step.effects.dispatch(Record {
        customer_id: Bytes::copy_from_slice(step.customer.as_bytes()),
        time_ms: step.now.as_millis(),
        trace_parent: pending.trace_parent.to_string(),
        body: Some(Body::Delivery(Delivery {
            run_id: Bytes::copy_from_slice(activation.id.run.as_bytes()),
            visit: activation.id.visit,
            attempt: activation.attempts,
            journey: activation.journey.to_string(),
            step: activation.step.to_string(),
            channel: activation.channel.to_string(),
            template: activation.template.to_string(),
            subject: rendered.subject,
            body: rendered.body,
        })),
    });
}

/// Begins what is due: the next attempt of what failed, another one of what was lost.
pub(crate) fn fire(definitions: &Definitions, state: &mut State, step: &mut Step<'_>) {
    for place in 0..state.activations.len() {
        let Activation { id, pending, .. } = &mut state.activations[place];
        let (id, Some(pending)) = (*id, pending) else {
            continue;
        };
        if pending.due > step.now {
            continue;
        }
        let wait = wait::of(id, pending.due);
        if step.set_aside.contains(&wait) {
            continue;
        }
        step.effects.begin_wait(wait);
        if pending.in_flight {
            pending.in_flight = false;
            pending.lapses += 1;
            if pending.lapses > limits::LAPSES {
                fail(
                    state,
                    place,
                    Reason::DeadLetter,
                    "no attempt came back",
                    step,
                );
                continue;
            }
        }
        attempt(definitions, state, place, step);
    }
    step.effects.end_wait();
}

/// Takes what became of an attempt. One of an older attempt, or of an activation that is not pending, changes nothing.
///
/// Returns whether the state changed.
pub(crate) fn settle(
    definitions: &Definitions,
    state: &mut State,
    id: ActivationId,
    outcome: &Outcome,
    step: &mut Step<'_>,
) -> bool {
    let Some(place) = state.place(id) else {
        return false;
    };
    let activation = &mut state.activations[place];
    match &mut activation.pending {
        Some(pending) if pending.in_flight && activation.attempts == outcome.attempt => {
            pending.in_flight = false;
        }
        _ => return false,
    }
    match outcome.result() {
        DeliveryResult::Delivered => step.change(
            activation,
            ActivationStatus::Delivered,
            Reason::Delivered,
            &outcome.detail,
        ),
        DeliveryResult::Rejected => {
            fail(
                state,
                place,
                Reason::ProviderRejected,
                &outcome.detail,
                step,
            );
        }
        DeliveryResult::Retry | DeliveryResult::Unspecified => {
            retry(definitions, state, place, outcome, step);
        }
    }
    true
}

fn retry(
    definitions: &Definitions,
    state: &mut State,
    place: usize,
    outcome: &Outcome,
    step: &mut Step<'_>,
) {
    let activation = &mut state.activations[place];
    let Some(pending) = activation.pending.as_mut() else {
        return;
    };
    pending.failures += 1;
    let max_attempts = definitions
        .channel(&activation.channel)
        .map_or(limits::DEFAULT_ATTEMPTS, |channel| channel.max_attempts);
    if pending.failures >= max_attempts {
        return fail(state, place, Reason::DeadLetter, &outcome.detail, step);
    }
    let asked = Duration::from_millis(outcome.retry_after_ms);
    pending.due = step.now + backoff::wait(activation.id, pending.failures, asked);
    // What will be too late is told now, not when it would have been tried.
    if pending.is_expired(pending.due) {
        return fail(state, place, Reason::Expired, &outcome.detail, step);
    }
    step.change(
        activation,
        ActivationStatus::Pending,
        Reason::Retrying,
        &outcome.detail,
    );
}

/// Begins another attempt, with the definitions of now.
fn attempt(definitions: &Definitions, state: &mut State, place: usize, step: &mut Step<'_>) {
    let activation = &mut state.activations[place];
    let Some(pending) = activation.pending.as_ref() else {
        return;
    };
    if pending.is_expired(step.now) {
        return fail(state, place, Reason::Expired, "", step);
    }
    if definitions.channel(&activation.channel).is_none() {
        return fail(state, place, Reason::UnknownChannel, "", step);
    }
    if !definitions.templates().contains(&activation.template) {
        return fail(state, place, Reason::UnknownTemplate, "", step);
    }
    match render(definitions, activation.id, &pending.action) {
        Ok(rendered) => dispatch(activation, rendered, step),
        Err(error) => fail(state, place, error.reason(), &error.message, step),
    }
}

/// Ends pending activations over the bounds, as a merge may bring them: those that wait before
/// those under way, the newest first, as if they had been asked for when there was no room.
pub(crate) fn end_surplus(state: &mut State, step: &mut Step<'_>) {
    while state.pending_count() > limits::PENDING || state.pending_bytes() > limits::PENDING_BYTES {
        let pending = state
            .activations
            .iter()
            .enumerate()
            .filter_map(|(place, own)| {
                let pending = own.pending.as_ref()?;
                Some((!pending.in_flight, own.create_time, place))
            });
        let Some((.., place)) = pending.max() else {
            return;
        };
        let detail = "merged customers had more pending activations than one may have";
        fail(state, place, Reason::PendingLimit, detail, step);
    }
}

/// Gives up, and gives the reserved send back: nothing arrived.
fn fail(state: &mut State, place: usize, reason: Reason, detail: &str, step: &mut Step<'_>) {
    let activation = &mut state.activations[place];
    if matches!(reason, Reason::UnknownChannel | Reason::UnknownTemplate) {
        step.effects.lack_definition();
    }
    if let Some(time) = activation
        .pending
        .as_ref()
        .and_then(|pending| pending.reserved)
    {
        state.send_times.give_back(time);
    }
    step.change(activation, ActivationStatus::Failed, reason, detail);
}
