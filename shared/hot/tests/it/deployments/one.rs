//! One server that hangs, is demoted, or starts again.

use std::sync::Arc;
use std::time::Duration;

use hot::{HotError, HotStore, StreamName, Wake};
use testkit::{Proxy, RedisServer, RedisSetup};
use tokio::time::timeout;

use super::writer::{Writer, check, commit, slot};
use super::{PATIENCE, connect, hint, options, until};

#[tokio::test]
async fn a_connection_on_which_nothing_comes_back_is_left_for_a_new_one() {
    let server = RedisServer::start().expect("a server");
    let door = Proxy::start(server.port()).expect("a door");
    let mut options = options(door.url(&server.url()));
    options.response_timeout = Duration::from_millis(300);
    let store = connect(options).await.expect("connects");
    store.open(slot(1), 1).await.expect("opens");
    door.block();
    let error = timeout(PATIENCE, store.commit(slot(1), &commit(1))).await;
    let error = error.expect("gives up").expect_err("nothing comes back");
    assert!(matches!(error, HotError::Unavailable(_)), "{error:?}");
    door.cut();
    let error = store.commit(slot(1), &commit(1)).await;
    let error = error.expect_err("nobody is there");
    assert!(matches!(error, HotError::Unavailable(_)), "{error:?}");
    door.resume();
    until("the commit", async || {
        store.commit(slot(1), &commit(1)).await.ok()
    })
    .await;
    check(&store, 1, 1).await;
}

#[tokio::test]
async fn a_server_that_was_demoted_is_asked_again_until_it_takes_writes() {
    let primary = RedisServer::start().expect("a server");
    let server = RedisServer::start().expect("a server");
    let store = connect(options(server.url())).await.expect("connects");
    store.open(slot(1), 1).await.expect("opens");
    let port = primary.port().to_string();
    server
        .ask(&["REPLICAOF", "127.0.0.1", &port])
        .expect("demotes");
    let error = store.commit(slot(1), &commit(1)).await;
    let error = error.expect_err("a replica takes no writes");
    assert!(matches!(error, HotError::Unavailable(_)), "{error:?}");
    server.await_replication().expect("follows");
    let error = connect(options(server.url())).await;
    let error = error.expect_err("a replica takes no writes").to_string();
    assert!(error.contains("is a replica"), "{error}");
    server.ask(&["REPLICAOF", "NO", "ONE"]).expect("promotes");
    // What the server had is gone, with its functions: it took all that the other one had.
    until("the epoch", async || store.open(slot(1), 2).await.ok()).await;
}

#[tokio::test]
async fn a_restart_is_noticed_by_those_who_sleep_and_those_who_write() {
    let mut server = RedisServer::start_with(RedisServer::APPEND_ONLY).expect("a server");
    let store = Arc::new(connect(options(server.url())).await.expect("connects"));
    let mut hints = store
        .subscribe(&[StreamName::Events])
        .await
        .expect("subscribes");
    let mut writer = Writer::start(&store, 1).await;
    writer.advance(50).await;
    server.kill_9().expect("dies");
    server.restart().expect("starts again");
    hint(&mut hints, Wake::Reopen).await;
    writer.advance(50).await;
    let last = writer.finish().await;
    check(&store, 1, last).await;
}

#[tokio::test]
async fn a_server_that_stays_says_nothing() {
    let server = RedisServer::start().expect("a server");
    let store = connect(options(server.url())).await.expect("connects");
    let mut hints = store
        .subscribe(&[StreamName::Events])
        .await
        .expect("subscribes");
    // A replica that comes takes nothing away, but the server may change the name of its history.
    let asked = || {
        let stats = server.ask(&["INFO", "commandstats"]).expect("answers");
        let line = stats.lines().find(|line| line.starts_with("cmdstat_info:"));
        let calls = line.and_then(|line| line.split_once("calls=")?.1.split_once(','));
        calls.map_or(0, |(calls, _)| calls.parse::<u64>().expect("a number"))
    };
    let before = asked();
    until("the watcher's next look", async || {
        (asked() > before + 1).then_some(())
    })
    .await;
    assert!(hints.try_recv().is_err());
}

#[tokio::test]
async fn what_is_no_server_for_us_is_told_how_to_be_reached() {
    let cluster = RedisServer::start_with(&["--cluster-enabled", "yes"]).expect("a server");
    let text = super::refusal(options(cluster.url())).await;
    assert!(text.contains("redis+cluster://"), "{text}");
    let single = RedisSetup::new().start().expect("a server");
    let url = single.url().replacen("redis", "redis+cluster", 1);
    let text = super::refusal(options(url)).await;
    assert!(text.contains("write its address as redis://"), "{text}");
}
