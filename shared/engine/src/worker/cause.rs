//! The cause of a step: a record, or a timer that is due.

use kernel::{CustomerId, Timestamp};
use messages::stream::v1::{Record, record::Body};

use super::fault::Failed;
use super::quarantine::InputId;
use crate::head::id_bytes;

/// The cause of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause<'a> {
    pub(super) origin: InputId,
    pub(super) bulk: bool,
    pub(super) trace_parent: &'a str,
    /// When it took effect: the time of the record, or the due time of the timer.
    pub(super) time: Timestamp,
    /// The instant of the step.
    pub(super) now: Timestamp,
}

impl Cause<'static> {
    /// A timer, as the cause of what it brings.
    pub(super) const fn of_timer(origin: InputId, time: Timestamp, now: Timestamp) -> Self {
        Self {
            origin,
            bulk: false,
            trace_parent: "",
            time,
            now,
        }
    }
}

impl Cause<'_> {
    /// Says why it can never be processed.
    pub(super) fn failed(self, reason: impl Into<String>) -> Failed {
        Failed::new(self.origin, reason)
    }

    /// A record that follows from it.
    pub(super) fn record(self, customer: CustomerId, body: Option<Body>) -> Record {
        Record {
            customer_id: id_bytes(customer),
            time_ms: self.time.as_millis(),
            trace_parent: self.trace_parent.to_owned(),
            body,
            ..Record::default()
        }
    }
}
