//! Bytes of rows that were removed leave the files of a database.

use sea_orm::ConnectionTrait;
use storage::{Database, DatabaseUrl};

use crate::databases;

const SECRET: &str = "kq8Zt1VwPfHs7Xc2";

async fn run(database: &Database, sql: &str) {
    let ran = database.orm().execute_unprepared(sql).await;
    ran.expect("it runs");
}

async fn fill_and_empty(database: &Database) {
    run(
        database,
        "CREATE TABLE secret (id BIGINT PRIMARY KEY, text TEXT)",
    )
    .await;
    // Rows of a page, one of several pages, and one that changes.
    for id in 0..50 {
        let text = format!("{SECRET}{}", "x".repeat(if id == 7 { 20_000 } else { 20 }));
        run(
            database,
            &format!("INSERT INTO secret VALUES ({id}, '{text}')"),
        )
        .await;
    }
    run(database, "UPDATE secret SET text = 'nothing' WHERE id < 5").await;
    run(database, "DELETE FROM secret WHERE id >= 5").await;
}

#[tokio::test]
async fn what_was_removed_is_not_in_the_files_of_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let database = Database::connect(&url).await.expect("it opens");
    fill_and_empty(&database).await;
    let scrub = database.scrub(&["secret"]).await.expect("it scrubs");
    assert!(scrub.is_done, "{scrub:?}");
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let content = std::fs::read(&path).expect("a file");
        let mut windows = content.windows(SECRET.len());
        assert!(!windows.any(|it| it == SECRET.as_bytes()), "{path:?}");
    }
}

#[tokio::test]
async fn every_database_scrubs_tables_and_names_those_that_it_cannot() {
    let (databases, _places) = databases().await;
    for database in databases {
        fill_and_empty(&database).await;
        let scrub = database.scrub(&["secret"]).await.expect("it scrubs");
        assert!(scrub.is_done, "{scrub:?}");
        assert_eq!(scrub.detail, "");
        let scrub = database.scrub(&["no_such_table"]).await.expect("it scrubs");
        let is_postgres = database.orm().get_database_backend() == sea_orm::DbBackend::Postgres;
        assert_eq!(
            scrub.detail.starts_with("no_such_table"),
            is_postgres,
            "{scrub:?}"
        );
    }
}
