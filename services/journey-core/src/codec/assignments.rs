//! The assignments to arms as they are stored: in several sections, by journey.

use bytes::Bytes;
use decision::{Grouped, PartKey, Piece, Poison, read_ordinal};
use kernel::{CustomerId, Timestamp};
use messages::journey::state_v1 as stored;

use super::{bad, read_message, write_message};
use crate::state::{Assignment, PartKind};

/// The sections of the assignments.
#[derive(Debug)]
pub struct Assignments;

impl Piece for Assignments {
    type Value = Vec<Assignment>;

    fn is_empty(value: &Vec<Assignment>) -> bool {
        value.is_empty()
    }

    fn encode(value: &Vec<Assignment>) -> Bytes {
        write_message(&stored::CustomerState {
            assignments: value.iter().map(write).collect(),
            ..stored::CustomerState::default()
        })
    }

    fn decode(bytes: &Bytes) -> Result<Vec<Assignment>, Poison> {
        let assignments = read_message(bytes)?.assignments.into_iter();
        assignments.map(read).collect()
    }
}

impl Grouped for Assignments {
    type Entry = Assignment;

    fn key_of(entry: &Assignment) -> PartKey {
        PartKind::Assignments.section_of(&entry.journey)
    }
}

fn write(own: &Assignment) -> stored::AssignmentEntry {
    let given_to = own.given_to.as_ref();
    stored::AssignmentEntry {
        journey: own.journey.as_ref().to_owned(),
        step: own.step.as_ref().to_owned(),
        salt_hash: own.salt_hash,
        arm: own.arm.as_ref().to_owned(),
        time_ms: own.time.as_millis(),
        given_to_id: given_to.map_or_else(Bytes::new, |id| Bytes::copy_from_slice(id.as_bytes())),
        ordinal: own.ordinal.into(),
    }
}

fn read(entry: stored::AssignmentEntry) -> Result<Assignment, Poison> {
    let given_to = match entry.given_to_id.as_ref() {
        [] => None,
        id => Some(CustomerId::try_from_bytes(id).map_err(|_| bad("given_to_id"))?),
    };
    Ok(Assignment {
        journey: entry.journey.into(),
        step: entry.step.into(),
        salt_hash: entry.salt_hash,
        arm: entry.arm.into(),
        time: Timestamp::from_millis(entry.time_ms),
        given_to,
        ordinal: read_ordinal(entry.ordinal)?,
    })
}
