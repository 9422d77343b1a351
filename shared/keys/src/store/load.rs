//! Reads all keys that count, for the memory of a process.

use std::collections::HashMap;

use access::{Caller, CallerKind, KeyHash, KeyId, KeyTable, KnownKey};
use kernel::Timestamp;
use rpc::Failure;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use super::{KeyStore, SERVICE, scopes_of};
use crate::entity::{key, secret, source};

/// The secrets of a key, each with its end.
type Secrets = Vec<(KeyHash, Option<Timestamp>)>;

impl KeyStore {
    /// Reads the keys that were not revoked. Those that expired are among them, so that a caller
    /// is told that it is that.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`].
    pub async fn load(&self, installation: Option<&str>) -> Result<KeyTable, Failure> {
        let orm = self.database.orm();
        let keys = key::Entity::find()
            .filter(key::Column::RevokeTime.is_null())
            .all(orm)
            .await
            .map_err(Failure::store_unavailable)?;
        let rows = secret::Entity::find().all(orm).await;
        let mut secrets: HashMap<String, Secrets> = HashMap::new();
        for row in rows.map_err(Failure::store_unavailable)? {
            // A hash of another length is none that this program wrote.
            if let Ok(bytes) = <[u8; 32]>::try_from(row.hash.as_slice()) {
                let end = row.expire_time.map(Timestamp::from_millis);
                let own = secrets.entry(row.key_id).or_default();
                own.push((KeyHash::from_bytes(bytes), end));
            }
        }
        let rows = source::Entity::find().all(orm).await;
        let rows = rows.map_err(Failure::store_unavailable)?.into_iter();
        let sources: HashMap<String, String> = rows.map(|row| (row.key_id, row.source)).collect();
        let known = keys.into_iter().filter_map(|key| {
            let id = KeyId::parse(&key.id).ok()?;
            let secrets = secrets.remove(&key.id).unwrap_or_default();
            let source = sources.get(&key.id).map(String::as_str);
            Some((id, known(&key, secrets, source, installation)))
        });
        Ok(known.collect())
    }
}

fn known(
    key: &key::Model,
    secrets: Secrets,
    source: Option<&str>,
    installation: Option<&str>,
) -> KnownKey {
    let scopes = scopes_of(&key.scopes);
    let caller = match key.kind {
        // A service is known by its process, whatever its key is at the moment.
        SERVICE => Caller::new(CallerKind::Service, &key.name, &key.name, scopes),
        _ => Caller::new(CallerKind::Key, &key.id, &key.name, scopes),
    };
    let caller = match source {
        Some(source) => caller.of_source(source),
        None => caller,
    };
    KnownKey {
        caller: caller.of_installation(installation),
        secrets,
        expire_time: key.expire_time.map(Timestamp::from_millis),
    }
}
