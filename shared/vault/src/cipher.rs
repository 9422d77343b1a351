//! AES-256-GCM with a random nonce before what was encrypted.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::VaultError;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;

/// A key that encrypts. It shows nothing of itself.
pub(crate) struct Cipher(LessSafeKey);

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher")
    }
}

impl Cipher {
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("the key has the length of its kind");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts a text, and binds it to a context, without which it cannot be read.
    ///
    /// Nonces are random: a key is used for far fewer than the 2³² texts after which two might be
    /// the same (NIST SP 800-38D, 8.3).
    pub(crate) fn encrypt(&self, text: &[u8], context: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce)?;
        let mut sealed = text.to_vec();
        let own = Nonce::assume_unique_for_key(nonce);
        let done = self
            .0
            .seal_in_place_append_tag(own, Aad::from(context), &mut sealed);
        done.map_err(|_too_long| VaultError::Damaged)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Decrypts what [`Self::encrypt`] made.
    pub(crate) fn decrypt(&self, sealed: &[u8], context: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(VaultError::Damaged)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut text = sealed.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(context), &mut text);
        let bytes = opened.map_err(|_| VaultError::Damaged)?.len();
        text.truncate(bytes);
        Ok(text)
    }
}

/// Draws a key.
pub(crate) fn draw_key() -> Result<[u8; KEY_BYTES], VaultError> {
    let mut key = [0; KEY_BYTES];
    fill(&mut key)?;
    Ok(key)
}

fn fill(bytes: &mut [u8]) -> Result<(), VaultError> {
    let drawn = SystemRandom::new().fill(bytes);
    drawn.map_err(|_| VaultError::NoRandomness)
}
