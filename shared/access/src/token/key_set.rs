//! The keys of an issuer (JWKS, RFC 7517), kept and fetched anew.
//!
//! Calls never wait for a set that only got old: it is fetched beside them. They wait where a token
//! names a key that is not in it, for a bounded time, and once in a while: a flood of tokens with
//! wrong keys asks the issuer no more often than a few times a minute.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use http::Uri;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::fetch::{FetchError, fetch};
use crate::limits::{
    KEY_SET_AGE, KEY_SET_BYTES, KEY_SET_MOST_AGE, KEY_SET_PAUSE, KEY_SET_TIME, KEYS_OF_ISSUER,
};
use crate::tls::ClientTls;

/// The place of the keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySetPlace {
    /// In a file, which is read again when it changes.
    File(PathBuf),
    /// At a URL: over TLS, or on this machine.
    Url(Uri),
}

impl fmt::Display for KeySetPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(url) => write!(f, "{url}"),
        }
    }
}

/// No key of the issuer fits the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoKey;

/// The sets of keys of an issuer, one after another.
#[derive(Debug)]
pub(super) struct KeySets {
    place: KeySetPlace,
    /// The authorities of a place at `https://`.
    tls: ClientTls,
    issuer: String,
    current: RwLock<Current>,
    /// Held by whoever fetches: the others wait, and find what came.
    turn: Mutex<()>,
}

#[derive(Debug, Default, Clone)]
struct Current {
    keys: Arc<Vec<Key>>,
    /// The number of sets so far.
    generation: u64,
    fetched: Option<Instant>,
    tried: Option<Instant>,
    /// True once a failure was logged, until the next success.
    has_failed: bool,
}

#[derive(Debug, PartialEq)]
struct Key {
    id: Option<String>,
    /// The only algorithm that it is for, where the issuer says one.
    algorithm: Option<Algorithm>,
    key: KeyMaterial,
}

/// A key of the library, compared by what it was read from.
#[derive(Debug)]
struct KeyMaterial {
    parameters: AlgorithmParameters,
    key: Arc<DecodingKey>,
}

impl PartialEq for KeyMaterial {
    fn eq(&self, other: &Self) -> bool {
        self.parameters == other.parameters
    }
}

impl KeySets {
    /// Nothing is fetched yet.
    pub(super) fn new(place: KeySetPlace, tls: ClientTls, issuer: &str) -> Self {
        Self {
            place,
            tls,
            issuer: issuer.to_owned(),
            current: RwLock::default(),
            turn: Mutex::default(),
        }
    }

    /// The number of the set at hand; absent where it is too old to count.
    pub(super) fn generation(&self) -> Option<u64> {
        let (keys, generation) = self.keys();
        (!keys.is_empty()).then_some(generation)
    }

    /// Returns whether any key is at hand.
    pub(super) fn has_any(&self) -> bool {
        self.generation().is_some()
    }

    /// Finds the key of a token. A token that names none gets the only one of its algorithm.
    pub(super) fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<(Arc<DecodingKey>, u64), NoKey> {
        let (keys, generation) = self.keys();
        let mut fitting = keys.iter().filter(|key| {
            let is_named = id.is_none_or(|id| key.id.as_deref() == Some(id));
            let is_for = key.algorithm.is_none_or(|own| own == algorithm);
            is_named && is_for && key.key.key.family() == algorithm.family()
        });
        match (fitting.next(), fitting.next(), id) {
            (Some(key), None, _) | (Some(key), Some(_), Some(_)) => {
                Ok((Arc::clone(&key.key.key), generation))
            }
            _ => Err(NoKey),
        }
    }

    /// Fetches the set where it is old; a file each time, since that costs little.
    pub(super) async fn refresh_if_due(&self) {
        let age = match self.place {
            KeySetPlace::File(_) => std::time::Duration::ZERO,
            KeySetPlace::Url(_) => KEY_SET_AGE,
        };
        let current = self.read();
        let is_old = |since: Option<Instant>, age| since.is_none_or(|it| it.elapsed() >= age);
        if is_old(current.fetched, age) && is_old(current.tried, age.min(KEY_SET_PAUSE)) {
            self.fetch(current.tried).await;
        }
    }

    /// Fetches the set because a key is not in it, unless that was done a moment ago.
    pub(super) async fn refresh_for_unknown_key(&self) {
        let tried = self.read().tried;
        if tried.is_none_or(|it| it.elapsed() >= KEY_SET_PAUSE) {
            self.fetch(tried).await;
        }
    }

    /// Fetches, unless somebody else did since `seen`.
    async fn fetch(&self, seen: Option<Instant>) {
        let _turn = self.turn.lock().await;
        if self.read().tried != seen {
            return;
        }
        self.write().tried = Some(Instant::now());
        let fetched = tokio::time::timeout(KEY_SET_TIME, self.bytes());
        let fetched = fetched.await.unwrap_or(Err(FetchError::Slow));
        match fetched.and_then(|bytes| parse(&bytes)) {
            Ok(keys) => self.keep(keys),
            Err(error) => self.failed(&error),
        }
    }

    async fn bytes(&self) -> Result<Vec<u8>, FetchError> {
        match &self.place {
            KeySetPlace::Url(url) => {
                // Its authority may have changed since the last time, which is minutes ago.
                let tls = self.tls.clone();
                let read = tokio::task::spawn_blocking(move || tls.refresh()).await;
                read.map_err(|error| FetchError::Transport(error.into()))?;
                fetch(url, &self.tls, KEY_SET_BYTES).await
            }
            KeySetPlace::File(path) => {
                let size = tokio::fs::metadata(path).await?.len();
                if size > KEY_SET_BYTES as u64 {
                    return Err(FetchError::Large);
                }
                Ok(tokio::fs::read(path).await?)
            }
        }
    }

    fn keep(&self, keys: Vec<Key>) {
        let mut current = self.write();
        if *current.keys != keys {
            current.generation += 1;
            current.keys = Arc::new(keys);
            let (issuer, count) = (self.issuer.as_str(), current.keys.len());
            tracing::info!(issuer, count, "keys of an issuer were read");
        }
        current.fetched = Some(Instant::now());
        current.has_failed = false;
    }

    /// Logs the first failure of a row.
    fn failed(&self, error: &FetchError) {
        let mut current = self.write();
        if !current.has_failed {
            let (issuer, place) = (self.issuer.as_str(), self.place.to_string());
            tracing::warn!(
                %error, issuer, place,
                "keys of an issuer cannot be fetched, the last ones count for a day"
            );
        }
        current.has_failed = true;
    }

    fn keys(&self) -> (Arc<Vec<Key>>, u64) {
        let current = self.read();
        let is_good = current
            .fetched
            .is_some_and(|it| it.elapsed() < KEY_SET_MOST_AGE);
        let keys = if is_good {
            current.keys
        } else {
            Arc::default()
        };
        (keys, current.generation)
    }

    fn read(&self) -> Current {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Current> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "fuzz")]
impl KeySets {
    /// Keeps the keys of a document; returns whether it has any.
    pub(super) fn keep_document(&self, bytes: &[u8]) -> bool {
        parse(bytes).map(|keys| self.keep(keys)).is_ok()
    }
}

/// Reads the public keys for signatures, and passes over all others: shared secrets above all.
fn parse(bytes: &[u8]) -> Result<Vec<Key>, FetchError> {
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(bytes).map_err(|_| FetchError::NoKeySet)?;
    let jwks = set.keys.into_iter().take(KEYS_OF_ISSUER);
    let keys: Vec<Key> = jwks
        .filter_map(|value| serde_json::from_value::<Jwk>(value).ok())
        .filter_map(|jwk| key_of(&jwk))
        .collect();
    if keys.is_empty() {
        return Err(FetchError::NoKeySet);
    }
    Ok(keys)
}

fn key_of(jwk: &Jwk) -> Option<Key> {
    if matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)) {
        return None;
    }
    let common = &jwk.common;
    let is_for_signatures = match (&common.public_key_use, &common.key_operations) {
        (Some(own), _) => *own == PublicKeyUse::Signature,
        (None, Some(operations)) => operations.contains(&KeyOperations::Verify),
        (None, None) => true,
    };
    let algorithm = common.key_algorithm.map(|own| own.to_string().parse());
    let algorithm: Option<Algorithm> = match algorithm.transpose() {
        Ok(algorithm) => algorithm,
        Err(_) => return None,
    };
    let key = DecodingKey::from_jwk(jwk).ok()?;
    is_for_signatures.then(|| Key {
        id: common.key_id.clone(),
        algorithm,
        key: KeyMaterial {
            parameters: jwk.algorithm.clone(),
            key: Arc::new(key),
        },
    })
}
