//! The answer to a request of events: what each was resolved to, or why they were refused.

use ::rpc::{Failure, Violation};
use proto::convert;
use proto::identity::v1;

use crate::ingest::AcceptedEvent;

/// Returns the refusal of a request for its refused events, each with its place.
pub(super) fn refused(rejected: Vec<(usize, Vec<Violation>)>) -> Failure {
    let violations = rejected.into_iter().flat_map(|(index, violations)| {
        let event = format!("events[{index}]");
        let violations = violations.into_iter();
        violations.map(move |violation| violation.under(&event))
    });
    Failure::invalid(violations.collect::<Vec<_>>())
}

/// Returns an event as the answer tells it.
pub(super) fn resolved(event: AcceptedEvent) -> v1::ResolvedEvent {
    let resolution = event.resolution;
    let dropped = resolution.dropped.into_iter();
    let dropped = dropped.map(|dropped| v1::DroppedIdentifier {
        namespace: dropped.identifier.namespace,
        value: dropped.identifier.value,
        reason: dropped.reason.code().to_owned(),
    });
    v1::ResolvedEvent {
        event_id: event.event_id,
        customer_id: resolution.customer.to_string(),
        created: resolution.is_new,
        merged_customer_ids: resolution.merged.iter().map(ToString::to_string).collect(),
        dropped_identifiers: dropped.collect(),
        corrected_time: event.corrected_time.map(convert::timestamp),
    }
}
