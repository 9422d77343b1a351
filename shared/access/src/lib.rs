//! Decides who calls, and what they may do.
//!
//! Knows keys, tokens and certificates, and nothing of what is served behind it: it reads no
//! message, and answers every question with a [`Caller`] or a refusal. Heavy cryptography is here
//! and in no other crate.

mod caller;
mod certificate;
mod credential;
mod file;
mod flood;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod guard;
mod key;
mod keyring;
pub mod limits;
mod peer;
mod refusal;
mod rules;
mod scope;
pub mod tls;
pub mod token;

use std::time::SystemTime;

use kernel::Timestamp;

pub use caller::{Caller, CallerKind};
pub use certificate::{PeerCertificate, UnreadableCertificate};
pub use credential::Credential;
pub use file::{AccessFile, AccessFileFaults};
pub use flood::Flood;
pub use guard::{Admission, Guard, GuardOptions, KeySource, Mode, Refused, Vouched};
pub use key::{ApiKey, KEY_PREFIX, KeyHash, KeyId, NewKey, NoRandomness, ParseKeyIdError};
pub use keyring::{KeyTable, Keyring, KnownKey, Verdict};
pub use peer::Peer;
pub use refusal::Refusal;
pub use rules::{Requirement, RuleFault, Rules};
pub use scope::{Scope, Scopes, UnknownScope};

/// Returns the time by this machine's clock: credentials are judged and acts put on record by it.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}
