//! Wraps the keys of secrets, in the shape of a service for keys: the wrapping keys stay there.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{KeyId, VaultError};

/// The key of a secret, wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The key that wraps it.
    pub key_id: KeyId,
    /// The wrapped bytes.
    pub bytes: Vec<u8>,
}

/// Wraps and unwraps the keys of secrets.
///
/// # Contract
/// A wrapped key is unwrapped to the same bytes for as long as its key is kept, by every process
/// that has that key. `wrap` uses the newest key.
#[async_trait]
pub trait KeyService: Debug + Send + Sync + 'static {
    /// Wraps a key with the newest key.
    ///
    /// # Errors
    /// [`VaultError`].
    async fn wrap(&self, key: &[u8]) -> Result<WrappedKey, VaultError>;

    /// Unwraps a key.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`], [`VaultError::Damaged`], [`VaultError::Unavailable`].
    async fn unwrap(&self, key: &WrappedKey) -> Result<Vec<u8>, VaultError>;

    /// Returns the name of the newest key, as of now and not as of the start of the process.
    ///
    /// # Errors
    /// [`VaultError`].
    async fn newest(&self) -> Result<KeyId, VaultError>;
}
