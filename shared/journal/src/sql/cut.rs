//! Removes commits and entries that nobody needs, oldest first, a batch in one statement.
//!
//! What makes an event findable is in the row of its entry, so a process that dies in the middle leaves nothing behind.
//! The last row of a slot, and of a writer in a stream, stays, so that what follows can be compared with it.

use hot::{Origin, Slot, StreamId};
use kernel::Timestamp;
use sea_orm::{DbErr, QueryResult};

use super::payload::pack;
use super::read::stream_columns;
use super::statements::{Statements, failed, signed, slot_columns, unsigned};
use crate::cut::{AgedRow, CUT_ROWS, CutPlan, plan};
use crate::{Cut, LogError};

const FIRST_COMMITS: &str = "SELECT seq, create_time, length(payload) FROM journal_commit \
     WHERE service = $1 AND partition = $2 ORDER BY seq LIMIT $3";

const FIRST_ENTRIES: &str = "SELECT seq, create_time, length(payload) + coalesce(length(source), 0) FROM journal_entry \
     WHERE stream = $1 AND partition = $2 AND writer = $3 ORDER BY seq LIMIT $4";

const CUT_COMMITS: &str =
    "DELETE FROM journal_commit WHERE service = $1 AND partition = $2 AND seq <= $3";

const CUT_ENTRIES: &str =
    "DELETE FROM journal_entry WHERE stream = $1 AND partition = $2 AND writer = $3 AND seq <= $4";

const ERASE_ENTRY: &str = "UPDATE journal_entry SET payload = $5, span = NULL, first_time = NULL, last_time = NULL, \
     event_count = NULL, customers = NULL, source = NULL, source_first = NULL, source_last = NULL \
     WHERE stream = $1 AND partition = $2 AND writer = $3 AND seq = $4";

impl Statements {
    pub(super) async fn cut_commits(
        &self,
        slot: Slot,
        seq: u64,
        written_before: Timestamp,
    ) -> Result<u64, LogError> {
        let (service, partition) = slot_columns(slot);
        let first = [service.into(), partition.into(), limit().into()];
        let rows = self.all(FIRST_COMMITS, first).await?;
        let Some(last) = read_plan(&rows, seq, written_before)?.remove_upto else {
            return Ok(0);
        };
        let values = [service.into(), partition.into(), signed(last).into()];
        self.execute(CUT_COMMITS, values).await
    }

    pub(super) async fn cut_entries(
        &self,
        stream: StreamId,
        upto: Origin,
        written_before: Timestamp,
    ) -> Result<Cut, LogError> {
        let [name, partition] = stream_columns(stream);
        let writer = upto.writer.number().cast_signed();
        let of = |number: i64| [name.into(), partition.into(), writer.into(), number.into()];
        let rows = self.all(FIRST_ENTRIES, of(limit())).await?;
        let plan = read_plan(&rows, upto.seq, written_before)?;
        let mut removed = 0;
        if let Some(last) = plan.remove_upto {
            removed += self.execute(CUT_ENTRIES, of(signed(last))).await?;
        }
        if let Some(last) = plan.erase {
            let [name, partition, writer, last] = of(signed(last));
            let values = [name, partition, writer, last, pack(&[]).to_vec().into()];
            removed += self.execute(ERASE_ENTRY, values).await?;
        }
        Ok(Cut {
            removed,
            is_held: plan.is_held,
        })
    }
}

/// One more than go: the last row stays, so it has to be known which one that is.
fn limit() -> i64 {
    i64::try_from(CUT_ROWS + 1).unwrap_or(i64::MAX)
}

fn read_plan(
    rows: &[QueryResult],
    upto: u64,
    written_before: Timestamp,
) -> Result<CutPlan, LogError> {
    let rows = rows.iter().map(read_row).collect::<Result<Vec<_>, _>>();
    Ok(plan(&rows.map_err(failed)?, upto, written_before))
}

fn read_row(row: &QueryResult) -> Result<AgedRow, DbErr> {
    let seq: i64 = row.try_get_by_index(0)?;
    let create_time: i64 = row.try_get_by_index(1)?;
    let bytes: i32 = row.try_get_by_index(2)?;
    Ok(AgedRow {
        seq: unsigned(seq),
        create_time: Timestamp::from_millis(create_time),
        bytes: u64::from(bytes.unsigned_abs()),
    })
}
