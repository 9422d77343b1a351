//! Removes rows that are too old, oldest first.

use kernel::{Duration, Timestamp};
use sea_orm::{DatabaseTransaction, DbErr};
use storage::StorageError;
use tokio_util::sync::CancellationToken;

use crate::limits::{PRUNE_PAUSE, PRUNED_BYTES, PRUNED_ROWS};
use crate::sql::{execute, query, signed, unsigned};
use crate::{ChangeLog, head, metrics};

/// Finds a row if the oldest one is older than a time. No lock is taken for it.
const IS_DUE: &str = "SELECT 1 FROM change_log WHERE append_time < $1 \
     AND row_number = (SELECT oldest_row FROM change_head WHERE id = 1)";

/// The oldest rows.
const OLDEST: &str = "SELECT row_number, append_time, change_count, byte_count FROM change_log \
     ORDER BY row_number LIMIT $1";

impl ChangeLog {
    /// Removes rows that came before an instant, and returns their number. A row that came later
    /// keeps those behind it, whatever the clock said then.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, StorageError> {
        let mut removed = 0;
        while self.is_due(before).await? {
            // The head keeps two who prune apart, and writers out for some milliseconds.
            let transaction = self.database.begin_write().await?;
            let (mut head, _) = head::lock(&self.database, &transaction).await?;
            let old = find_old(&transaction, before).await?;
            if old.rows == 0 {
                transaction.rollback().await?;
                break;
            }
            let sql = "DELETE FROM change_log WHERE row_number <= $1";
            execute(&transaction, sql, [signed(old.last).into()]).await?;
            head.oldest_row = old.last + 1;
            head.changes = head.changes.saturating_sub(old.changes);
            head::write(&transaction, &head).await?;
            transaction.commit().await?;
            metrics::pruned(old.changes);
            removed += old.rows;
        }
        Ok(removed)
    }

    /// Removes what is older than a time, again and again, until the process is told to end. Every
    /// process may do so: one that finds nothing to remove reads two rows a minute.
    pub async fn keep_pruned(self, retention: Duration, shutdown: CancellationToken) {
        let mut has_failed = false;
        loop {
            match self.prune_older(retention).await {
                Ok(_) => has_failed = false,
                Err(error) if !has_failed => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "changes that are too old were not removed, trying again in a minute"
                    );
                    has_failed = true;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(PRUNE_PAUSE) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Removes rows that are older than a time, by the database's clock, which gave them theirs.
    async fn prune_older(&self, than: Duration) -> Result<u64, StorageError> {
        let sql = format!("SELECT {}", self.database.now_sql());
        let rows = query(self.database.orm(), &sql, []).await?;
        let now: Option<i64> = rows.first().map(|it| it.try_get_by_index(0)).transpose()?;
        match now {
            Some(now) => self.prune(Timestamp::from_millis(now) - than).await,
            None => Ok(0),
        }
    }

    async fn is_due(&self, before: Timestamp) -> Result<bool, DbErr> {
        let rows = query(self.database.orm(), IS_DUE, [before.as_millis().into()]).await?;
        Ok(!rows.is_empty())
    }
}

/// Old rows at the beginning of the log.
#[derive(Debug, Default)]
struct Old {
    rows: u64,
    changes: u64,
    /// The number of the last one.
    last: u64,
}

/// Finds rows of before a time, as many as one transaction removes.
async fn find_old(transaction: &DatabaseTransaction, before: Timestamp) -> Result<Old, DbErr> {
    let (mut old, mut bytes) = (Old::default(), 0);
    for row in query(transaction, OLDEST, [PRUNED_ROWS.into()]).await? {
        let time: i64 = row.try_get_by_index(1)?;
        if time >= before.as_millis() || bytes >= PRUNED_BYTES {
            break;
        }
        let (changes, size): (i32, i32) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
        bytes += i64::from(size);
        old.rows += 1;
        old.changes += u64::from(changes.unsigned_abs());
        old.last = unsigned(&row, 0)?;
    }
    Ok(old)
}
