//! Migrations on SQLite and on Postgres: what is applied once, what fails, and who waits for whom.

use sea_orm::{ConnectionTrait, Statement};
use storage::{Database, DatabaseUrl, Migration, StorageError};
use tempfile::TempDir;
use testkit::PostgresServer;

/// An empty database of each kind; they go when this is dropped.
struct World {
    urls: [DatabaseUrl; 2],
    _folder: TempDir,
    server: PostgresServer,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = PostgresServer::start().expect("a server");
        Self {
            urls: [
                DatabaseUrl::sqlite_file(&folder.path().join("test.db")),
                server.url().parse().expect("a URL"),
            ],
            _folder: folder,
            server,
        }
    }
}

const fn migration(name: &'static str, statements: &'static str) -> Migration {
    Migration {
        name,
        sqlite: statements,
        postgres: statements,
    }
}

async fn run(database: &Database, statements: &str) {
    let done = database.orm().execute_unprepared(statements).await;
    done.expect(statements);
}

async fn numbers(database: &Database, question: &str) -> Vec<i64> {
    let orm = database.orm();
    let question = Statement::from_string(orm.get_database_backend(), question);
    let rows = orm.query_all_raw(question).await.expect("an answer");
    rows.iter()
        .map(|row| row.try_get_by_index(0).expect("a number"))
        .collect()
}

#[tokio::test]
async fn a_migration_that_a_database_has_is_not_applied_again() {
    const MIGRATIONS: [Migration; 2] = [
        migration("m0001", "these statements would fail"),
        migration(
            "m0002",
            "-- Between statements there may be text.
            CREATE TABLE later (id BIGINT NOT NULL);
            INSERT INTO later (id) VALUES (4); INSERT INTO later (id) VALUES (5);
            -- And behind them.",
        ),
    ];
    for url in &World::new().urls {
        let database = Database::connect(url).await.expect("it opens");
        // As programs before these migrations left it.
        run(
            &database,
            "CREATE TABLE \"shop_migration\" (\"version\" varchar NOT NULL PRIMARY KEY, \"applied_at\" bigint NOT NULL)",
        )
        .await;
        run(&database, "INSERT INTO shop_migration VALUES ('m0001', 7)").await;
        for _ in 0..2 {
            let migrated = database.migrate("shop", &MIGRATIONS).await;
            migrated.expect("only the second is applied, and once");
        }
        let found = numbers(&database, "SELECT id FROM later ORDER BY id").await;
        assert_eq!(found, [4, 5], "{url}");
        let applied = "SELECT applied_at FROM shop_migration ORDER BY version";
        let applied = numbers(&database, applied).await;
        assert!(
            matches!(*applied, [7, second] if second > 1_700_000_000),
            "{url}: {applied:?}"
        );
    }
}

#[tokio::test]
async fn what_fails_changes_nothing_of_its_owner() {
    const GOOD: Migration = migration("m0001", "CREATE TABLE one (id BIGINT)");
    const BAD: Migration = migration(
        "m0002",
        "CREATE TABLE two (id BIGINT); INSERT INTO two (id) VALUES (1); INSERT INTO missing (id) VALUES (1)",
    );
    const MENDED: Migration = migration("m0002", "CREATE TABLE two (id BIGINT)");
    for url in &World::new().urls {
        let database = Database::connect(url).await.expect("it opens");
        let error = database.migrate("shop", &[GOOD, BAD]).await;
        let error = error.expect_err("the second fails");
        assert_eq!(error.to_string(), "cannot migrate the tables of shop");
        let mended = database.migrate("shop", &[GOOD, MENDED]).await;
        mended.expect("neither table is there yet");
        let found = numbers(&database, "SELECT id FROM two").await;
        assert_eq!(found, [0_i64; 0], "{url}");
    }
}

const OLD: Migration = migration("m0001", "CREATE TABLE one (id BIGINT)");
const NEW: Migration = migration("m0002", "CREATE TABLE two (id BIGINT)");

#[tokio::test]
async fn tables_of_a_newer_program_are_lived_with() {
    for url in &World::new().urls {
        let database = Database::connect(url).await.expect("it opens");
        let newer = database.migrate("shop", &[OLD, NEW]).await;
        newer.expect("tables");
        let older = database.migrate("shop", &[OLD]).await;
        older.expect("nothing is lacking");
        let applied = "SELECT count(*) FROM shop_migration";
        assert_eq!(numbers(&database, applied).await, [2], "{url}");
    }
}

#[tokio::test]
async fn a_process_that_leaves_tables_alone_says_which_are_lacking() {
    for url in &World::new().urls {
        let database = Database::connect(url).await.expect("it opens");
        let process = database.clone().leaving_tables();
        let refused = async |migrations: &[Migration]| {
            let error = process.migrate("shop", migrations).await;
            let error = error.expect_err("something is lacking");
            assert!(matches!(error, StorageError::Lacking { .. }), "{error:?}");
            error.to_string()
        };
        let reason = "and this process leaves tables alone (HAPPYPATH_MIGRATE=off)";
        assert_eq!(
            refused(&[OLD]).await,
            format!("the tables of storage lack m0001_create_tables, {reason}")
        );
        let done = database.apply("storage", storage::MIGRATIONS).await;
        assert_eq!(done.expect("tables"), ["m0001_create_tables"]);
        assert_eq!(
            refused(&[OLD, NEW]).await,
            format!("the tables of shop lack m0001, m0002, {reason}")
        );
        database.migrate("shop", &[OLD]).await.expect("tables");
        assert_eq!(
            refused(&[OLD, NEW]).await,
            format!("the tables of shop lack m0002, {reason}")
        );
        let done = process.apply("shop", &[OLD, NEW]).await;
        assert_eq!(done.expect("it was told to"), ["m0002"]);
        process.migrate("shop", &[OLD, NEW]).await.expect("all");
        let done = database.apply("shop", &[OLD, NEW]).await;
        assert_eq!(done.expect("nothing to do"), [""; 0]);
    }
}

#[tokio::test]
async fn who_finds_nothing_lacking_needs_no_right_to_create_tables() {
    let world = World::new();
    let [_, url] = &world.urls;
    let owner = Database::connect(url).await.expect("it opens");
    owner.migrate("shop", &[OLD]).await.expect("tables");
    for statement in [
        "CREATE ROLE worker LOGIN",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO worker",
    ] {
        run(&owner, statement).await;
    }
    let worker = world.server.url().replacen("postgres@", "worker@", 1);
    let worker = worker.parse().expect("a URL");
    let worker = Database::connect(&worker).await.expect("it opens");
    worker.migrate("shop", &[OLD]).await.expect("all is there");
    let error = worker.migrate("shop", &[OLD, NEW]).await;
    let error = error.expect_err("it may not");
    assert!(matches!(error, StorageError::Migrate { .. }), "{error:?}");
    owner.migrate("shop", &[OLD, NEW]).await.expect("it may");
    worker.migrate("shop", &[OLD, NEW]).await.expect("all");
}

#[tokio::test]
async fn owners_migrate_one_database_at_the_same_time() {
    for url in &World::new().urls {
        let start = async |owner: &str, table: &str, migrations: [Migration; 1]| {
            let database = Database::connect(url).await.expect("it opens");
            let migrated = database.migrate(owner, &migrations).await;
            migrated.expect("it migrates");
            let again = database.migrate(owner, &migrations).await;
            again.expect("it is there");
            run(&database, &format!("INSERT INTO {table} VALUES (1)")).await;
        };
        let run = [migration("run", "CREATE TABLE run (id BIGINT)")];
        let fragment = [migration("fragment", "CREATE TABLE fragment (id BIGINT)")];
        let segment = [migration("segment", "CREATE TABLE segment (id BIGINT)")];
        tokio::join!(
            start("journey", "run", run),
            start("journey", "run", run),
            start("identity", "fragment", fragment),
            start("segmentation", "segment", segment),
        );
    }
}
