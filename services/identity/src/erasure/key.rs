//! The key of an installation, under which tombstones are made: drawn at the first use, and kept in
//! SQL, sealed where the process has keys for that.
//!
//! A plain hash of an e-mail address tells the address to whoever tries all of them. Without this
//! key nobody can try.

use hmac::{Hmac, KeyInit as _, Mac as _};
use identity_core::Identifier;
use kernel::{Timestamp, from_hex, to_hex};
use ring::rand::{SecureRandom as _, SystemRandom};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait as _};
use sha2::Sha256;
use vault::{Vault, is_sealed};

use super::limits::KEY_ATTEMPTS;
use super::tables::secret;

/// Bytes of a key: as many as the hash has.
const KEY_BYTES: usize = 32;
/// The name of the key among the secrets of the installation, and the place that it is sealed for.
const NAME: &str = "tombstones";

/// The reason that there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The database did not answer: retry.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// It is sealed: start the process with the keys (`--secret-keys`).
    #[error(
        "the key of tombstones is sealed, and this process has no keys: start it with --secret-keys"
    )]
    Sealed,
    /// The keys of this process do not open it.
    #[error("the key of tombstones cannot be opened or sealed")]
    Vault(#[source] vault::VaultError),
    /// The machine has no randomness, or what is kept is no key.
    #[error("the key of tombstones is none")]
    Damaged,
}

/// The key of tombstones.
#[derive(Clone)]
pub(crate) struct TombstoneKey {
    bytes: [u8; KEY_BYTES],
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for TombstoneKey {
    /// Leaves out the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TombstoneKey").finish_non_exhaustive()
    }
}

impl TombstoneKey {
    /// A key of these bytes.
    pub(crate) fn of(bytes: [u8; KEY_BYTES]) -> Self {
        let mac = Hmac::new_from_slice(&bytes).expect("HMAC takes keys of any length");
        Self { bytes, mac }
    }

    /// The key as text, as it is exported.
    pub(crate) fn text(&self) -> String {
        to_hex(&self.bytes)
    }

    /// Reads a key that was exported; none for what is no key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        from_hex(text).map(Self::of)
    }

    /// The hash of an identifier.
    pub(crate) fn hash(&self, identifier: &Identifier) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(identifier.namespace.as_bytes());
        mac.update(&[0]);
        mac.update(identifier.value.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Reads the key; absent where none was drawn yet.
///
/// # Errors
/// [`KeyError`].
pub(crate) async fn find_key(
    connection: &impl ConnectionTrait,
    vault: Option<&Vault>,
) -> Result<Option<TombstoneKey>, KeyError> {
    let row = secret::Entity::find_by_id(NAME.to_owned());
    let Some(row) = row.one(connection).await? else {
        return Ok(None);
    };
    let text = match (is_sealed(&row.secret), vault) {
        (false, _) => row.secret,
        (true, None) => return Err(KeyError::Sealed),
        (true, Some(vault)) => vault
            .open(&row.secret, NAME)
            .await
            .map_err(KeyError::Vault)?,
    };
    TombstoneKey::parse(&text)
        .map(Some)
        .ok_or(KeyError::Damaged)
}

/// Reads the key, or draws one.
///
/// # Errors
/// [`KeyError`].
pub(crate) async fn make_key(
    connection: &impl ConnectionTrait,
    vault: Option<&Vault>,
    now: Timestamp,
) -> Result<TombstoneKey, KeyError> {
    for _ in 0..KEY_ATTEMPTS {
        if let Some(key) = find_key(connection, vault).await? {
            return Ok(key);
        }
        let mut bytes = [0; KEY_BYTES];
        let drawn = SystemRandom::new().fill(&mut bytes);
        drawn.map_err(|_| KeyError::Damaged)?;
        keep_key(connection, vault, &TombstoneKey::of(bytes), now).await?;
    }
    Err(KeyError::Damaged)
}

/// Keeps a key, unless there is one.
///
/// # Errors
/// [`KeyError`].
pub(crate) async fn keep_key(
    connection: &impl ConnectionTrait,
    vault: Option<&Vault>,
    key: &TombstoneKey,
    now: Timestamp,
) -> Result<(), KeyError> {
    let text = match vault {
        None => key.text(),
        Some(vault) => vault
            .seal(&key.text(), NAME)
            .await
            .map_err(KeyError::Vault)?,
    };
    let row = secret::ActiveModel {
        name: Set(NAME.to_owned()),
        secret: Set(text),
        create_time: Set(now.as_millis()),
    };
    let drawn_by_another = OnConflict::column(secret::Column::Name)
        .do_nothing()
        .to_owned();
    let written = secret::Entity::insert(row)
        .on_conflict(drawn_by_another)
        .exec_without_returning(connection)
        .await;
    match written {
        Ok(_) | Err(DbErr::RecordNotInserted) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
