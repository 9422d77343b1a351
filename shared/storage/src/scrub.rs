//! Has the database let go of the bytes of rows that were removed.
//!
//! SQLite overwrites what is removed at once (`secure_delete`), in the file; its log keeps older
//! pages until it is cut. PostgreSQL keeps dead rows until they are vacuumed. What backups and the
//! write-ahead log of a server keep is not in its hands.

use sea_orm::{ConnectionTrait, DbBackend};

use crate::{Database, StorageError};

/// The progress of a database in letting go of what was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrub {
    /// True where it has.
    pub is_done: bool,
    /// The state of it, for people; empty for nothing to tell.
    pub detail: String,
}

impl Database {
    /// Removes the bytes of rows of some tables that are gone. Call it again until it is done.
    ///
    /// On SQLite the log is written to the file and cut, which waits for those who read. On
    /// PostgreSQL the tables are vacuumed; one that this user may not vacuum is named.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer.
    pub async fn scrub(&self, tables: &[&str]) -> Result<Scrub, StorageError> {
        if self.orm().get_database_backend() == DbBackend::Postgres {
            return Ok(self.vacuum(tables).await);
        }
        let row = self.row("PRAGMA wal_checkpoint(TRUNCATE)", []).await?;
        let is_busy: i64 = row.try_get_by_index(0)?;
        Ok(Scrub {
            is_done: is_busy == 0,
            detail: if is_busy == 0 {
                String::new()
            } else {
                "somebody reads the log of the database".to_owned()
            },
        })
    }

    async fn vacuum(&self, tables: &[&str]) -> Scrub {
        let mut refused = Vec::new();
        for table in tables {
            // Names of tables are ours.
            let vacuum = format!("VACUUM \"{table}\"");
            if let Err(error) = self.orm().execute_unprepared(&vacuum).await {
                refused.push(format!("{table} is not vacuumed: {error}"));
            }
        }
        Scrub {
            is_done: true,
            detail: refused.join("; "),
        }
    }
}
