//! Runs: those under way, and those that ended.

use std::sync::Arc;

use kernel::{Properties, Reason, RunId, Timestamp};
use messages::journey::v1::RunOutcome;

use super::Name;

/// A run under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The journey.
    pub journey: Name,
    /// The version that it walks.
    pub version: u32,
    /// The key that names it; empty for the only one.
    pub key: Name,
    /// The step that it is at.
    pub step: Name,
    /// The number of visits of steps that it has made.
    pub visit: u32,
    /// When it started.
    pub start_time: Timestamp,
    /// When it came to its step.
    pub arrive_time: Timestamp,
    /// The time of what brought it there; older events are not waited for.
    pub since: Timestamp,
    /// When it goes on by time alone.
    pub due: Option<Timestamp>,
    /// Properties of the event that started it.
    pub trigger: Arc<Properties>,
    /// True where it is in a control group.
    pub holdout: bool,
    /// The newest arm that it was assigned; empty for none.
    pub arm: Name,
    /// The trace of what brought it to its step: what time alone causes belongs to it.
    /// Empty where nothing is traced.
    pub trace_parent: Box<str>,
    /// The fragment that it came from with a merge; 0 is the customer's own.
    pub ordinal: u16,
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRun {
    /// Its id.
    pub id: RunId,
    /// The journey.
    pub journey: Name,
    /// The version that it walked.
    pub version: u32,
    /// The key that named it.
    pub key: Name,
    /// The number of visits of steps that it made.
    pub visit: u32,
    /// When it started.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// The reason for its end.
    pub reason: Reason,
    /// The outcome.
    pub outcome: RunOutcome,
    /// The fragment that it came from with a merge; 0 is the customer's own.
    pub ordinal: u16,
}
