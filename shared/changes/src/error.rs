//! The failures of the log of changes.

use sea_orm::DbErr;
use storage::StorageError;

/// Something stored cannot be read: the database was changed by somebody else, or its disk is
/// damaged. Restore it, or have consumers begin behind it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} cannot be read: {why}")]
pub struct Damaged {
    place: String,
    why: String,
}

impl Damaged {
    pub(crate) fn new(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            why: why.into(),
        }
    }
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
    /// The row cannot be read: begin behind it.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The database does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<DbErr> for ReadError {
    fn from(error: DbErr) -> Self {
        Self::Storage(error.into())
    }
}

/// Changes were not written to the log. Nothing is lost: they wait, and may be there already.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The log does not tell any more what it has: restore the database.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The database does not answer: try again.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<DbErr> for WriteError {
    fn from(error: DbErr) -> Self {
        Self::Storage(error.into())
    }
}
