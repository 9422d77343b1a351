//! The evidence on events: how each one named its customer, and whom it joined.
//!
//! An event that is sent again, because its first try changed who is who and did not bring it into
//! its stream, tells what that try found.

use std::collections::HashMap;

use identity_core::Resolution;
use proto::convert::id_bytes;
use proto::stream::v1 as stream;

use crate::store::{MergeRecord, SentAs};

/// Writes the evidence of a resolution on its event, and takes the identifiers out of it.
pub(crate) fn write(event: &mut stream::Event, resolution: &mut Resolution) {
    event.fragment_id = id_bytes(resolution.fragment.into());
    let joined = resolution.merged.iter().flat_map(|from| *from.as_bytes());
    event.joined_ids = joined.collect::<Vec<u8>>().into();
    let own = resolution.fragment;
    let evidence = std::mem::take(&mut resolution.evidence).into_iter();
    event.identifiers = evidence
        .map(|evidence| stream::Identifier {
            namespace: evidence.identifier.namespace,
            value: evidence.identifier.value,
            is_attached: evidence.is_attached,
            fragment_id: if evidence.fragment == own {
                bytes::Bytes::new()
            } else {
                id_bytes(evidence.fragment.into())
            },
        })
        .collect();
    event
        .identifiers
        .sort_unstable_by(|a, b| (&a.namespace, &a.value).cmp(&(&b.namespace, &b.value)));
}

/// Says of identifiers that an earlier try of the event attached that the event did. The events
/// that attached them are given in the order of the evidence.
pub(crate) fn restore_attached(
    resolution: &mut Resolution,
    sent: Option<SentAs>,
    attached_by: impl IntoIterator<Item = Option<SentAs>>,
) {
    if sent.is_none() {
        return;
    }
    let mut is_restored = false;
    for (evidence, by) in resolution.evidence.iter_mut().zip(attached_by) {
        if !evidence.is_attached && by == sent {
            evidence.is_attached = true;
            is_restored = true;
        }
    }
    // Nothing named the customer before.
    let is_first = resolution.evidence.iter().all(|it| it.is_attached);
    resolution.is_new |= is_restored && is_first;
}

/// Returns the events that an earlier try may have joined customers with, each with its place: they
/// name several fragments, and joined nobody now.
pub(crate) fn may_have_joined(
    resolutions: &[Resolution],
    sent: &[Option<SentAs>],
) -> HashMap<SentAs, usize> {
    let named = resolutions.iter().zip(sent).enumerate();
    let may_have = named.filter(|(_, (resolution, _))| {
        let mut fragments = resolution.evidence.iter().map(|it| it.fragment);
        let first = fragments.next();
        resolution.merged.is_empty() && fragments.any(|other| Some(other) != first)
    });
    may_have
        .filter_map(|(place, (_, sent))| Some(((*sent)?, place)))
        .collect()
}

/// Says of the merges that an earlier try of an event made that the event did.
pub(crate) fn restore_joined(
    resolutions: &mut [Resolution],
    places: &HashMap<SentAs, usize>,
    made: &[(SentAs, MergeRecord)],
) {
    for (sent, merge) in made {
        if let Some(place) = places.get(sent) {
            resolutions[*place].merged.push(merge.from);
        }
    }
}
