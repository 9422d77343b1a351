//! Fragments of merged customers as they are stored. What a state has too stands under its numbers.

use std::sync::Arc;

use bytes::Bytes;
use decision::Poison;
use kernel::Timestamp;
use messages::segmentation::state_v1 as stored;
use prost::Message;
use prost::encoding::bytes as field;

use super::{
    TRAITS_FIELD, read_members, read_membership, read_total, write_members, write_membership,
    write_total,
};
use crate::profile::{Said, Traits};
use crate::state::{Fragment, RecentEvents};

/// Writes a fragment.
pub(crate) fn write_fragment(fragment: &Fragment) -> Bytes {
    let message = stored::Fragment {
        memberships: fragment.memberships.iter().map(write_membership).collect(),
        first_seen_time_ms: fragment.first_seen.map(Timestamp::as_millis),
        last_seen_time_ms: fragment.last_seen.map(Timestamp::as_millis),
        event_totals: fragment.totals.iter().map(write_total).collect(),
        members: fragment.members.map(write_members),
        // Those that were written before follow: a repeated field is the sequence of its elements.
        traits: Vec::new(),
        recent_events: Vec::new(),
    };
    let mut bytes = message.encode_to_vec();
    let traits = fragment.traits.iter().map(Said::bytes);
    traits.for_each(|own| field::encode(TRAITS_FIELD, own, &mut bytes));
    bytes.extend_from_slice(fragment.recent.written());
    bytes.into()
}

/// Reads a fragment.
///
/// # Errors
/// [`Poison`] where the bytes are none.
pub(crate) fn read_fragment(bytes: &Bytes) -> Result<Fragment, Poison> {
    let message = stored::Fragment::decode(bytes.clone())
        .map_err(|error| Poison::new(format!("a fragment cannot be read: {error}")))?;
    let traits = message.traits.into_iter();
    let traits = traits.map(Said::read).collect::<Result<_, _>>()?;
    let memberships = message.memberships.into_iter();
    Ok(Fragment {
        traits: Arc::new(Traits::stored(traits)),
        totals: message.event_totals.into_iter().map(read_total).collect(),
        memberships: memberships.map(read_membership).collect(),
        recent: RecentEvents::stored(&message.recent_events)?,
        first_seen: message.first_seen_time_ms.map(Timestamp::from_millis),
        last_seen: message.last_seen_time_ms.map(Timestamp::from_millis),
        members: message.members.map(read_members),
    })
}
