//! Calls that were not answered: whether the server began them, and the status that their callers
//! get.

use std::error::Error;
use std::sync::Arc;

use h2::Reason;
use tonic::Status;

/// The reason why a service could not be reached, or was lost in the middle of a call. Found as the
/// source of a status.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoConnection(String);

/// The status of a call that no replica could be asked.
pub(super) fn unreached(target: &str, reason: String) -> Status {
    status(format!("no connection to {target}: {reason}"), reason)
}

/// The status of a call of which the connection was lost, or that the server reset.
pub(super) fn unanswered(target: &str, error: hyper::Error) -> Status {
    if h2_error(&error).is_some_and(|it| it.is_reset() && !is_not_begun(&error)) {
        // The reason of the server decides, as the gRPC specification over HTTP/2 says.
        return Status::from_error(Box::new(error));
    }
    let mut cause: &dyn Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let reason = cause.to_string();
    status(
        format!("the connection to {target} was lost: {reason}"),
        reason,
    )
}

fn status(message: String, reason: String) -> Status {
    let mut status = Status::unavailable(message);
    status.set_source(Arc::new(NoConnection(reason)));
    status
}

/// Returns whether the server says that it has not begun the call, which is safe to repeat then: it
/// went away before (RFC 9113, section 6.8) or refused the stream (section 8.7).
pub(super) fn is_not_begun(error: &hyper::Error) -> bool {
    h2_error(error).is_some_and(|error| {
        let left = error.is_go_away() && error.reason() == Some(Reason::NO_ERROR);
        let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        error.is_remote() && (left || refused)
    })
}

/// Returns whether the connection was lost in the middle of the call, of which nothing is known.
pub(super) fn is_lost(error: &hyper::Error) -> bool {
    !h2_error(error).is_some_and(h2::Error::is_reset)
}

fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    error.source()?.downcast_ref()
}
