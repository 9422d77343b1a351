//! Faults of a call that are found before a service sees all of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use rpc::{ErrorReason, Failure, Violation};
use tonic::Status;

use crate::read::Fault;

/// The reason why a call ends, with the status of HTTP where that says more than its code.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) status: Status,
    pub(crate) http: Option<StatusCode>,
}

impl Trouble {
    /// A request with a fault in a field.
    pub(crate) fn invalid(fault: Fault) -> Self {
        let violation = Violation::new(fault.field, fault.description);
        Failure::invalid([violation]).into()
    }

    /// A request that is wrong as a whole.
    pub(crate) fn request(http: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status: Failure::new(ErrorReason::InvalidRequest, message).into(),
            http: Some(http),
        }
    }
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        Self { status, http: None }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Status::from(failure).into()
    }
}

/// A place in which the body of a request leaves its fault for the answer: a service to which the
/// body breaks off says less of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<Trouble>>>);

impl Slot {
    pub(crate) fn put(&self, trouble: Trouble) {
        *self.lock() = Some(trouble);
    }

    pub(crate) fn take(&self) -> Option<Trouble> {
        self.lock().take()
    }

    /// A slot cannot be half changed.
    fn lock(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
