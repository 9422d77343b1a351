//! Writes that count only when replicas or disks have them.

use std::sync::Arc;
use std::time::Duration;

use hot::{Committed, HotError, HotStore, RedisOptions};
use testkit::{RedisServer, RedisSetup};

use super::writer::{Writer, check, commit, slot};
use super::{connect, options, refusal, until};

fn with_a_replica(url: String) -> RedisOptions {
    RedisOptions {
        replicas_acked: 1,
        wait_timeout: Duration::from_millis(200),
        ..options(url)
    }
}

#[tokio::test]
async fn a_commit_that_no_replica_has_is_not_acknowledged_and_none_that_is_gets_lost() {
    let mut primary = RedisServer::start().expect("a server");
    let replica = RedisSetup::new()
        .replica_of(&primary)
        .start()
        .expect("a replica");
    replica.await_replication().expect("follows");
    let store = Arc::new(
        connect(with_a_replica(primary.url()))
            .await
            .expect("connects"),
    );
    let mut writer = Writer::start(&store, 1).await;
    writer.advance(50).await;
    replica.suspend().expect("stands still");
    let last = writer.finish().await;
    // It is applied, and does not count.
    let seq = last + 1;
    for _ in 0..2 {
        let error = store.commit(slot(1), &commit(seq)).await;
        let error = error.expect_err("no replica has it").to_string();
        assert!(error.contains("0 of 1 replicas have the write"), "{error}");
    }
    assert_eq!(store.head(slot(1)).await.expect("a head").commit_seq, seq);
    replica.resume().expect("goes on");
    let outcome = until("the confirmation", async || {
        store.commit(slot(1), &commit(seq)).await.ok()
    })
    .await;
    assert_eq!(outcome, Committed::AlreadyApplied);
    primary.kill_9().expect("dies");
    replica.ask(&["REPLICAOF", "NO", "ONE"]).expect("promotes");
    let store = connect(options(replica.url())).await.expect("connects");
    check(&store, 1, seq).await;
}

#[tokio::test]
async fn a_confirmation_over_a_new_connection_is_a_real_one() {
    let primary = RedisServer::start().expect("a server");
    let replica = RedisSetup::new()
        .replica_of(&primary)
        .start()
        .expect("a replica");
    replica.await_replication().expect("follows");
    let store = connect(with_a_replica(primary.url()))
        .await
        .expect("connects");
    store.open(slot(1), 1).await.expect("opens");
    replica.suspend().expect("stands still");
    store
        .commit(slot(1), &commit(1))
        .await
        .expect_err("no replica has it");
    // Another process, whose connections have written nothing yet, tries the same commit again.
    let mut other = with_a_replica(primary.url());
    other.lanes = 1;
    let other = connect(other).await;
    let other = match other {
        Ok(other) => other,
        Err(error) => panic!("{error:?}"),
    };
    let error = other.commit(slot(1), &commit(1)).await;
    let error = error.expect_err("no replica has it");
    assert!(matches!(error, HotError::Unavailable(_)), "{error:?}");
    replica.resume().expect("goes on");
    until("the confirmation", async || {
        other.commit(slot(1), &commit(1)).await.ok()
    })
    .await;
}

fn on_disk(url: String) -> RedisOptions {
    RedisOptions {
        fsync_acked: true,
        wait_timeout: Duration::from_millis(500),
        ..options(url)
    }
}

#[tokio::test]
async fn a_commit_that_is_not_on_the_disk_of_valkey_is_not_acknowledged() {
    let setup = RedisSetup::new().valkey().with(RedisServer::SYNCED);
    let mut server = setup.start().expect("a server");
    let store = connect(on_disk(server.url())).await.expect("connects");
    store.open(slot(1), 1).await.expect("opens");
    let outcome = store.commit(slot(1), &commit(1)).await;
    assert_eq!(outcome.expect("commits"), Committed::Applied);
    // The disk is left to the system, so that nobody knows when it has what.
    let policy = |name| {
        server
            .ask(&["CONFIG", "SET", "appendfsync", name])
            .expect("sets")
    };
    policy("no");
    let error = store.commit(slot(1), &commit(2)).await;
    let error = error.expect_err("is not on the disk").to_string();
    assert!(error.contains("not on the disk"), "{error}");
    policy("always");
    let outcome = until("the confirmation", async || {
        store.commit(slot(1), &commit(2)).await.ok()
    })
    .await;
    assert_eq!(outcome, Committed::AlreadyApplied);
    server.kill_9().expect("dies");
    server.restart().expect("starts again");
    let store = connect(on_disk(server.url())).await.expect("connects");
    check(&store, 1, 2).await;
}

#[tokio::test]
async fn a_server_that_cannot_confirm_is_refused() {
    let old = RedisServer::start_with(RedisServer::APPEND_ONLY).expect("a server");
    let info = old.ask(&["COMMAND", "INFO", "WAITAOF"]).expect("answers");
    if info.is_empty() {
        let text = refusal(on_disk(old.url())).await;
        assert!(text.contains("run Redis 7.2 or newer or Valkey"), "{text}");
    } else {
        connect(on_disk(old.url())).await.expect("connects");
    }
    let forgetful = RedisServer::start().expect("a server");
    let text = refusal(on_disk(forgetful.url())).await;
    assert!(text.contains("set appendonly to yes"), "{text}");
}
