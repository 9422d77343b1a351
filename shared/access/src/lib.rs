//! Decides who calls, and what they may do.
//!
//! Knows keys, tokens and certificates, and nothing of what is served behind it: it reads no
//! message, and answers every question with a [`Caller`] or a refusal. Heavy cryptography is here
//! and in no other crate.

mod caller;
mod scope;

pub use caller::{Caller, CallerKind};
pub use scope::{Scope, Scopes, UnknownScope};
