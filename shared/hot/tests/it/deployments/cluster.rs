//! A cluster that loses a primary, and one that moves slots, while writers write.

use std::sync::Arc;

use hot::{HotStore, RedisStore, StreamId, StreamName, Wake};
use kernel::PartitionId;
use testkit::{RedisCluster, RedisServer, RedisSetup};

use super::contract::Servers;
use super::writer::{Writer, check};
use super::{connect, hint, options};

const PARTITIONS: u16 = 4;

async fn start(setup: &RedisSetup) -> (RedisCluster, Arc<RedisStore>, Vec<Writer>) {
    let cluster = RedisCluster::start(setup).expect("starts");
    let store = Arc::new(connect(options(cluster.url())).await.expect("connects"));
    let mut writers = Vec::new();
    for partition in 0..PARTITIONS {
        writers.push(Writer::start(&store, partition).await);
    }
    for writer in &mut writers {
        writer.advance(50).await;
    }
    (cluster, store, writers)
}

async fn finish(store: &RedisStore, writers: Vec<Writer>) {
    for (partition, writer) in (0..).zip(writers) {
        let last = writer.finish().await;
        check(store, partition, last).await;
    }
}

/// A key of a partition that a node serves.
fn a_key(node: &RedisServer) -> String {
    let keys = node.ask(&["KEYS", "hp:{*}:journey:m"]).expect("lists");
    keys.lines().next().expect("a partition").to_owned()
}

#[tokio::test]
async fn a_dead_primary_under_load_is_replaced_and_every_commit_is_there_once() {
    let (mut cluster, store, mut writers) = start(&RedisSetup::new()).await;
    let mut hints = store
        .subscribe(&[StreamName::Facts])
        .await
        .expect("subscribes");
    cluster.node_mut(0).kill_9().expect("dies");
    hint(&mut hints, Wake::Reopen).await;
    for writer in &mut writers {
        writer.advance(50).await;
    }
    for partition in 0..PARTITIONS {
        let news = Wake::Stream(StreamId {
            name: StreamName::Facts,
            partition: PartitionId::new(partition),
        });
        hint(&mut hints, news).await;
    }
    finish(&store, writers).await;
}

#[tokio::test]
async fn a_slot_that_moves_under_load_and_back_loses_nothing() {
    move_a_slot(&RedisSetup::new()).await;
}

#[tokio::test]
async fn a_slot_that_moves_under_load_and_back_loses_nothing_on_valkey() {
    move_a_slot(&RedisSetup::new().valkey()).await;
}

async fn move_a_slot(setup: &RedisSetup) {
    let (cluster, store, mut writers) = start(setup).await;
    let key = a_key(cluster.node(0));
    let slot = cluster.slot_of(&key).expect("a slot");
    let cluster = Arc::new(cluster);
    for to in [1, 2, 0] {
        let moving = Arc::clone(&cluster);
        let moved = tokio::task::spawn_blocking(move || moving.migrate_slot(slot, to));
        moved.await.expect("runs").expect("moves");
        for writer in &mut writers {
            writer.advance(20).await;
        }
        assert_eq!(cluster.owner_of(slot).expect("an owner"), to);
    }
    finish(&store, writers).await;
}

#[tokio::test]
async fn a_primary_that_hangs_holds_up_nobody_else_for_long() {
    let (cluster, store, mut writers) = start(&RedisSetup::new()).await;
    cluster.node(1).suspend().expect("stands still");
    for writer in &mut writers {
        writer.advance(50).await;
    }
    finish(&store, writers).await;
    cluster.node(1).resume().expect("goes on");
}
