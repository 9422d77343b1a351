//! The answer of an operation that cannot do what it was asked.

mod details;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation};

pub use self::details::omitted_violations;
pub(crate) use self::details::{DETAILS, bound};
use crate::limits::{SHOWN_VIOLATION_BYTES, STATUS_FIELD_BYTES};
use crate::{ErrorReason, Violation, Violations};

/// The domain of every reason in `ErrorInfo`.
pub const DOMAIN: &str = "happypath.dev";

/// The reason why an operation could not do what it was asked; becomes a [`Status`] with
/// `google.rpc` details.
///
/// A status holds as many of the violations as clients take by default, and the count of the rest.
/// The cause is for logs and never leaves the process.
pub struct Failure(Box<Inner>);

struct Inner {
    reason: ErrorReason,
    message: String,
    violations: Vec<Violation>,
    more_violations: usize,
    retry_after: Option<Duration>,
    resource: Option<(String, String)>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure for a reason, with a message for people.
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            reason,
            message: message.into(),
            violations: Vec::new(),
            more_violations: 0,
            retry_after: None,
            resource: None,
            source: None,
        }))
    }

    /// A request with these faults.
    pub fn invalid(violations: impl Into<Vec<Violation>>) -> Self {
        Self::invalid_and_more(violations.into(), 0)
    }

    /// A request with these faults, and so many that are only counted.
    pub fn invalid_and_more(violations: Vec<Violation>, more: usize) -> Self {
        let message = match violations.first() {
            None => "the request is not valid".to_owned(),
            Some(first) => match violations.len() - 1 + more {
                0 => format!("the request is not valid: {first}"),
                others => {
                    let first = details::cut(&first.to_string(), SHOWN_VIOLATION_BYTES);
                    format!("the request is not valid: {first} (and {others} more)")
                }
            },
        };
        let mut failure =
            Self::new(ErrorReason::InvalidRequest, message).with_violations(violations);
        failure.0.more_violations = more;
        failure
    }

    /// Something of this type that is not there, such as `segment` `loyal`.
    pub fn not_found(reason: ErrorReason, resource_type: &str, name: &str) -> Self {
        let mut failure = Self::new(reason, format!("there is no {resource_type} `{name}`"));
        failure.0.resource = Some((resource_type.to_owned(), name.to_owned()));
        failure
    }

    /// The id of an account in a field of a call that is about customers.
    pub fn is_account(field: &str, id: &str) -> Self {
        let description = "is an account: give a customer's id";
        let message = format!("`{field}` {id} is an account, and this call is about customers");
        let mut failure = Self::new(ErrorReason::IsAccount, message);
        failure.0.resource = Some(("customer".to_owned(), id.to_owned()));
        failure.with_violations([Violation::new(field, description)])
    }

    /// The id of a customer in a field of a call that is about accounts.
    pub fn is_customer(field: &str, id: &str) -> Self {
        let description = "is a customer: give an account's id";
        let message = format!("`{field}` {id} is a customer, and this call is about accounts");
        let mut failure = Self::new(ErrorReason::IsCustomer, message);
        failure.0.resource = Some(("account".to_owned(), id.to_owned()));
        failure.with_violations([Violation::new(field, description)])
    }

    /// A store that does not answer, worth another attempt after a second.
    pub fn store_unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorReason::StoreUnavailable, "a store does not answer")
            .with_retry_after(Duration::from_secs(1))
            .with_source(source)
    }

    /// A fault of ours.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorReason::Internal, "an internal error occurred").with_source(source)
    }

    /// Adds what is wrong with single fields.
    #[must_use]
    pub fn with_violations(mut self, violations: impl IntoIterator<Item = Violation>) -> Self {
        self.0.violations.extend(violations);
        self
    }

    /// Says after how long another attempt may work.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Adds the cause, for logs.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The reason.
    pub fn reason(&self) -> ErrorReason {
        self.0.reason
    }

    /// The message for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the violations of single fields.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.reason.as_str(), self.0.message)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("reason", &self.0.reason)
            .field("message", &self.0.message)
            .field("violations", &self.0.violations)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<Violations> for Failure {
    fn from(violations: Violations) -> Self {
        let (listed, more) = violations.into_parts();
        Self::invalid_and_more(listed, more)
    }
}

impl From<Violations> for Status {
    fn from(violations: Violations) -> Self {
        Failure::from(violations).into()
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let Inner {
            reason,
            message,
            violations,
            more_violations,
            retry_after,
            resource,
            source,
        } = *failure.0;
        if let Some(source) = &source {
            log_cause(reason, source.as_ref());
        }
        let mut details = ErrorDetails::new();
        details.set_error_info(reason.as_str(), DOMAIN, HashMap::new());
        if !violations.is_empty() {
            let fields: Vec<FieldViolation> = violations
                .into_iter()
                .map(|violation| FieldViolation::new(violation.field, violation.description))
                .collect();
            details.set_bad_request(fields);
        }
        if retry_after.is_some() {
            details.set_retry_info(retry_after);
        }
        if let Some((resource_type, name)) = resource {
            let name = details::cut(&name, STATUS_FIELD_BYTES);
            details.set_resource_info(resource_type, name, "", reason.remedy());
        }
        details::fitted(reason.code(), &message, details, more_violations)
    }
}

/// The cause is logged here and nowhere else: after this, it is gone.
fn log_cause(reason: ErrorReason, source: &(dyn Error + 'static)) {
    let mut causes = Vec::new();
    let mut next = Some(source);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    tracing::warn!(
        reason = reason.as_str(),
        causes = causes.join(": "),
        "call failed"
    );
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt as _;

    use super::*;

    #[test]
    fn a_failure_becomes_a_status_with_all_its_details() {
        let status: Status = Failure::invalid([Violation::new("name", "is empty")])
            .with_retry_after(Duration::from_secs(2))
            .into();
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let info = details.error_info().expect("an ErrorInfo");
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("INVALID_REQUEST", DOMAIN)
        );
        let bad = details.bad_request().expect("a BadRequest");
        assert_eq!(bad.field_violations[0].field, "name");
        let retry = details.retry_info().expect("a RetryInfo");
        assert_eq!(retry.retry_delay, Some(Duration::from_secs(2)));
    }

    #[test]
    fn the_cause_stays_inside() {
        let status: Status = Failure::store_unavailable("password=hunter2").into();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(!format!("{status:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let status: Status =
            Failure::not_found(ErrorReason::SegmentNotFound, "segment", "loyal").into();
        let details = status.get_error_details();
        let resource = details.resource_info().expect("a ResourceInfo");
        assert_eq!(resource.resource_name, "loyal");
        assert_eq!(status.message(), "there is no segment `loyal`");
    }
}
