//! The history as it is stored: in pages.

use bytes::Bytes;
use decision::{Grouped, PartKey, Piece, Poison, read_ordinal};
use kernel::{Reason, RunId, Timestamp};
use messages::journey::state_v1 as stored;

use super::{FIELD_BYTES, read_message, text_bytes, write_message, write_run_id};
use crate::state::{HistoryEntry, Paged, PartKind};

/// The sections of the history.
#[derive(Debug)]
pub struct History;

impl Piece for History {
    type Value = Vec<Paged<HistoryEntry>>;

    fn is_empty(value: &Self::Value) -> bool {
        value.is_empty()
    }

    /// All entries of a section are of one page.
    fn encode(value: &Self::Value) -> Bytes {
        let page = stored::HistoryPage {
            number: value.first().map_or(0, |first| first.page),
            entries: value.iter().map(|own| write(own)).collect(),
        };
        write_message(&stored::CustomerState {
            history_pages: vec![page],
            ..stored::CustomerState::default()
        })
    }

    fn most_bytes(value: &Self::Value) -> Option<usize> {
        let each = value.iter().map(|own| most_bytes(own));
        Some(FIELD_BYTES * 2 + each.sum::<usize>())
    }

    fn decode(bytes: &Bytes) -> Result<Self::Value, Poison> {
        let pages = read_message(bytes)?.history_pages.into_iter();
        let entries = pages.flat_map(|page| {
            let entries = page.entries.into_iter().filter_map(read);
            entries.map(move |entry| Paged::new(page.number, entry))
        });
        Ok(entries.collect())
    }
}

impl Grouped for History {
    type Entry = Paged<HistoryEntry>;

    fn key_of(entry: &Self::Entry) -> PartKey {
        PartKind::History.page(entry.page)
    }
}

fn most_bytes(entry: &HistoryEntry) -> usize {
    let run = entry.run.map_or(0, |run| run.as_bytes().len());
    let texts = [&entry.subject, &entry.step, &entry.detail];
    let texts = texts.map(|text| text_bytes(text)).iter().sum::<usize>();
    FIELD_BYTES * 4 + run + text_bytes(entry.reason.code()) + texts
}

fn write(entry: &HistoryEntry) -> stored::HistoryRecord {
    stored::HistoryRecord {
        time_ms: entry.time.as_millis(),
        subject: entry.subject.as_ref().to_owned(),
        run_id: entry.run.map(write_run_id).unwrap_or_default(),
        step: entry.step.as_ref().to_owned(),
        reason: entry.reason.code().to_owned(),
        detail: entry.detail.as_ref().to_owned(),
        ordinal: entry.ordinal.into(),
    }
}

/// A reason that only a newer version knows is left out: history is for display.
fn read(entry: stored::HistoryRecord) -> Option<HistoryEntry> {
    Some(HistoryEntry {
        time: Timestamp::from_millis(entry.time_ms),
        subject: entry.subject.into(),
        run: RunId::try_from_bytes(&entry.run_id).ok(),
        step: entry.step.into(),
        reason: Reason::from_code(&entry.reason)?,
        detail: entry.detail.into(),
        ordinal: read_ordinal(entry.ordinal).ok()?,
    })
}
