//! What happy paths remember, as it is stored.

use bytes::Bytes;
use decision::{Piece, Poison, read_ordinal};
use kernel::Timestamp;
use messages::journey::state_v1 as stored;
use prost::Message as _;

use super::{FIELD_BYTES, read_message, write_message};
use crate::state::{EarlyEvent, Remembered};

/// The section of what happy paths remember of before their beginning.
#[derive(Debug)]
pub struct EarlyEvents;

impl Piece for EarlyEvents {
    type Value = Vec<Remembered>;

    fn is_empty(value: &Vec<Remembered>) -> bool {
        value.is_empty()
    }

    fn encode(value: &Vec<Remembered>) -> Bytes {
        write_message(&stored::CustomerState {
            remembered: value.iter().map(write).collect(),
            ..stored::CustomerState::default()
        })
    }

    fn most_bytes(value: &Vec<Remembered>) -> Option<usize> {
        Some(value.iter().map(stored_bytes).sum())
    }

    fn decode(bytes: &Bytes) -> Result<Vec<Remembered>, Poison> {
        let entries = read_message(bytes)?.remembered.into_iter();
        entries.map(read).collect()
    }
}

/// The bytes that what one path remembers takes where it is stored, with its frame.
pub(crate) fn stored_bytes(own: &Remembered) -> usize {
    FIELD_BYTES + write(own).encoded_len()
}

pub(super) fn write(own: &Remembered) -> stored::RememberedEntry {
    let events = own.events.iter().map(|event| stored::RememberedEvent {
        milestones: event.milestones.iter().map(ToString::to_string).collect(),
        time_ms: event.time.as_millis(),
        ordinal: event.ordinal.into(),
    });
    stored::RememberedEntry {
        happy_path: own.path.as_ref().to_owned(),
        events: events.collect(),
    }
}

pub(super) fn read(entry: stored::RememberedEntry) -> Result<Remembered, Poison> {
    let events = entry.events.into_iter().map(|event| {
        Ok(EarlyEvent {
            milestones: event.milestones.into_iter().map(Into::into).collect(),
            time: Timestamp::from_millis(event.time_ms),
            ordinal: read_ordinal(event.ordinal)?,
        })
    });
    Ok(Remembered {
        path: entry.happy_path.into(),
        events: events.collect::<Result<_, Poison>>()?,
    })
}
