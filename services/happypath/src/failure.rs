//! The failure of a command, in words for people, with the exit code that scripts read.

use std::error::Error as _;
use std::fmt;
use std::process::ExitCode;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The part of `--help` about exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, or somebody changed it meanwhile (--if-match)
  2  the command line, a file or a definition has mistakes
  3  what was asked for is not there, or a store is of other settings or another version
  4  the service, or a store, cannot be reached
  5  the credential is missing, is not accepted, or lacks a scope
  6  done, but for lines that were left out (import --on-error continue)";

/// The failure of a command.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
    /// The cause where there was no connection; absent for other failures.
    no_connection: Option<String>,
    /// True where a service answered that it does not serve this.
    is_not_served: bool,
}

impl Failure {
    /// Something went wrong that is nobody's mistake.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 1,
            no_connection: None,
            is_not_served: false,
        }
    }

    /// Returns a failure by mistakes of the user; the message says what would be right.
    pub fn mistake(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 2,
            no_connection: None,
            is_not_served: false,
        }
    }

    /// Returns the failure of a command that has done all but for lines that were left out; the
    /// message says what to do about them.
    pub(crate) fn left_out(message: impl Into<String>) -> Self {
        Self {
            code: 6,
            ..Self::failed(message)
        }
    }

    /// A store was created with other settings, or holds what does not fit; the message says what
    /// to do.
    pub(crate) fn mismatch(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 3,
            no_connection: None,
            is_not_served: false,
        }
    }

    /// A store does not answer.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 4,
            no_connection: None,
            is_not_served: false,
        }
    }

    /// The same failure, where what it is about was changed by somebody meanwhile: no mistake of a
    /// file.
    pub(crate) fn by_a_race(self) -> Self {
        Self { code: 1, ..self }
    }

    /// The same failure, with the addresses that could not be reached, if that is what failed.
    pub(crate) fn with_addresses(mut self, addresses: &str) -> Self {
        if let Some(cause) = self.no_connection.take() {
            self.code = 4;
            self.message = format!(
                "cannot reach {addresses}: {cause}\n\
                 Start the service there (`happypath dev` starts everything), or correct --address or HAPPYPATH_ADDRESS."
            );
        }
        self
    }

    /// Returns whether what was asked for is not served there, or nobody is there.
    pub(crate) fn is_not_served(&self) -> bool {
        self.is_not_served || self.no_connection.is_some()
    }

    /// Returns whether what was asked for is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.code == 3
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self {
            code: match status.code() {
                Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 2,
                Code::NotFound => 3,
                Code::Unavailable => 4,
                Code::Unauthenticated | Code::PermissionDenied => 5,
                _ => 1,
            },
            message: rpc::explain(&status),
            no_connection: no_connection(&status),
            is_not_served: is_not_served(&status),
        }
    }
}

/// Returns whether a service does not have the method, or the kind of definition: another one may,
/// or a newer version.
fn is_not_served(status: &Status) -> bool {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.as_str());
    let is_unknown_kind = status.code() == Code::InvalidArgument
        && details.bad_request().is_some_and(|bad| {
            let mut fields = bad.field_violations.iter();
            fields.any(|violation| violation.field == "kind")
        });
    status.code() == Code::Unimplemented
        || reason == Some(rpc::ErrorReason::DefinitionKindNotServed.as_str())
        || is_unknown_kind
}

/// Returns why there was no connection; `None` where a service answered.
fn no_connection(status: &Status) -> Option<String> {
    let cause: &rpc::NoConnection = status.source()?.downcast_ref()?;
    Some(cause.to_string())
}

impl From<runtime::StartError> for Failure {
    fn from(error: runtime::StartError) -> Self {
        Self {
            code: error.exit_code(),
            message: error.to_string(),
            no_connection: None,
            is_not_served: false,
        }
    }
}
