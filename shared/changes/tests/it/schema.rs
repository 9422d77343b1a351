//! The tables that the migrations make.

use std::path::Path;

/// The folder of the golden files.
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schema");

#[tokio::test]
async fn the_tables_are_those_of_older_databases() {
    storage::schema::check(Path::new(SCHEMA), async |database| {
        database.migrate("changes", changes::MIGRATIONS).await
    })
    .await;
}
