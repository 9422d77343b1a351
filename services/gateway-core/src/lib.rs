//! What calls of tracking SDKs say: from the JSON that they send, in any of their dialects, to events
//! of the contracts, and the answers that they wait for. Pure.
//!
//! It decides nothing about customers, which identity does, and knows no HTTP.

mod reason;
mod source;

pub use reason::{Reason, Unit};
pub use source::{
    ANONYMOUS_NAMESPACE, IDENTIFIER_TRAIT, SourceFault, SourceRules, USER_NAMESPACE,
};
