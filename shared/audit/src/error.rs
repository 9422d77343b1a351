//! The failures of the audit log.

use rpc::{ErrorReason, Failure};
use sea_orm::DbErr;

use crate::limits;

/// The reason why an act is not on record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// As many acts wait to be written as may wait: try again.
    #[error("as many acts wait to be recorded as may wait")]
    Full,
    /// The store has been away for long: try again once it is back.
    #[error("the store of the audit log does not answer")]
    Away,
    /// The reader of an export is too slow: export less at once, or go on from the last chain.
    #[error("the reader of the export takes more than 30 s over an answer")]
    SlowReader,
    /// The log was closed: the process ends.
    #[error("the audit log is closed, since the process ends")]
    Closed,
    /// The row of the chain's head is gone, so somebody has changed the log: start the process
    /// again for a new chain, and verify the log.
    #[error("the head of this process's chain is gone from the audit log")]
    HeadGone,
    /// A row of the log holds something that is never written: verify the log.
    #[error("a row of the audit log cannot be read: {0}")]
    Damaged(String),
    /// The system has no randomness for the keys of subjects.
    #[error("the system gives no random bytes")]
    NoRandomness,
    /// The database did not do it: try again.
    #[error("the database of the audit log failed")]
    Database(#[from] DbErr),
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        if matches!(error, AuditError::Damaged(_)) {
            return Self::internal(error);
        }
        if matches!(error, AuditError::SlowReader) {
            return Self::new(ErrorReason::DeadlineExceeded, error.to_string());
        }
        Self::new(
            ErrorReason::AuditUnavailable,
            "this cannot be put on record at the moment, so it is not done",
        )
        .with_retry_after(limits::RETRY_DELAY)
        .with_source(error)
    }
}
