//! Has the newest key seal all stored secrets: those that another one sealed, and those that were
//! stored in plain text.
//!
//! Bodies of rows change, and nothing else: versions, etags and what is in force stay, since
//! secrets do.

use audit::{Act, Operation};
use prost::Message as _;
use proto::definition::v1::{Definition, DefinitionKind, RotateSecretsResponse};
use rpc::Failure;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use storage::Database;
use vault::Vault;

use crate::entity::definition;
use crate::secret::{self, Rotated};
use crate::{DefinitionKey, limits};

/// The numbers of secrets after a rotation of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    /// The key that seals all of them; empty where there is none.
    pub key_id: String,
    /// Another key sealed these.
    pub rewrapped: u32,
    /// These were in plain text.
    pub sealed: u32,
    /// The key sealed these before.
    pub unchanged: u32,
}

impl Rotation {
    /// Adds the numbers of another owner.
    pub(crate) fn add(&mut self, other: Self) {
        if self.key_id.is_empty() {
            self.key_id = other.key_id;
        }
        self.rewrapped += other.rewrapped;
        self.sealed += other.sealed;
        self.unchanged += other.unchanged;
    }

    fn count(&mut self, rotated: Rotated) {
        match rotated {
            Rotated::None => {}
            Rotated::Unchanged => self.unchanged += 1,
            Rotated::Rewrapped => self.rewrapped += 1,
            Rotated::Sealed => self.sealed += 1,
        }
    }
}

impl From<Rotation> for RotateSecretsResponse {
    fn from(rotation: Rotation) -> Self {
        Self {
            key_id: rotation.key_id,
            rewrapped_count: rotation.rewrapped,
            sealed_count: rotation.sealed,
            unchanged_count: rotation.unchanged,
        }
    }
}

/// Has the newest key seal the secrets of all versions of definitions of these kinds, all or none.
/// With `validate_only` they stay as they are.
///
/// # Errors
/// [`rpc::ErrorReason::SecretSealed`] where the key of a secret is missing;
/// [`rpc::ErrorReason::StoreUnavailable`]; [`rpc::ErrorReason::AuditUnavailable`].
pub(crate) async fn rotate(
    database: &Database,
    kinds: &[DefinitionKind],
    vault: &Vault,
    validate_only: bool,
) -> Result<Rotation, Failure> {
    let newest = vault.newest().await.map_err(secret::failure)?;
    let mut rotation = Rotation {
        key_id: newest.to_string(),
        ..Rotation::default()
    };
    let transaction = database.begin_write().await;
    let transaction = transaction.map_err(Failure::store_unavailable)?;
    for kind in kinds.iter().filter(|kind| may_have_secrets(**kind)) {
        let mut after = (String::new(), 0);
        loop {
            let rows = rows_after(&transaction, *kind, &after).await?;
            let Some(last) = rows.last() else { break };
            after = (last.name.clone(), last.version);
            for row in rows {
                rotation.count(rotate_row(&transaction, *kind, row, vault).await?);
            }
        }
    }
    if validate_only {
        let done = transaction.rollback().await;
        return done.map_err(Failure::store_unavailable).map(|()| rotation);
    }
    if let Some(operation) = Operation::current() {
        let Rotation {
            rewrapped, sealed, ..
        } = &rotation;
        let object = format!("key {newest}: {rewrapped} rewrapped, {sealed} sealed");
        let act = Act::done("secrets.rotate", object);
        operation.record(&transaction, vec![act]).await?;
    }
    let done = transaction.commit().await;
    done.map_err(Failure::store_unavailable)?;
    Ok(rotation)
}

/// Returns whether definitions of a kind may have secrets.
const fn may_have_secrets(kind: DefinitionKind) -> bool {
    matches!(
        kind,
        DefinitionKind::Channel | DefinitionKind::Source | DefinitionKind::Subscription
    )
}

async fn rows_after(
    connection: &impl ConnectionTrait,
    kind: DefinitionKind,
    (name, version): &(String, i32),
) -> Result<Vec<definition::Model>, Failure> {
    use definition::Column::{Kind, Name, Version};
    let in_name = Name.eq(name.as_str()).and(Version.gt(*version));
    definition::Entity::find()
        .filter(Kind.eq(kind as i32))
        .filter(Name.gt(name.as_str()).or(in_name))
        .order_by_asc(Name)
        .order_by_asc(Version)
        .limit(limits::READ_AT_ONCE as u64)
        .all(connection)
        .await
        .map_err(Failure::store_unavailable)
}

async fn rotate_row(
    connection: &impl ConnectionTrait,
    kind: DefinitionKind,
    row: definition::Model,
    vault: &Vault,
) -> Result<Rotated, Failure> {
    let mut stored = Definition::decode(row.body.as_slice()).map_err(Failure::internal)?;
    let rotated = secret::rotate(&mut stored, vault)
        .await
        .map_err(|failure| {
            let key = DefinitionKey::new(kind, row.name.as_str());
            let message = format!("{key} version {}: {}", row.version, failure.message());
            Failure::new(failure.reason(), message)
        })?;
    if matches!(rotated, Rotated::Rewrapped | Rotated::Sealed) {
        definition::Entity::update_many()
            .col_expr(
                definition::Column::Body,
                Expr::value(stored.encode_to_vec()),
            )
            .filter(definition::Column::Kind.eq(row.kind))
            .filter(definition::Column::Name.eq(row.name))
            .filter(definition::Column::Version.eq(row.version))
            .exec(connection)
            .await
            .map_err(Failure::store_unavailable)?;
    }
    Ok(rotated)
}
