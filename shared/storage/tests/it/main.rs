//! The storage over SQLite, and over Postgres where `HAPPYPATH_TEST_POSTGRES_URL` names a server.

mod heartbeat;
mod installation;
mod lease;
mod migration;
mod request;
mod schema;

use storage::Database;
use tempfile::TempDir;

/// The databases to test on; the folder goes away with the answer.
async fn databases() -> (Vec<Database>, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = storage::DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let mut urls = vec![file];
    if let Ok(url) = std::env::var("HAPPYPATH_TEST_POSTGRES_URL") {
        urls.push(url.parse().expect("the URL of a database"));
    }
    let mut databases = Vec::new();
    for url in urls {
        let database = Database::connect(&url).await.expect("it opens");
        database.migrate("test", &[]).await.expect("tables");
        databases.push(database);
    }
    (databases, folder)
}

/// A name that no other test and no earlier run used, so that tests can share one server.
fn unique(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::now_v7())
}
