//! Causes of steps: what a step goes by beside the state, and what follows from it.

use kernel::{CustomerId, Timestamp};
use messages::stream::v1::{Record, record::Body};

use super::fault::Failed;
use super::quarantine::InputId;
use crate::head::id_bytes;

/// What caused a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause<'a> {
    pub(super) origin: InputId,
    pub(super) bulk: bool,
    pub(super) trace_parent: &'a str,
    /// When it took effect: the time of the record, or the due time of the timer.
    pub(super) time: Timestamp,
    /// The instant of the step.
    pub(super) now: Timestamp,
    /// The customer that the record came for, where it followed a merge.
    pub(super) followed_from: Option<CustomerId>,
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
        }
    }
}

/// The cause that a record is.
pub(super) fn cause_of(
    (origin, followed_from): (InputId, Option<CustomerId>),
    bulk: bool,
    record: &Record,
    now: Timestamp,
) -> Cause<'_> {
    Cause {
        origin,
        bulk,
        trace_parent: &record.trace_parent,
        time: Timestamp::from_millis(record.time_ms),
        now,
        followed_from,
    }
}

/// Returns a record as it came for whom it did, and who that was where it followed a merge.
pub(super) fn unfollow(record: &Record) -> (&Record, Option<CustomerId>) {
    let Some(Body::Followed(followed)) = &record.body else {
        return (record, None);
    };
    let from = CustomerId::try_from_bytes(&followed.from_customer_id);
    (followed.record.as_deref().unwrap_or(record), from.ok())
}
