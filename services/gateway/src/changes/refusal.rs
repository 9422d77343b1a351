//! The reasons why a stream of changes is refused or ends, with what a consumer does then.

use ::changes::ReadError;
use rpc::{ErrorReason, Failure, Violation};

use crate::limits::{READER_PATIENCE, WATCH_RETRY, WATCHES, WATCHES_OF_CALLER};

/// The field that names a position.
const POSITION: &str = "position";

/// A position cannot be read from, or the log not at all.
pub(crate) fn unreadable(error: ReadError) -> Failure {
    let problem = match error {
        ReadError::Storage(error) => return Failure::store_unavailable(error),
        ReadError::Damaged(error) => return Failure::internal(error),
        ReadError::OtherLog => {
            let problem =
                "is of another installation: give one that this installation gave, or none";
            return refused(ErrorReason::PositionInvalid, problem);
        }
        ReadError::TooOld => {
            "is older than the log: changes behind it are kept no longer. Begin with `from_start` for \
             what is kept, or with no position for what changes from now on, and read the rest anew"
        }
        ReadError::TooNew => {
            "is newer than the newest change: the database was restored to an earlier time. Begin with \
             `from_start` or with no position, and read what you keep anew"
        }
    };
    refused(ErrorReason::ChangesOutOfRange, problem)
}

/// A text is no position.
pub(crate) fn no_position(error: &::changes::ParsePositionError) -> Failure {
    refused(ErrorReason::PositionInvalid, &error.to_string())
}

fn refused(reason: ErrorReason, problem: &str) -> Failure {
    let message = format!("{POSITION} {problem}");
    Failure::new(reason, message).with_violations([Violation::new(POSITION, problem)])
}

/// The installation keeps no changes.
pub(crate) fn not_kept() -> Failure {
    let message = "this installation keeps no changes: `change_retention` is off";
    Failure::new(ErrorReason::ChangesNotKept, message)
}

/// As many streams are open as may be.
pub(crate) fn busy(is_of_caller: bool) -> Failure {
    let message = match is_of_caller {
        true => format!(
            "a caller may watch {WATCHES_OF_CALLER} streams at once at a process, and this one does"
        ),
        false => format!("{WATCHES} streams are watched at this process, as many as may be"),
    };
    Failure::new(ErrorReason::WatchesBusy, message).with_retry_after(WATCH_RETRY)
}

/// A consumer does not read.
pub(crate) fn not_read() -> Failure {
    let seconds = READER_PATIENCE.as_secs();
    let message = format!("nothing was read of this stream for {seconds} seconds, so it ends");
    Failure::new(ErrorReason::WatchNotRead, message).with_retry_after(WATCH_RETRY)
}

/// The process ends.
pub(crate) fn shutting_down() -> Failure {
    let message =
        "the process is going down, and the stream with it: come back with the last position";
    Failure::new(ErrorReason::ShuttingDown, message).with_retry_after(WATCH_RETRY)
}
