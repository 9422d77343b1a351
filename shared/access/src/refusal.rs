//! The reasons for which a caller is not let in, in words that name what is missing.
//!
//! Nothing in them depends on what is stored behind the process, so that nobody learns from a
//! refusal whether something exists.

use std::fmt;

use kernel::Timestamp;

use crate::Scope;

/// The reason for which a caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// They present nothing.
    Missing,
    /// The credential cannot be read, is not known, or is not good for this installation.
    Invalid(String),
    /// The credential was good until then.
    Expired {
        /// The kind of credential, such as `key`.
        what: &'static str,
        /// Its end.
        end: Timestamp,
    },
    /// They are known, and lack a scope.
    Scope {
        /// The scope that the method asks for.
        scope: Scope,
        /// The scopes that they have, as text.
        held: String,
    },
    /// They are known, and the contracts let nobody call the method.
    NoRule,
    /// The credential cannot be checked now.
    Unavailable(String),
}

impl Refusal {
    /// A credential that is no good, with the reason.
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid(reason.into())
    }

    /// A word for logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid(_) => "invalid",
            Self::Expired { .. } => "expired",
            Self::Scope { .. } => "scope",
            Self::NoRule => "no_rule",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the call has no credential"),
            Self::Invalid(reason) | Self::Unavailable(reason) => f.write_str(reason),
            Self::Expired { what, end } => write!(f, "the {what} expired at {end}"),
            Self::Scope { scope, held } if held.is_empty() => {
                write!(
                    f,
                    "the credential lacks the scope `{}`: it has none",
                    scope.name()
                )
            }
            Self::Scope { scope, held } => write!(
                f,
                "the credential lacks the scope `{}`: it has {held}",
                scope.name()
            ),
            Self::NoRule => f.write_str("nobody may call this method: the contract names no scope"),
        }
    }
}

impl std::error::Error for Refusal {}
