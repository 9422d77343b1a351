//! The tables of the storage itself, and how migrations of several owners live in one database.

use std::sync::Mutex;

use sea_orm::sea_query::{Alias, ColumnDef, Index, IntoIden, Table};
use sea_orm::{DbErr, DynIden};
use sea_orm_migration::migrator::MigratorTraitSelf;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::entity::{lease, member, meta, request};

/// The migrations of one owner, recorded in a table of their own, so that owners do not know of each other.
pub(crate) struct Chain {
    owner: String,
    /// Handed out once: a migration cannot be cloned, and the runner asks by shared reference.
    migrations: Mutex<Vec<Box<dyn MigrationTrait>>>,
}

impl Chain {
    pub(crate) fn new(owner: &str, migrations: Vec<Box<dyn MigrationTrait>>) -> Self {
        Self {
            owner: owner.to_owned(),
            migrations: Mutex::new(migrations),
        }
    }

    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }
}

impl MigratorTraitSelf for Chain {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = self
            .migrations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::take(&mut *migrations)
    }

    fn migration_table_name(&self) -> DynIden {
        Alias::new(format!("{}_migration", self.owner)).into_iden()
    }
}

pub(crate) fn own_migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(CreateTables)]
}

struct CreateTables;

impl MigrationName for CreateTables {
    fn name(&self) -> &'static str {
        "m0001_create_tables"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(meta::Entity)
                    .col(
                        ColumnDef::new(meta::Column::Name)
                            .text()
                            .not_null()
                            .primary_key(),
                    )
                    .col(ColumnDef::new(meta::Column::Value).text().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(lease::Entity)
                    .col(ColumnDef::new(lease::Column::Service).text().not_null())
                    .col(
                        ColumnDef::new(lease::Column::Partition)
                            .integer()
                            .not_null(),
                    )
                    .col(ColumnDef::new(lease::Column::Worker).text().not_null())
                    .col(
                        ColumnDef::new(lease::Column::Epoch)
                            .big_integer()
                            .not_null(),
                    )
                    .col(
                        ColumnDef::new(lease::Column::ExpireTime)
                            .big_integer()
                            .not_null(),
                    )
                    .primary_key(
                        Index::create()
                            .col(lease::Column::Service)
                            .col(lease::Column::Partition),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(member::Entity)
                    .col(ColumnDef::new(member::Column::Service).text().not_null())
                    .col(ColumnDef::new(member::Column::Worker).text().not_null())
                    .col(
                        ColumnDef::new(member::Column::ExpireTime)
                            .big_integer()
                            .not_null(),
                    )
                    .primary_key(
                        Index::create()
                            .col(member::Column::Service)
                            .col(member::Column::Worker),
                    )
                    .to_owned(),
            )
            .await?;
        create_requests(manager).await
    }
}

async fn create_requests(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table(request::Entity)
                .col(ColumnDef::new(request::Column::RequestId).text().not_null())
                .col(ColumnDef::new(request::Column::Method).text().not_null())
                .col(ColumnDef::new(request::Column::BodyHash).blob().not_null())
                .col(ColumnDef::new(request::Column::Response).blob().null())
                .col(
                    ColumnDef::new(request::Column::CreateTime)
                        .big_integer()
                        .not_null(),
                )
                .col(
                    ColumnDef::new(request::Column::ExpireTime)
                        .big_integer()
                        .not_null(),
                )
                .primary_key(
                    Index::create()
                        .col(request::Column::RequestId)
                        .col(request::Column::Method),
                )
                .to_owned(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("request_expire_time")
                .table(request::Entity)
                .col(request::Column::ExpireTime)
                .to_owned(),
        )
        .await
}
