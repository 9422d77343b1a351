//! Folders that a program of another version left: refused with the remedy, and left as they are.

use fjall::{Database, KeyspaceCreateOptions};
use hot::{EmbeddedStore, HotError};
use tempfile::TempDir;

use crate::embedded::partitions;

/// The key of the format, in every schema.
const FORMAT: [u8; 1] = [0];

/// Returns the format of a folder after it was set, if there is one to set: schema and partitions.
fn format(folder: &TempDir, set: Option<[u8; 4]>) -> Option<Vec<u8>> {
    let database = Database::builder(folder).open().expect("opens");
    let meta = database.keyspace("meta", KeyspaceCreateOptions::default);
    let meta = meta.expect("a keyspace");
    if let Some(format) = set {
        meta.insert(FORMAT, format).expect("written");
    }
    meta.get(FORMAT).expect("read").map(|value| value.to_vec())
}

#[tokio::test]
async fn a_folder_of_another_schema_is_refused_with_the_remedy() {
    for schema in [1, 200] {
        let folder = tempfile::tempdir().expect("a folder");
        let [p0, p1] = partitions().get().to_be_bytes();
        let other = [0, schema, p0, p1];
        format(&folder, Some(other));
        let error = EmbeddedStore::open(&folder, partitions())
            .await
            .expect_err("of another schema");
        let HotError::Mismatch(text) = error else {
            panic!("{error:?}");
        };
        let beginning = format!(
            "the folder {} has schema {schema}, ",
            folder.path().display()
        );
        let remedy = ": run the version that wrote it, or choose an empty folder";
        assert!(text.starts_with(&beginning), "{text}");
        assert!(text.ends_with(remedy), "{text}");
        assert_eq!(format(&folder, None).as_deref(), Some(&other[..]));
    }
}
