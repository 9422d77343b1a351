//! What processes appended to a stream, and its reader has not consumed.
//!
//! The log is read twice: once to see which entries go back and in which order, and once for their
//! payloads, so that memory is bounded whatever waits.
//!
//! They go back among the outputs of commits by their places in the log, since some of those were
//! decided because of some of these, and the other way round.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use hot::marks::Marks;
use hot::{HotError, Origin, SourceRange, StreamId, StreamRestore, Writer};

use super::order::{Header, Order, order};
use super::outputs::{Part, is_needed};
use super::progress::Progress;
use super::slot::Restored;
use super::{Recovery, failed};
use crate::packed::{Snapshot, origin};
use crate::{EntryRow, Log, Placed, limits};

/// Reads one entry; absent where it is no more.
pub(crate) async fn read_entry(
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
        .map(|placed| placed.row)
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

/// A stream that is made anew.
#[derive(Debug)]
pub(super) struct Refill {
    stream: StreamId,
    /// Entries of processes that go back, with their places, in order.
    waiting: VecDeque<(Origin, u64)>,
    /// Those that were read ahead.
    read: BTreeMap<Writer, VecDeque<EntryRow>>,
    /// The entries to be written next.
    part: Part,
    /// The writers and sources that the stream has to know of in the end.
    known: StreamRestore,
}

impl Recovery<'_> {
    /// Finds which entries of processes go back on a stream.
    pub(super) async fn refill(
        &mut self,
        stream: StreamId,
        marks: &Marks,
        reader: &Restored,
    ) -> Result<Refill, HotError> {
        let surveyed = (marks, &reader.snapshot);
        let survey = survey(self.log, stream, surveyed, &mut self.progress).await?;
        let last = survey.last.into_iter();
        Ok(Refill {
            stream,
            waiting: survey.waiting,
            read: BTreeMap::new(),
            part: Part::default(),
            known: StreamRestore {
                origins: last.map(|(writer, seq)| origin(writer, seq)).collect(),
                sources: survey.sources.into_iter().collect(),
                ..StreamRestore::default()
            },
        })
    }

    /// Puts an entry back, behind those of processes with lower places.
    pub(super) async fn put_back(
        &mut self,
        refill: &mut Refill,
        place: u64,
        entry: Origin,
        payload: Bytes,
    ) -> Result<(), HotError> {
        self.put_waiting_back(refill, place).await?;
        self.push(refill, entry, payload).await
    }

    /// Puts what is left back, and what the stream has to know of its writers and sources.
    pub(super) async fn complete(&mut self, mut refill: Refill) -> Result<(), HotError> {
        self.put_waiting_back(&mut refill, u64::MAX).await?;
        if !refill.part.entries.is_empty() {
            let part = refill.part.take();
            self.write_stream(refill.stream.name, &part).await?;
        }
        self.write_stream(refill.stream.name, &refill.known).await
    }

    /// Puts the next entries of processes back, up to one whose place is not below another.
    async fn put_waiting_back(&mut self, refill: &mut Refill, below: u64) -> Result<(), HotError> {
        while let Some((entry, place)) = refill.waiting.front().copied()
            && place < below
        {
            refill.waiting.pop_front();
            let payload = self.read_waiting(refill, entry).await?;
            self.push(refill, entry, payload).await?;
        }
        Ok(())
    }

    async fn push(
        &mut self,
        refill: &mut Refill,
        entry: Origin,
        payload: Bytes,
    ) -> Result<(), HotError> {
        if refill.part.push(entry, payload) {
            let part = refill.part.take();
            self.write_stream(refill.stream.name, &part).await?;
        }
        Ok(())
    }

    /// Reads the payload of an entry, and of some of its writer's that come after it.
    async fn read_waiting(&self, refill: &mut Refill, entry: Origin) -> Result<Bytes, HotError> {
        loop {
            let read = refill.read.entry(entry.writer).or_default();
            match read.pop_front() {
                Some(row) if row.origin == entry => return Ok(row.payload),
                // One that does not go back.
                Some(_) => {}
                None => {
                    let before = origin(entry.writer, entry.seq.saturating_sub(1));
                    let rows = self.read(refill.stream, before).await?;
                    read.extend(rows.into_iter().map(|placed| placed.row));
                    if read.front().is_none_or(|row| row.origin != entry) {
                        return Err(HotError::Damaged(format!(
                            "entry {entry} of {} in partition {} is gone from the journal",
                            refill.stream.name.name(),
                            refill.stream.partition
                        )));
                    }
                }
            }
        }
    }

    async fn read(
        &self,
        stream: StreamId,
        after: Origin,
    ) -> Result<Vec<Placed<EntryRow>>, HotError> {
        self.log
            .entries(stream, after, limits::READ_BYTES)
            .await
            .map_err(failed(stream.partition))
    }
}

/// The entries of processes in a stream, as far as a recovery has to know them.
pub(crate) struct Surveyed {
    /// The entries that go back, with their places, in order.
    pub(crate) waiting: VecDeque<(Origin, u64)>,
    /// The highest sequence that was taken of each source.
    pub(crate) sources: BTreeMap<Box<str>, u64>,
    /// The last entry of each writer.
    pub(crate) last: BTreeMap<Writer, u64>,
}

/// Finds which entries of processes a stream has that its reader has not consumed, given the marks
/// of the reader, and its snapshot.
pub(crate) async fn survey(
    log: &dyn Log,
    stream: StreamId,
    (marks, snapshot): (&Marks, &Snapshot),
    progress: &mut Progress,
) -> Result<Surveyed, HotError> {
    let known = snapshot.marks(stream.name);
    let failed = failed(stream.partition);
    let last = log.last_entries(stream).await.map_err(failed)?;
    let mut survey = Survey::default();
    let mut unread = Vec::new();
    // Those of workers go back as outputs of their commits.
    for entry in last.into_iter().filter(|it| it.writer.owner().is_none()) {
        survey.last.insert(entry.writer, entry.seq);
        let seen = known.seen.get(&entry.writer).copied().unwrap_or(0);
        let settled = snapshot.settled(stream.name, entry.writer);
        if entry.seq <= seen.max(settled) {
            unread.push(entry);
            continue;
        }
        let from = origin(entry.writer, seen.max(settled));
        let look = survey.look(log, stream, from, (settled, marks), progress);
        look.await?;
    }
    if survey.has_sources() {
        unread.sort_by_key(|entry| std::cmp::Reverse(entry.writer));
        for entry in unread.into_iter().take(limits::WRITERS_LOOKED_BACK) {
            let settled = snapshot.settled(stream.name, entry.writer);
            let look = survey.look(log, stream, entry, (settled, marks), progress);
            look.await?;
        }
    }
    let Order { entries, marks } = order(survey.waiting, survey.consumed);
    let input = snapshot.inputs.get(&stream.name);
    let mut sources = input.map_or_else(BTreeMap::new, |input| input.sources.clone());
    for (source, mark) in marks {
        let known = sources.entry(source).or_default();
        *known = (*known).max(mark);
    }
    Ok(Surveyed {
        waiting: entries,
        sources,
        last: survey.last,
    })
}

impl Survey {
    fn has_sources(&self) -> bool {
        let mut waiting = self.waiting.values().flatten();
        waiting.any(|it| it.source.is_some())
    }

    /// Reads which entries there are of one writer, from a while before `from`.
    async fn look(
        &mut self,
        log: &dyn Log,
        stream: StreamId,
        from: Origin,
        (settled, marks): (u64, &Marks),
        progress: &mut Progress,
    ) -> Result<(), HotError> {
        let writer = from.writer;
        let mut seq = from.seq.saturating_sub(limits::ENTRIES_LOOKED_BACK);
        loop {
            progress.tell();
            let rows = log
                .entries(stream, origin(writer, seq), limits::READ_BYTES)
                .await
                .map_err(failed(stream.partition))?;
            let Some(end) = rows.last() else {
                return Ok(());
            };
            seq = end.row.origin.seq;
            let last = self.last.entry(writer).or_default();
            *last = (*last).max(seq);
            for Placed { place, row } in rows {
                let is_consumed = !is_needed(marks, row.origin);
                if is_consumed {
                    self.consumed.extend(row.source);
                } else if row.origin.seq > settled {
                    let header = Header {
                        origin: row.origin,
                        place,
                        source: row.source,
                    };
                    self.waiting.entry(writer).or_default().push_back(header);
                }
            }
        }
    }
}
