//! Databases that a program of another version left: those that this one can live with are opened,
//! others refused with the remedy, and left as they are.

use kernel::Schemas;
use runtime::{Config, Context, DATABASE_SCHEMAS};
use storage::{Database, Installation, StorageError};

use crate::server::config;

/// Opens the database of a configuration as a program with these schemas does.
async fn open(config: &Config, schemas: Schemas) -> Result<(), StorageError> {
    let database = Database::connect(&config.database).await?;
    database.migrate("runtime", &[]).await?;
    let installation = Installation {
        partition_count: config.partitions,
        is_count_fixed: true,
        schemas,
    };
    database.check_installation(installation).await?;
    Ok(())
}

/// A program that knows one schema, and can live with no other.
const fn only(schema: u16) -> Schemas {
    Schemas {
        written: schema,
        oldest_reader: schema,
        oldest_read: schema,
    }
}

/// Checks the refusal of a database file that a program of a schema made.
async fn check(schema: u16, reason: &str, remedy: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&folder, "4");
    open(&config, only(schema)).await.expect("created");
    let error = Context::open(config.clone()).await.expect_err(reason);
    assert_eq!(error.exit_code(), 3);
    let address = config.database.to_string();
    assert_eq!(
        error.to_string(),
        format!(
            "the database at {address} does not fit this configuration: this database has schema {schema}, {reason}\n  \
             remedy: {remedy}"
        )
    );
    open(&config, only(schema)).await.expect("it is as it was");
}

#[tokio::test]
async fn a_database_of_an_older_schema_is_refused_with_the_remedy() {
    let oldest = DATABASE_SCHEMAS.oldest_read;
    check(
        1,
        &format!("and this program reads schemas from {oldest} on"),
        "run programs of the versions between once, from the oldest to the newest, or begin with an empty one with \
         --database and an empty hot store with --hot-store",
    )
    .await;
}

#[tokio::test]
async fn a_database_of_a_newer_schema_is_refused_with_the_remedy() {
    let known = DATABASE_SCHEMAS.written;
    check(
        1_000,
        &format!(
            "which programs of schema 1000 and newer can live with, and this one is of schema {known}"
        ),
        "run a program of the version that wrote it or of the one before that, or choose another with --database",
    )
    .await;
}

#[tokio::test]
async fn a_database_that_the_version_after_this_one_wrote_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&folder, "4");
    let next = Schemas {
        written: DATABASE_SCHEMAS.written + 1,
        ..DATABASE_SCHEMAS
    };
    open(&config, next).await.expect("created");
    let context = Context::open(config.clone()).await.expect("opened");
    context.shutdown.cancel();
    open(&config, next).await.expect("it is as it was");
}
