//! The rows of definitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::{Duration, Timestamp};
use prost::Message as _;
use proto::definition::v1::{Definition, DefinitionKind};
use rpc::Failure;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use storage::Database;
use vault::Vault;

use crate::entity::{definition, revision};
use crate::plan::LastVersions;
use crate::stored::{Gone, Kept, NewestVersions, StoredSet};
use crate::{DefinitionKey, Versioned, limits, secret, stamp};

/// The rows of one owner.
pub(super) struct Rows {
    database: Database,
    owner: String,
    /// Opens the secrets of definitions that are to come into force.
    vault: Option<Vault>,
}

impl Rows {
    pub(super) fn new(database: Database, owner: &str, vault: Option<Vault>) -> Self {
        Self {
            database,
            owner: owner.to_owned(),
            vault,
        }
    }

    pub(super) fn vault(&self) -> Option<&Vault> {
        self.vault.as_ref()
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) async fn revision(&self) -> Result<i64, Failure> {
        self.revision_of(&self.owner).await
    }

    /// Reads the number of changes of an owner's definitions; zero where there was none.
    pub(super) async fn revision_of(&self, owner: &str) -> Result<i64, Failure> {
        let row = revision::Entity::find_by_id(owner)
            .one(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        Ok(row.map_or(0, |row| row.revision))
    }

    /// Reads what is in force, and what is kept of other versions.
    ///
    /// The revision was read before. If it has moved since, the set does not pass for the newest.
    pub(super) async fn load(
        &self,
        revision: i64,
        kinds: &[DefinitionKind],
        kept: Kept,
    ) -> Result<StoredSet, Failure> {
        let mut query = definition::Entity::find()
            .filter(definition::Column::Kind.is_in(kinds.iter().map(|kind| *kind as i32)));
        if !kept.older_versions {
            query = query.filter(definition::Column::DeleteTime.is_null());
        }
        let rows = query
            .order_by_asc(definition::Column::Kind)
            .order_by_asc(definition::Column::Name)
            .order_by_desc(definition::Column::Version)
            .all(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        let mut all = Vec::with_capacity(rows.len());
        let mut newest = NewestVersions::default();
        for row in rows {
            if newest.include(row.kind, &row.name, row.delete_time.is_some()) {
                all.push(Arc::new(self.read_open(row).await?));
            }
        }
        let gone = match kept.gone_for {
            Some(span) => self.gone(kinds, span).await?,
            None => Vec::new(),
        };
        Ok(StoredSet::new(revision, kept, all, gone))
    }

    /// Reads what was deleted or superseded within a span of time.
    async fn gone(&self, kinds: &[DefinitionKind], span: Duration) -> Result<Vec<Gone>, Failure> {
        let after = stamp::now() - span;
        let rows = definition::Entity::find()
            .filter(definition::Column::Kind.is_in(kinds.iter().map(|kind| *kind as i32)))
            .filter(definition::Column::DeleteTime.gt(after.as_millis()))
            .all(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        let mut gone = Vec::with_capacity(rows.len());
        for row in rows {
            let time = Timestamp::from_millis(row.delete_time.unwrap_or(i64::MAX));
            let definition = Arc::new(self.read_open(row).await?);
            gone.push(Gone { time, definition });
        }
        Ok(gone)
    }

    /// Reads a definition with its secret.
    async fn read_open(&self, row: definition::Model) -> Result<Versioned<Definition>, Failure> {
        let mut read = read(row)?;
        secret::open(&mut read.value, self.vault.as_ref()).await?;
        Ok(read)
    }

    /// Finds the newest version that was ever stored of each of these.
    pub(super) async fn last_versions(
        &self,
        keys: &[DefinitionKey],
    ) -> Result<LastVersions, Failure> {
        let mut names: BTreeMap<DefinitionKind, Vec<&str>> = BTreeMap::new();
        for key in keys {
            names.entry(key.kind).or_default().push(&key.name);
        }
        let mut found = LastVersions::new();
        for (kind, names) in names {
            for some in names.chunks(limits::STATEMENT_ROWS) {
                let rows: Vec<(String, i32)> = definition::Entity::find()
                    .select_only()
                    .column(definition::Column::Name)
                    .column_as(definition::Column::Version.max(), "newest")
                    .filter(definition::Column::Kind.eq(kind as i32))
                    .filter(definition::Column::Name.is_in(some.iter().copied()))
                    .group_by(definition::Column::Name)
                    .into_tuple()
                    .all(self.database.orm())
                    .await
                    .map_err(Failure::store_unavailable)?;
                for (name, version) in rows {
                    let version = u32::try_from(version).map_err(Failure::internal)?;
                    found.insert(DefinitionKey::new(kind, name), version);
                }
            }
        }
        Ok(found)
    }

    /// Reads the names of what is in force of a kind, of whatever owner.
    pub(super) async fn names(&self, kind: DefinitionKind) -> Result<Vec<String>, Failure> {
        definition::Entity::find()
            .select_only()
            .column(definition::Column::Name)
            .filter(definition::Column::Kind.eq(kind as i32))
            .filter(definition::Column::DeleteTime.is_null())
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

/// Reads a definition as it is stored: its secret may be sealed, and is shown to nobody.
fn read(row: definition::Model) -> Result<Versioned<Definition>, Failure> {
    Ok(Versioned {
        value: Definition::decode(row.body.as_slice()).map_err(Failure::internal)?,
        version: u32::try_from(row.version).map_err(Failure::internal)?,
        is_superseded: row.delete_time.is_some(),
        etag: row.etag,
        update_time: Timestamp::from_millis(row.create_time),
    })
}
