//! The rows of definitions.

use kernel::Timestamp;
use prost::Message as _;
use proto::definition::v1::{Definition, DefinitionKind};
use rpc::{ErrorReason, Failure};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use storage::Database;

use crate::entity::{definition, revision};
use crate::owner::Applied;
use crate::{DefinitionKey, Versioned, key_of, limits};

/// The rows of one owner.
pub(super) struct Rows {
    database: Database,
    owner: String,
}

impl Rows {
    pub(super) fn new(database: Database, owner: &str) -> Self {
        Self {
            database,
            owner: owner.to_owned(),
        }
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    pub(super) async fn revision(&self) -> Result<i64, Failure> {
        let row = revision::Entity::find_by_id(self.owner.as_str())
            .one(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        Ok(row.map_or(0, |row| row.revision))
    }

    /// What is in force, and the newest superseded versions of it if asked for, by kind, name and version.
    pub(super) async fn load(
        &self,
        kinds: &[DefinitionKind],
        older: bool,
    ) -> Result<Vec<Versioned<Definition>>, Failure> {
        let mut query = definition::Entity::find()
            .filter(definition::Column::Kind.is_in(kinds.iter().map(|kind| *kind as i32)));
        if !older {
            query = query.filter(definition::Column::DeleteTime.is_null());
        }
        let rows = query
            .order_by_asc(definition::Column::Kind)
            .order_by_asc(definition::Column::Name)
            .order_by_desc(definition::Column::Version)
            .all(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        let mut kept: Vec<Versioned<Definition>> = Vec::with_capacity(rows.len());
        let mut head: Option<(i32, String)> = None;
        let mut count = 0;
        for row in rows {
            let key = (row.kind, row.name.clone());
            // Versions come newest first: without one in force the definition is deleted, and so are its elders.
            if row.delete_time.is_none() {
                (head, count) = (Some(key), 0);
            } else if head.as_ref() == Some(&key) && count < limits::OLDER_VERSIONS {
                count += 1;
            } else {
                continue;
            }
            kept.push(read(row)?);
        }
        Ok(kept)
    }

    pub(super) async fn names(&self, kind: DefinitionKind) -> Result<Vec<String>, Failure> {
        definition::Entity::find()
            .select_only()
            .column(definition::Column::Name)
            .filter(definition::Column::Kind.eq(kind as i32))
            .filter(definition::Column::DeleteTime.is_null())
            .order_by_asc(definition::Column::Name)
            .into_tuple()
            .all(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)
    }

    pub(super) async fn find(
        &self,
        key: &DefinitionKey,
        version: u32,
    ) -> Result<Option<Versioned<Definition>>, Failure> {
        let query = definition::Entity::find()
            .filter(definition::Column::Kind.eq(key.kind as i32))
            .filter(definition::Column::Name.eq(key.name.as_str()));
        let query = match version {
            0 => query.filter(definition::Column::DeleteTime.is_null()),
            version => query.filter(definition::Column::Version.eq(i64::from(version))),
        };
        let row = query
            .one(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        row.map(read).transpose()
    }

    pub(super) async fn list(
        &self,
        kind: DefinitionKind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Versioned<Definition>>, Failure> {
        let rows = definition::Entity::find()
            .filter(definition::Column::Kind.eq(kind as i32))
            .filter(definition::Column::Name.gt(after))
            .filter(definition::Column::DeleteTime.is_null())
            .order_by_asc(definition::Column::Name)
            .limit(limit as u64)
            .all(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        rows.into_iter().map(read).collect()
    }

    /// Writes a change to the set that had this revision, all or none.
    pub(super) async fn write(
        &self,
        seen: i64,
        written: &mut [Versioned<Definition>],
        deleted: Option<&DefinitionKey>,
        now: Timestamp,
        applied: &mut Applied,
    ) -> Result<(), Failure> {
        let transaction = self
            .database
            .begin_write()
            .await
            .map_err(Failure::store_unavailable)?;
        if !self.advance(&transaction, seen).await? {
            let message = "another change of the definitions was faster";
            return Err(Failure::new(ErrorReason::DefinitionContended, message));
        }
        if let Some(key) = deleted {
            retire(&transaction, key, now).await?;
        }
        for it in written {
            let Some(key) = key_of(&it.value) else {
                continue;
            };
            retire(&transaction, &key, now).await?;
            // A name that was deleted once goes on counting where it stopped.
            it.version = next_version(&transaction, &key).await?;
            for (_, answer) in applied.iter_mut() {
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
                .exec_without_returning(&transaction)
                .await
                .map_err(Failure::store_unavailable)?;
        }
        transaction
            .commit()
            .await
            .map_err(Failure::store_unavailable)
    }

    /// Moves the revision on, unless somebody else did.
    async fn advance(&self, connection: &impl ConnectionTrait, seen: i64) -> Result<bool, Failure> {
        let first = revision::ActiveModel {
            owner: Set(self.owner.clone()),
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
                Expr::col(revision::Column::Revision).add(1),
            )
            .filter(revision::Column::Owner.eq(self.owner.as_str()))
            .filter(revision::Column::Revision.eq(seen))
            .exec(connection)
            .await
            .map_err(Failure::store_unavailable)?;
        Ok(moved.rows_affected == 1)
    }
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

fn read(row: definition::Model) -> Result<Versioned<Definition>, Failure> {
    Ok(Versioned {
        value: Definition::decode(row.body.as_slice()).map_err(Failure::internal)?,
        version: u32::try_from(row.version).map_err(Failure::internal)?,
        is_superseded: row.delete_time.is_some(),
        etag: row.etag,
        update_time: Timestamp::from_millis(row.create_time),
    })
}
