//! Reads rows, in order.

use kernel::Timestamp;
use sea_orm::{DbErr, QueryResult};

use crate::limits::READ_ROWS;
use crate::sql::{query, signed, unsigned};
use crate::{ChangeLog, Damaged, LogBatch, Position, ReadError, batch, body, head};

/// A row as the table has it.
#[derive(Debug)]
pub(super) struct StoredRow {
    pub(super) number: u64,
    pub(super) time: Timestamp,
    pub(super) count: u32,
    pub(super) body: Vec<u8>,
}

impl StoredRow {
    pub(super) fn damaged(number: u64, why: String) -> Damaged {
        Damaged::new(format!("row {number} of the log of changes"), why)
    }

    fn decode(self) -> Result<LogBatch, Damaged> {
        let decoded = body::unpack(self.body).and_then(|it| batch::decode(it, self.count));
        Ok(LogBatch {
            row: self.number,
            time: self.time,
            changes: decoded.map_err(|why| Self::damaged(self.number, why))?,
        })
    }
}

/// Rows from a number on, up to about so many bytes, and one in any case. Bodies are touched only
/// once it is known which ones are wanted.
const ROWS: &str = "WITH picked AS ( \
       SELECT few.row_number, \
         sum(few.byte_count) OVER (ORDER BY few.row_number) - few.byte_count AS bytes_before \
       FROM (SELECT row_number, byte_count FROM change_log \
             WHERE row_number >= $1 ORDER BY row_number LIMIT $2) few) \
     SELECT own.row_number, own.append_time, own.change_count, own.body \
     FROM picked JOIN change_log own ON own.row_number = picked.row_number \
     WHERE picked.bytes_before < $3 ORDER BY own.row_number";

impl ChangeLog {
    /// Reads rows from the one that a position is in, oldest first, up to some bytes and at least
    /// one where there is one. Bytes are those of the changes as they are encoded. The first row
    /// comes whole: the caller leaves out what is before the position.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(
        &self,
        after: Position,
        max_bytes: usize,
    ) -> Result<Vec<LogBatch>, ReadError> {
        // Before the rows: those that are removed in between are missed then, and not taken for
        // some that never were.
        let head = head::read(self.database.orm()).await?;
        if after.log != head.id {
            return Err(ReadError::OtherLog);
        }
        if after.row < head.oldest_row {
            return Err(ReadError::TooOld);
        }
        if after.row > head.next_row || (after.row == head.next_row && after.index > 0) {
            return Err(ReadError::TooNew);
        }
        if after.row == head.next_row {
            return Ok(Vec::new());
        }
        let rows = self.rows_from(after.row, max_bytes).await?;
        if rows.first().is_none_or(|row| row.number != after.row) {
            return Err(ReadError::TooOld);
        }
        let mut batches = Vec::with_capacity(rows.len());
        for row in rows {
            match row.decode() {
                Ok(batch) => batches.push(batch),
                Err(damaged) if batches.is_empty() => return Err(damaged.into()),
                // It is told to who comes back for it.
                Err(_) => break,
            }
        }
        let first = batches.first().map_or(0, |batch| batch.changes.len());
        if usize::try_from(after.index).is_ok_and(|index| index <= first) {
            Ok(batches)
        } else {
            Err(ReadError::TooNew)
        }
    }

    /// Reads rows from a number on, as they are stored.
    pub(super) async fn rows_from(
        &self,
        number: u64,
        max_bytes: usize,
    ) -> Result<Vec<StoredRow>, DbErr> {
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX).max(1);
        let values = [signed(number).into(), READ_ROWS.into(), max_bytes.into()];
        let rows = query(self.database.orm(), ROWS, values).await?;
        rows.iter().map(stored_row).collect()
    }
}

fn stored_row(row: &QueryResult) -> Result<StoredRow, DbErr> {
    let count: i32 = row.try_get_by_index(2)?;
    Ok(StoredRow {
        number: unsigned(row, 0)?,
        time: Timestamp::from_millis(row.try_get_by_index(1)?),
        count: count.cast_unsigned(),
        body: row.try_get_by_index(3)?,
    })
}
