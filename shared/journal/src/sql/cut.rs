//! Removes commits and entries that nobody needs, oldest first, some at a time.
//!
//! What is removed is always a beginning: clocks of writers may differ, and still no row goes before one with a lower
//! number. The last row of a slot, and of a writer in a stream, stays, so that what follows can be compared with it.

use hot::{Origin, Slot, StreamId};
use kernel::Timestamp;

use super::limits::ROWS;
use super::read::stream_columns;
use super::statements::{Statements, failed, signed, slot_columns};
use crate::LogError;

/// The next rows to remove: from the first, up to and with the given number, before the first that is too young, and before
/// the last.
macro_rules! next {
    ($table:literal, $of:literal) => {
        concat!(
            "SELECT max(seq) FROM (SELECT seq FROM ",
            $table,
            " WHERE ",
            $of,
            " AND seq <= $3 \
               AND seq < coalesce((SELECT seq FROM ",
            $table,
            " WHERE ",
            $of,
            " AND create_time >= $4 \
                                   ORDER BY seq LIMIT 1), 9223372036854775807) \
               AND seq < (SELECT seq FROM ",
            $table,
            " WHERE ",
            $of,
            " ORDER BY seq DESC LIMIT 1) \
             ORDER BY seq LIMIT $5) r"
        )
    };
}

const NEXT_COMMITS: &str = next!("journal_commit", "service = $1 AND partition = $2");
const NEXT_ENTRIES: &str = next!(
    "journal_entry",
    "stream = $1 AND partition = $2 AND writer = $6"
);

const CUT_COMMITS: &str =
    "DELETE FROM journal_commit WHERE service = $1 AND partition = $2 AND seq <= $3";
const CUT_ENTRIES: &str =
    "DELETE FROM journal_entry WHERE stream = $1 AND partition = $2 AND seq <= $3 AND writer = $4";

impl Statements {
    pub(super) async fn cut_commits(
        &self,
        slot: Slot,
        seq: u64,
        written_before: Timestamp,
    ) -> Result<u64, LogError> {
        let (service, partition) = slot_columns(slot);
        let mut removed = 0;
        loop {
            let next = [
                service.into(),
                partition.into(),
                signed(seq).into(),
                written_before.as_millis().into(),
                ROWS.into(),
            ];
            let row = self.one(NEXT_COMMITS, next).await?;
            let last: Option<i64> = row.try_get_by_index(0).map_err(failed)?;
            let Some(last) = last else {
                return Ok(removed);
            };
            let values = [service.into(), partition.into(), last.into()];
            removed += self.execute(CUT_COMMITS, values).await?;
        }
    }

    pub(super) async fn cut_entries(
        &self,
        stream: StreamId,
        upto: Origin,
        written_before: Timestamp,
    ) -> Result<u64, LogError> {
        let [name, partition] = stream_columns(stream);
        let writer = upto.writer.number().cast_signed();
        let mut removed = 0;
        loop {
            let next = [
                name.into(),
                partition.into(),
                signed(upto.seq).into(),
                written_before.as_millis().into(),
                ROWS.into(),
                writer.into(),
            ];
            let row = self.one(NEXT_ENTRIES, next).await?;
            let last: Option<i64> = row.try_get_by_index(0).map_err(failed)?;
            let Some(last) = last else {
                return Ok(removed);
            };
            let values = [name.into(), partition.into(), last.into(), writer.into()];
            removed += self.execute(CUT_ENTRIES, values).await?;
        }
    }
}
