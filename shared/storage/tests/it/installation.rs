//! The settings that an installation was created with.

use kernel::{PartitionCount, Schemas};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use storage::{
    Begun, Database, DatabaseUrl, Installation, LeaseStore, RequestKey, Requests, StorageError,
};
use testkit::PostgresServer;

use crate::server;

fn installation(partitions: u64, schema: u16) -> Installation {
    Installation {
        partition_count: PartitionCount::try_new(partitions).expect("a count"),
        is_count_fixed: true,
        schemas: schemas(1, schema, schema),
    }
}

/// The schemas of a program: the oldest that it reads, the oldest program that can live with what
/// it writes, and what it writes.
fn schemas(oldest_read: u16, oldest_reader: u16, written: u16) -> Schemas {
    Schemas {
        written,
        oldest_reader,
        oldest_read,
    }
}

#[tokio::test]
async fn another_partition_count_or_a_newer_schema_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let database = Database::connect(&url).await.expect("it opens");
    database.migrate("test", &[]).await.expect("tables");
    database
        .check_installation(installation(64, 1))
        .await
        .expect("created");
    database
        .check_installation(installation(64, 1))
        .await
        .expect("the same");
    let error = database
        .check_installation(installation(16, 1))
        .await
        .expect_err("another count");
    assert_eq!(
        error.to_string(),
        "this database was created with partition count 64, and the configuration says 16: set partition count to 64, or \
         point to an empty database"
    );
    let kept = database
        .check_installation(Installation {
            is_count_fixed: false,
            ..installation(256, 1)
        })
        .await
        .expect("nobody chose a count");
    assert_eq!(kept.get(), 64);
    database
        .check_installation(installation(64, 2))
        .await
        .expect("upgraded");
    let error = database
        .check_installation(installation(64, 1))
        .await
        .expect_err("newer");
    assert_eq!(
        error.to_string(),
        "this database has schema 2, which programs of schema 2 and newer can live with, and this one is of schema 1"
    );
    let error = database
        .check_installation(Installation {
            schemas: schemas(3, 4, 4),
            ..installation(64, 4)
        })
        .await
        .expect_err("too old");
    assert_eq!(
        error.to_string(),
        "this database has schema 2, and this program reads schemas from 3 on"
    );
    database
        .check_installation(installation(64, 2))
        .await
        .expect("as it was");
}

#[tokio::test]
async fn programs_of_two_versions_take_turns_in_a_database_until_one_contracts_it() {
    let (databases, _places) = crate::databases().await;
    for database in databases {
        let come = async |schemas: Schemas| {
            let installation = Installation {
                schemas,
                ..installation(64, 1)
            };
            let checked = database.check_schema(schemas).await.map(drop);
            let came = database.check_installation(installation).await.map(drop);
            assert_eq!(checked.is_ok(), came.is_ok(), "{checked:?} {came:?}");
            came.map_err(|error| error.to_string())
        };
        let stored = async || {
            let any = schemas(0, 0, u16::MAX);
            let stored = database.check_schema(any).await.expect("a schema");
            stored.map(|stored| (stored.oldest_reader, stored.written))
        };
        assert_eq!(stored().await, None);
        come(schemas(5, 5, 6)).await.expect("the first one");
        assert_eq!(stored().await, Some((5, 6)));
        come(schemas(5, 6, 7)).await.expect("the next one");
        assert_eq!(stored().await, Some((6, 7)));
        come(schemas(5, 5, 6)).await.expect("the one before again");
        assert_eq!(stored().await, Some((6, 7)), "it takes nothing back");
        come(schemas(7, 8, 8)).await.expect("one that contracts");
        assert_eq!(stored().await, Some((8, 8)));
        for older in [schemas(5, 5, 6), schemas(5, 6, 7)] {
            come(older).await.expect_err("it would misread it");
        }
        assert_eq!(stored().await, Some((8, 8)));
    }
}

/// Opens a database for an installation, with tables.
async fn open(url: &str, installation: Option<&str>) -> Result<Database, StorageError> {
    let name = installation.map(|name| name.parse().expect("a name"));
    let url = url.parse().expect("a URL");
    let database = Database::connect_installation(&url, name.as_ref()).await?;
    database.migrate("test", &[]).await?;
    Ok(database)
}

/// Returns the schemas of a database that are not PostgreSQL's own.
async fn schema_names(database: &Database) -> Vec<String> {
    let text = "SELECT nspname::text FROM pg_namespace \
                WHERE left(nspname, 3) <> 'pg_' AND nspname <> 'information_schema' \
                ORDER BY nspname COLLATE \"C\"";
    let question = Statement::from_string(DbBackend::Postgres, text);
    let rows = database.orm().query_all_raw(question).await;
    let rows = rows.expect("an answer");
    rows.iter()
        .map(|row| row.try_get_by_index(0).expect("a name"))
        .collect()
}

const NAMES: [Option<&str>; 4] = [None, Some("a"), Some("a-b"), Some("a_b")];

#[tokio::test]
async fn installations_of_one_database_see_nothing_of_each_other() {
    let server = server();
    let url = server.create_database().expect("a database");
    let key = RequestKey {
        request_id: "first",
        method: "a.B/C",
    };
    let mut databases = Vec::new();
    for (name, partitions) in NAMES.into_iter().zip([4, 8, 16, 32]) {
        let database = open(&url, name).await.expect("it opens");
        let checked = database
            .check_installation(installation(partitions, 1))
            .await;
        assert_eq!(u64::from(checked.expect("created").get()), partitions);
        let id = name.unwrap_or("none");
        let drawn = database.installation_id(id).await.expect("an id");
        assert_eq!(drawn, id, "it is the first of its installation");
        // Over connections of their own too.
        let requests = Requests::new(database.apart(1));
        let begun = requests.begin(key, b"x").await.expect("an answer");
        assert!(matches!(begun, Begun::New(_)), "{name:?}: {begun:?}");
        let count = PartitionCount::try_new(partitions).expect("a count");
        let leases = LeaseStore::new(database.clone());
        leases.prepare("journey", count).await.expect("rows");
        databases.push(database);
    }
    for (database, partitions) in databases.iter().zip([4, 8, 16, 32]) {
        let leases = LeaseStore::new(database.clone()).list("journey").await;
        assert_eq!(leases.expect("a list").len(), partitions);
    }
    assert_eq!(
        schema_names(&databases[0]).await,
        ["happypath_a", "happypath_a-b", "happypath_a_b", "public"]
    );

    // One that goes takes nothing with it.
    let gone = "DROP SCHEMA \"happypath_a\" CASCADE";
    let dropped = databases[0].orm().execute_unprepared(gone).await;
    dropped.expect("it is there");
    for (place, name) in NAMES.into_iter().enumerate() {
        let database = open(&url, name).await.expect("it opens");
        let begun = Requests::new(database).begin(key, b"x").await;
        let begun = begun.expect("an answer");
        let is_new = matches!(begun, Begun::New(_));
        assert_eq!(is_new, place == 1, "{name:?}: {begun:?}");
    }
}

#[tokio::test]
async fn processes_of_new_installations_start_at_the_same_time() {
    let server = server();
    let url = server.create_database().expect("a database");
    let starts = (0..12).map(|number| {
        let name = ["a", "b", "c"][number % 3];
        let url = &url;
        async move {
            let database = open(url, Some(name)).await.expect("it opens");
            let id = database.installation_id(&number.to_string()).await;
            (name, id.expect("an id"))
        }
    });
    let mut ids = futures::future::join_all(starts).await;
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "one id for each installation: {ids:?}");
}

#[tokio::test]
async fn a_schema_that_may_not_be_created_is_told_and_one_that_is_there_needs_no_right() {
    let server = PostgresServer::start().expect("a server");
    let url = server.create_database().expect("a database");
    let owner = open(&url, None).await.expect("it opens");
    let run = async |statement: &str| {
        let done = owner.orm().execute_unprepared(statement).await;
        done.expect(statement);
    };
    run("CREATE ROLE worker LOGIN").await;
    let url = url.replacen("postgres@", "worker@", 1);
    let error = open(&url, Some("a")).await.expect_err("it may not");
    assert!(
        matches!(error, StorageError::CreateSchema { .. }),
        "{error:?}"
    );
    let said = error.to_string();
    assert!(
        said.starts_with(
            "cannot create the schema \"happypath_a\" of this installation: create it"
        ),
        "{said}"
    );
    run("CREATE SCHEMA happypath_a AUTHORIZATION worker").await;
    open(&url, Some("a")).await.expect("it is there");
    // A schema that the user may not read is none, and no other one is taken for it.
    run("CREATE SCHEMA happypath_b").await;
    let error = open(&url, Some("b")).await.expect_err("it may not");
    assert!(matches!(error, StorageError::Migrate { .. }), "{error:?}");
}

#[tokio::test]
async fn a_name_and_a_sqlite_file_are_refused_with_the_remedy() {
    let error = open("sqlite::memory:", Some("a"))
        .await
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        "a SQLite file belongs to one installation: leave the name of the installation out and choose a file for each, or \
         keep the database in Postgres"
    );
}
