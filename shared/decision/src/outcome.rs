//! The outcome of a step, and the refusal of an input that can never be processed.

use std::fmt;

use kernel::Timestamp;

/// The outcome of a step for its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The state is kept; its timer is set to the next deadline, or cleared where there is none.
    Keep {
        /// When the state wants to be looked at again, whatever happens. From a timer: after `now`,
        /// or it counts as a millisecond after it.
        next_due: Option<Timestamp>,
    },
    /// Nothing changed: the state is not written. A record leaves the timer as it is; a timer that
    /// fired is gone.
    Unchanged,
    /// The state is removed, its timer with it.
    Remove,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep {
                next_due: Some(due),
            } => write!(f, "keep until {due}"),
            Self::Keep { next_due: None } => f.write_str("keep"),
            Self::Unchanged => f.write_str("unchanged"),
            Self::Remove => f.write_str("remove"),
        }
    }
}

/// The reason that an input can never be processed. Bounded text for operators; never personal
/// data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Poison {
    /// The reason.
    pub reason: String,
}

impl Poison {
    /// Says why.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}
