//! The answer to a request of events: what each was resolved to, or why they were refused.

use ::rpc::Failure;
use identity_core::Dropped;
use proto::convert;
use proto::identity::v1;

use crate::ingest::{AcceptedEvent, AcceptedGroup};
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
    let resolutions = events.iter_mut().flat_map(|it| &mut it.resolution);
    for resolution in resolutions {
        let dropped = &mut resolution.dropped;
        all += dropped.len();
        dropped.truncate(room);
        room -= dropped.len();
    }
    count(all)
}

/// Returns the identifiers that accepted events were resolved without, and the keys of their groups
/// that were left out, as the answer of a stream tells the first of them, and the number of all.
pub(crate) fn dropped_identifiers(events: &[AcceptedEvent]) -> (Vec<v1::DroppedFromEvent>, u32) {
    let all = events.iter().map(|event| left_out(event).count());
    let told = events.iter().flat_map(|event| {
        left_out(event).map(|dropped| v1::DroppedFromEvent {
            index: count(event.index),
            identifier: Some(dropped_identifier(dropped.clone())),
        })
    });
    (told.take(DROPPED_TOLD).collect(), count(all.sum()))
}

/// Returns what was left out of an event.
fn left_out(event: &AcceptedEvent) -> impl Iterator<Item = &Dropped> {
    let groups = event.groups.iter().map(|group| &group.resolution);
    let own = event.resolution.iter().chain(groups);
    own.flat_map(|resolution| &resolution.dropped)
}

/// Returns an event as the answer tells it.
pub(super) fn resolved(event: AcceptedEvent) -> v1::ResolvedEvent {
    let mut answer = v1::ResolvedEvent {
        index: count(event.index),
        event_id: event.event_id,
        corrected_time: event.corrected_time.map(convert::timestamp),
        groups: event.groups.into_iter().map(resolved_group).collect(),
        ..v1::ResolvedEvent::default()
    };
    if let Some(resolution) = event.resolution {
        let merged = resolution.merged.iter();
        answer.customer_id = resolution.customer.to_string();
        answer.created = resolution.is_new;
        answer.merged_customer_ids = merged.map(ToString::to_string).collect();
        let dropped = resolution.dropped.into_iter();
        answer.dropped_identifiers = dropped.map(dropped_identifier).collect();
    }
    answer
}

fn resolved_group(group: AcceptedGroup) -> v1::ResolvedGroup {
    let account = group.account();
    v1::ResolvedGroup {
        account_id: account.map(|id| id.to_string()).unwrap_or_default(),
        created: group.resolution.is_new,
        reason: group
            .reason()
            .map(|it| it.code())
            .unwrap_or_default()
            .to_owned(),
        r#type: group.r#type,
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
