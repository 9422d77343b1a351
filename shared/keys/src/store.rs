//! The table of keys. Every change is one transaction, which takes the row of revisions first, so
//! that changes come one after another.

pub(crate) mod change;
mod load;

use access::{KeyHash, KeyId, Scopes};
use kernel::Timestamp;
use rpc::{ErrorReason, Failure};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use storage::{Database, StorageError};

use crate::entity::{key, revision, secret, source};
use crate::{MIGRATIONS, SOURCE_MIGRATIONS};

/// The table of keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KeyStore {
    database: Database,
}

/// A key that is to be stored.
#[derive(Debug, Clone)]
pub struct KeyDraft {
    /// Its id.
    pub id: KeyId,
    /// The hash of the whole key.
    pub hash: KeyHash,
    /// Its name.
    pub name: String,
    /// Its scopes, by the names that were given: `*` also stands for scopes of later versions.
    pub scopes: Vec<String>,
    /// Its end; absent for none.
    pub expire_time: Option<Timestamp>,
    /// The caller who creates it.
    pub creator: String,
    /// The source that it sends for; absent for any other key.
    pub source: Option<String>,
}

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its scopes, by name.
    pub scopes: Vec<String>,
    /// The caller who created it.
    pub creator: String,
    /// The time of its creation.
    pub create_time: Timestamp,
    /// Its end; absent for none.
    pub expire_time: Option<Timestamp>,
    /// The time at which it was revoked; absent where it was not.
    pub revoke_time: Option<Timestamp>,
    /// The time of its newest secret.
    pub rotate_time: Timestamp,
    /// The end of the secret before that one, where it is accepted yet.
    pub overlap_end_time: Option<Timestamp>,
    /// The source that it sends for; absent for any other key.
    pub source: Option<String>,
}

/// The key of a caller.
const CALLER: i32 = 1;
/// The key that a service made for itself.
const SERVICE: i32 = 2;
/// The only row of revisions.
const REVISION_ROW: i32 = 1;

impl KeyStore {
    /// Brings the tables up to date.
    ///
    /// # Errors
    /// As [`Database::migrate`].
    pub async fn open(database: Database) -> Result<Self, StorageError> {
        database.migrate("keys", MIGRATIONS).await?;
        database.migrate("key_source", SOURCE_MIGRATIONS).await?;
        Ok(Self { database })
    }

    /// Lists keys of callers by id, after this id, at most so many.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`].
    pub async fn list(
        &self,
        after: &str,
        limit: u64,
        now: Timestamp,
    ) -> Result<Vec<StoredKey>, Failure> {
        let orm = self.database.orm();
        let keys = key::Entity::find()
            .filter(key::Column::Kind.eq(CALLER))
            .filter(key::Column::Id.gt(after))
            .order_by_asc(key::Column::Id)
            .limit(limit)
            .all(orm)
            .await
            .map_err(Failure::store_unavailable)?;
        let ids = keys.iter().map(|key| key.id.as_str());
        let secrets = secret::Entity::find()
            .filter(secret::Column::KeyId.is_in(ids.clone()))
            .all(orm)
            .await
            .map_err(Failure::store_unavailable)?;
        let sources = source::Entity::find()
            .filter(source::Column::KeyId.is_in(ids))
            .all(orm)
            .await
            .map_err(Failure::store_unavailable)?;
        let shown = keys.into_iter().map(|key| {
            let own = secrets.iter().filter(|secret| secret.key_id == key.id);
            let source = sources.iter().find(|source| source.key_id == key.id);
            shown(&key, own, source, now)
        });
        Ok(shown.collect())
    }

    /// Returns the number of changes so far.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`].
    pub async fn revision(&self) -> Result<i64, Failure> {
        let row = revision::Entity::find_by_id(REVISION_ROW)
            .one(self.database.orm())
            .await;
        Ok(row
            .map_err(Failure::store_unavailable)?
            .map_or(0, |row| row.revision))
    }

    /// Begins a change, once no other one is under way.
    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let transaction = self.database.begin_write().await?;
        revision::Entity::update_many()
            .col_expr(
                revision::Column::Revision,
                Expr::col(revision::Column::Revision).add(1),
            )
            .filter(revision::Column::Id.eq(REVISION_ROW))
            .exec(&transaction)
            .await?;
        Ok(transaction)
    }
}

/// A key and its secrets, as they are shown.
fn shown<'a>(
    key: &key::Model,
    secrets: impl Iterator<Item = &'a secret::Model>,
    source: Option<&source::Model>,
    now: Timestamp,
) -> StoredKey {
    let time = Timestamp::from_millis;
    let secrets: Vec<&secret::Model> = secrets.collect();
    let rotated = secrets.iter().map(|secret| secret.create_time).max();
    let ends = secrets.iter().filter_map(|secret| secret.expire_time);
    let overlap = ends.filter(|end| *end > now.as_millis()).max();
    StoredKey {
        id: key.id.clone(),
        name: key.name.clone(),
        scopes: key.scopes.split(' ').map(str::to_owned).collect(),
        creator: key.creator.clone(),
        create_time: time(key.create_time),
        expire_time: key.expire_time.map(time),
        revoke_time: key.revoke_time.map(time),
        rotate_time: time(rotated.unwrap_or(key.create_time)),
        overlap_end_time: overlap.map(time),
        source: source.map(|row| row.source.clone()),
    }
}

/// The scopes of a stored key. Those of a newer version are passed over.
fn scopes_of(text: &str) -> Scopes {
    match text.split(' ').any(|name| name == "*") {
        true => Scopes::all(),
        false => Scopes::known(text.split(' ')),
    }
}

fn not_found(id: &KeyId) -> Failure {
    Failure::not_found(ErrorReason::KeyNotFound, "key", id.as_str())
}
