//! The settings that an installation was created with, which may never change.

use futures::future::BoxFuture;
use kernel::{PartitionCount, Schemas, StoredSchema};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait};

use crate::entity::meta;
use crate::migration::wait_for_turn;
use crate::{Database, StorageError};

/// The table of these settings.
const META: &str = "store_meta";
/// The oldest program that can live with the database, by the schema which that one writes.
/// Programs of before [`WRITTEN_SCHEMA`] refuse a number above theirs.
const SCHEMA: &str = "schema";
/// The newest schema that was written; absent where it is the same.
const WRITTEN_SCHEMA: &str = "written schema";
/// The id of the installation.
const ID: &str = "installation id";

/// The settings that this process expects of the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installation {
    /// The number of partitions of a new installation. Every customer would move if it changed.
    pub partition_count: PartitionCount,
    /// True where an installation with another number of partitions is refused; otherwise it keeps
    /// its own.
    pub is_count_fixed: bool,
    /// The schemas that this program can live with.
    pub schemas: Schemas,
}

impl Database {
    /// Writes down what the installation is created with, or compares with what it was created
    /// with. Returns the number of partitions that it has. Call after [`Database::migrate`].
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] and [`StorageError::Schema`], which name both values and the
    /// remedy.
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
            self.join_schema(expected.schemas).await?;
            Ok(count)
        })
    }

    /// Returns the schema of this database, and changes nothing; none where no program has written
    /// to it yet.
    ///
    /// # Errors
    /// [`StorageError::Schema`] for one that a program with these schemas must not write to;
    /// [`StorageError::Mismatch`] where it cannot be read; [`StorageError::Database`].
    pub fn check_schema(
        &self,
        schemas: Schemas,
    ) -> BoxFuture<'_, Result<Option<StoredSchema>, StorageError>> {
        Box::pin(async move {
            if !self.has_table(META).await? {
                return Ok(None);
            }
            let stored = stored_schema(self.orm()).await?;
            stored
                .map(|stored| schemas.join(stored).map(|_| stored))
                .transpose()
                .map_err(StorageError::Schema)
        })
    }

    /// Writes down that a program with these schemas writes here too.
    async fn join_schema(&self, schemas: Schemas) -> Result<(), StorageError> {
        let stored = stored_schema(self.orm()).await?;
        if stored.is_some_and(|stored| schemas.join(stored) == Ok(stored)) {
            return Ok(());
        }
        let transaction = self.begin_write().await?;
        if transaction.get_database_backend() == DbBackend::Postgres {
            wait_for_turn(&transaction).await?;
        }
        let stored = stored_schema(&transaction).await?;
        let joined = match stored {
            Some(stored) => schemas.join(stored).map_err(StorageError::Schema)?,
            None => schemas.of_new_store(),
        };
        if stored != Some(joined) {
            write(&transaction, SCHEMA, joined.oldest_reader).await?;
            // A store of one number is one that programs of before the other one read too.
            if joined.written != joined.oldest_reader {
                write(&transaction, WRITTEN_SCHEMA, joined.written).await?;
            }
        }
        Ok(transaction.commit().await?)
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
        Box::pin(async move { self.create_or_read(ID, drawn).await })
    }

    /// Returns the id of the installation, and draws none; absent where no service was here yet.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub fn known_installation_id(&self) -> BoxFuture<'_, Result<Option<String>, StorageError>> {
        Box::pin(async move {
            if !self.has_table(META).await? {
                return Ok(None);
            }
            let row = meta::Entity::find_by_id(ID).one(self.orm()).await?;
            Ok(row.map(|row| row.value))
        })
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
}

/// Reads the schema of a database; none where no program has written to it yet.
async fn stored_schema(
    database: &impl ConnectionTrait,
) -> Result<Option<StoredSchema>, StorageError> {
    let Some(oldest_reader) = number(database, SCHEMA).await? else {
        return Ok(None);
    };
    let written = number(database, WRITTEN_SCHEMA).await?;
    Ok(Some(StoredSchema::new(oldest_reader, written)))
}

async fn number(
    database: &impl ConnectionTrait,
    name: &'static str,
) -> Result<Option<u16>, StorageError> {
    let row = meta::Entity::find_by_id(name).one(database).await?;
    let Some(meta::Model { value, .. }) = row else {
        return Ok(None);
    };
    let number = value.parse().map_err(|_| StorageError::Mismatch {
        name,
        stored: value,
        configured: "a number".to_owned(),
    })?;
    Ok(Some(number))
}

async fn write(
    transaction: &DatabaseTransaction,
    name: &str,
    number: u16,
) -> Result<(), StorageError> {
    let row = meta::ActiveModel {
        name: Set(name.to_owned()),
        value: Set(number.to_string()),
    };
    let mut conflict = OnConflict::column(meta::Column::Name);
    meta::Entity::insert(row)
        .on_conflict(conflict.update_column(meta::Column::Value).to_owned())
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}
