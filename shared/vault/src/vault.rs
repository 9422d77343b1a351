//! Seals and opens secrets.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cipher::{Cipher, KEY_BYTES, draw_key};
use crate::{KeyId, KeyService, VaultError, WrappedKey};

/// The beginning of a sealed secret; the number is that of its form.
const PREFIX: &str = "sealed.1.";
/// Keeps sealed secrets apart from wrapped keys.
const DOMAIN: &str = "happypath.vault.secret.1 ";

/// Seals secrets. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault {
    keys: Arc<dyn KeyService>,
}

/// A sealed secret after the newest key wraps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrapped {
    /// It did before.
    Same,
    /// It does now: the secret is stored so from now on.
    Changed(String),
}

/// Returns whether a stored text is a sealed secret. Others are secrets in plain text, as they were
/// stored before there were keys.
pub fn is_sealed(stored: &str) -> bool {
    stored.starts_with(PREFIX)
}

/// A sealed secret in its parts.
struct Sealed {
    key: WrappedKey,
    bytes: Vec<u8>,
}

impl Vault {
    /// Seals with the keys of this service.
    pub fn new(keys: Arc<dyn KeyService>) -> Self {
        Self { keys }
    }

    /// Seals a secret with a key of its own, and binds it to its place, such as
    /// `channel hook`: moved elsewhere, it cannot be opened.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn seal(&self, secret: &str, place: &str) -> Result<String, VaultError> {
        let key = draw_key()?;
        let bytes = Cipher::new(&key).encrypt(secret.as_bytes(), context(place).as_bytes())?;
        let key = self.keys.wrap(&key).await?;
        Ok(Sealed { key, bytes }.text())
    }

    /// Opens a sealed secret of a place.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn open(&self, sealed: &str, place: &str) -> Result<String, VaultError> {
        let sealed = Sealed::parse(sealed)?;
        let key = self.keys.unwrap(&sealed.key).await?;
        let key: [u8; KEY_BYTES] = key.as_slice().try_into().map_err(|_| VaultError::Damaged)?;
        let secret = Cipher::new(&key).decrypt(&sealed.bytes, context(place).as_bytes())?;
        String::from_utf8(secret).map_err(|_| VaultError::Damaged)
    }

    /// Wraps the key of a sealed secret with the newest key.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn rewrap(&self, sealed: &str) -> Result<Rewrapped, VaultError> {
        let sealed = Sealed::parse(sealed)?;
        if sealed.key.key_id == self.keys.newest().await? {
            return Ok(Rewrapped::Same);
        }
        let key = self.keys.unwrap(&sealed.key).await?;
        let key = self.keys.wrap(&key).await?;
        let bytes = sealed.bytes;
        Ok(Rewrapped::Changed(Sealed { key, bytes }.text()))
    }

    /// Returns the name of the newest key.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn newest(&self) -> Result<KeyId, VaultError> {
        self.keys.newest().await
    }
}

impl Sealed {
    fn parse(text: &str) -> Result<Self, VaultError> {
        let read = || {
            let mut parts = text.strip_prefix(PREFIX)?.split('.');
            let (id, key, bytes) = (parts.next()?, parts.next()?, parts.next()?);
            parts.next().is_none().then_some(())?;
            Some(Self {
                key: WrappedKey {
                    key_id: id.parse().ok()?,
                    bytes: STANDARD.decode(key).ok()?,
                },
                bytes: STANDARD.decode(bytes).ok()?,
            })
        };
        read().ok_or(VaultError::Damaged)
    }

    fn text(&self) -> String {
        let Self { key, bytes } = self;
        format!(
            "{PREFIX}{}.{}.{}",
            key.key_id,
            STANDARD.encode(&key.bytes),
            STANDARD.encode(bytes)
        )
    }
}

fn context(place: &str) -> String {
    format!("{DOMAIN}{place}")
}

#[cfg(test)]
mod tests;
