//! What processes appended to a stream, and its reader has not consumed.
//!
//! The log is read twice: once to see which entries go back and in which order, and once for their payloads, so that
//! memory is bounded whatever waits.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use hot::marks::Marks;
use hot::{HotError, Origin, SourceRange, StreamId, StreamRestore, Writer};

use super::order::{Header, order};
use super::outputs::{Part, is_needed};
use super::slot::Restored;
use super::{Recovery, failed};
use crate::packed::{Snapshot, origin};
use crate::{EntryRow, Log, limits};

/// Reads one entry; absent where it is no more.
pub(super) async fn read_entry(
    log: &dyn Log,
    stream: StreamId,
    entry: Origin,
) -> Result<Option<Bytes>, HotError> {
    let before = origin(entry.writer, entry.seq.saturating_sub(1));
    let rows = log
        .entries(stream, before, 1)
        .await
        .map_err(failed(stream.partition))?;
    let mut rows = rows.into_iter();
    Ok(rows
        .next()
        .filter(|row| row.origin == entry)
        .map(|row| row.payload))
}

/// What the log says of a stream.
#[derive(Debug, Default)]
struct Survey {
    /// Entries that are not consumed, by writer.
    waiting: BTreeMap<Writer, VecDeque<Header>>,
    /// Sources of entries that are.
    consumed: Vec<SourceRange>,
    /// The last entry of each writer.
    last: BTreeMap<Writer, u64>,
}

impl Recovery<'_> {
    /// Puts the entries of all processes back on a stream, with what it has to know of its writers and sources.
    pub(super) async fn restore_entries(
        &mut self,
        stream: StreamId,
        marks: &Marks,
        reader: &Restored,
    ) -> Result<(), HotError> {
        let survey = self.survey(stream, marks, &reader.snapshot).await?;
        let order = order(survey.waiting, survey.consumed);
        self.write_entries(stream, &order.entries).await?;

        let mut sources = match reader.snapshot.inputs.get(&stream.name) {
            Some(input) => input.sources.clone(),
            None => BTreeMap::new(),
        };
        for (source, mark) in order.marks {
            let known = sources.entry(source).or_default();
            *known = (*known).max(mark);
        }
        let last = survey.last.into_iter();
        let part = StreamRestore {
            origins: last.map(|(writer, seq)| origin(writer, seq)).collect(),
            sources: sources.into_iter().collect(),
            ..StreamRestore::default()
        };
        self.write_stream(stream.name, &part).await
    }

    /// Reads which entries there are.
    async fn survey(
        &mut self,
        stream: StreamId,
        marks: &Marks,
        snapshot: &Snapshot,
    ) -> Result<Survey, HotError> {
        let known = snapshot.marks(stream.name);
        let last = self
            .log
            .last_entries(stream)
            .await
            .map_err(failed(stream.partition))?;
        let mut survey = Survey::default();
        let mut unread = Vec::new();
        for entry in last {
            survey.last.insert(entry.writer, entry.seq);
            let settled = snapshot.settled(stream.name, entry.writer);
            let at_snapshot = known
                .seen
                .get(&entry.writer)
                .copied()
                .unwrap_or(0)
                .max(settled);
            if entry.seq <= at_snapshot {
                unread.push(entry);
                continue;
            }
            self.survey_writer(
                stream,
                entry.writer,
                at_snapshot,
                settled,
                marks,
                &mut survey,
            )
            .await?;
        }
        let has_sources = survey
            .waiting
            .values()
            .flatten()
            .any(|it| it.source.is_some());
        if has_sources {
            unread.sort_by_key(|entry| std::cmp::Reverse(entry.writer));
            for entry in unread.into_iter().take(limits::WRITERS_LOOKED_BACK) {
                let settled = snapshot.settled(stream.name, entry.writer);
                self.survey_writer(stream, entry.writer, entry.seq, settled, marks, &mut survey)
                    .await?;
            }
        }
        Ok(survey)
    }

    /// Reads which entries there are of one writer, from a while before `from`.
    async fn survey_writer(
        &mut self,
        stream: StreamId,
        writer: Writer,
        from: u64,
        settled: u64,
        marks: &Marks,
        survey: &mut Survey,
    ) -> Result<(), HotError> {
        let mut seq = from.saturating_sub(limits::ENTRIES_LOOKED_BACK);
        loop {
            self.progress.alive().await?;
            let rows = self.read(stream, origin(writer, seq)).await?;
            let Some(end) = rows.last() else {
                return Ok(());
            };
            seq = end.origin.seq;
            let last = survey.last.entry(writer).or_default();
            *last = (*last).max(seq);
            for row in rows {
                let is_placed = !is_needed(marks, row.origin);
                if is_placed {
                    survey.consumed.extend(row.source);
                } else if row.origin.seq > settled {
                    let header = Header {
                        origin: row.origin,
                        source: row.source,
                    };
                    survey.waiting.entry(writer).or_default().push_back(header);
                }
            }
        }
    }

    async fn read(&self, stream: StreamId, after: Origin) -> Result<Vec<EntryRow>, HotError> {
        self.log
            .entries(stream, after, limits::READ_BYTES)
            .await
            .map_err(failed(stream.partition))
    }

    /// Reads payloads, and writes them in the order given.
    async fn write_entries(&mut self, stream: StreamId, order: &[Origin]) -> Result<(), HotError> {
        let mut read: BTreeMap<Writer, VecDeque<EntryRow>> = BTreeMap::new();
        let mut part = Part::default();
        for entry in order {
            let row = loop {
                match read.get_mut(&entry.writer).and_then(VecDeque::pop_front) {
                    Some(row) if row.origin == *entry => break row,
                    // One that does not go back.
                    Some(_) => {}
                    None => {
                        let before = origin(entry.writer, entry.seq.saturating_sub(1));
                        let rows = self.read(stream, before).await?;
                        if rows.first().is_none_or(|row| row.origin != *entry) {
                            return Err(HotError::Damaged(format!(
                                "entry {entry} of {} in partition {} is gone from the journal",
                                stream.name.name(),
                                stream.partition
                            )));
                        }
                        read.insert(entry.writer, rows.into());
                    }
                }
            };
            if part.push(*entry, row.payload) {
                self.write_stream(stream.name, &part.take()).await?;
            }
        }
        if !part.entries.is_empty() {
            self.write_stream(stream.name, &part.take()).await?;
        }
        Ok(())
    }
}
