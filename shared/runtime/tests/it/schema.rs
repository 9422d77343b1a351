//! Databases that a program of another version left: refused with the remedy, and left as they are.

use runtime::{Config, Context};
use storage::{Database, Installation, StorageError};

use crate::server::config;

/// Opens the database of a configuration as a program does that knows only this schema.
async fn open(config: &Config, schema: u32) -> Result<(), StorageError> {
    let database = Database::connect(&config.database).await?;
    database.migrate("runtime", &[]).await?;
    let installation = Installation {
        partition_count: config.partitions,
        is_count_fixed: true,
        schema_version: schema,
        oldest_schema_version: schema,
    };
    database.check_installation(installation).await?;
    Ok(())
}

/// Checks the refusal of a database file that a program of a schema made.
async fn check(schema: u32, reason: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&folder, "4");
    open(&config, schema).await.expect("created");
    let error = Context::open(config.clone()).await.expect_err(reason);
    let text = error.to_string();
    let address = config.database.to_string();
    let beginning = format!("the database at {address} does not fit this configuration: {reason}");
    assert!(text.starts_with(&beginning), "{text}");
    let remedy = "\n  remedy: run a program of the version that wrote it, or begin with an empty \
                  one with --database and an empty hot store with --hot-store";
    assert!(text.ends_with(remedy), "{text}");
    open(&config, schema).await.expect("it is as it was");
}

#[tokio::test]
async fn a_database_of_an_older_schema_is_refused_with_the_remedy() {
    check(
        1,
        "this database has schema 1, and this program reads schemas from ",
    )
    .await;
}

#[tokio::test]
async fn a_database_of_a_newer_schema_is_refused_with_the_remedy() {
    check(
        1_000,
        "this database has schema 1000, and this program knows schemas up to ",
    )
    .await;
}
