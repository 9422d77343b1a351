//! What an installation was created with.

use kernel::PartitionCount;
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};
use storage::{Database, DatabaseUrl, Installation};

fn installation(partitions: u64, schema_version: u32) -> Installation {
    Installation {
        partition_count: PartitionCount::try_new(partitions).expect("a count"),
        schema_version,
    }
}

#[tokio::test]
async fn another_partition_count_or_a_newer_schema_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let database = Database::connect(&url).await.expect("it opens");
    database.migrate("test", Vec::new()).await.expect("tables");
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
    database
        .check_installation(installation(64, 2))
        .await
        .expect("upgraded");
    let error = database
        .check_installation(installation(64, 1))
        .await
        .expect_err("newer");
    assert!(
        error
            .to_string()
            .contains("has schema 2, and this program knows schemas up to 1: upgrade")
    );
}

struct Create(&'static str);

impl MigrationName for Create {
    fn name(&self) -> &str {
        self.0
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = format!("CREATE TABLE {} (id INTEGER)", self.0);
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }
}

#[tokio::test]
async fn owners_migrate_one_database_at_the_same_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let start = |owner: &'static str, table: &'static str| {
        let url = url.clone();
        async move {
            let database = Database::connect(&url).await.expect("it opens");
            let migrations = || -> Vec<Box<dyn MigrationTrait>> { vec![Box::new(Create(table))] };
            database
                .migrate(owner, migrations())
                .await
                .expect("it migrates");
            database.migrate(owner, migrations()).await.expect("again");
            let sql = format!("INSERT INTO {table} VALUES (1)");
            database
                .orm()
                .execute_unprepared(&sql)
                .await
                .expect("the table is there");
        }
    };
    tokio::join!(
        start("journey", "run"),
        start("journey", "run"),
        start("identity", "fragment"),
        start("segmentation", "segment"),
    );
}
