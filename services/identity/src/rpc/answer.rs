//! The answer to a request of events: what each was resolved to, or why they were refused.

use ::rpc::Failure;
use identity_core::Dropped;
use proto::convert;
use proto::identity::v1;

use crate::ingest::AcceptedEvent;
use crate::limits::DROPPED_TOLD;
use crate::rejected::Rejected;

/// Returns the refusal of a request all of whose events are refused, each with its place.
pub(super) fn refused(rejected: Rejected) -> Failure {
    let (faults, omitted) = rejected.into_faults();
    let faults = faults.map(|(index, fault)| fault.under(&format!("events[{index}]")));
    Failure::invalid_and_more(faults.collect(), omitted)
}

/// Returns the refused events as an answer tells them, and the number of faults that it does not.
pub(crate) fn rejected_events(rejected: Rejected) -> (Vec<v1::RejectedEvent>, u32) {
    let (faults, omitted) = rejected.into_faults();
    let told = faults.map(|(index, fault)| v1::RejectedEvent {
        index: count(index),
        field: fault.field,
        description: fault.description,
    });
    (told.collect(), count(omitted))
}

/// Cuts the identifiers that accepted events were resolved without to as many as one answer names,
/// and returns the number of all.
pub(super) fn cut_dropped(events: &mut [AcceptedEvent]) -> u32 {
    let (mut all, mut room) = (0, DROPPED_TOLD);
    for event in events {
        let dropped = &mut event.resolution.dropped;
        all += dropped.len();
        dropped.truncate(room);
        room -= dropped.len();
    }
    count(all)
}

/// Returns the identifiers that accepted events were resolved without, as the answer of a stream
/// tells the first of them, and the number of all.
pub(crate) fn dropped_identifiers(events: &[AcceptedEvent]) -> (Vec<v1::DroppedFromEvent>, u32) {
    let all = events.iter().map(|event| event.resolution.dropped.len());
    let told = events.iter().flat_map(|event| {
        let dropped = event.resolution.dropped.iter();
        dropped.map(|dropped| v1::DroppedFromEvent {
            index: count(event.index),
            identifier: Some(dropped_identifier(dropped.clone())),
        })
    });
    (told.take(DROPPED_TOLD).collect(), count(all.sum()))
}

/// Returns an event as the answer tells it.
pub(super) fn resolved(event: AcceptedEvent) -> v1::ResolvedEvent {
    let resolution = event.resolution;
    let dropped = resolution.dropped.into_iter();
    v1::ResolvedEvent {
        index: count(event.index),
        event_id: event.event_id,
        customer_id: resolution.customer.to_string(),
        created: resolution.is_new,
        merged_customer_ids: resolution.merged.iter().map(ToString::to_string).collect(),
        dropped_identifiers: dropped.map(dropped_identifier).collect(),
        corrected_time: event.corrected_time.map(convert::timestamp),
    }
}

/// Returns an identifier that was left out, as answers tell it.
pub(crate) fn dropped_identifier(dropped: Dropped) -> v1::DroppedIdentifier {
    v1::DroppedIdentifier {
        namespace: dropped.identifier.namespace,
        value: dropped.identifier.value,
        reason: dropped.reason.code().to_owned(),
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
