//! The settings that an installation was created with.

use kernel::PartitionCount;
use storage::{Database, DatabaseUrl, Installation};

fn installation(partitions: u64, schema_version: u32) -> Installation {
    Installation {
        partition_count: PartitionCount::try_new(partitions).expect("a count"),
        is_count_fixed: true,
        schema_version,
        oldest_schema_version: 1,
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
    assert!(
        error
            .to_string()
            .contains("has schema 2, and this program knows schemas up to 1: upgrade")
    );
    let error = database
        .check_installation(Installation {
            oldest_schema_version: 3,
            ..installation(64, 4)
        })
        .await
        .expect_err("too old");
    assert!(
        error
            .to_string()
            .contains("has schema 2, and this program reads schemas from 3 on: go on with the program that wrote it")
    );
    database
        .check_installation(installation(64, 2))
        .await
        .expect("as it was");
}
