//! The positions as they are stored: in several sections, by map.

use bytes::Bytes;
use decision::{Grouped, PartKey, Piece, Poison, read_ordinal};
use kernel::Timestamp;
use messages::journey::state_v1 as stored;

use super::{FIELD_BYTES, read_message, text_bytes, write_message};
use crate::state::{PartKind, Position};

/// The sections of the positions.
#[derive(Debug)]
pub struct Positions;

impl Piece for Positions {
    type Value = Vec<Position>;

    fn is_empty(value: &Vec<Position>) -> bool {
        value.is_empty()
    }

    fn encode(value: &Vec<Position>) -> Bytes {
        write_message(&stored::CustomerState {
            positions: value.iter().map(write).collect(),
            ..stored::CustomerState::default()
        })
    }

    fn most_bytes(value: &Vec<Position>) -> Option<usize> {
        let texts = |own: &Position| text_bytes(&own.map) + text_bytes(&own.stage);
        let each = value.iter().map(|own| FIELD_BYTES * 3 + texts(own));
        Some(each.sum())
    }

    fn decode(bytes: &Bytes) -> Result<Vec<Position>, Poison> {
        let positions = read_message(bytes)?.positions.into_iter();
        positions.map(read).collect()
    }
}

impl Grouped for Positions {
    type Entry = Position;

    fn key_of(entry: &Position) -> PartKey {
        PartKind::Positions.section_of(&entry.map)
    }
}

pub(super) fn write(position: &Position) -> stored::PositionEntry {
    stored::PositionEntry {
        map: position.map.as_ref().to_owned(),
        stage: position.stage.as_ref().to_owned(),
        enter_time_ms: position.enter_time.as_millis(),
        ordinal: position.ordinal.into(),
    }
}

pub(super) fn read(entry: stored::PositionEntry) -> Result<Position, Poison> {
    Ok(Position {
        map: entry.map.into(),
        stage: entry.stage.into(),
        enter_time: Timestamp::from_millis(entry.enter_time_ms),
        ordinal: read_ordinal(entry.ordinal)?,
    })
}
