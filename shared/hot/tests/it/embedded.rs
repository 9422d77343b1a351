//! The embedded store.

use std::sync::Arc;

use async_trait::async_trait;
use hot::contract::{PARTITIONS, Subject};
use hot::{
    Append, Cursor, EmbeddedOptions, EmbeddedStore, HotError, Origin, SharedHotStore, StreamId,
    StreamName, Writer,
};
use kernel::{PartitionCount, PartitionId};
use tempfile::TempDir;

pub(crate) fn partitions() -> PartitionCount {
    PartitionCount::try_new(PARTITIONS).expect("a count")
}

struct Embedded {
    folder: TempDir,
    options: EmbeddedOptions,
}

impl Embedded {
    fn new(fsync: bool) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            options: EmbeddedOptions {
                fsync,
                ..EmbeddedOptions::default()
            },
        }
    }

    async fn open(&self) -> SharedHotStore {
        let store = EmbeddedStore::open_with(self.folder.path(), partitions(), self.options);
        Arc::new(store.await.expect("opens"))
    }
}

#[async_trait]
impl Subject for Embedded {
    async fn empty(&mut self) -> SharedHotStore {
        self.folder = tempfile::tempdir().expect("a folder");
        self.open().await
    }

    async fn reopen(&mut self, store: SharedHotStore) -> SharedHotStore {
        drop(store);
        self.open().await
    }
}

mod contract {
    use super::Embedded;

    async fn subject() -> Embedded {
        Embedded::new(false)
    }

    hot::contract_tests!(subject);
}

#[tokio::test]
async fn an_append_with_an_origin_is_refused() {
    let store = Embedded::new(false).empty().await;
    let append = Append {
        to: StreamId {
            name: StreamName::Events,
            partition: PartitionId::new(1),
        },
        payload: "event".into(),
        source: None,
        origin: Some(Origin {
            writer: Writer::process(1),
            seq: 1,
        }),
    };
    let error = store.append(&append).await.expect_err("refused");
    assert!(matches!(error, HotError::Invalid(_)), "{error:?}");
    let lag = store.lag(append.to, Cursor::START).await.expect("a lag");
    assert_eq!(lag, 0);
}

#[tokio::test]
async fn commits_that_wait_for_the_disk_keep_the_contract() {
    let mut subject = Embedded::new(true);
    hot::contract::a_commit_whose_reply_was_lost_is_applied_once(&mut subject).await;
    hot::contract::ranges_of_a_source_are_taken_once(&mut subject).await;
    hot::contract::what_was_acknowledged_is_there_after_reopening(&mut subject).await;
}

#[tokio::test]
async fn another_partition_count_is_refused_with_both_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(
        EmbeddedStore::open(&folder, partitions())
            .await
            .expect("opens"),
    );
    let error = EmbeddedStore::open(&folder, PartitionCount::DEFAULT)
        .await
        .expect_err("refused");
    let HotError::Mismatch(text) = error else {
        panic!("{error:?}");
    };
    let expected =
        "was created with 4 partitions, not 64: configure 4 partitions, or choose an empty folder";
    assert!(text.ends_with(expected), "{text}");
}

#[tokio::test]
async fn a_folder_is_open_only_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = EmbeddedStore::open(&folder, partitions())
        .await
        .expect("opens");
    let error = EmbeddedStore::open(&folder, partitions())
        .await
        .expect_err("refused");
    assert!(
        error.to_string().contains("is open in another process"),
        "{error}"
    );
    drop(store);
    EmbeddedStore::open(&folder, partitions())
        .await
        .expect("opens");
}
