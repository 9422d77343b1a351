//! How the tables came to be.

use sea_orm::sea_query::{ColumnDef, Index, Table, TableCreateStatement};
use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use super::entity::{clock, customer, fragment, identifier, merge};

/// The migrations of identity, in order, for `Database::migrate`.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(CreateTables)]
}

struct CreateTables;

impl MigrationName for CreateTables {
    fn name(&self) -> &'static str {
        "m0001_create_identity"
    }
}

// Foreign keys are left out on purpose: they would lock fragment rows for every identifier that is attached, and one
// function writes all of these tables.
#[async_trait::async_trait]
impl MigrationTrait for CreateTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut fragments = Table::create()
            .table(fragment::Entity)
            .col(
                ColumnDef::new(fragment::Column::FragmentId)
                    .uuid()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(fragment::Column::RootId).uuid().not_null())
            .col(
                ColumnDef::new(fragment::Column::CreateTime)
                    .big_integer()
                    .not_null(),
            )
            .to_owned();
        let mut identifiers = Table::create()
            .table(identifier::Entity)
            .col(
                ColumnDef::new(identifier::Column::Namespace)
                    .text()
                    .not_null(),
            )
            .col(ColumnDef::new(identifier::Column::Value).text().not_null())
            .col(
                ColumnDef::new(identifier::Column::FragmentId)
                    .uuid()
                    .not_null(),
            )
            .col(
                ColumnDef::new(identifier::Column::CreateTime)
                    .big_integer()
                    .not_null(),
            )
            .primary_key(
                Index::create()
                    .col(identifier::Column::Namespace)
                    .col(identifier::Column::Value),
            )
            .to_owned();
        create_by_key(manager, &mut fragments).await?;
        create_by_key(manager, &mut identifiers).await?;
        create_customers(manager).await?;
        create_indexes(manager).await
    }
}

/// Creates a table of which every look-up is by primary key. SQLite keeps such rows in the index of the key, which
/// takes half the steps; Postgres knows no such thing.
async fn create_by_key(
    manager: &SchemaManager<'_>,
    table: &mut TableCreateStatement,
) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Sqlite {
        table.extra("WITHOUT ROWID");
    }
    manager.create_table(table.to_owned()).await
}

async fn create_customers(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut customers = Table::create()
        .table(customer::Entity)
        .col(
            ColumnDef::new(customer::Column::CustomerId)
                .uuid()
                .not_null()
                .primary_key(),
        )
        .col(
            ColumnDef::new(customer::Column::CreateTime)
                .big_integer()
                .not_null(),
        )
        .col(
            ColumnDef::new(customer::Column::Epoch)
                .big_integer()
                .not_null(),
        )
        .col(
            ColumnDef::new(customer::Column::FragmentCount)
                .big_integer()
                .not_null(),
        )
        .col(
            ColumnDef::new(customer::Column::IdentifierCounts)
                .text()
                .not_null(),
        )
        .to_owned();
    create_by_key(manager, &mut customers).await?;
    manager
        .create_table(
            Table::create()
                .table(merge::Entity)
                .col(
                    ColumnDef::new(merge::Column::MergeId)
                        .uuid()
                        .not_null()
                        .primary_key(),
                )
                .col(
                    ColumnDef::new(merge::Column::FromCustomerId)
                        .uuid()
                        .not_null(),
                )
                .col(
                    ColumnDef::new(merge::Column::IntoCustomerId)
                        .uuid()
                        .not_null(),
                )
                .col(ColumnDef::new(merge::Column::Reason).text().not_null())
                .col(ColumnDef::new(merge::Column::RequestId).text().not_null())
                .col(
                    ColumnDef::new(merge::Column::CreateTime)
                        .big_integer()
                        .not_null(),
                )
                .col(
                    ColumnDef::new(merge::Column::Announced)
                        .boolean()
                        .not_null(),
                )
                .col(
                    ColumnDef::new(merge::Column::ClaimTime)
                        .big_integer()
                        .not_null(),
                )
                .to_owned(),
        )
        .await?;
    manager
        .create_table(
            Table::create()
                .table(clock::Entity)
                .col(
                    ColumnDef::new(clock::Column::Id)
                        .integer()
                        .not_null()
                        .primary_key(),
                )
                .col(ColumnDef::new(clock::Column::Time).big_integer().not_null())
                .to_owned(),
        )
        .await
}

async fn create_indexes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for index in [
        Index::create()
            .name("identity_fragment_root")
            .table(fragment::Entity)
            .col(fragment::Column::RootId)
            .to_owned(),
        Index::create()
            .name("identity_identifier_fragment")
            .table(identifier::Entity)
            .col(identifier::Column::FragmentId)
            .to_owned(),
        Index::create()
            .name("identity_customer_create_time")
            .table(customer::Entity)
            .col(customer::Column::CreateTime)
            .col(customer::Column::CustomerId)
            .to_owned(),
        Index::create()
            .name("identity_merge_announced")
            .table(merge::Entity)
            .col(merge::Column::Announced)
            .col(merge::Column::ClaimTime)
            .to_owned(),
    ] {
        manager.create_index(index).await?;
    }
    Ok(())
}
