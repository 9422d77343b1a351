//! A contract suite for migrations: they make the tables that they always made, on SQLite and on
//! Postgres.
//!
//! The tables are described as text and compared with golden files, `sqlite.txt` and `postgres.txt`
//! in a folder of the owner. `HAPPYPATH_REFRESH=1` writes the files anew: read the difference
//! before you keep it, since databases of older versions have what the files say. What rows mean is
//! not looked at.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use testkit::PostgresServer;

use crate::{Database, StorageError};

/// Writes the golden files anew where it is set.
const REFRESH: &str = "HAPPYPATH_REFRESH";
/// An owner without tables.
const NOBODY: &str = "nobody";
/// SQLite keeps the very text that made a table or an index.
const SQLITE: &str = include_str!("schema/describe.sqlite.sql");
/// Postgres keeps what the text meant.
const POSTGRES: &str = include_str!("schema/describe.postgres.sql");

/// Checks the tables that every database has.
///
/// # Panics
/// Where the tables differ from the golden files in the folder, or there is no Postgres to start.
pub async fn check_own(folder: &Path) {
    check_each(folder, async |_, tables| tables).await;
}

/// Checks the tables that the migrations of an owner add to those.
///
/// # Panics
/// As [`check_own`], and where the migrations fail.
pub async fn check(folder: &Path, migrate: impl AsyncFn(&Database) -> Result<(), StorageError>) {
    check_each(folder, async |database, own| {
        migrate(database).await.expect("it migrates");
        let mut tables = describe(database).await;
        tables.retain(|name, _| !own.contains_key(name));
        tables
    })
    .await;
}

async fn check_each(folder: &Path, tables: impl AsyncFn(&Database, Tables) -> Tables) {
    let server = PostgresServer::start().expect("a server");
    // Beside each other in one database: an installation with a name, and the one without.
    let installation = "a-b".parse().expect("a name");
    for (name, url, installation) in [
        ("sqlite.txt", "sqlite::memory:".to_owned(), None),
        ("postgres.txt", server.url(), None),
        ("postgres.txt", server.url(), Some(&installation)),
    ] {
        let url = url.parse().expect("a URL");
        let opened = Database::connect_installation(&url, installation).await;
        let database = opened.expect("it opens");
        database.migrate(NOBODY, &[]).await.expect("tables");
        let own = describe(&database).await;
        let found = text(&tables(&database, own).await);
        let golden = folder.join(name);
        if env::var_os(REFRESH).is_some() {
            fs::write(&golden, &found).expect("a file that can be written");
        }
        let expected = fs::read_to_string(&golden).expect("the golden file");
        assert_eq!(found, expected, "{}", golden.display());
    }
}

/// The lines that describe each table, by name.
type Tables = BTreeMap<String, Vec<String>>;

async fn describe(database: &Database) -> Tables {
    let orm = database.orm();
    let backend = orm.get_database_backend();
    let is_sqlite = backend == DbBackend::Sqlite;
    let question = if is_sqlite { SQLITE } else { POSTGRES };
    let rows = orm
        .query_all_raw(Statement::from_string(backend, question))
        .await
        .expect("an answer");
    let mut tables = Tables::new();
    for row in rows {
        let table = row.try_get("", "table_name").expect("a table");
        let line: String = row.try_get("", "line").expect("a text");
        let line = if is_sqlite { normalize(&line) } else { line };
        tables.entry(table).or_default().push(line);
    }
    for (table, lines) in &mut tables {
        if table.ends_with("_migration") {
            lines.extend(applied(database, table).await);
        }
    }
    tables
}

/// Names the migrations that a table says were applied.
async fn applied(database: &Database, table: &str) -> Vec<String> {
    let orm = database.orm();
    let names = format!("SELECT version FROM {table} ORDER BY version");
    let names = Statement::from_string(orm.get_database_backend(), names);
    let rows = orm.query_all_raw(names).await.expect("names");
    rows.iter()
        .map(|row| row.try_get("", "version").expect("a name"))
        .map(|name: String| format!("applied {name}"))
        .collect()
}

/// Drops from a statement what has no meaning: quotes, case and space.
fn normalize(statement: &str) -> String {
    let apart = statement
        .replace('"', "")
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace(',', " , ");
    let words: Vec<&str> = apart.split_whitespace().collect();
    words.join(" ").to_ascii_lowercase()
}

fn text(tables: &Tables) -> String {
    let mut text = String::new();
    for (name, lines) in tables {
        text.extend(["table ", name, "\n"]);
        for line in lines {
            text.extend(["  ", line, "\n"]);
        }
    }
    text
}
