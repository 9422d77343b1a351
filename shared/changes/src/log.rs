//! The log: rows of changes in SQL, numbered without gaps in the order in which they are committed.
//!
//! Its readers ask SQL alone. It does not know who asks, nor which changes they want.

mod at;
mod erase;
mod hand_over;
mod prune;
mod read;

use kernel::Timestamp;
use messages::stream::v1::ChangeRecord;
use storage::{Database, StorageError};
use uuid::Uuid;

use crate::sql::{query, signed};
use crate::{MIGRATIONS, Position, head};

/// The log of changes of an installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ChangeLog {
    database: Database,
    id: u64,
}

/// The extent of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Before the oldest change that is kept.
    pub oldest: Position,
    /// Behind the newest.
    pub newest: Position,
    /// When the oldest row came into the log; absent where it is empty.
    pub oldest_time: Option<Timestamp>,
    /// The number of changes that are kept, those that were erased included.
    pub changes: u64,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogBatch {
    /// Its number.
    pub row: u64,
    /// When it came into the log, by the database's clock.
    pub time: Timestamp,
    /// Its changes, in order. One that was erased is the default: no customer and no kind.
    pub changes: Vec<ChangeRecord>,
}

impl ChangeLog {
    /// Brings the tables up to date.
    ///
    /// # Errors
    /// As [`Database::migrate`].
    pub async fn open(database: Database) -> Result<Self, StorageError> {
        database.migrate("changes", MIGRATIONS).await?;
        // 62 bits of chance.
        let (_, chance) = Uuid::now_v7().as_u64_pair();
        head::make(database.orm(), chance).await?;
        let id = head::read(database.orm()).await?.id;
        Ok(Self { database, id })
    }

    /// The name of the log, which its positions have and those of other installations do not.
    pub const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn into_database(self) -> Database {
        self.database
    }

    /// Returns how far the log goes.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer.
    pub async fn extent(&self) -> Result<Extent, StorageError> {
        let head = head::read(self.database.orm()).await?;
        let sql = "SELECT append_time FROM change_log WHERE row_number = $1";
        let oldest = [signed(head.oldest_row).into()];
        let rows = query(self.database.orm(), sql, oldest).await?;
        let time: Option<i64> = rows.first().map(|it| it.try_get_by_index(0)).transpose()?;
        let position = |row| Position {
            log: head.id,
            row,
            index: 0,
        };
        Ok(Extent {
            oldest: position(head.oldest_row),
            newest: position(head.next_row),
            oldest_time: time.map(Timestamp::from_millis),
            changes: head.changes,
        })
    }

    /// Returns the number of the newest row; cheap, for whoever waits for the next one. 0 where
    /// there never was one.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer.
    pub async fn newest_row(&self) -> Result<u64, StorageError> {
        let head = head::read(self.database.orm()).await?;
        Ok(head.next_row.saturating_sub(1))
    }
}
