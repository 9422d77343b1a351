//! The ends of runs as they are stored: in several sections, by journey.

use std::sync::Arc;

use bytes::Bytes;
use decision::{Grouped, PartKey, Piece, Poison, read_ordinal};
use kernel::Timestamp;
use messages::journey::state_v1 as stored;

use super::{read_message, write_message};
use crate::state::{End, JourneyEndings, PartKind};

/// The sections of the ends of runs.
#[derive(Debug)]
pub struct EndingSections;

impl Piece for EndingSections {
    type Value = Vec<Arc<JourneyEndings>>;

    fn is_empty(value: &Self::Value) -> bool {
        value.is_empty()
    }

    fn encode(value: &Self::Value) -> Bytes {
        write_message(&stored::CustomerState {
            journey_endings: value.iter().map(|own| write(own)).collect(),
            ..stored::CustomerState::default()
        })
    }

    fn decode(bytes: &Bytes) -> Result<Self::Value, Poison> {
        let journeys = read_message(bytes)?.journey_endings.into_iter();
        journeys.map(|entry| Ok(Arc::new(read(entry)?))).collect()
    }
}

impl Grouped for EndingSections {
    type Entry = Arc<JourneyEndings>;

    fn key_of(entry: &Self::Entry) -> PartKey {
        PartKind::Endings.section_of(&entry.journey)
    }
}

fn write(own: &JourneyEndings) -> stored::JourneyEndings {
    let times = own.ends.iter().map(|end| end.time.as_millis());
    let deltas = times.scan(0_i64, |last, time| {
        let delta = time.wrapping_sub(*last);
        *last = time;
        Some(delta)
    });
    stored::JourneyEndings {
        journey: own.journey.as_ref().to_owned(),
        closed_time_ms: own.closed.map(Timestamp::as_millis),
        key_hashes: own.ends.iter().map(|end| end.key).collect(),
        end_time_deltas_ms: deltas.collect(),
        ordinals: match own.has_ordinals() {
            true => own.ends.iter().map(|end| end.ordinal.into()).collect(),
            false => Vec::new(),
        },
    }
}

fn read(entry: stored::JourneyEndings) -> Result<JourneyEndings, Poison> {
    let ordinals = entry.ordinals.into_iter().chain(std::iter::repeat(0));
    let times = entry.end_time_deltas_ms.into_iter();
    let times = times.scan(0_i64, |last, delta| {
        *last = last.wrapping_add(delta);
        Some(Timestamp::from_millis(*last))
    });
    let ends = entry.key_hashes.into_iter().zip(times).zip(ordinals);
    let ends = ends.map(|((key, time), ordinal)| {
        Ok(End {
            key,
            time,
            ordinal: read_ordinal(ordinal)?,
        })
    });
    Ok(JourneyEndings {
        journey: entry.journey.into(),
        closed: entry.closed_time_ms.map(Timestamp::from_millis),
        ends: ends.collect::<Result<_, Poison>>()?,
    })
}
