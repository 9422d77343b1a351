//! Bytes of what was removed leave the files of a store.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hot::{
    Append, Appended, Commit, Cursor, EmbeddedStore, HotStore, OutboxMessage, Owner, PageBounds,
    QuarantineId, RedisOptions, RedisStore, Slot, Standing, StateKey, StateWrite, StreamId,
    StreamName, Timer,
};
use kernel::PartitionId;
use testkit::RedisServer;

use crate::embedded::partitions;

const SLOT: Slot = Slot {
    owner: Owner::Segmentation,
    partition: PartitionId::new(1),
};
const EVENTS: StreamId = StreamId {
    name: StreamName::Events,
    partition: PartitionId::new(1),
};
/// Words of somebody, for every place: no two have anything in common, so that compressing
/// does not hide them.
const STATE: &str = "kq8Zt1VwPfHs7Xc2";
const ENTRY: &str = "Jm4RxYb6NcLdEo93";
const MESSAGE: &str = "uG3iATzKv5lDyB0p";
const ASIDE: &str = "Wh5SQn0jMrFa6eUg";
const SECRETS: [&str; 4] = [STATE, ENTRY, MESSAGE, ASIDE];

fn write(key: &str, value: Option<String>) -> StateWrite {
    StateWrite {
        key: StateKey::copy_from_slice(key.as_bytes()),
        value: value.map(Bytes::from),
        timer: Timer::NONE,
        adds_entry: false,
    }
}

/// Writes everywhere.
async fn fill(store: &dyn HotStore) {
    store.open(SLOT, 1).await.expect("opens");
    for payload in [ENTRY, "of another"] {
        let append = Append {
            to: EVENTS,
            payload: payload.into(),
            source: None,
            origin: None,
        };
        let appended = store.append(&append).await.expect("appends");
        assert_eq!(appended, Appended::Applied);
    }
    let commit = Commit {
        epoch: 1,
        seq: 1,
        batch_id: 1,
        states: vec![
            write("somebody", Some(STATE.to_owned())),
            write("other", Some("of-another".to_owned())),
        ],
        outbox: [MESSAGE, "of another"]
            .map(|payload| OutboxMessage {
                to: EVENTS,
                payload: payload.into(),
            })
            .into(),
        quarantine: vec![ASIDE.into(), "of another".into()],
        ..Commit::default()
    };
    store.commit(SLOT, &commit).await.expect("commits");
}

/// Removes what is of somebody.
async fn empty(store: &dyn HotStore) {
    let entries = store.poll(EVENTS, Cursor::START, 9).await.expect("polls");
    let first = entries.first().expect("an entry");
    let commit = Commit {
        epoch: 1,
        seq: 2,
        batch_id: 2,
        states: vec![write("somebody", None)],
        cursors: vec![(EVENTS.name, first.cursor)],
        released: vec![QuarantineId {
            commit_seq: 1,
            index: 0,
        }],
        ..Commit::default()
    };
    store.commit(SLOT, &commit).await.expect("commits");
    let at = Standing {
        slot: SLOT,
        epoch: 1,
        commit_seq: 2,
    };
    store.trim_outbox(at, 1).await.expect("trims");
}

/// Scrubs until that is done.
async fn scrub(store: &dyn HotStore) -> String {
    let mut scrubbed = store.scrub(None).await.expect("scrubs");
    for _ in 0..600 {
        if scrubbed.is_done {
            return scrubbed.detail;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        scrubbed = store.scrub(Some(&scrubbed.ticket)).await.expect("scrubs");
    }
    panic!("it never ends: {scrubbed:?}");
}

/// The files below a folder that have some bytes.
fn files_with(folder: &Path, bytes: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        } else {
            let content = std::fs::read(&path).unwrap_or_default();
            let mut windows = content.windows(bytes.len());
            if windows.any(|it| it == bytes.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn check_nothing_left(folder: &Path) {
    for secret in SECRETS {
        let found = files_with(folder, secret);
        assert_eq!(found, Vec::<String>::new(), "{secret}");
    }
    assert_ne!(files_with(folder, "of-another"), Vec::<String>::new());
}

async fn check_other(store: &dyn HotStore) {
    let keys = ["somebody", "other"].map(|key| StateKey::copy_from_slice(key.as_bytes()));
    let loaded = store.load(SLOT, &keys).await.expect("loads");
    let values: Vec<_> = loaded.into_iter().map(|it| it.map(|it| it.value)).collect();
    assert_eq!(values, [None, Some(Bytes::from_static(b"of-another"))]);
    let entries = store.poll(EVENTS, Cursor::START, 9).await.expect("polls");
    let entries: Vec<_> = entries.into_iter().map(|it| it.payload).collect();
    assert_eq!(entries, ["of another"]);
    let messages = store.outbox(SLOT, 0, 9).await.expect("reads");
    assert_eq!(messages.len(), 1);
    assert_eq!(
        (messages[0].seq, &messages[0].message.payload[..]),
        (2, &b"of another"[..])
    );
    let page = PageBounds {
        entries: 9,
        bytes: 1_000,
    };
    let aside = store.quarantined(SLOT, None, page).await.expect("reads");
    let aside: Vec<_> = aside
        .into_iter()
        .map(|it| (it.id.index, it.payload))
        .collect();
    assert_eq!(aside, [(1, Bytes::from_static(b"of another"))]);
}

#[tokio::test]
async fn an_embedded_store_writes_its_files_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = EmbeddedStore::open(&folder, partitions()).await;
    let store = store.expect("opens");
    fill(&store).await;
    empty(&store).await;
    for secret in SECRETS {
        let found = files_with(folder.path(), secret);
        assert_ne!(found, Vec::<String>::new(), "{secret}");
    }
    scrub(&store).await;
    check_nothing_left(folder.path());
    check_other(&store).await;
    // Again, where what is there is in tables.
    scrub(&store).await;
    drop(store);
    let store = EmbeddedStore::open(&folder, partitions()).await;
    check_other(&store.expect("opens")).await;
    check_nothing_left(folder.path());
}

#[tokio::test]
async fn tables_from_before_are_gone_when_an_embedded_store_is_scrubbed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = EmbeddedStore::open(&folder, partitions()).await;
    let store = store.expect("opens");
    fill(&store).await;
    // Somebody else is erased, so that all there is comes to tables.
    scrub(&store).await;
    let tables = folder.path().join("keyspaces");
    for secret in SECRETS {
        let found = files_with(folder.path(), secret);
        assert_eq!(found, files_with(&tables, secret), "{secret}");
        assert_ne!(found, Vec::<String>::new(), "{secret}");
    }
    empty(&store).await;
    scrub(&store).await;
    check_nothing_left(folder.path());
    check_other(&store).await;
}

#[tokio::test]
async fn writes_go_on_while_an_embedded_store_is_scrubbed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = EmbeddedStore::open(&folder, partitions()).await;
    let store = store.expect("opens");
    fill(&store).await;
    scrub(&store).await;
    empty(&store).await;
    let writes = async {
        for seq in 3..300 {
            let commit = Commit {
                epoch: 1,
                seq,
                batch_id: seq,
                states: vec![write(&format!("key-{seq}"), Some("x".repeat(2_000)))],
                ..Commit::default()
            };
            store.commit(SLOT, &commit).await.expect("commits");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::join!(scrub(&store), writes);
    check_nothing_left(folder.path());
    let keys: Vec<_> = (3..300)
        .map(|seq| StateKey::from(format!("key-{seq}")))
        .collect();
    let loaded = store.load(SLOT, &keys).await.expect("loads");
    assert!(loaded.iter().all(Option::is_some));
}

#[tokio::test]
async fn a_redis_is_asked_for_its_files() {
    let arguments = [
        "--appendonly",
        "yes",
        "--save",
        "3600 1",
        "--rdbcompression",
        "no",
    ];
    let server = RedisServer::start_with(&arguments).expect("a server");
    let store = RedisStore::connect(RedisOptions::new(server.url()), partitions()).await;
    let store = store.expect("connects");
    fill(&store).await;
    server.ask(&["SAVE"]).expect("saves");
    empty(&store).await;
    for secret in SECRETS {
        let found = files_with(server.folder(), secret);
        assert!(found.len() > 1, "{secret}: {found:?}");
    }
    let detail = scrub(&store).await;
    assert_eq!(detail, "");
    check_nothing_left(server.folder());
    check_other(&store).await;
}

#[tokio::test]
async fn a_redis_that_refuses_is_told_of_and_one_without_files_is_done() {
    let server = RedisServer::start().expect("a server");
    let store = RedisStore::connect(RedisOptions::new(server.url()), partitions()).await;
    let store = store.expect("connects");
    let scrubbed = store.scrub(None).await.expect("scrubs");
    assert!(scrubbed.is_done, "{scrubbed:?}");

    let arguments = [
        "--appendonly",
        "yes",
        "--rename-command",
        "BGREWRITEAOF",
        "",
    ];
    let server = RedisServer::start_with(&arguments).expect("a server");
    let store = RedisStore::connect(RedisOptions::new(server.url()), partitions()).await;
    let store = store.expect("connects");
    let scrubbed = store.scrub(None).await.expect("scrubs");
    assert!(scrubbed.is_done, "{scrubbed:?}");
    let expected = "the append-only file is not written again: ";
    assert!(scrubbed.detail.starts_with(expected), "{scrubbed:?}");
}
