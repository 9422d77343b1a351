//! Admission: may this be sent to this customer now?
//!
//! Guards in a fixed order; the first that refuses gives the reason. A refusal is kept, counted and told like any other
//! outcome. A holdout is asked for and refused like any other, so that both arms of an experiment are counted alike.

use decision::Step;
use kernel::{ActivationId, Reason, Room};
use messages::activation::v1::ActivationStatus;
use messages::convert::{named_values, properties};
use messages::stream::v1::Action;

use crate::counter::Counter;
use crate::definitions::Definitions;
use crate::delivery;
use crate::limits;
use crate::receipt::Receipts as _;
use crate::state::{Activation, Pending, State, detail, is_expired, stored_bytes};
use crate::template::{Reads, RenderError, Rendered, Values};

/// Takes an action: refuses it, or admits it and hands its first attempt to the channel.
///
/// Returns whether the state changed.
pub(crate) fn admit(
    definitions: &Definitions,
    state: &mut State,
    id: ActivationId,
    action: &Action,
    step: &mut Step<'_>,
) -> bool {
    if state.place(id).is_some() {
        // The first one's outcome stands and was told; only the surplus request is counted.
        step.effects.count(
            Counter {
                journey: &action.journey,
                channel: &action.channel,
                status: ActivationStatus::Suppressed,
                reason: Reason::Duplicate,
            }
            .key(),
            1,
        );
        return false;
    }
    let mut activation = requested(id, action, step);
    match decide(definitions, state, id, action, step) {
        Err(refusal) => {
            if matches!(
                refusal.reason,
                Reason::UnknownChannel | Reason::UnknownTemplate
            ) {
                step.effects.lack_definition();
            }
            activation.status = ActivationStatus::Suppressed;
            activation.reason = refusal.reason;
            activation.detail = detail(&refusal.detail);
            step.count_new(&activation);
            step.tell(&activation, step.trace_parent);
        }
        Ok((action, rendered)) => {
            let counts = !definitions.policy().is_exempt(&action.purpose);
            if counts {
                state.send_times.reserve(step.now);
            }
            activation.pending = Some(Box::new(Pending {
                action,
                trace_parent: match step.trace_parent.len() {
                    ..=limits::TRACE_BYTES => step.trace_parent.into(),
                    _ => Box::default(),
                },
                in_flight: false,
                due: step.now,
                failures: 0,
                lapses: 0,
                reserved: counts.then_some(step.now),
            }));
            step.count_new(&activation);
            delivery::dispatch(&mut activation, rendered, step);
        }
    }
    state.activations.push(activation);
    state.forget();
    true
}

struct Refusal {
    reason: Reason,
    detail: String,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            detail: String::new(),
        }
    }
}

impl From<RenderError> for Refusal {
    fn from(error: RenderError) -> Self {
        Self {
            reason: error.reason(),
            detail: error.message,
        }
    }
}

/// Passes the guards: what is kept of the action, and what its template made.
fn decide(
    definitions: &Definitions,
    state: &State,
    id: ActivationId,
    action: &Action,
    step: &Step<'_>,
) -> Result<(Action, Rendered), Refusal> {
    let policy = definitions.policy();
    let is_exempt = policy.is_exempt(&action.purpose);
    if is_expired(action, step.now) {
        return Err(Reason::Expired.into());
    }
    if action.holdout {
        return Err(Reason::Holdout.into());
    }
    let has_consent = || {
        state
            .consents
            .allows(&action.purpose, &action.channel, policy.consent_by_default)
    };
    if !is_exempt && !has_consent() {
        return Err(Reason::NoConsent.into());
    }
    if definitions.channel(&action.channel).is_none() {
        return Err(Reason::UnknownChannel.into());
    }
    let Some(reads) = definitions.templates().reads(&action.template) else {
        return Err(Reason::UnknownTemplate.into());
    };
    if state.pending_count() >= limits::PENDING {
        return Err(Reason::PendingLimit.into());
    }
    if let Some(cap) = policy.frequency_cap.filter(|_| !is_exempt)
        && !state.send_times.allows(cap, step.now)
    {
        return Err(Reason::FrequencyCap.into());
    }
    // A send that is too large by itself says so, and takes nobody's room.
    let kept = kept(action, reads)?;
    let rendered = render(definitions, id, &kept)?;
    let bytes = state.pending_bytes();
    if bytes + stored_bytes(&kept) > limits::PENDING_BYTES {
        return Err(Refusal {
            reason: Reason::PendingLimit,
            detail: format!(
                "pending activations take {bytes} bytes of {}: this one has no room beside them",
                limits::PENDING_BYTES
            ),
        });
    }
    Ok((kept, rendered))
}

/// Returns the part of an action that is kept: all values that its template reads, and the others
/// as far as its share of the room goes, for a template that is changed while the activation is
/// pending.
fn kept(action: &Action, reads: &Reads) -> Result<Action, RenderError> {
    let mut traits = properties(&action.traits);
    let mut event = properties(&action.properties);
    if traits.bytes() + event.bytes() <= limits::SEND_SHARE_BYTES {
        return Ok(action.clone());
    }
    let read_traits = traits.bytes_of(|name| reads.has_trait(name));
    let read = read_traits + event.bytes_of(|name| reads.has_property(name));
    if read > limits::SEND_BYTES {
        return Err(RenderError {
            message: format!(
                "the template reads {read} bytes of values, more than {}",
                limits::SEND_BYTES
            ),
            is_too_large: true,
        });
    }
    let room = |bytes| Room {
        bytes,
        values: usize::MAX,
    };
    let share = read.max(limits::SEND_SHARE_BYTES);
    event.fit(room(share - read_traits), |name| reads.has_property(name));
    traits.fit(room(share - event.bytes()), |name| reads.has_trait(name));
    Ok(Action {
        traits: named_values(&traits),
        properties: named_values(&event),
        ..action.clone()
    })
}

/// Renders the template of an action.
pub(crate) fn render(
    definitions: &Definitions,
    id: ActivationId,
    action: &Action,
) -> Result<Rendered, RenderError> {
    let values = Values::of_action(id, action)?;
    definitions.templates().render(&action.template, &values)
}

fn requested(id: ActivationId, action: &Action, step: &Step<'_>) -> Activation {
    Activation {
        id,
        journey: action.journey.as_str().into(),
        step: action.step.as_str().into(),
        channel: action.channel.as_str().into(),
        template: action.template.as_str().into(),
        status: ActivationStatus::Pending,
        reason: Reason::SentToChannel,
        detail: Box::default(),
        attempts: 0,
        create_time: step.now,
        update_time: step.now,
        pending: None,
    }
}
