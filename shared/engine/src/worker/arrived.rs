//! A piece of a state that arrives, as it is read, and the ordinals that its parts get.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::PartKey;
use decision::limits::FRAGMENTS;
use kernel::CustomerId;
use messages::stream::v1::{MovedPart, StateMoved};

use super::cause::Cause;
use super::fault::Failed;
use crate::head::Head;
use crate::moving::{Fragment, Moving, read_fragments, read_key};
use crate::waiting::{read_epochs, read_ids};

/// The contents of a piece.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) from: CustomerId,
    pub(super) fragments: Vec<Fragment>,
    pub(super) last_ordinal: u16,
    pub(super) leave_id: u64,
    awaited: Vec<CustomerId>,
    awaited_epochs: BTreeMap<CustomerId, u64>,
    waived: Vec<CustomerId>,
    absent: Vec<CustomerId>,
    /// Places, keys and bodies.
    pub(super) parts: Vec<(u32, PartKey, Bytes)>,
}

impl Arrived {
    pub(super) fn read(moved: &StateMoved) -> Result<Self, String> {
        let bad = |field: &'static str| move |error| format!("{field} of a moved state: {error}");
        let from = CustomerId::try_from_bytes(&moved.from_customer_id);
        let from = from.map_err(|error| bad("from_customer_id")(error.to_string()))?;
        let last = u16::try_from(moved.last_ordinal);
        let part = |part: &MovedPart| {
            let key = read_key(part.ordinal, part.kind, part.name).map_err(bad("parts"))?;
            Ok::<_, String>((part.index, key, part.body.clone()))
        };
        let awaited = read_ids(&moved.awaited_ids).map_err(bad("awaited_ids"))?;
        Ok(Self {
            from,
            awaited_epochs: read_epochs(&awaited, &moved.awaited_epochs),
            awaited,
            fragments: read_fragments(&moved.fragment_ids, &moved.fragment_ordinals)
                .map_err(bad("fragment_ids"))?,
            last_ordinal: last.map_err(|error| bad("last_ordinal")(error.to_string()))?,
            leave_id: moved.leave_id,
            waived: read_ids(&moved.waived_ids).map_err(bad("waived_ids"))?,
            absent: read_ids(&moved.absent_ids).map_err(bad("absent_ids"))?,
            parts: moved.parts.iter().map(part).collect::<Result<_, _>>()?,
        })
    }
}

/// Reserves the ordinals of a state that arrives.
///
/// # Errors
/// [`Failed`] where there are not so many.
pub(super) fn reserve(
    head: &mut Head,
    arrived: &Arrived,
    moved: &StateMoved,
    cause: Cause<'_>,
) -> Result<Moving, Failed> {
    let Some((first_ordinal, last)) = free_ordinals(head.last_ordinal, arrived.last_ordinal) else {
        return Err(cause.failed("more customers were joined than can be told apart"));
    };
    head.last_ordinal = last;
    Ok(Moving {
        from: arrived.from,
        fragments: arrived.fragments.clone(),
        last_ordinal: arrived.last_ordinal,
        first_ordinal,
        followed: moved.followed,
        part_count: moved.part_count,
        parts: BTreeMap::new(),
        cause: cause.of_move(),
        leave_id: arrived.leave_id,
        sent_parts: 0,
        is_sent: false,
        awaited: arrived.awaited.clone(),
        awaited_epochs: arrived.awaited_epochs.clone(),
        waived: arrived.waived.clone(),
        absent: arrived.absent.clone(),
        epoch: moved.graph_epoch,
        since: moved.forwarded_epoch,
    })
}

/// Returns the first and the last of the ordinals after those that are taken, for a state that has
/// some beside its own.
///
/// The last one that cores tell apart is never among them: under it they join whatever comes
/// beyond, while a state with parts of that ordinal might still arrive.
fn free_ordinals(taken: u16, beside: u16) -> Option<(u16, u16)> {
    let range = |first: u16| Some((first, first.checked_add(beside)?));
    let (first, last) = range(taken.checked_add(1)?)?;
    if (first..=last).contains(&(FRAGMENTS - 1)) {
        return range(FRAGMENTS);
    }
    Some((first, last))
}
