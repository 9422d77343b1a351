//! The quarantine of a service as operators see it: places, filters and pages.
//!
//! It changes nothing: workers do, when they set something aside or come to a command.

use std::fmt;

use bytes::Bytes;
use hot::{HotError, HotStore, PageBounds, QuarantineId, Slot, StateKey};
use kernel::{PartitionId, Timestamp};
use messages::convert::instant;
use messages::engine::v1::QuarantinedRecord;
use prost::Message;

use crate::handle::Running;
use crate::{EngineError, limits};

/// A place in the quarantine of a service: by partition, then by age.
///
/// Written `partition-commit-place`, which is the id that operators see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuarantinePlace {
    /// The partition.
    pub partition: PartitionId,
    /// The entry.
    pub id: QuarantineId,
}

impl QuarantinePlace {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (partition, id) = text.split_once('-')?;
        Some(Self {
            partition: PartitionId::new(partition.parse().ok()?),
            id: QuarantineId::parse(id)?,
        })
    }
}

impl fmt::Display for QuarantinePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition.number(), self.id)
    }
}

/// A quarantined record and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct QuarantineEntry {
    /// Its place; the next page begins after it.
    pub place: QuarantinePlace,
    /// The record, with its id and whatever is known of its last try.
    pub record: QuarantinedRecord,
}

/// Chooses quarantined records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarantineFilter {
    /// Only those of this partition; absent: of all.
    pub partition: Option<PartitionId>,
    /// Only those of this customer; empty: of all.
    pub customer_id: String,
    /// Only those whose reason contains this text; empty: all.
    pub reason: String,
}

impl QuarantineFilter {
    /// Returns whether a record of a chosen partition is chosen.
    pub(crate) fn has(&self, record: &QuarantinedRecord) -> bool {
        (self.customer_id.is_empty() || record.customer_id == self.customer_id)
            && record.reason.contains(&self.reason)
    }
}

/// A page of quarantined records.
#[derive(Debug, Clone, PartialEq)]
pub struct QuarantinePage {
    /// The records, by place.
    pub entries: Vec<QuarantineEntry>,
    /// True where there are more.
    pub has_more: bool,
}

/// An entry as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredEntry {
    pub(crate) id: QuarantineId,
    pub(crate) record: QuarantinedRecord,
    /// Bytes of the entry.
    pub(crate) bytes: u64,
}

/// The key of the note about the tries of an entry beyond the first. It is longer than any key of a
/// customer, which has 16 bytes.
pub(crate) fn note_key(id: QuarantineId) -> StateKey {
    Bytes::from(format!("{}{id}", hot::QUARANTINE_NOTES))
}

/// Reads a page of the quarantine, with what is known of further tries. Only the end of the
/// quarantine is an empty page.
pub(crate) async fn read(
    hot: &dyn HotStore,
    slot: Slot,
    after: Option<QuarantineId>,
) -> Result<Vec<StoredEntry>, HotError> {
    read_some(hot, slot, after, limits::QUARANTINED_PER_READ).await
}

/// As [`read`], of up to so many entries.
pub(crate) async fn read_some(
    hot: &dyn HotStore,
    slot: Slot,
    after: Option<QuarantineId>,
    entries: usize,
) -> Result<Vec<StoredEntry>, HotError> {
    let page = PageBounds {
        entries,
        bytes: limits::QUARANTINED_PAGE_BYTES,
    };
    let entries = hot.quarantined(slot, after, page).await?;
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<StateKey> = entries.iter().map(|entry| note_key(entry.id)).collect();
    let notes = hot.load(slot, &keys).await?;
    let damaged = |error| HotError::Damaged(format!("a quarantined record: {error}"));
    let mut read = Vec::with_capacity(entries.len());
    for (entry, note) in entries.into_iter().zip(notes) {
        let bytes = entry.payload.len() as u64;
        let mut record = QuarantinedRecord::decode(entry.payload).map_err(damaged)?;
        if let Some(note) = note {
            let note = QuarantinedRecord::decode(note.value).map_err(damaged)?;
            record.reason = note.reason;
            record.try_count = note.try_count;
            record.last_try_time = note.last_try_time;
        }
        read.push(StoredEntry {
            id: entry.id,
            record,
            bytes,
        });
    }
    Ok(read)
}

/// The bounds of a search.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Entries at the most, and bytes of their records.
    pub(crate) page: PageBounds,
    /// True where their records are wanted too.
    pub(crate) has_records: bool,
}

impl Running {
    pub(crate) async fn list_quarantined(
        &self,
        filter: &QuarantineFilter,
        after: Option<QuarantinePlace>,
        max: usize,
    ) -> Result<QuarantinePage, EngineError> {
        let wanted = Wanted {
            page: PageBounds {
                entries: max,
                bytes: limits::QUARANTINED_PAGE_BYTES,
            },
            has_records: true,
        };
        self.find_quarantined(filter, after, wanted).await
    }

    /// Finds what matches, by place; looks one further, to tell whether there is more.
    pub(crate) async fn find_quarantined(
        &self,
        filter: &QuarantineFilter,
        after: Option<QuarantinePlace>,
        wanted: Wanted,
    ) -> Result<QuarantinePage, EngineError> {
        let mut found = QuarantinePage {
            entries: Vec::new(),
            has_more: false,
        };
        let mut bytes = 0;
        for partition in self.hot.partition_count().iter() {
            let mut after = match after {
                Some(place) if place.partition > partition => continue,
                Some(place) if place.partition == partition => Some(place.id),
                _ => None,
            };
            if filter.partition.is_some_and(|only| only != partition) {
                continue;
            }
            loop {
                let page = read(self.hot.as_ref(), self.slot(partition), after).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                for entry in page.into_iter().filter(|it| filter.has(&it.record)) {
                    let mut entry = described(partition, entry);
                    if !wanted.has_records {
                        entry.record.record.clear();
                    }
                    let size = entry.record.record.len();
                    if !wanted.page.has_room(found.entries.len(), bytes, size) {
                        found.has_more = true;
                        return Ok(found);
                    }
                    bytes += size;
                    found.entries.push(entry);
                }
            }
        }
        Ok(found)
    }

    pub(crate) const fn slot(&self, partition: PartitionId) -> Slot {
        Slot {
            owner: self.service,
            partition,
        }
    }
}

/// An entry as operators see it.
fn described(partition: PartitionId, stored: StoredEntry) -> QuarantineEntry {
    let place = QuarantinePlace {
        partition,
        id: stored.id,
    };
    let mut record = stored.record;
    record.id = place.to_string();
    record.record_size = record.record.len() as u64;
    QuarantineEntry { place, record }
}

/// When the timer of an entry was due.
pub(crate) fn due_time(record: &QuarantinedRecord) -> Timestamp {
    record.due_time.as_ref().map(instant).unwrap_or_default()
}

/// The id before which an entry comes next; absent before the first.
pub(crate) fn before(id: QuarantineId) -> Option<QuarantineId> {
    match (id.commit_seq, id.index) {
        (0, 0) => None,
        (commit_seq, 0) => Some(QuarantineId {
            commit_seq: commit_seq - 1,
            index: u32::MAX,
        }),
        (commit_seq, index) => Some(QuarantineId {
            commit_seq,
            index: index - 1,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(commit_seq: u64, index: u32) -> QuarantineId {
        QuarantineId { commit_seq, index }
    }

    #[test]
    fn a_place_is_read_back_as_it_was_written() {
        let place = QuarantinePlace {
            partition: PartitionId::new(1_023),
            id: id(u64::MAX, 7),
        };
        let written = "1023-18446744073709551615-7";
        assert_eq!(place.to_string(), written);
        assert_eq!(QuarantinePlace::parse(written), Some(place));
        for text in ["", "1", "1-2", "1-2-3-4", "x-2-3", "70000-2-3"] {
            assert_eq!(QuarantinePlace::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_comes_before_an_id_is_the_next_smaller_one() {
        for (of, expected) in [
            (id(0, 0), None),
            (id(3, 0), Some(id(2, u32::MAX))),
            (id(3, 4), Some(id(3, 3))),
        ] {
            assert_eq!(before(of), expected);
            assert!(expected.is_none_or(|before| before < of));
        }
    }
}
