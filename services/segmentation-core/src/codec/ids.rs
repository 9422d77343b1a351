//! Ids of events as they are stored.

use bytes::Bytes;
use decision::{Poison, read_ordinal};
use kernel::{AcceptMinute, EventIdHash};
use messages::segmentation::state_v1 as stored;
use prost::Message;

use crate::state::{EventIds, IdBlock, IdRun, RecentId};

/// Writes the newest ids; none where there are none.
pub(super) fn write_recent(ids: &EventIds) -> Option<stored::EventIds> {
    let recent = ids.recent();
    if recent.is_empty() {
        return None;
    }
    let mut message = write_ids(recent.iter().map(|own| (own.id, own.minute)));
    if recent.iter().any(|own| own.ordinal > 0) {
        message.ordinals = recent.iter().map(|own| own.ordinal.into()).collect();
    }
    Some(message)
}

/// Lists the blocks, which were handed out before.
pub(super) fn write_blocks(ids: &EventIds) -> Vec<stored::EventIdBlock> {
    let write = |block: &IdBlock| stored::EventIdBlock {
        ordinal: block.ordinal.into(),
        number: block.number,
        count: block.count,
        first_minute: block.first.number(),
        minutes: minutes_after(block.first, block.last),
        bytes: block.stored_bytes().unwrap_or(0),
    };
    ids.blocks().iter().map(write).collect()
}

/// Reads the ids that a head lists.
///
/// # Errors
/// [`Poison`] where they are none.
pub(super) fn read_listed(
    recent: Option<stored::EventIds>,
    blocks: Vec<stored::EventIdBlock>,
) -> Result<EventIds, Poison> {
    let recent = recent.map(read_recent).transpose()?.unwrap_or_default();
    let read = |block: stored::EventIdBlock| {
        let first = AcceptMinute::from_number(block.first_minute);
        let last = minute_after(block.first_minute, block.minutes);
        Ok(IdBlock::listed(
            (read_ordinal(block.ordinal)?, block.number),
            (block.count, block.bytes),
            (first, last),
        ))
    };
    let blocks = blocks.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(EventIds::listed(recent, blocks))
}

/// Reads the newest ids.
fn read_recent(mut message: stored::EventIds) -> Result<Vec<RecentId>, Poison> {
    let mut ordinals = std::mem::take(&mut message.ordinals);
    let ids = read_ids(message)?;
    ordinals.resize(ids.len(), 0);
    let read = |((id, minute), ordinal)| {
        Ok(RecentId {
            id,
            minute,
            ordinal: read_ordinal(ordinal)?,
        })
    };
    ids.into_iter().zip(ordinals).map(read).collect()
}

/// Writes the ids of a block.
pub(crate) fn write_id_run(
    ids: impl Iterator<Item = (EventIdHash, AcceptMinute)> + Clone,
) -> Bytes {
    write_ids(ids).encode_to_vec().into()
}

/// Reads the ids of a block.
///
/// # Errors
/// [`Poison`] where the bytes are no block.
pub(crate) fn read_id_run(bytes: &Bytes) -> Result<IdRun, Poison> {
    let message = stored::EventIds::decode(bytes.as_ref())
        .map_err(|error| Poison::new(format!("ids of events cannot be read: {error}")))?;
    let ids = read_ids(message)?;
    IdRun::sorted(ids.into_iter()).ok_or_else(|| Poison::new("ids of events are not in order"))
}

fn write_ids(ids: impl Iterator<Item = (EventIdHash, AcceptMinute)> + Clone) -> stored::EventIds {
    let first = ids.clone().map(|(_, minute)| minute).min();
    let first = first.unwrap_or(AcceptMinute::from_number(0));
    stored::EventIds {
        first_minute: first.number(),
        hashes: ids.clone().map(|(id, _)| id.number()).collect(),
        minutes: ids
            .map(|(_, minute)| minutes_after(first, minute))
            .collect(),
        ordinals: Vec::new(),
    }
}

fn read_ids(message: stored::EventIds) -> Result<Vec<(EventIdHash, AcceptMinute)>, Poison> {
    if message.hashes.len() != message.minutes.len() {
        return Err(Poison::new(
            "an id of an event has no minute, or a minute no id",
        ));
    }
    let pairs = message.hashes.into_iter().zip(message.minutes);
    let read = |(hash, minutes)| {
        let minute = minute_after(message.first_minute, minutes);
        (EventIdHash::from_number(hash), minute)
    };
    Ok(pairs.map(read).collect())
}

/// The minutes from one to another, as they are stored.
fn minutes_after(first: AcceptMinute, minute: AcceptMinute) -> u32 {
    let minutes = minute.number().saturating_sub(first.number());
    u32::try_from(minutes).unwrap_or(u32::MAX)
}

fn minute_after(first: i64, minutes: u32) -> AcceptMinute {
    AcceptMinute::from_number(first.saturating_add(minutes.into()))
}
