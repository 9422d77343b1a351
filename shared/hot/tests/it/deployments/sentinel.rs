//! What sentinels watch, when its primary dies.

use std::sync::Arc;

use hot::{HotStore, StreamId, StreamName, Wake};
use kernel::PartitionId;
use testkit::{RedisSentinel, RedisSetup};

use super::writer::{Writer, check};
use super::{connect, hint, options};

#[tokio::test]
async fn a_fail_over_under_load_is_noticed_and_every_commit_is_there_once() {
    let mut servers = RedisSentinel::start(&RedisSetup::new(), None).expect("starts");
    let store = Arc::new(connect(options(servers.url())).await.expect("connects"));
    let mut hints = store
        .subscribe(&[StreamName::Facts])
        .await
        .expect("subscribes");
    let mut writers = Vec::new();
    for partition in 0..3 {
        writers.push(Writer::start(&store, partition).await);
    }
    for writer in &mut writers {
        writer.advance(100).await;
    }
    // One of the sentinels goes, too: the others know enough.
    servers.kill_sentinel(0).expect("dies");
    servers.server_mut(0).kill_9().expect("dies");
    hint(&mut hints, Wake::Reopen).await;
    for writer in &mut writers {
        writer.advance(100).await;
    }
    // Hints come from the server that is written to now.
    let news = Wake::Stream(StreamId {
        name: StreamName::Facts,
        partition: PartitionId::new(2),
    });
    hint(&mut hints, news).await;
    for (partition, writer) in (0..).zip(writers) {
        let last = writer.finish().await;
        check(&store, partition, last).await;
    }
    let role = servers.server(1).ask(&["ROLE"]).expect("answers");
    assert!(role.starts_with("master"), "{role}");
}

#[tokio::test]
async fn a_primary_that_hangs_is_left_for_the_one_that_is_chosen() {
    let servers = RedisSentinel::start(&RedisSetup::new(), None).expect("starts");
    let store = Arc::new(connect(options(servers.url())).await.expect("connects"));
    let mut writer = Writer::start(&store, 1).await;
    writer.advance(50).await;
    servers.server(0).suspend().expect("stands still");
    writer.advance(50).await;
    let last = writer.finish().await;
    check(&store, 1, last).await;
    let role = servers.server(1).ask(&["ROLE"]).expect("answers");
    assert!(role.starts_with("master"), "{role}");
    servers.server(0).resume().expect("goes on");
}
