//! The tables of the log.
//!
//! Rows are added and removed, and hardly ever changed, so pages need no room for updates. Postgres keeps payloads as they come: they
//! are compressed already.

use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(CreateTables)]
}

struct CreateTables;

impl MigrationName for CreateTables {
    fn name(&self) -> &'static str {
        "m0001_create_tables"
    }
}

/// `{blob}` and `{id}` differ between the databases.
const TABLES: &[&str] = &[
    "CREATE TABLE journal_commit (
        service SMALLINT NOT NULL, partition INTEGER NOT NULL, seq BIGINT NOT NULL,
        epoch BIGINT NOT NULL, batch_id BIGINT NOT NULL, create_time BIGINT NOT NULL, payload {blob} NOT NULL,
        PRIMARY KEY (service, partition, seq))",
    "CREATE TABLE journal_entry (
        stream SMALLINT NOT NULL, partition INTEGER NOT NULL, writer INTEGER NOT NULL, seq BIGINT NOT NULL,
        span SMALLINT, first_time BIGINT, last_time BIGINT, event_count INTEGER, customers {blob},
        source TEXT, source_first BIGINT, source_last BIGINT, create_time BIGINT NOT NULL, payload {blob} NOT NULL,
        PRIMARY KEY (stream, partition, writer, seq))",
    "CREATE INDEX journal_entry_event ON journal_entry (partition, span, first_time, stream, writer, seq)
        WHERE span IS NOT NULL",
    "CREATE TABLE journal_writer (id {id}, worker TEXT NOT NULL, create_time BIGINT NOT NULL)",
    "CREATE TABLE journal_snapshot (
        service SMALLINT NOT NULL, partition INTEGER NOT NULL, seq BIGINT NOT NULL, batch_id BIGINT NOT NULL,
        chunks BIGINT NOT NULL, bytes BIGINT NOT NULL, create_time BIGINT NOT NULL, payload {blob} NOT NULL,
        PRIMARY KEY (service, partition))",
    "CREATE TABLE journal_chunk (
        service SMALLINT NOT NULL, partition INTEGER NOT NULL, seq BIGINT NOT NULL, number BIGINT NOT NULL,
        payload {blob} NOT NULL,
        PRIMARY KEY (service, partition, seq, number))",
];

/// Old rows go in bulk: the room is wanted back before a fifth of a large table is dead.
const POSTGRES: &[&str] = &[
    "ALTER TABLE journal_commit ALTER payload SET STORAGE EXTERNAL",
    "ALTER TABLE journal_entry ALTER payload SET STORAGE EXTERNAL, ALTER customers SET STORAGE EXTERNAL",
    "ALTER TABLE journal_snapshot ALTER payload SET STORAGE EXTERNAL",
    "ALTER TABLE journal_chunk ALTER payload SET STORAGE EXTERNAL",
    "ALTER TABLE journal_commit SET (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05)",
    "ALTER TABLE journal_entry SET (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05)",
];

#[async_trait::async_trait]
impl MigrationTrait for CreateTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        let (blob, id) = if is_postgres {
            ("BYTEA", "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
        } else {
            ("BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT")
        };
        for table in TABLES {
            let table = table.replace("{blob}", blob).replace("{id}", id);
            connection.execute_unprepared(&table).await?;
        }
        if is_postgres {
            for setting in POSTGRES {
                connection.execute_unprepared(setting).await?;
            }
        }
        Ok(())
    }
}
