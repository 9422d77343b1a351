//! Admission: may this be sent to this customer now?
//!
//! Guards in a fixed order; the first that refuses gives the reason. A refusal is kept, counted and
//! told like any other outcome. A holdout is asked for and refused like any other, so that both
//! arms of an experiment are counted alike.

use decision::Step;
use kernel::{ActivationId, Reason, Room};
use messages::activation::v1::ActivationStatus;
use messages::convert::{named_values, properties};
use messages::stream::v1::Action;

use crate::definitions::Definitions;
use crate::delivery;
use crate::limits;
use crate::receipt::Receipts as _;
use crate::state::{Activation, Admitted, MissingPart, Pending, State, detail, is_expired};
use crate::template::{Reads, RenderError, Rendered, Values};

/// Takes an action: refuses it, or admits it and hands its first attempt to the channel.
///
/// Returns whether the state changed.
///
/// # Errors
/// [`MissingPart`] where a part of the state is not loaded.
pub(crate) fn admit(
    definitions: &Definitions,
    state: &mut State,
    id: ActivationId,
    action: &Action,
    step: &mut Step<'_>,
) -> Result<bool, MissingPart> {
    if !definitions.may_have_journey(&action.journey) {
        // Nothing is counted for a journey that comes to be known later: its counters would pass
        // for those of one that is gone.
        step.effects.lack_definition();
    }
    let activation = requested(id, action, step);
    if state.knows(id) {
        // The first one's outcome stands and was told; only the surplus request is counted.
        step.count(
            &Activation {
                status: ActivationStatus::Suppressed,
                reason: Reason::Duplicate,
                ..activation
            },
            1,
        );
        return Ok(false);
    }
    match decide(definitions, state, id, action, step)? {
        Err(refusal) => refuse(state, (activation, action.purpose.as_str()), &refusal, step),
        Ok((admitted, rendered)) => {
            let mut pending = Pending::new((id, step.ordinal), admitted, step.now);
            if !definitions.policy().is_exempt(&action.purpose) {
                state.send_times.reserve(step.now, step.ordinal);
                pending.reserved = Some(step.now);
            }
            step.count(&activation, 1);
            step.tell_change(&activation, &action.purpose);
            delivery::dispatch(&mut pending, rendered, step)?;
            state.pending.push(pending);
        }
    }
    Ok(true)
}

/// Keeps, counts and tells that an action was refused.
fn refuse(
    state: &mut State,
    (asked, purpose): (Activation, &str),
    refusal: &Refusal,
    step: &mut Step<'_>,
) {
    let reason = refusal.reason;
    if matches!(reason, Reason::UnknownChannel | Reason::UnknownTemplate) {
        step.effects.lack_definition();
    }
    let refused = Activation {
        status: ActivationStatus::Suppressed,
        reason,
        detail: detail(&refusal.detail),
        ..asked
    };
    step.count(&refused, 1);
    step.tell_change(&refused, purpose);
    let trace_parent = step.trace_parent;
    step.tell(&refused, trace_parent);
    state.push_settled(refused);
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
) -> Result<Result<(Admitted, Rendered), Refusal>, MissingPart> {
    let policy = definitions.policy();
    let is_exempt = policy.is_exempt(&action.purpose);
    if is_expired(action, step.now) {
        return Ok(Err(Reason::Expired.into()));
    }
    if action.holdout {
        return Ok(Err(Reason::Holdout.into()));
    }
    if !is_exempt {
        let consents = state.consents()?;
        if !consents.allows(&action.purpose, &action.channel, policy.consent_by_default) {
            return Ok(Err(Reason::NoConsent.into()));
        }
    }
    Ok(decide_room(definitions, state, id, action, step))
}

/// Passes the guards after that of consent.
fn decide_room(
    definitions: &Definitions,
    state: &State,
    id: ActivationId,
    action: &Action,
    step: &Step<'_>,
) -> Result<(Admitted, Rendered), Refusal> {
    let policy = definitions.policy();
    let is_exempt = policy.is_exempt(&action.purpose);
    if definitions.channel(&action.channel).is_none() {
        return Err(Reason::UnknownChannel.into());
    }
    let Some(reads) = definitions.templates().reads(&action.template) else {
        return Err(Reason::UnknownTemplate.into());
    };
    if state.pending.len() >= limits::PENDING {
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
    let admitted = Admitted::new(kept, step.trace_parent);
    if bytes + admitted.stored_bytes() > limits::PENDING_BYTES {
        return Err(Refusal {
            reason: Reason::PendingLimit,
            detail: format!(
                "pending activations take {bytes} bytes of {}: this one has no room beside them",
                limits::PENDING_BYTES
            ),
        });
    }
    Ok((admitted, rendered))
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
        ordinal: step.ordinal,
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
    }
}
