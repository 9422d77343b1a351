//! The log of changes as the gateway reads it: of SQL, and in tests of memory.

use std::fmt;
use std::sync::Arc;

use ::changes::{ChangeLog, Extent, LogBatch, Position, ReadError};
use kernel::Timestamp;
use storage::StorageError;

use crate::limits::PAGE_BYTES;

/// A log of changes that is read.
///
/// # Contract
/// As [`ChangeLog`]: rows are numbered without gaps, and a page has at least one row where there is
/// one.
#[tonic::async_trait]
pub(crate) trait ChangeSource: fmt::Debug + Send + Sync + 'static {
    /// Returns the beginning and the end of the log.
    async fn extent(&self) -> Result<Extent, StorageError>;

    /// Returns the number of the newest row.
    async fn newest_row(&self) -> Result<u64, StorageError>;

    /// Returns the position behind the last row that came before an instant.
    async fn position_at(&self, time: Timestamp) -> Result<Position, StorageError>;

    /// Returns a page of rows from the one that a position is in.
    async fn read(&self, after: Position) -> Result<Vec<LogBatch>, ReadError>;
}

/// A shared log.
pub(crate) type SharedSource = Arc<dyn ChangeSource>;

#[tonic::async_trait]
impl ChangeSource for ChangeLog {
    async fn extent(&self) -> Result<Extent, StorageError> {
        Self::extent(self).await
    }

    async fn newest_row(&self) -> Result<u64, StorageError> {
        Self::newest_row(self).await
    }

    async fn position_at(&self, time: Timestamp) -> Result<Position, StorageError> {
        Self::position_at(self, time).await
    }

    async fn read(&self, after: Position) -> Result<Vec<LogBatch>, ReadError> {
        Self::read(self, after, PAGE_BYTES).await
    }
}
