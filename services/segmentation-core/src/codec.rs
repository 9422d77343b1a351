//! States as the hot store keeps them: the head, without the parts that are kept apart.

mod feature;
mod fragment;
mod ids;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use decision::{Poison, UnknownParts, read_ordinal};
use expr::FeatureId;
use kernel::{Duration, Timestamp};
use messages::engine::state_v1::OtherPart;
use messages::segmentation::state_v1 as stored;
use prost::Message;
use prost::encoding::bytes as field;

use crate::limits;
use crate::profile::{Said, Traits};
use crate::state::{
    EventTotal, Features, Fragments, Held, Listing, MemberCount, Membership, PartKind,
    RecentEvents, State,
};

pub(crate) use feature::{read_block, read_feature, write_block, write_feature, write_index};
pub(crate) use fragment::{read_fragment, write_fragment};
pub(crate) use ids::{read_id_run, write_id_run};

/// The number of `State.traits`.
const TRAITS_FIELD: u32 = 2;

/// Writes the head of a state, whose parts were handed out before.
pub(crate) fn encode(state: &State) -> Bytes {
    let features = || state.features.iter();
    let kept = features().filter(|held| !held.is_empty());
    let empty = features().filter(|held| held.is_empty());
    let message = stored::State {
        event_totals: state.totals.iter().map(write_total).collect(),
        features: kept.map(write_held).collect(),
        empty_features: empty.map(|held| held.id.number()).collect(),
        memberships: state.memberships.iter().map(write_membership).collect(),
        due_segments: state.dues.iter().map(|(segment, _)| *segment).collect(),
        due_times_ms: state.dues.iter().map(|(_, due)| due.as_millis()).collect(),
        recent_event_ids: ids::write_recent(&state.event_ids),
        event_id_blocks: ids::write_blocks(&state.event_ids),
        first_seen_time_ms: state.first_seen.map(Timestamp::as_millis),
        last_seen_time_ms: state.last_seen.map(Timestamp::as_millis),
        definitions_fingerprint: state.fingerprint,
        clock_time_ms: state.clock.map(Timestamp::as_millis),
        other_parts: list_parts(state),
        joined_ordinals: write_ordinals(&state.fragments.joined),
        older_ordinals: write_ordinals(&state.fragments.older),
        members: state.members.map(write_members),
        // What was written before follows: a repeated field is the sequence of its elements.
        traits: Vec::new(),
        recent_events: Vec::new(),
    };
    let traits = state.traits.iter().map(Said::bytes);
    let lens = traits
        .clone()
        .map(|own| field::encoded_len(TRAITS_FIELD, own));
    let recent = state.recent.written();
    let len = message.encoded_len() + lens.sum::<usize>() + recent.len();
    let mut head = Vec::with_capacity(len);
    message.encode_raw(&mut head);
    traits.for_each(|own| field::encode(TRAITS_FIELD, own, &mut head));
    head.extend_from_slice(recent);
    head.into()
}

/// Reads a state.
pub(crate) fn decode(bytes: &[u8]) -> Result<State, Poison> {
    let message = stored::State::decode(bytes)
        .map_err(|error| Poison::new(format!("the state cannot be read: {error}")))?;
    let dues = message.due_segments.into_iter().zip(message.due_times_ms);
    let traits = message.traits.into_iter();
    let traits = traits.map(Said::read).collect::<Result<_, _>>()?;
    let (mut fragments, others) = read_parts(message.other_parts)?;
    fragments.joined = read_ordinals(message.joined_ordinals)?;
    fragments.older = read_ordinals(message.older_ordinals)?;
    Ok(State {
        traits: Arc::new(Traits::stored(traits)),
        totals: message.event_totals.into_iter().map(read_total).collect(),
        features: read_features(message.features, message.empty_features)?,
        others,
        fragments,
        memberships: message
            .memberships
            .into_iter()
            .map(read_membership)
            .collect(),
        dues: dues
            .map(|(segment, due)| (segment, Timestamp::from_millis(due)))
            .collect(),
        recent: RecentEvents::stored(&message.recent_events)?,
        event_ids: ids::read_listed(message.recent_event_ids, message.event_id_blocks)?,
        first_seen: message.first_seen_time_ms.map(Timestamp::from_millis),
        last_seen: message.last_seen_time_ms.map(Timestamp::from_millis),
        members: message.members.map(read_members),
        fingerprint: message.definitions_fingerprint,
        clock: message.clock_time_ms.map(Timestamp::from_millis),
        parting: Vec::new(),
        given: Vec::new(),
    })
}

/// Lists the fragments, and the parts of kinds that a newer version wrote. A version that knows of
/// no fragments takes them for such, and keeps them.
fn list_parts(state: &State) -> Vec<OtherPart> {
    let mut parts: Vec<OtherPart> = state.fragments.listed().collect();
    parts.extend(state.others.listed());
    parts
}

fn read_parts(parts: Vec<OtherPart>) -> Result<(Fragments, UnknownParts), Poison> {
    let kind = u32::from(PartKind::Fragment as u8);
    let (own, others): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.kind == kind);
    let mut fragments = Fragments::default();
    for part in own {
        fragments.insert(read_ordinal(part.ordinal)?, part)?;
    }
    Ok((fragments, UnknownParts::read(others)?))
}

fn write_ordinals(ordinals: &BTreeSet<u16>) -> Vec<u32> {
    ordinals.iter().map(|ordinal| (*ordinal).into()).collect()
}

fn read_ordinals(stored: Vec<u32>) -> Result<BTreeSet<u16>, Poison> {
    stored.into_iter().map(read_ordinal).collect()
}

const fn write_members(members: MemberCount) -> stored::MemberCount {
    stored::MemberCount {
        count: members.count,
        number: members.number,
    }
}

const fn read_members(message: stored::MemberCount) -> MemberCount {
    MemberCount {
        count: message.count,
        number: message.number,
    }
}

fn write_total(total: &EventTotal) -> stored::EventTotal {
    let span = total.last_time.since(total.first_time);
    stored::EventTotal {
        name: total.name.to_string(),
        count: total.count,
        first_time_ms: total.first_time.as_millis(),
        span_ms: u64::try_from(span.as_millis()).unwrap_or(0),
    }
}

fn read_total(message: stored::EventTotal) -> EventTotal {
    let first_time = Timestamp::from_millis(message.first_time_ms);
    let span = Duration::from_millis(i64::try_from(message.span_ms).unwrap_or(0));
    EventTotal {
        name: message.name.into(),
        count: message.count,
        first_time,
        last_time: first_time + span,
    }
}

fn write_held(held: &Held) -> stored::Feature {
    let mut message = stored::Feature {
        ordinal: held.ordinal.into(),
        id: held.id.number(),
        ..stored::Feature::default()
    };
    if let Some(listing) = held.listing() {
        message.apart_bytes = Some(listing.bytes);
        message.has_index = listing.has_index;
        message.block_ranges = ranges(&listing.blocks);
    } else {
        message.head = held.encoded().unwrap_or_default();
    }
    message
}

fn read_features(kept: Vec<stored::Feature>, empty: Vec<u64>) -> Result<Features, Poison> {
    let mut held = Vec::with_capacity(kept.len() + empty.len());
    let mut room = limits::LISTED_NUMBERS;
    for feature in kept {
        let id = FeatureId::from_number(feature.id);
        let ordinal = read_ordinal(feature.ordinal)?;
        let read = match feature.apart_bytes {
            Some(bytes) => Some(Held::apart(
                id,
                ordinal,
                Listing {
                    bytes,
                    has_index: feature.has_index,
                    blocks: numbers(&feature.block_ranges, &mut room)
                        .ok_or_else(|| Poison::new("its histories list too many blocks"))?,
                },
            )),
            None => Held::inline(id, ordinal, feature.head),
        };
        held.push(read.ok_or_else(|| Poison::new("a history in the state cannot be read"))?);
    }
    let empty = empty.into_iter().map(FeatureId::from_number);
    held.extend(empty.map(Held::empty));
    Ok(Features::listed(held))
}

/// Numbers in ascending order as ranges: the first of each, and how many follow it.
fn ranges(numbers: &[u32]) -> Vec<u32> {
    let ranges = numbers.chunk_by(|one, next| one.checked_add(1) == Some(*next));
    let range = |range: &[u32]| [range[0], u32::try_from(range.len() - 1).unwrap_or(u32::MAX)];
    ranges.flat_map(range).collect()
}

/// The numbers of ranges, for which there is so much room in the state; none where no customer has
/// so many parts.
fn numbers(ranges: &[u32], room: &mut usize) -> Option<Arc<[u32]>> {
    let mut numbers = Vec::new();
    for range in ranges.chunks_exact(2) {
        let (first, more) = (range[0], range[1]);
        *room = room.checked_sub(more as usize + 1)?;
        numbers.extend(first..=first.checked_add(more)?);
    }
    Some(numbers.into())
}

fn write_membership(membership: &Membership) -> stored::Membership {
    stored::Membership {
        segment: membership.segment.to_string(),
        version: membership.version,
        enter_time_ms: membership.enter_time.as_millis(),
    }
}

fn read_membership(message: stored::Membership) -> Membership {
    Membership {
        segment: message.segment.into(),
        version: message.version,
        enter_time: Timestamp::from_millis(message.enter_time_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_blocks_are_listed_in_ranges() {
        for (listed, expected) in [
            (vec![], vec![]),
            (vec![7], vec![7, 0]),
            (vec![0, 1, 2, 9, 11, 12], vec![0, 2, 9, 0, 11, 1]),
            (vec![u32::MAX - 1, u32::MAX], vec![u32::MAX - 1, 1]),
        ] {
            assert_eq!(ranges(&listed), expected);
            let mut room = listed.len();
            let read = numbers(&expected, &mut room);
            assert_eq!((read.as_deref(), room), (Some(listed.as_slice()), 0));
        }
        let mut room = limits::LISTED_NUMBERS;
        assert_eq!(numbers(&[u32::MAX, 1], &mut room), None);
        assert_eq!(
            numbers(&[0, u32::MAX], &mut room),
            None,
            "nobody has as many"
        );
        // What one history lists is no more there for the next.
        let mut room = 3;
        assert!(numbers(&[0, 1], &mut room).is_some());
        assert_eq!(numbers(&[5, 1], &mut room), None);
    }
}
