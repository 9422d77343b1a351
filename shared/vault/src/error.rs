//! The failures of sealing and opening.

use std::io;

use crate::KeyId;

/// The reason why a secret was not sealed or opened. None shows anything of a secret or key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// A secret is wrapped with a key that is not there: add the key to the file.
    #[error("there is no key `{0}`: add it to the file of keys")]
    UnknownKey(KeyId),
    /// A sealed secret was changed, or belongs to something else.
    #[error("a sealed secret does not fit its key, or was changed: store the secret again")]
    Damaged,
    /// The file of keys cannot be read: correct its path or its rights.
    #[error(
        "cannot read the file of keys {path} ({source}): name a file that this process may read; \
         `happypath secrets generate-key` prints what is in one"
    )]
    File {
        /// The path.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file of keys has a mistake: correct the line.
    #[error("line {line} of the file of keys {path} {mistake}")]
    Line {
        /// The path.
        path: String,
        /// The number of the line, from 1.
        line: usize,
        /// The mistake, and what would be right.
        mistake: &'static str,
    },
    /// The file has no key: add one.
    #[error(
        "the file of keys {0} has no key: add the line that `happypath secrets generate-key` prints"
    )]
    NoKey(String),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
    /// A service for keys did not do it: try again.
    #[error("the service for keys does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
