//! Moves the event log, and what waits in streams.
//!
//! Rows keep their writers and the times at which they were written, so that they grow old as
//! before; of each writer those of all old partitions are put in the order of these times. A reader
//! finds the events of a customer in the order that they had, since they come from one partition.

use std::collections::{BTreeMap, VecDeque};

use hot::{Origin, StreamId, StreamName, Writer};
use kernel::{PartitionCount, PartitionId};

use super::RepartitionError;
use super::split::{Indivisible, divide_entry, divide_events};
use super::survey::Waiting;
use crate::events::is_event_log;
use crate::sql::{EventRow, Rewrite, Statements};
use crate::{EntryRow, Log, LogError};

/// The last entry of each writer in each stream to come.
#[derive(Debug, Default)]
pub(super) struct Written {
    last: BTreeMap<StreamId, BTreeMap<Writer, u64>>,
    /// The number of rows that were written.
    pub(super) rows: u64,
}

impl Written {
    /// Returns the last entry of each writer in a stream.
    pub(super) fn last(&self, stream: StreamId) -> BTreeMap<Writer, u64> {
        self.last.get(&stream).cloned().unwrap_or_default()
    }

    fn next(&mut self, stream: StreamId, writer: Writer) -> Origin {
        let last = self.last.entry(stream).or_default();
        let seq = last.entry(writer).or_default();
        *seq += 1;
        self.rows += 1;
        Origin { writer, seq: *seq }
    }
}

/// Moves the event log, but for what waits: that is put back.
pub(super) async fn move_events(
    log: &dyn Log,
    statements: &Statements,
    rewrite: &mut Rewrite<'_>,
    (from, to): (PartitionCount, PartitionCount),
    waiting: &[Waiting],
) -> Result<Written, RepartitionError> {
    // Of an entry that waits, what was consumed stays here, and the rest is put back.
    let consumed: BTreeMap<(StreamName, PartitionId, Origin), u64> = waiting
        .iter()
        .filter_map(|it| {
            let (partition, at) = it.origin?;
            Some(((it.stream, partition, at), it.done))
        })
        .collect();
    let mut written = Written::default();
    for name in StreamName::ALL.into_iter().filter(|it| is_event_log(*it)) {
        let mut writers: BTreeMap<Writer, Vec<RowReader>> = BTreeMap::new();
        for partition in from.iter() {
            let stream = StreamId { name, partition };
            for last in log.last_entries(stream).await? {
                let readers = writers.entry(last.writer).or_default();
                readers.push(RowReader::new(stream, last.writer));
            }
        }
        for (writer, readers) in writers {
            let mut rows = Rows::new(readers);
            while let Some((stream, row)) = rows.next(statements).await? {
                let at = Origin {
                    writer,
                    seq: row.seq,
                };
                let most = consumed.get(&(name, stream.partition, at)).copied();
                let pieces = divide_events(to, row.payload, most.unwrap_or(u64::MAX));
                let pieces = pieces.map_err(|why| unreadable(stream, Some(at), why))?;
                for (partition, payload) in pieces {
                    let stream = StreamId { name, partition };
                    let entry = EntryRow {
                        stream,
                        origin: written.next(stream, writer),
                        source: None,
                        payload,
                    };
                    rewrite.write_entry(entry, row.create_time).await?;
                }
            }
        }
    }
    rewrite.flush().await?;
    Ok(written)
}

/// Puts what waits behind the event log, under a writer whose entries nobody has consumed.
pub(super) async fn put_back(
    statements: &Statements,
    rewrite: &mut Rewrite<'_>,
    to: PartitionCount,
    waiting: Vec<Waiting>,
) -> Result<(), RepartitionError> {
    if waiting.is_empty() {
        return Ok(());
    }
    let writer = rewrite.register("repartition").await?;
    let mut written = Written::default();
    for entry in waiting {
        let name = entry.stream;
        let stream = |partition| StreamId { name, partition };
        let was = entry.origin.map(|(partition, at)| (stream(partition), at));
        let create_time = match was.filter(|_| is_event_log(name)) {
            Some((stream, at)) => statements.create_time(stream, at).await?,
            None => rewrite.now(),
        };
        let pieces = divide_entry(to, entry.payload, entry.done, entry.rank);
        let pieces = pieces.map_err(|why| {
            let place = was.map_or(PartitionId::new(0), |(stream, _)| stream.partition);
            unreadable(stream(place), was.map(|(_, at)| at), why)
        })?;
        for (partition, payload) in pieces {
            let stream = stream(partition);
            let row = EntryRow {
                stream,
                origin: written.next(stream, writer),
                source: None,
                payload,
            };
            rewrite.write_entry(row, create_time).await?;
        }
    }
    rewrite.flush().await?;
    Ok(())
}

fn unreadable(stream: StreamId, at: Option<Origin>, why: Indivisible) -> RepartitionError {
    RepartitionError::Indivisible {
        stream,
        entry: at.map_or_else(|| "a message".to_owned(), |at| format!("entry {at}")),
        why: match why {
            Indivisible::Damaged => "cannot be read",
            Indivisible::OfNobody => "is about the partition, and not about customers",
        },
    }
}

/// The rows of one writer in all partitions, in the order of the times at which they were written.
struct Rows {
    readers: Vec<RowReader>,
    /// The next row of each reader, by time.
    heads: BTreeMap<(i64, usize), EventRow>,
    /// The readers of which no row is among the heads.
    behind: Vec<usize>,
}

impl Rows {
    fn new(readers: Vec<RowReader>) -> Self {
        Self {
            behind: (0..readers.len()).collect(),
            readers,
            heads: BTreeMap::new(),
        }
    }

    async fn next(
        &mut self,
        statements: &Statements,
    ) -> Result<Option<(StreamId, EventRow)>, LogError> {
        for at in std::mem::take(&mut self.behind) {
            if let Some(row) = self.readers[at].next(statements).await? {
                self.heads.insert((row.create_time, at), row);
            }
        }
        let Some(((_, at), row)) = self.heads.pop_first() else {
            return Ok(None);
        };
        self.behind.push(at);
        Ok(Some((self.readers[at].stream, row)))
    }
}

/// Reads the rows of one writer in one partition.
struct RowReader {
    stream: StreamId,
    after: Origin,
    rows: VecDeque<EventRow>,
    is_done: bool,
}

impl RowReader {
    const fn new(stream: StreamId, writer: Writer) -> Self {
        Self {
            stream,
            after: Origin { writer, seq: 0 },
            rows: VecDeque::new(),
            is_done: false,
        }
    }

    async fn next(&mut self, statements: &Statements) -> Result<Option<EventRow>, LogError> {
        if self.rows.is_empty() && !self.is_done {
            self.rows = statements.event_rows(self.stream, self.after).await?.into();
            match self.rows.back() {
                Some(last) => self.after.seq = last.seq,
                None => self.is_done = true,
            }
        }
        Ok(self.rows.pop_front())
    }
}
