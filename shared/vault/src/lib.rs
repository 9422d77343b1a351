//! Seals secrets that are kept in a store: each with a key of its own, which is wrapped by a key
//! that is kept elsewhere.
//!
//! The store alone gives no secret away. A [`KeyService`] wraps and unwraps: a [`KeyFile`], or a
//! service for keys. Wrapping anew, as the rotation of keys does, leaves the sealed secret as it
//! is. It knows no store, and what the secrets are for is not its business.

mod cipher;
mod error;
mod file;
mod key_id;
mod service;
mod vault;

pub use error::VaultError;
pub use file::{KeyFile, generate_line};
pub use key_id::{KeyId, ParseKeyIdError};
pub use service::{KeyService, WrappedKey};
pub use vault::{Rewrapped, Vault, is_sealed};
