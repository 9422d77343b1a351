//! The settings that an installation was created with, which may never change.

use futures::future::BoxFuture;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use kernel::PartitionCount;

use crate::entity::meta;
use crate::{Database, StorageError};

/// The settings that this process expects of the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installation {
    /// The number of partitions of a new installation. Every customer would move if it changed.
    pub partition_count: PartitionCount,
    /// True where an installation with another number of partitions is refused; otherwise it keeps
    /// its own.
    pub is_count_fixed: bool,
    /// The newest schema that this program knows. An older one is upgraded by migrations.
    pub schema_version: u32,
    /// The oldest schema that this program can upgrade.
    pub oldest_schema_version: u32,
}

impl Database {
    /// Writes down what the installation is created with, or compares with what it was created
    /// with. Returns the number of partitions that it has. Call after [`Database::migrate`].
    ///
    /// # Errors
    /// [`StorageError::Mismatch`], [`StorageError::NewerSchema`] and [`StorageError::OlderSchema`],
    /// which name both values and the remedy.
    pub fn check_installation(
        &self,
        expected: Installation,
    ) -> BoxFuture<'_, Result<PartitionCount, StorageError>> {
        Box::pin(async move {
            let configured = expected.partition_count.get().to_string();
            let stored = self.create_or_read("partition count", &configured).await?;
            let count = stored.parse().ok().map(PartitionCount::try_new);
            let count = match count {
                Some(Ok(count))
                    if count == expected.partition_count || !expected.is_count_fixed =>
                {
                    count
                }
                _ => {
                    return Err(StorageError::Mismatch {
                        name: "partition count",
                        stored,
                        configured,
                    });
                }
            };
            let (known, oldest) = (expected.schema_version, expected.oldest_schema_version);
            let stored = self.create_or_read("schema", &known.to_string()).await?;
            match stored.parse::<u32>() {
                Ok(stored) if stored > known => Err(StorageError::NewerSchema { stored, known }),
                Ok(stored) if stored < oldest => Err(StorageError::OlderSchema { stored, oldest }),
                Ok(stored) => {
                    if stored < known {
                        self.raise_schema(known).await?;
                    }
                    Ok(count)
                }
                Err(_) => Err(StorageError::Mismatch {
                    name: "schema",
                    stored,
                    configured: known.to_string(),
                }),
            }
        })
    }

    /// Returns the id of the installation, by which its other stores know that they belong to this
    /// database. `drawn` becomes the id of one that has none yet. Call after [`Database::migrate`].
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub fn installation_id<'a>(
        &'a self,
        drawn: &'a str,
    ) -> BoxFuture<'a, Result<String, StorageError>> {
        Box::pin(async move { self.create_or_read("installation id", drawn).await })
    }

    async fn create_or_read(&self, name: &str, value: &str) -> Result<String, StorageError> {
        let row = meta::ActiveModel {
            name: Set(name.to_owned()),
            value: Set(value.to_owned()),
        };
        meta::Entity::insert(row)
            .on_conflict(
                OnConflict::column(meta::Column::Name)
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(self.orm())
            .await?;
        let row = meta::Entity::find_by_id(name).one(self.orm()).await?;
        Ok(row.map_or_else(|| value.to_owned(), |row| row.value))
    }

    async fn raise_schema(&self, known: u32) -> Result<(), StorageError> {
        meta::Entity::update_many()
            .col_expr(meta::Column::Value, known.to_string().into())
            .filter(meta::Column::Name.eq("schema"))
            .exec(self.orm())
            .await?;
        Ok(())
    }
}
