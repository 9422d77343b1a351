//! The runs that ended as they are stored: in pages.

use bytes::Bytes;
use decision::{Grouped, PartKey, Piece, Poison, read_ordinal};
use kernel::{Reason, Timestamp};
use messages::journey::state_v1 as stored;
use messages::journey::v1::RunOutcome;

use super::{bad, read_message, read_run_id, write_message, write_run_id};
use crate::state::{EndedRun, Paged, PartKind};

/// The sections of the runs that ended.
#[derive(Debug)]
pub struct EndedRuns;

impl Piece for EndedRuns {
    type Value = Vec<Paged<EndedRun>>;

    fn is_empty(value: &Self::Value) -> bool {
        value.is_empty()
    }

    /// All entries of a section are of one page.
    fn encode(value: &Self::Value) -> Bytes {
        let page = stored::EndedRunPage {
            number: value.first().map_or(0, |first| first.page),
            entries: value.iter().map(|own| write(own)).collect(),
        };
        write_message(&stored::CustomerState {
            ended_run_pages: vec![page],
            ..stored::CustomerState::default()
        })
    }

    fn decode(bytes: &Bytes) -> Result<Self::Value, Poison> {
        let pages = read_message(bytes)?.ended_run_pages.into_iter();
        let entries = pages.flat_map(|page| {
            let entries = page.entries.into_iter();
            entries.map(move |entry| (page.number, entry))
        });
        entries
            .map(|(page, entry)| Ok(Paged::new(page, read(entry)?)))
            .collect()
    }
}

impl Grouped for EndedRuns {
    type Entry = Paged<EndedRun>;

    fn key_of(entry: &Self::Entry) -> PartKey {
        PartKind::EndedRuns.page(entry.page)
    }
}

fn write(run: &EndedRun) -> stored::EndedRunEntry {
    stored::EndedRunEntry {
        run_id: write_run_id(run.id),
        journey: run.journey.as_ref().to_owned(),
        version: run.version,
        key: run.key.as_ref().to_owned(),
        visit: run.visit,
        start_time_ms: run.start_time.as_millis(),
        end_time_ms: run.end_time.as_millis(),
        reason: run.reason.code().to_owned(),
        outcome: run.outcome.into(),
        ordinal: run.ordinal.into(),
    }
}

fn read(entry: stored::EndedRunEntry) -> Result<EndedRun, Poison> {
    Ok(EndedRun {
        id: read_run_id(&entry.run_id)?,
        journey: entry.journey.into(),
        version: entry.version,
        key: entry.key.into(),
        visit: entry.visit,
        start_time: Timestamp::from_millis(entry.start_time_ms),
        end_time: Timestamp::from_millis(entry.end_time_ms),
        reason: Reason::from_code(&entry.reason).ok_or_else(|| bad("reason"))?,
        outcome: RunOutcome::try_from(entry.outcome).map_err(|_| bad("outcome"))?,
        ordinal: read_ordinal(entry.ordinal)?,
    })
}
