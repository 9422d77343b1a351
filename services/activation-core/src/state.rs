//! What is kept of one customer.

mod codec;

use kernel::{ActivationId, Reason, Timestamp};
use messages::activation::v1::ActivationStatus;
use messages::stream::v1::Action;
use prost::Message as _;

use crate::cap::SendTimes;
use crate::consent::Consents;
use crate::limits;

/// One customer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// The last word on each purpose and channel.
    pub consents: Consents,
    /// The newest sends that count towards frequency caps.
    pub send_times: SendTimes,
    /// The newest activations, oldest first.
    pub activations: Vec<Activation>,
}

/// One activation.
#[derive(Debug, Clone, PartialEq)]
pub struct Activation {
    /// Its id.
    pub id: ActivationId,
    /// The journey that asked for it.
    pub journey: Box<str>,
    /// The step that asked for it.
    pub step: Box<str>,
    /// The channel.
    pub channel: Box<str>,
    /// The template.
    pub template: Box<str>,
    /// What became of it.
    pub status: ActivationStatus,
    /// Why.
    pub reason: Reason,
    /// Detail for people, at most [`limits::DETAIL_BYTES`].
    pub detail: Box<str>,
    /// How often an attempt was handed to the channel: the number of the newest attempt.
    pub attempts: u32,
    /// When it was asked for.
    pub create_time: Timestamp,
    /// When its status last changed.
    pub update_time: Timestamp,
    /// What delivery still needs; absent once the status is final.
    pub pending: Option<Box<Pending>>,
}

/// What delivery still needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The action, enough to render again.
    pub action: Action,
    /// The trace context of the cause; empty for none.
    pub trace_parent: Box<str>,
    /// Whether an attempt is under way.
    pub in_flight: bool,
    /// When the next attempt begins or, with one under way, when it counts as lost.
    pub due: Timestamp,
    /// How many attempts failed.
    pub failures: u32,
    /// How many attempts were lost.
    pub lapses: u32,
    /// The send that was reserved of the frequency cap.
    pub reserved: Option<Timestamp>,
}

impl Pending {
    /// When it is too late to send.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        is_expired(&self.action, now)
    }
}

/// Whether it is too late for an action.
pub(crate) fn is_expired(action: &Action, now: Timestamp) -> bool {
    action.expire_time_ms != 0 && now.as_millis() >= action.expire_time_ms
}

impl State {
    /// Bytes that all pending activations take where they are stored, at the most.
    pub fn pending_bytes(&self) -> usize {
        let pending = self.activations.iter();
        pending
            .filter_map(|activation| activation.pending.as_ref())
            .map(|pending| stored_bytes(&pending.action))
            .sum()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// The place of an activation.
    pub fn place(&self, id: ActivationId) -> Option<usize> {
        // The newest are asked for most.
        self.activations.iter().rposition(|known| known.id == id)
    }

    /// When the state wants to be looked at again.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.activations
            .iter()
            .filter_map(|activation| activation.pending.as_ref())
            .map(|pending| pending.due)
            .min()
    }

    /// How many activations are pending.
    pub fn pending_count(&self) -> usize {
        self.activations
            .iter()
            .filter(|activation| activation.pending.is_some())
            .count()
    }

    /// Forgets the oldest activations that are no longer pending, down to [`limits::ACTIVATIONS`].
    pub(crate) fn forget(&mut self) {
        let mut surplus = self.activations.len().saturating_sub(limits::ACTIVATIONS);
        self.activations.retain(|activation| {
            let forget = surplus > 0 && activation.pending.is_none();
            surplus -= usize::from(forget);
            !forget
        });
    }
}

/// Bytes that a pending activation takes where it is stored, at the most.
pub(crate) fn stored_bytes(action: &Action) -> usize {
    action.encoded_len() + limits::PENDING_FRAME_BYTES
}

/// Cuts a detail to its bound, at a character.
pub(crate) fn detail(text: &str) -> Box<str> {
    cut(text, limits::DETAIL_BYTES)
}

/// The beginning of a text, up to a number of bytes, at a character.
pub(crate) fn cut(text: &str, bytes: usize) -> Box<str> {
    text[..text.floor_char_boundary(bytes)].into()
}
