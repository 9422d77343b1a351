//! The log: rows of changes in SQL, numbered without gaps in the order in which they are committed.

use std::collections::BTreeSet;

use kernel::Timestamp;
use messages::stream::v1::ChangeRecord;
use storage::{Database, StorageError};

use crate::Position;

/// The log of changes of an installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ChangeLog {
    _database: Database,
}

/// How far the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Before the oldest change that is kept.
    pub oldest: Position,
    /// Behind the newest.
    pub newest: Position,
    /// When the oldest row came into the log; absent where it is empty.
    pub oldest_time: Option<Timestamp>,
    /// The number of changes that are kept.
    pub changes: u64,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogBatch {
    /// Its number.
    pub row: u64,
    /// When it came into the log.
    pub time: Timestamp,
    /// Its changes, in order. One that was erased is the default: no customer and no kind.
    pub changes: Vec<ChangeRecord>,
}

/// A position cannot be read from.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is of another installation.
    #[error("is of another installation")]
    OtherLog,
    /// It is older than what is kept.
    #[error("is older than what is kept")]
    TooOld,
    /// It is newer than the newest: the database was restored to an earlier time.
    #[error("is newer than the newest change")]
    TooNew,
    /// The database does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ChangeLog {
    /// Brings the tables up to date.
    ///
    /// # Errors
    /// As [`Database::migrate`].
    pub async fn open(database: Database) -> Result<Self, StorageError> {
        let _ = database;
        todo!()
    }

    /// How far the log goes.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer.
    pub async fn extent(&self) -> Result<Extent, StorageError> {
        todo!()
    }

    /// Returns the number of the newest row; cheap, for whoever waits for the next one.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer.
    pub async fn newest_row(&self) -> Result<u64, StorageError> {
        todo!()
    }

    /// Reads rows from the one that a position is in, oldest first, up to some bytes and at least
    /// one where there is one. The first row comes whole: the caller leaves out what is before the
    /// position.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&self, after: Position, max_bytes: usize) -> Result<Vec<LogBatch>, ReadError> {
        let _ = (after, max_bytes);
        todo!()
    }

    /// Removes rows that came before an instant, and returns their number.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, StorageError> {
        let _ = before;
        todo!()
    }

    /// Removes what is said of some customers, by id, and returns the number of changes: positions
    /// stay as they are.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer.
    pub async fn erase(&self, customers: &BTreeSet<[u8; 16]>) -> Result<u64, StorageError> {
        let _ = customers;
        todo!()
    }
}
