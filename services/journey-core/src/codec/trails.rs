//! The trails of fragments as they are stored: in several sections, by ordinal.

use std::sync::Arc;

use bytes::Bytes;
use decision::{Grouped, PartKey, Piece, Poison, read_ordinal};
use messages::journey::state_v1 as stored;
use prost::Message as _;

use super::{FIELD_BYTES, positions, progress, read_message, remembered, write_message};
use crate::limits;
use crate::state::{Measure, PartKind, Progress, Trail};

/// The sections of the trails.
#[derive(Debug)]
pub struct Trails;

impl Piece for Trails {
    type Value = Vec<Trail>;

    fn is_empty(value: &Vec<Trail>) -> bool {
        value.is_empty()
    }

    fn encode(value: &Vec<Trail>) -> Bytes {
        write_message(&stored::CustomerState {
            trails: value.iter().map(write).collect(),
            ..stored::CustomerState::default()
        })
    }

    fn decode(bytes: &Bytes) -> Result<Vec<Trail>, Poison> {
        let trails = read_message(bytes)?.trails.into_iter();
        trails.map(read).collect()
    }
}

impl Grouped for Trails {
    type Entry = Trail;

    fn key_of(entry: &Trail) -> PartKey {
        PartKind::Trails.page(u32::from(entry.ordinal % limits::TRAIL_SECTIONS))
    }
}

/// The bytes that a trail takes where it is stored, with its frame.
pub(crate) fn stored_bytes(trail: &Trail) -> usize {
    FIELD_BYTES + write(trail).encoded_len()
}

fn write(trail: &Trail) -> stored::TrailEntry {
    // Its ordinal is that of all that it has.
    let plain = trail.clone().renumbered(0);
    let paths = plain.progress.iter().map(|own| {
        progress::write(&Progress {
            measure: Measure::default(),
            ..Progress::clone(own)
        })
    });
    stored::TrailEntry {
        ordinal: trail.ordinal.into(),
        is_lost: trail.is_lost,
        positions: plain.positions.iter().map(positions::write).collect(),
        happy_paths: paths.collect(),
        remembered: plain.remembered.iter().map(remembered::write).collect(),
    }
}

fn read(entry: stored::TrailEntry) -> Result<Trail, Poison> {
    let ordinal = read_ordinal(entry.ordinal)?;
    let positions = entry.positions.into_iter().map(positions::read);
    let paths = entry.happy_paths.into_iter();
    let paths = paths.map(|own| Ok(Arc::new(progress::read(own)?)));
    let remembered = entry.remembered.into_iter().map(remembered::read);
    let plain = Trail {
        ordinal,
        is_lost: entry.is_lost,
        positions: positions.collect::<Result<_, _>>()?,
        progress: paths.collect::<Result<_, Poison>>()?,
        remembered: remembered.collect::<Result<_, _>>()?,
    };
    Ok(plain.renumbered(ordinal))
}
