//! Writes what was planned, of every owner at once.

use kernel::Timestamp;
use prost::Message as _;
use rpc::{ErrorReason, Failure};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use storage::Database;

use crate::entity::{definition, revision};
use crate::{DefinitionKey, Planned, key_of, limits, stamp};

/// How often the stored definitions of an owner changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision {
    /// Whose definitions they are.
    pub owner: String,
    /// The number of changes.
    pub number: i64,
}

/// Writes changes in one transaction, all or none, unless one of the revisions that they were planned on has moved.
///
/// Owners that only lend their names are among the revisions too, so that no name goes while another change refers
/// to it.
///
/// # Errors
/// [`ErrorReason::DefinitionContended`] where a revision has moved; [`ErrorReason::StoreUnavailable`].
pub(crate) async fn commit(
    database: &Database,
    mut seen: Vec<Revision>,
    planned: &mut [Planned],
) -> Result<(), Failure> {
    // Every writer takes the rows in the same order, so that none waits for another in a circle.
    seen.sort();
    let now = stamp::now();
    let transaction = database
        .begin_write()
        .await
        .map_err(Failure::store_unavailable)?;
    for revision in &seen {
        let is_changed = planned
            .iter()
            .any(|it| it.owner == revision.owner && it.is_change());
        if !advance(&transaction, revision, i64::from(is_changed)).await? {
            let message = "another change of the definitions was faster";
            return Err(Failure::new(ErrorReason::DefinitionContended, message)
                .with_retry_after(limits::CONTENTION_PAUSE));
        }
    }
    for it in planned {
        write(&transaction, it, now).await?;
    }
    transaction
        .commit()
        .await
        .map_err(Failure::store_unavailable)
}

async fn write(
    connection: &impl ConnectionTrait,
    planned: &mut Planned,
    now: Timestamp,
) -> Result<(), Failure> {
    if let Some(key) = &planned.deleted {
        retire(connection, key, now).await?;
    }
    for it in &mut planned.written {
        let Some(key) = key_of(&it.value) else {
            continue;
        };
        retire(connection, &key, now).await?;
        // A name that was deleted once goes on counting where it stopped.
        it.version = next_version(connection, &key).await?;
        for (_, answer) in &mut planned.applied {
            if answer.kind == key.kind as i32 && answer.name == key.name {
                answer.version = it.version;
            }
        }
        let row = definition::ActiveModel {
            kind: Set(key.kind as i32),
            name: Set(key.name),
            version: Set(i32::try_from(it.version).map_err(Failure::internal)?),
            body: Set(it.value.encode_to_vec()),
            etag: Set(it.etag.clone()),
            create_time: Set(now.as_millis()),
            delete_time: Set(None),
        };
        definition::Entity::insert(row)
            .exec_without_returning(connection)
            .await
            .map_err(Failure::store_unavailable)?;
    }
    Ok(())
}

/// Moves a revision on by so much, unless somebody else did, and keeps others from it until the transaction ends.
async fn advance(
    connection: &impl ConnectionTrait,
    seen: &Revision,
    by: i64,
) -> Result<bool, Failure> {
    let first = revision::ActiveModel {
        owner: Set(seen.owner.clone()),
        revision: Set(0),
    };
    revision::Entity::insert(first)
        .on_conflict(
            OnConflict::column(revision::Column::Owner)
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(connection)
        .await
        .map_err(Failure::store_unavailable)?;
    let moved = revision::Entity::update_many()
        .col_expr(
            revision::Column::Revision,
            Expr::col(revision::Column::Revision).add(by),
        )
        .filter(revision::Column::Owner.eq(seen.owner.as_str()))
        .filter(revision::Column::Revision.eq(seen.number))
        .exec(connection)
        .await
        .map_err(Failure::store_unavailable)?;
    Ok(moved.rows_affected == 1)
}

async fn retire(
    connection: &impl ConnectionTrait,
    key: &DefinitionKey,
    now: Timestamp,
) -> Result<(), Failure> {
    definition::Entity::update_many()
        .col_expr(definition::Column::DeleteTime, Expr::value(now.as_millis()))
        .filter(definition::Column::Kind.eq(key.kind as i32))
        .filter(definition::Column::Name.eq(key.name.as_str()))
        .filter(definition::Column::DeleteTime.is_null())
        .exec(connection)
        .await
        .map_err(Failure::store_unavailable)?;
    Ok(())
}

async fn next_version(
    connection: &impl ConnectionTrait,
    key: &DefinitionKey,
) -> Result<u32, Failure> {
    let newest: Option<i32> = definition::Entity::find()
        .select_only()
        .column(definition::Column::Version)
        .filter(definition::Column::Kind.eq(key.kind as i32))
        .filter(definition::Column::Name.eq(key.name.as_str()))
        .order_by_desc(definition::Column::Version)
        .into_tuple()
        .one(connection)
        .await
        .map_err(Failure::store_unavailable)?;
    u32::try_from(newest.unwrap_or(0) + 1).map_err(Failure::internal)
}
