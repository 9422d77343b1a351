//! Causes of steps: what a step goes by beside the state, and what follows from it.

use kernel::{CustomerId, Timestamp};
use messages::stream::v1::{Record, record::Body};

use super::fault::Failed;
use super::quarantine::InputId;
use crate::head::id_bytes;
use crate::splitting::Epochs;

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
    /// The customer that the record came for, where it followed a merge.
    pub(super) followed_from: Option<CustomerId>,
    /// The graph epochs by which the record names its customer.
    pub(super) epochs: Epochs,
    /// The fragment that it happened to, where the record says so.
    pub(super) fragment: Option<CustomerId>,
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
            followed_from: None,
            epochs: Epochs { own: 0, since: 0 },
            fragment: None,
        }
    }
}

impl<'a> Cause<'a> {
    /// A record, as the cause of what it brings.
    pub(super) fn of_record(
        origin: InputId,
        bulk: bool,
        record: &'a Record,
        now: Timestamp,
    ) -> Self {
        Self {
            origin,
            bulk,
            trace_parent: &record.trace_parent,
            time: Timestamp::from_millis(record.time_ms),
            now,
            followed_from: CustomerId::try_from_bytes(&record.forwarded_from_id).ok(),
            epochs: Epochs {
                own: record.fragment_epoch.max(epoch_of(record)),
                // An event says that of the customer for whom it came first.
                since: if record.forwarded_from_id.is_empty() {
                    epoch_of(record)
                } else {
                    record.forwarded_epoch
                },
            },
            fragment: fragment_of(record),
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

/// Returns the graph epoch at which identity named the customer of an event; 0 where it did not.
fn epoch_of(record: &Record) -> u64 {
    match &record.body {
        Some(Body::Event(event)) => event.graph_epoch,
        Some(Body::Fact(fact)) => fact.event.as_ref().map_or(0, |event| event.graph_epoch),
        _ => 0,
    }
}

/// Returns the fragment that a record happened to: the one that it names, that its event belongs to,
/// or else the customer that it came for first. `None` where that is its customer, or not known.
pub(super) fn fragment_of(record: &Record) -> Option<CustomerId> {
    let event = match &record.body {
        Some(Body::Event(event)) => Some(event),
        Some(Body::Fact(fact)) => fact.event.as_ref(),
        _ => None,
    };
    let of_event = event.map_or(&[][..], |event| &event.fragment_id);
    let named = [&record.fragment_id, of_event, &record.forwarded_from_id];
    let named = named.into_iter().find(|id| !id.is_empty())?;
    CustomerId::try_from_bytes(named).ok()
}
