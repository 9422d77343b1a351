//! One activation as it is kept once it is settled, and as it is listed.

use std::sync::Arc;

use kernel::{ActivationId, Reason, Timestamp};
use messages::activation::v1::ActivationStatus;

/// One activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// Its id.
    pub id: ActivationId,
    /// The fragment of the customer that it was asked for; 0 is the customer's own.
    pub ordinal: u16,
    /// The journey that asked for it.
    pub journey: Box<str>,
    /// The step that asked for it.
    pub step: Box<str>,
    /// The channel.
    pub channel: Box<str>,
    /// The template.
    pub template: Box<str>,
    /// The status.
    pub status: ActivationStatus,
    /// The reason for it.
    pub reason: Reason,
    /// Detail for people, at most [`DETAIL_BYTES`](crate::limits::DETAIL_BYTES).
    pub detail: Box<str>,
    /// The number of the newest attempt, from 1; 0 where none was handed to the channel.
    pub attempts: u32,
    /// When it was asked for.
    pub create_time: Timestamp,
    /// When its status last changed.
    pub update_time: Timestamp,
}

impl Activation {
    /// Bytes that it takes in a head, at the most.
    pub(super) fn stored_bytes(&self) -> usize {
        /// All but the texts: times, counts, tags and lengths.
        const FRAME: usize = 80;
        let texts = [
            &self.journey,
            &self.step,
            &self.channel,
            &self.template,
            &self.detail,
        ];
        let texts: usize = texts.into_iter().map(|text| text.len()).sum();
        FRAME + texts + self.reason.code().len()
    }
}

/// One activation in the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The activation.
    pub activation: Arc<Activation>,
    /// When the next attempt begins; absent where none is waited for.
    pub next_attempt_time: Option<Timestamp>,
}
