//! The history: what is told of the customer later.

use kernel::{Reason, RunId, Timestamp};

use super::Name;

/// Something that happened, or a decision that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When it took effect.
    pub time: Timestamp,
    /// The journey, map or happy path concerned, or `profile`.
    pub subject: Name,
    /// The run, if one is concerned.
    pub run: Option<RunId>,
    /// The step, stage or milestone; empty for none.
    pub step: Name,
    /// The reason.
    pub reason: Reason,
    /// Detail for people.
    pub detail: Name,
    /// The fragment that it happened to; 0 is the customer's own.
    pub ordinal: u16,
}
