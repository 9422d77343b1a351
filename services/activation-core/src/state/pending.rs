//! A pending activation: what changes with every attempt stands in the head, and what was admitted
//! is a part of its own, written once.

use bytes::Bytes;
use decision::{Part, PartKey, PartLoad, PartWrites, Poison, is_apart};
use kernel::{ActivationId, Reason, Timestamp};
use messages::activation::state_v1 as stored;
use messages::activation::v1::ActivationStatus;
use messages::stream::v1::Action;
use prost::Message as _;

use super::{Activation, MissingPart, key};
use crate::limits;

/// An activation that is pending.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Its id.
    pub id: ActivationId,
    /// The fragment of the customer that it was asked for; 0 is the customer's own.
    pub ordinal: u16,
    /// The reason for being pending.
    pub reason: Reason,
    /// Detail for people, at most [`limits::PENDING_DETAIL_BYTES`].
    pub detail: Box<str>,
    /// The number of the newest attempt, from 1; 0 where none was handed to the channel.
    pub attempts: u32,
    /// When it was asked for.
    pub create_time: Timestamp,
    /// When its reason last changed.
    pub update_time: Timestamp,
    /// Set while an attempt is under way.
    pub in_flight: bool,
    /// When the next attempt begins or, with one under way, when it counts as lost.
    pub due: Timestamp,
    /// The number of attempts that failed.
    pub failures: u32,
    /// The number of attempts that were lost.
    pub lapses: u32,
    /// The send that was reserved of the frequency cap.
    pub reserved: Option<Timestamp>,
    /// The admitted action, and its bytes.
    pub(super) admitted: (Part<Admitted>, usize),
    /// Set where that is kept apart, from the next commit on.
    pub(super) is_apart: bool,
}

/// An action as it was admitted. It never changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    action: Action,
    trace_parent: Box<str>,
    /// It as it is stored.
    bytes: Bytes,
}

impl Admitted {
    /// Keeps an action, enough to render again, with the trace context of its cause; one that is
    /// too long is left out.
    pub(crate) fn new(action: Action, trace_parent: &str) -> Self {
        let trace_parent = match trace_parent.len() {
            ..=limits::TRACE_BYTES => trace_parent,
            _ => "",
        };
        let message = stored::Admitted {
            action: Some(action),
            trace_parent: trace_parent.to_owned(),
        };
        let bytes = message.encode_to_vec().into();
        Self {
            action: message.action.unwrap_or_default(),
            trace_parent: trace_parent.into(),
            bytes,
        }
    }

    /// Reads what is stored.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are none.
    pub(super) fn decode(bytes: Bytes) -> Result<Self, Poison> {
        let message = stored::Admitted::decode(bytes.clone())
            .map_err(|error| Poison::new(format!("not an admitted action: {error}")))?;
        Ok(Self {
            action: message.action.unwrap_or_default(),
            trace_parent: message.trace_parent.into(),
            bytes,
        })
    }

    /// The action.
    pub const fn action(&self) -> &Action {
        &self.action
    }

    /// The trace context of the cause; empty for none.
    pub const fn trace_parent(&self) -> &str {
        &self.trace_parent
    }

    /// It as it is stored.
    pub(super) fn encoded(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Bytes that it takes where it is stored, at the most.
    pub(crate) fn stored_bytes(&self) -> usize {
        self.bytes.len() + limits::FRAME_BYTES
    }

    /// Returns whether it is too late to send.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        is_expired(&self.action, now)
    }
}

/// Returns whether it is too late for an action.
pub(crate) fn is_expired(action: &Action, now: Timestamp) -> bool {
    action.expire_time_ms != 0 && now.as_millis() >= action.expire_time_ms
}

impl Pending {
    /// An activation of a fragment that is asked for now and was not attempted yet.
    pub(crate) fn new(
        (id, ordinal): (ActivationId, u16),
        admitted: Admitted,
        now: Timestamp,
    ) -> Self {
        let mut own = Self {
            id,
            ordinal,
            reason: Reason::SentToChannel,
            detail: Box::default(),
            attempts: 0,
            create_time: now,
            update_time: now,
            in_flight: false,
            due: now,
            failures: 0,
            lapses: 0,
            reserved: None,
            admitted: (Part::default(), 0),
            is_apart: false,
        };
        own.admit(admitted);
        own
    }

    /// Makes it that of a fragment of the customer. The store has nothing of it under that.
    ///
    /// # Errors
    /// [`MissingPart`] where what was admitted is not loaded.
    pub(crate) fn of_fragment(mut self, ordinal: u16) -> Result<Self, MissingPart> {
        let admitted = self.admitted()?.clone();
        self.ordinal = ordinal;
        self.admit(admitted);
        Ok(self)
    }

    fn admit(&mut self, admitted: Admitted) {
        let bytes = admitted.bytes.len();
        self.is_apart = is_apart(false, bytes);
        let mut part = Part::default();
        part.set(admitted);
        self.admitted = (part, bytes);
    }

    /// The admitted action.
    ///
    /// # Errors
    /// [`MissingPart`] where it is not loaded.
    pub fn admitted(&self) -> Result<&Admitted, MissingPart> {
        let admitted = self.admitted.0.get().ok().flatten();
        admitted.ok_or_else(|| MissingPart(self.key()))
    }

    /// Returns whether an attempt is under way, and has this number.
    pub(crate) const fn is_at_attempt(&self, attempt: u32) -> bool {
        self.in_flight && self.attempts == attempt
    }

    /// It as it is listed.
    ///
    /// # Errors
    /// [`MissingPart`] where what was admitted is not loaded.
    pub fn activation(&self) -> Result<Activation, MissingPart> {
        let action = self.admitted()?.action();
        Ok(Activation {
            id: self.id,
            ordinal: self.ordinal,
            journey: action.journey.as_str().into(),
            step: action.step.as_str().into(),
            channel: action.channel.as_str().into(),
            template: action.template.as_str().into(),
            status: ActivationStatus::Pending,
            reason: self.reason,
            detail: self.detail.clone(),
            attempts: self.attempts,
            create_time: self.create_time,
            update_time: self.update_time,
        })
    }

    /// Bytes of what was admitted where it is stored, at the most.
    pub(crate) const fn admitted_bytes(&self) -> usize {
        self.admitted.1 + limits::FRAME_BYTES
    }

    /// The key of what was admitted.
    pub(crate) fn key(&self) -> PartKey {
        key::admitted_key(self.id, self.ordinal)
    }

    /// The key of what was admitted, where that is not loaded.
    pub(crate) fn missing(&self) -> Option<PartKey> {
        self.admitted.0.is_not_loaded().then(|| self.key())
    }

    /// The key of what was admitted, where the store has that.
    pub(super) fn key_apart(&self) -> Option<PartKey> {
        self.admitted.0.stored_bytes().map(|_| self.key())
    }

    /// Bytes that it takes in a head, at the most.
    pub(super) fn head_bytes(&self) -> usize {
        limits::PENDING_FRAME_BYTES + self.detail.len() + self.inline_bytes()
    }

    /// Bytes of what was admitted in a head.
    pub(super) const fn inline_bytes(&self) -> usize {
        if self.is_apart { 0 } else { self.admitted.1 }
    }

    /// Keeps what was admitted apart: the head has no room for it.
    pub(super) fn send_apart(&mut self) {
        self.admitted.0.send_apart();
        self.is_apart = true;
    }

    /// Takes what was admitted as it is stored.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are none.
    pub(super) fn load(&mut self, bytes: Bytes) -> Result<(), Poison> {
        self.admitted.0.load(Admitted::decode(bytes)?);
        Ok(())
    }

    /// Hands out what was admitted where the store does not have it yet.
    pub(super) fn drain(&mut self, writes: &mut PartWrites) {
        let key = self.key();
        let part = &mut self.admitted.0;
        part.drain(key, |it| it.bytes.len(), Admitted::encoded, writes);
    }

    /// Adds what it takes to a state's parts.
    pub(super) fn measure(&self, load: &mut PartLoad) {
        self.admitted.0.measure(|it| it.bytes.len(), load);
    }
}
