//! The rows of definitions.

use kernel::Timestamp;
use prost::Message as _;
use proto::definition::v1::{Definition, DefinitionKind};
use rpc::Failure;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use storage::Database;

use crate::entity::{definition, revision};
use crate::{DefinitionKey, Versioned, limits};

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

    pub(super) fn database(&self) -> &Database {
        &self.database
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

    /// What was deleted or superseded after an instant, newest versions first.
    pub(super) async fn gone(
        &self,
        kinds: &[DefinitionKind],
        after: Timestamp,
    ) -> Result<Vec<Versioned<Definition>>, Failure> {
        let rows = definition::Entity::find()
            .filter(definition::Column::Kind.is_in(kinds.iter().map(|kind| *kind as i32)))
            .filter(definition::Column::DeleteTime.gt(after.as_millis()))
            .order_by_asc(definition::Column::Kind)
            .order_by_asc(definition::Column::Name)
            .order_by_desc(definition::Column::Version)
            .all(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        rows.into_iter().map(read).collect()
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
