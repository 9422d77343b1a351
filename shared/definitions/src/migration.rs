//! The tables of definitions.

use sea_orm::DbErr;
use sea_orm::sea_query::{ColumnDef, Index, Table};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::entity::{definition, revision};

/// The migrations of definitions, for `storage::Database::migrate("definitions", …)`.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
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
        use definition::Column;
        manager
            .create_table(
                Table::create()
                    .table(definition::Entity)
                    .col(ColumnDef::new(Column::Kind).integer().not_null())
                    .col(ColumnDef::new(Column::Name).text().not_null())
                    .col(ColumnDef::new(Column::Version).integer().not_null())
                    .col(ColumnDef::new(Column::Body).blob().not_null())
                    .col(ColumnDef::new(Column::Etag).text().not_null())
                    .col(ColumnDef::new(Column::CreateTime).big_integer().not_null())
                    .col(ColumnDef::new(Column::DeleteTime).big_integer().null())
                    .primary_key(
                        Index::create()
                            .col(Column::Kind)
                            .col(Column::Name)
                            .col(Column::Version),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(revision::Entity)
                    .col(
                        ColumnDef::new(revision::Column::Owner)
                            .text()
                            .not_null()
                            .primary_key(),
                    )
                    .col(
                        ColumnDef::new(revision::Column::Revision)
                            .big_integer()
                            .not_null(),
                    )
                    .to_owned(),
            )
            .await
    }
}
