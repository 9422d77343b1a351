//! The answer to a request of events: what each was resolved to, or why they were refused.

use ::rpc::{Failure, Violation};
use identity_core::Dropped;
use proto::convert;
use proto::identity::v1;

use crate::ingest::AcceptedEvent;
use crate::limits::{DROPPED_TOLD, REJECTED_BYTES};

/// Returns the refusal of a request all of whose events are refused, each with its place.
pub(super) fn refused(rejected: Vec<(usize, Vec<Violation>)>) -> Failure {
    let violations = rejected.into_iter().flat_map(|(index, violations)| {
        let event = format!("events[{index}]");
        let violations = violations.into_iter();
        violations.map(move |violation| violation.under(&event))
    });
    Failure::invalid(violations.collect::<Vec<_>>())
}

/// Gives the reason of events that could not be read: they came as empty ones, which lack
/// everything.
pub(crate) fn note_unread(
    rejected: &mut [(usize, Vec<Violation>)],
    unread: impl IntoIterator<Item = (usize, Violation)>,
) {
    for (index, violation) in unread {
        if let Some((_, violations)) = rejected.iter_mut().find(|(at, _)| *at == index) {
            *violations = vec![violation];
        }
    }
}

/// Returns the refused events as an answer tells them, and the number of faults that it does not.
///
/// The first fault of each event is told. Of all others those are that fit: a batch of 2 MB can
/// have 200,000 faults, whose answer would be larger than clients take, and waits in memory until
/// it is read.
pub(crate) fn rejected_events(
    rejected: Vec<(usize, Vec<Violation>)>,
) -> (Vec<v1::RejectedEvent>, u32) {
    let first = rejected
        .iter()
        .filter_map(|(_, violations)| violations.first());
    let mut room = REJECTED_BYTES.saturating_sub(first.map(weight).sum());
    let (mut told, mut omitted) = (Vec::with_capacity(rejected.len()), 0);
    for (index, violations) in rejected {
        for (place, violation) in violations.into_iter().enumerate() {
            if place > 0 {
                let bytes = weight(&violation);
                if bytes > room {
                    omitted += 1;
                    continue;
                }
                room -= bytes;
            }
            told.push(v1::RejectedEvent {
                index: count(index),
                field: violation.field,
                description: violation.description,
            });
        }
    }
    (told, count(omitted))
}

/// Returns the bytes of a fault in an answer, or a few more.
fn weight(violation: &Violation) -> usize {
    /// Tags, lengths and the index.
    const HEAD: usize = 20;
    HEAD + violation.field.len() + violation.description.len()
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

fn dropped_identifier(dropped: Dropped) -> v1::DroppedIdentifier {
    v1::DroppedIdentifier {
        namespace: dropped.identifier.namespace,
        value: dropped.identifier.value,
        reason: dropped.reason.code().to_owned(),
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
