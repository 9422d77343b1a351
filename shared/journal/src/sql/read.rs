//! Reads commits and entries.

use hot::{Origin, Slot, SourceRange, StreamId, Writer};
use sea_orm::{DbErr, QueryResult};

use super::limits::ROWS;
use super::payload::unpack;
use super::statements::{Statements, failed, signed, slot_columns, unsigned};
use crate::{CommitRow, EntryRow, LogError, LogHead, Placed};

const HEAD: &str = "SELECT s.seq, s.batch_id, \
     (SELECT c.seq FROM journal_commit c WHERE c.service = $1 AND c.partition = $2 ORDER BY c.seq DESC LIMIT 1), \
     (SELECT c.batch_id FROM journal_commit c WHERE c.service = $1 AND c.partition = $2 ORDER BY c.seq DESC LIMIT 1), \
     (SELECT c.seq FROM journal_commit c WHERE c.service = $1 AND c.partition = $2 ORDER BY c.seq LIMIT 1), \
     (SELECT CAST(sum(length(c.payload)) AS BIGINT) FROM journal_commit c \
      WHERE c.service = $1 AND c.partition = $2 AND c.seq > coalesce(s.seq, 0)) \
     FROM (SELECT 1 AS one) o LEFT JOIN journal_snapshot s ON s.service = $1 AND s.partition = $2";

const COMMIT_SIZES: &str = "SELECT seq, length(payload) FROM journal_commit \
     WHERE service = $1 AND partition = $2 AND seq > $3 ORDER BY seq LIMIT $4";

const COMMITS: &str = "SELECT seq, epoch, batch_id, payload, place FROM journal_commit \
     WHERE service = $1 AND partition = $2 AND seq > $3 AND seq <= $4 ORDER BY seq";

/// Steps from writer to writer by the primary key: the entries of a stream may be many, its writers are few.
const LAST_ENTRIES: &str = "WITH RECURSIVE w (writer) AS ( \
       SELECT (SELECT e.writer FROM journal_entry e WHERE e.stream = $1 AND e.partition = $2 \
               ORDER BY e.writer LIMIT 1) \
       UNION ALL \
       SELECT (SELECT e.writer FROM journal_entry e WHERE e.stream = $1 AND e.partition = $2 AND e.writer > w.writer \
               ORDER BY e.writer LIMIT 1) FROM w WHERE w.writer IS NOT NULL) \
     SELECT w.writer, (SELECT e.seq FROM journal_entry e \
       WHERE e.stream = $1 AND e.partition = $2 AND e.writer = w.writer ORDER BY e.seq DESC LIMIT 1) \
     FROM w WHERE w.writer IS NOT NULL";

const ENTRY_SIZES: &str = "SELECT seq, length(payload) FROM journal_entry \
     WHERE stream = $1 AND partition = $2 AND writer = $5 AND seq > $3 ORDER BY seq LIMIT $4";

const ENTRIES: &str = "SELECT seq, source, source_first, source_last, payload, place FROM journal_entry \
     WHERE stream = $1 AND partition = $2 AND writer = $5 AND seq > $3 AND seq <= $4 ORDER BY seq";

impl Statements {
    pub(super) async fn head(&self, slot: Slot) -> Result<LogHead, LogError> {
        let (service, partition) = slot_columns(slot);
        let row = self.one(HEAD, [service.into(), partition.into()]).await?;
        read_head(&row).map_err(failed)
    }

    pub(super) async fn commits(
        &self,
        slot: Slot,
        after: u64,
        max_bytes: usize,
    ) -> Result<Vec<Placed<CommitRow>>, LogError> {
        let (service, partition) = slot_columns(slot);
        let (service, partition) = (service.into(), partition.into());
        let after = signed(after);
        let sizes = [service, partition, after.into(), ROWS.into()];
        let [service, partition, ..] = sizes.clone();
        let Some(last) = last_within(&self.all(COMMIT_SIZES, sizes).await?, max_bytes)? else {
            return Ok(Vec::new());
        };
        let values = [service, partition, after.into(), last.into()];
        let mut commits = Vec::new();
        for read in self.all(COMMITS, values).await? {
            let (seq, epoch, batch_id, payload) = read_commit(&read).map_err(failed)?;
            let row = CommitRow {
                slot,
                seq: unsigned(seq),
                epoch: unsigned(epoch),
                batch_id: unsigned(batch_id),
                payload: unpack(payload)?,
                events: Vec::new(),
            };
            commits.push(placed(&read, 4, row)?);
        }
        Ok(commits)
    }

    pub(super) async fn last_entries(&self, stream: StreamId) -> Result<Vec<Origin>, LogError> {
        let [name, partition] = stream_columns(stream);
        let rows = self
            .all(LAST_ENTRIES, [name.into(), partition.into()])
            .await?;
        let mut origins = Vec::with_capacity(rows.len());
        for row in rows {
            let writer: i32 = row.try_get_by_index(0).map_err(failed)?;
            let seq: i64 = row.try_get_by_index(1).map_err(failed)?;
            origins.push(Origin {
                writer: Writer::from_number(writer.cast_unsigned()),
                seq: unsigned(seq),
            });
        }
        Ok(origins)
    }

    pub(super) async fn entries(
        &self,
        stream: StreamId,
        after: Origin,
        max_bytes: usize,
    ) -> Result<Vec<Placed<EntryRow>>, LogError> {
        let [name, partition] = stream_columns(stream);
        let writer = after.writer.number().cast_signed();
        let seq = signed(after.seq);
        let values = |bound: i64| {
            [
                name.into(),
                partition.into(),
                seq.into(),
                bound.into(),
                writer.into(),
            ]
        };
        let sizes = self.all(ENTRY_SIZES, values(ROWS)).await?;
        let Some(last) = last_within(&sizes, max_bytes)? else {
            return Ok(Vec::new());
        };
        let mut entries = Vec::new();
        for read in self.all(ENTRIES, values(last)).await? {
            let (seq, source, payload) = read_entry(&read).map_err(failed)?;
            let row = EntryRow {
                stream,
                origin: Origin { seq, ..after },
                source,
                payload: unpack(payload)?,
            };
            entries.push(placed(&read, 5, row)?);
        }
        Ok(entries)
    }
}

/// A stream as columns: its name by number, and its partition.
pub(super) fn stream_columns(stream: StreamId) -> [i32; 2] {
    [
        i32::from(stream.name as i16),
        i32::from(stream.partition.number()),
    ]
}

/// A row with the place that a column of what was read has.
fn placed<R>(read: &QueryResult, column: usize, row: R) -> Result<Placed<R>, LogError> {
    let place: i64 = read.try_get_by_index(column).map_err(failed)?;
    Ok(Placed {
        place: unsigned(place),
        row,
    })
}

fn read_head(row: &QueryResult) -> Result<LogHead, DbErr> {
    let number = |index| -> Result<u64, DbErr> {
        let number: Option<i64> = row.try_get_by_index(index)?;
        Ok(number.map_or(0, unsigned))
    };
    let (snapshot_seq, last_seq) = (number(0)?, number(2)?);
    let (seq, batch_id) = if last_seq >= snapshot_seq {
        (last_seq, number(3)?)
    } else {
        (snapshot_seq, number(1)?)
    };
    Ok(LogHead {
        seq,
        batch_id,
        snapshot_seq,
        first_seq: number(4)?,
        backlog_bytes: number(5)?,
    })
}

fn read_commit(row: &QueryResult) -> Result<(i64, i64, i64, Vec<u8>), DbErr> {
    Ok((
        row.try_get_by_index(0)?,
        row.try_get_by_index(1)?,
        row.try_get_by_index(2)?,
        row.try_get_by_index(3)?,
    ))
}

fn read_entry(row: &QueryResult) -> Result<(u64, Option<SourceRange>, Vec<u8>), DbErr> {
    let seq: i64 = row.try_get_by_index(0)?;
    let source: Option<String> = row.try_get_by_index(1)?;
    let first: Option<i64> = row.try_get_by_index(2)?;
    let last: Option<i64> = row.try_get_by_index(3)?;
    let source = source.map(|source| SourceRange {
        source: source.into(),
        first: first.map_or(0, unsigned),
        last: last.map_or(0, unsigned),
    });
    Ok((unsigned(seq), source, row.try_get_by_index(4)?))
}

/// The last number of rows (number, bytes) that are at most so many bytes together, and of the first in any case.
fn last_within(sizes: &[QueryResult], max_bytes: usize) -> Result<Option<i64>, LogError> {
    let mut last = None;
    let mut total = 0_usize;
    for row in sizes {
        let seq: i64 = row.try_get_by_index(0).map_err(failed)?;
        let bytes: i32 = row.try_get_by_index(1).map_err(failed)?;
        total = total.saturating_add(usize::try_from(bytes).unwrap_or(0));
        if last.is_some() && total > max_bytes {
            break;
        }
        last = Some(seq);
    }
    Ok(last)
}
