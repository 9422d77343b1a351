//! The runs under way as they are stored: each is a section of its own.

use std::sync::Arc;

use bytes::Bytes;
use decision::{Grouped, PartKey, Piece, Poison, read_ordinal};
use kernel::{StableHash, Timestamp};
use messages::convert::{named_values, properties};
use messages::journey::state_v1 as stored;

use super::{read_message, read_run_id, write_message, write_run_id};
use crate::state::{PartKind, Run};

/// The sections of the runs under way.
#[derive(Debug)]
pub struct Runs;

impl Piece for Runs {
    type Value = Vec<Run>;

    fn is_empty(value: &Vec<Run>) -> bool {
        value.is_empty()
    }

    fn encode(value: &Vec<Run>) -> Bytes {
        write_message(&stored::CustomerState {
            runs: value.iter().map(write).collect(),
            ..stored::CustomerState::default()
        })
    }

    fn decode(bytes: &Bytes) -> Result<Vec<Run>, Poison> {
        let runs = read_message(bytes)?.runs.into_iter();
        runs.map(read).collect()
    }
}

impl Grouped for Runs {
    type Entry = Run;

    const IS_SORTED: bool = false;

    /// Two runs whose ids have the same hash would share a section, which does no harm.
    fn key_of(entry: &Run) -> PartKey {
        PartKey {
            ordinal: entry.ordinal,
            kind: PartKind::Run as u8,
            name: StableHash::new().with(entry.id.as_bytes()).finish(),
        }
    }
}

fn write(run: &Run) -> stored::RunEntry {
    stored::RunEntry {
        run_id: write_run_id(run.id),
        journey: run.journey.as_ref().to_owned(),
        version: run.version,
        key: run.key.as_ref().to_owned(),
        step: run.step.as_ref().to_owned(),
        visit: run.visit,
        start_time_ms: run.start_time.as_millis(),
        arrive_time_ms: run.arrive_time.as_millis(),
        since_ms: run.since.as_millis(),
        due_time_ms: run.due.map(Timestamp::as_millis),
        trigger: named_values(&run.trigger),
        holdout: run.holdout,
        arm: run.arm.as_ref().to_owned(),
        trace_parent: run.trace_parent.as_ref().to_owned(),
        ordinal: run.ordinal.into(),
    }
}

fn read(entry: stored::RunEntry) -> Result<Run, Poison> {
    Ok(Run {
        id: read_run_id(&entry.run_id)?,
        journey: entry.journey.into(),
        version: entry.version,
        key: entry.key.into(),
        step: entry.step.into(),
        visit: entry.visit,
        start_time: Timestamp::from_millis(entry.start_time_ms),
        arrive_time: Timestamp::from_millis(entry.arrive_time_ms),
        since: Timestamp::from_millis(entry.since_ms),
        due: entry.due_time_ms.map(Timestamp::from_millis),
        trigger: Arc::new(properties(&entry.trigger)),
        holdout: entry.holdout,
        arm: entry.arm.into(),
        trace_parent: entry.trace_parent.into(),
        ordinal: read_ordinal(entry.ordinal)?,
    })
}
