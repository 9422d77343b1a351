//! Creates, rotates and revokes keys, and removes those that ended long ago.

use access::{KeyHash, KeyId, Scopes};
use audit::{Act, AuditLog, Operation};
use kernel::{Duration, Timestamp};
use rpc::{ErrorReason, Failure};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _,
};

use super::{CALLER, KeyDraft, KeyStore, SERVICE, StoredKey, not_found, scopes_of, shown};
use crate::entity::{key, secret, source};
use crate::limits::{KEPT_MS, KEYS};

impl KeyStore {
    /// Creates a key. One that is there with this id and hash is returned as it is.
    ///
    /// # Errors
    /// [`ErrorReason::KeyExists`] where another key has the id; [`ErrorReason::KeyLimit`];
    /// [`ErrorReason::StoreUnavailable`].
    pub async fn create(&self, draft: &KeyDraft, now: Timestamp) -> Result<StoredKey, Failure> {
        let transaction = self.begin().await.map_err(Failure::store_unavailable)?;
        if let Some(found) = find(&transaction, &draft.id).await? {
            let secrets = secrets(&transaction, &draft.id).await?;
            let source = source(&transaction, &draft.id).await?;
            let is_same = secrets.iter().any(|secret| is(secret, &draft.hash));
            if is_same && found.kind == CALLER {
                return Ok(shown(&found, secrets.iter(), source.as_ref(), now));
            }
            let message = format!("the id {} is that of another key", draft.id);
            return Err(Failure::new(ErrorReason::KeyExists, message));
        }
        remove_ended(&transaction, now).await?;
        let live = key::Entity::find()
            .filter(key::Column::Kind.eq(CALLER))
            .filter(key::Column::RevokeTime.is_null())
            .count(&transaction)
            .await
            .map_err(Failure::store_unavailable)?;
        if live >= KEYS {
            let message = format!("the installation has {live} keys, at most {KEYS} are kept");
            return Err(Failure::new(ErrorReason::KeyLimit, message));
        }
        insert(&transaction, draft, CALLER, now).await?;
        record(&transaction, "key.create", &draft.id).await?;
        self.commit_and_show(transaction, &draft.id, now).await
    }

    /// Gives a key another secret, and lets the one before end after the overlap. The giver must
    /// have the scopes of the key. Where the newest secret has this hash, nothing changes.
    ///
    /// # Errors
    /// [`ErrorReason::KeyNotFound`], [`ErrorReason::KeyRevoked`], [`ErrorReason::ScopeNotHeld`],
    /// [`ErrorReason::StoreUnavailable`].
    pub async fn rotate(
        &self,
        id: &KeyId,
        hash: &KeyHash,
        overlap: Duration,
        giver: Scopes,
        now: Timestamp,
    ) -> Result<StoredKey, Failure> {
        let transaction = self.begin().await.map_err(Failure::store_unavailable)?;
        let found = find(&transaction, id)
            .await?
            .filter(|key| key.kind == CALLER);
        let found = found.ok_or_else(|| not_found(id))?;
        if found.revoke_time.is_some() {
            return Err(Failure::new(
                ErrorReason::KeyRevoked,
                format!("the key {id} was revoked"),
            ));
        }
        refuse_unheld(scopes_of(&found.scopes), giver)?;
        let secrets = secrets(&transaction, id).await?;
        if secrets
            .iter()
            .any(|secret| secret.expire_time.is_none() && is(secret, hash))
        {
            let source = source(&transaction, id).await?;
            return Ok(shown(&found, secrets.iter(), source.as_ref(), now));
        }
        if secrets.iter().any(|secret| is(secret, hash)) {
            let message = "the secret is one that the key had before";
            return Err(Failure::new(ErrorReason::KeyExists, message));
        }
        replace_secret(&transaction, id, hash, &secrets, overlap, now).await?;
        record(&transaction, "key.rotate", id).await?;
        self.commit_and_show(transaction, id, now).await
    }

    /// Ends a key for good; also that of a service, which makes another one then.
    ///
    /// # Errors
    /// [`ErrorReason::KeyNotFound`], [`ErrorReason::StoreUnavailable`].
    pub async fn revoke(&self, id: &KeyId, now: Timestamp) -> Result<StoredKey, Failure> {
        let transaction = self.begin().await.map_err(Failure::store_unavailable)?;
        let found = find(&transaction, id).await?;
        let found = found.ok_or_else(|| not_found(id))?;
        if found.revoke_time.is_none() {
            key::Entity::update_many()
                .col_expr(key::Column::RevokeTime, now.as_millis().into())
                .filter(key::Column::Id.eq(id.as_str()))
                .exec(&transaction)
                .await
                .map_err(Failure::store_unavailable)?;
            record(&transaction, "key.revoke", id).await?;
        }
        self.commit_and_show(transaction, id, now).await
    }

    /// Keeps the key of a service, or its next secret, and puts that on record as an act of the
    /// process.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`], [`ErrorReason::AuditUnavailable`].
    pub(crate) async fn put_service(
        &self,
        draft: &KeyDraft,
        overlap: Duration,
        audit: &AuditLog,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let transaction = self.begin().await.map_err(Failure::store_unavailable)?;
        remove_ended(&transaction, now).await?;
        let action = if find(&transaction, &draft.id).await?.is_none() {
            insert(&transaction, draft, SERVICE, now).await?;
            "key.create"
        } else {
            let secrets = secrets(&transaction, &draft.id).await?;
            replace_secret(&transaction, &draft.id, &draft.hash, &secrets, overlap, now).await?;
            let end = draft.expire_time.map(Timestamp::as_millis);
            key::Entity::update_many()
                .col_expr(key::Column::ExpireTime, end.into())
                .filter(key::Column::Id.eq(draft.id.as_str()))
                .exec(&transaction)
                .await
                .map_err(Failure::store_unavailable)?;
            "key.rotate"
        };
        let act = Act::done(action, format!("service key {}", draft.id));
        audit.record(&transaction, vec![act]).await?;
        transaction
            .commit()
            .await
            .map_err(Failure::store_unavailable)
    }

    async fn commit_and_show(
        &self,
        transaction: DatabaseTransaction,
        id: &KeyId,
        now: Timestamp,
    ) -> Result<StoredKey, Failure> {
        let found = find(&transaction, id).await?.ok_or_else(|| not_found(id))?;
        let secrets = secrets(&transaction, id).await?;
        let source = source(&transaction, id).await?;
        transaction
            .commit()
            .await
            .map_err(Failure::store_unavailable)?;
        Ok(shown(&found, secrets.iter(), source.as_ref(), now))
    }
}

/// Puts a change on record, with who asked for it, in the transaction that makes it. Comes last,
/// since the audit log of a process is written by one transaction at a time.
async fn record(
    transaction: &DatabaseTransaction,
    action: &str,
    id: &KeyId,
) -> Result<(), Failure> {
    if let Some(operation) = Operation::current() {
        let act = Act::done(action, format!("key {id}"));
        operation.record(transaction, vec![act]).await?;
    }
    Ok(())
}

/// Refuses to give more than the giver has.
///
/// # Errors
/// [`ErrorReason::ScopeNotHeld`].
pub(crate) fn refuse_unheld(given: Scopes, giver: Scopes) -> Result<(), Failure> {
    let unheld = given.without(giver);
    if unheld.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the caller cannot give scopes that they lack: {}",
        unheld.names().join(", ")
    );
    Err(Failure::new(ErrorReason::ScopeNotHeld, message))
}

fn is(secret: &secret::Model, hash: &KeyHash) -> bool {
    secret.hash == hash.as_bytes()
}

async fn find(
    transaction: &DatabaseTransaction,
    id: &KeyId,
) -> Result<Option<key::Model>, Failure> {
    let found = key::Entity::find_by_id(id.as_str()).one(transaction).await;
    found.map_err(Failure::store_unavailable)
}

async fn secrets(
    transaction: &DatabaseTransaction,
    id: &KeyId,
) -> Result<Vec<secret::Model>, Failure> {
    let found = secret::Entity::find()
        .filter(secret::Column::KeyId.eq(id.as_str()))
        .all(transaction)
        .await;
    found.map_err(Failure::store_unavailable)
}

async fn source(
    transaction: &DatabaseTransaction,
    id: &KeyId,
) -> Result<Option<source::Model>, Failure> {
    let found = source::Entity::find_by_id(id.as_str())
        .one(transaction)
        .await;
    found.map_err(Failure::store_unavailable)
}

async fn insert(
    transaction: &DatabaseTransaction,
    draft: &KeyDraft,
    kind: i32,
    now: Timestamp,
) -> Result<(), Failure> {
    let row = key::ActiveModel {
        id: Set(draft.id.to_string()),
        kind: Set(kind),
        name: Set(draft.name.clone()),
        scopes: Set(draft.scopes.join(" ")),
        creator: Set(draft.creator.clone()),
        create_time: Set(now.as_millis()),
        expire_time: Set(draft.expire_time.map(Timestamp::as_millis)),
        revoke_time: Set(None),
    };
    key::Entity::insert(row)
        .exec_without_returning(transaction)
        .await
        .map_err(Failure::store_unavailable)?;
    if let Some(source) = &draft.source {
        let row = source::ActiveModel {
            key_id: Set(draft.id.to_string()),
            source: Set(source.clone()),
        };
        source::Entity::insert(row)
            .exec_without_returning(transaction)
            .await
            .map_err(Failure::store_unavailable)?;
    }
    insert_secret(transaction, &draft.id, &draft.hash, now).await
}

async fn insert_secret(
    transaction: &DatabaseTransaction,
    id: &KeyId,
    hash: &KeyHash,
    now: Timestamp,
) -> Result<(), Failure> {
    let row = secret::ActiveModel {
        key_id: Set(id.to_string()),
        hash: Set(hash.as_bytes().to_vec()),
        create_time: Set(now.as_millis()),
        expire_time: Set(None),
    };
    let inserted = secret::Entity::insert(row)
        .exec_without_returning(transaction)
        .await;
    inserted.map(drop).map_err(Failure::store_unavailable)
}

/// Adds a secret. The newest one before ends after the overlap, and all others now: two are
/// accepted at the most.
async fn replace_secret(
    transaction: &DatabaseTransaction,
    id: &KeyId,
    hash: &KeyHash,
    secrets: &[secret::Model],
    overlap: Duration,
    now: Timestamp,
) -> Result<(), Failure> {
    for before in secrets {
        let end = match before.expire_time {
            None => (now + overlap).as_millis(),
            Some(end) => Ord::min(end, now.as_millis()),
        };
        secret::Entity::update_many()
            .col_expr(secret::Column::ExpireTime, end.into())
            .filter(secret::Column::KeyId.eq(id.as_str()))
            .filter(secret::Column::Hash.eq(before.hash.clone()))
            .exec(transaction)
            .await
            .map_err(Failure::store_unavailable)?;
    }
    insert_secret(transaction, id, hash, now).await
}

/// Removes keys and secrets that ended long ago; those of services at once.
async fn remove_ended(transaction: &DatabaseTransaction, now: Timestamp) -> Result<(), Failure> {
    let long_ago = now.as_millis() - KEPT_MS;
    let is_service = key::Column::Kind
        .eq(SERVICE)
        .and(key::Column::ExpireTime.lt(now.as_millis()));
    let has_ended = key::Column::ExpireTime
        .lt(long_ago)
        .or(key::Column::RevokeTime.lt(long_ago));
    key::Entity::delete_many()
        .filter(is_service.or(has_ended))
        .exec(transaction)
        .await
        .map_err(Failure::store_unavailable)?;
    let keys = sea_orm::sea_query::Query::select()
        .column(key::Column::Id)
        .from(key::Entity)
        .to_owned();
    source::Entity::delete_many()
        .filter(source::Column::KeyId.not_in_subquery(keys.clone()))
        .exec(transaction)
        .await
        .map_err(Failure::store_unavailable)?;
    let is_orphan = secret::Column::KeyId.not_in_subquery(keys);
    secret::Entity::delete_many()
        .filter(is_orphan.or(secret::Column::ExpireTime.lt(long_ago)))
        .exec(transaction)
        .await
        .map_err(Failure::store_unavailable)?;
    Ok(())
}
