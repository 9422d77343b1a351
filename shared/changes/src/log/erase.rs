//! Removes all that rows say of some customers.
//!
//! A change stays at its place and has nothing in it any more, so that positions mean what they
//! meant. A change that joins somebody else into one of the customers is of the same person, and
//! goes too.

use std::collections::BTreeSet;

use sea_orm::DbErr;
use storage::StorageError;

use super::read::StoredRow;
use crate::limits::ERASED_BYTES;
use crate::sql::{execute, for_update, query, signed};
use crate::{ChangeLog, batch, body, metrics};

/// A body of a row, and how many of its changes became blank.
struct Erased {
    bytes: Vec<u8>,
    changes: u32,
}

impl ChangeLog {
    /// Removes what is said of some customers, by id, and returns the number of changes: positions
    /// stay as they are. Every row is read once, whatever the number of customers is. A row that
    /// cannot be read loses all its changes, since nobody can tell whose they are.
    ///
    /// Changes that are still pending in stores come into the log later: erase customers there
    /// first.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer. Some rows may be done: repeat it.
    pub async fn erase(&self, customers: &BTreeSet<[u8; 16]>) -> Result<u64, StorageError> {
        let (mut next, mut erased) = (0, 0);
        if customers.is_empty() {
            return Ok(erased);
        }
        loop {
            let rows = self.rows_from(next, ERASED_BYTES).await?;
            let Some(last) = rows.last() else {
                metrics::erased(erased);
                return Ok(erased);
            };
            next = last.number + 1;
            for row in rows {
                let number = row.number;
                if is_affected(row, customers) {
                    erased += self.erase_row(number, customers).await?;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Erases what a row says, as it is by now: another one may be erasing others there.
    async fn erase_row(&self, number: u64, customers: &BTreeSet<[u8; 16]>) -> Result<u64, DbErr> {
        let transaction = self.database.begin_write().await?;
        let lock = for_update(&transaction);
        let sql = format!("SELECT change_count, body FROM change_log WHERE row_number = $1{lock}");
        let rows = query(&transaction, &sql, [signed(number).into()]).await?;
        let Some(row) = rows.first() else {
            // It was pruned meanwhile.
            transaction.rollback().await?;
            return Ok(0);
        };
        let count: i32 = row.try_get_by_index(0)?;
        let erased = erased(
            number,
            count.cast_unsigned(),
            row.try_get_by_index(1)?,
            customers,
        );
        let sql = "UPDATE change_log SET body = $2, byte_count = $3 WHERE row_number = $1";
        let values = [
            signed(number).into(),
            body::pack(&erased.bytes).into(),
            i32::try_from(erased.bytes.len()).unwrap_or(i32::MAX).into(),
        ];
        execute(&transaction, sql, values).await?;
        transaction.commit().await?;
        Ok(u64::from(erased.changes))
    }
}

/// Returns whether a row says anything of some customers, or nobody can tell.
fn is_affected(row: StoredRow, customers: &BTreeSet<[u8; 16]>) -> bool {
    let body = body::unpack(row.body);
    body.and_then(|body| batch::mentions(&body, customers))
        .unwrap_or(true)
}

/// Returns the body of a row without some customers.
fn erased(number: u64, count: u32, packed: Vec<u8>, customers: &BTreeSet<[u8; 16]>) -> Erased {
    let left = body::unpack(packed).and_then(|body| batch::without(&body, customers));
    match left {
        Ok((bytes, changes)) => Erased { bytes, changes },
        Err(why) => {
            let error = StoredRow::damaged(number, why);
            tracing::error!(%error, "a row that cannot be read is emptied for the sake of an erasure");
            Erased {
                bytes: batch::blank(count),
                changes: count,
            }
        }
    }
}
