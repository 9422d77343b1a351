//! The answers to requests that could not be taken.

use ::rpc::{ErrorReason, Failure};
use engine::EngineError;

use crate::append::AppendError;
use crate::kind::Kind;
use crate::ledger::ImportError;
use crate::limits::{LEDGER_RETRY_DELAY, QUARANTINE_RETRY_DELAY, RETRY_DELAY};
use crate::resolve::ResolveError;

/// The failure of a request whose customers could not be told.
pub(crate) fn resolve_failure(error: ResolveError) -> Failure {
    match error {
        ResolveError::Contended => Failure::new(ErrorReason::IdentityContended, error.to_string())
            .with_retry_after(RETRY_DELAY),
        ResolveError::NotFound(id) => Kind::of(id).missing(&id.to_string()),
        ResolveError::TooLarge(large) => Failure::new(ErrorReason::MergeRefused, large.to_string()),
        ResolveError::OtherKind(other) => {
            Failure::new(ErrorReason::MergeRefused, other.to_string())
        }
        ResolveError::Database(error) => Failure::store_unavailable(error),
        ResolveError::Audit(error) => error.into(),
    }
}

/// The failure of a batch of an import.
pub(crate) fn import_failure(error: ImportError) -> Failure {
    match error {
        ImportError::MemoryFull => Failure::new(ErrorReason::MemoryFull, error.to_string())
            .with_retry_after(LEDGER_RETRY_DELAY),
        ImportError::Resolve(error) => resolve_failure(error),
        ImportError::Append(error) => append_failure(error),
        ImportError::Database(error) => Failure::store_unavailable(error),
    }
}

/// The failure of a request whose events could not be appended.
pub(crate) fn append_failure(error: AppendError) -> Failure {
    let message = error.to_string();
    append_failure_with(error, message)
}

fn append_failure_with(error: AppendError, message: String) -> Failure {
    match error {
        AppendError::Full(_) => {
            Failure::new(ErrorReason::StreamFull, message).with_retry_after(RETRY_DELAY)
        }
        AppendError::QuarantineFull { .. } => Failure::new(ErrorReason::QuarantineFull, message)
            .with_retry_after(QUARANTINE_RETRY_DELAY),
        AppendError::Unsettled => {
            Failure::new(ErrorReason::ReceiptsPending, message).with_retry_after(RETRY_DELAY)
        }
        AppendError::Engine(EngineError::ShutDown) => {
            Failure::new(ErrorReason::ShuttingDown, "the process is going down")
        }
        AppendError::Engine(error) => Failure::store_unavailable(error),
        AppendError::Database(error) => Failure::store_unavailable(error),
        AppendError::Hot(error) => Failure::store_unavailable(error),
        AppendError::Partly { cause, .. } => append_failure_with(*cause, message),
    }
}
