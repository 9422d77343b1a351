//! Acts before they have a place in a chain: who did what, from where, and what came of it.

use std::net::IpAddr;
use std::sync::Arc;

use kernel::CustomerId;
use tonic::Code;

/// The one who acts, and from where. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The id of the caller, such as that of a key or the subject of a token.
    pub caller: Arc<str>,
    /// The kind of the caller, such as `key`, `token` or `certificate`.
    pub kind: Arc<str>,
    /// The address that the call came from; absent where the transport has none.
    pub address: Option<IpAddr>,
}

impl Origin {
    /// Somebody who gave no credential.
    pub fn anonymous(address: Option<IpAddr>) -> Self {
        Self {
            caller: "anonymous".into(),
            kind: "anonymous".into(),
            address,
        }
    }

    /// A process that acts by itself, by its worker's name.
    pub fn process(worker: &str) -> Self {
        Self {
            caller: worker.into(),
            kind: "process".into(),
            address: None,
        }
    }
}

/// The end of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is about to be done: an entry with another outcome follows, unless the process died.
    Asked,
    /// It was done, or answered with this code.
    Ended(Code),
}

impl Outcome {
    /// It was done.
    pub const OK: Self = Self::Ended(Code::Ok);

    /// The outcome as entries carry it: the name of the code in the documentation of gRPC.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "ASKED",
            Self::Ended(code) => rpc::code_name(code),
        }
    }
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// The name of what was done, such as `definition.update` or the name of a call.
    pub action: String,
    /// The thing it was done to, for people: names and ids, never data of a customer.
    pub object: String,
    /// The customer it is about; absent for none.
    pub subject: Option<CustomerId>,
    /// Its end.
    pub outcome: Outcome,
}

impl Act {
    /// Something that was done.
    pub fn done(action: impl Into<String>, object: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            object: object.into(),
            subject: None,
            outcome: Outcome::OK,
        }
    }

    /// Names the customer that it is about.
    #[must_use]
    pub fn of(self, customer: CustomerId) -> Self {
        Self {
            subject: Some(customer),
            ..self
        }
    }

    /// Says what came of it.
    #[must_use]
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }
}
