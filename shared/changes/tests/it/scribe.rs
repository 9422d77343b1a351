//! Writing: each commit comes into the log once, in order, whatever happens to who writes.

use std::time::Duration;

use changes::{ChangeSink as _, Pending, Place, Scribe, WriteError, limits};
use kernel::{Owner, PartitionId};
use testkit::PostgresServer;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::world::{SLOT, World, change, encode, pending, push};

const OTHER: (Owner, PartitionId) = (Owner::Identity, PartitionId::new(1_023));

fn logged(scribe: &Scribe, slot: (Owner, PartitionId)) -> (u64, u64) {
    let Place { epoch, seq } = scribe.logged(slot.0, slot.1);
    (epoch, seq)
}

/// A worker of the process opens its partition.
fn opens(scribe: &Scribe, epoch: u64, pending: Vec<Pending>) {
    scribe.open(SLOT.0, SLOT.1, epoch, pending);
}

#[tokio::test]
async fn what_is_pushed_is_in_the_log_a_moment_later_and_its_worker_hears_so() {
    for world in World::all().await {
        let scribe = Scribe::new(world.log.clone());
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(scribe.clone().run(shutdown.clone()));
        opens(&scribe, 2, vec![pending((1, 9), vec![change(1, 1)])]);
        scribe.open(OTHER.0, OTHER.1, 1, Vec::new());
        assert_eq!(logged(&scribe, SLOT), (0, 0));
        for seq in 1..=3 {
            push(&scribe, SLOT, (2, seq), vec![change(1, 2)]);
            push(&scribe, OTHER, (1, seq), vec![change(1, 3), change(1, 3)]);
        }
        let begun = Instant::now();
        while logged(&scribe, SLOT) != (2, 3) || logged(&scribe, OTHER) != (1, 3) {
            assert!(begun.elapsed() < Duration::from_secs(10), "it is written");
            sleep(Duration::from_millis(2)).await;
        }
        assert!(
            begun.elapsed() >= limits::FLUSH_INTERVAL / 2,
            "they wait for others"
        );
        assert_eq!(
            world.log.newest_row().await.expect("an answer"),
            1,
            "in one row"
        );
        assert_eq!(world.read_all().await.len(), 10);
        // The rest goes there when the process ends, without a pause.
        push(&scribe, SLOT, (2, 4), vec![change(1, 4)]);
        scribe.close(SLOT.0, SLOT.1, 2);
        shutdown.cancel();
        running.await.expect("it ends");
        assert_eq!(world.times().await.last(), Some(&4));
    }
}

#[tokio::test]
async fn a_full_row_does_not_wait_for_others() {
    let world = World::sqlite().await;
    let scribe = Scribe::new(world.log.clone());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(scribe.clone().run(shutdown.clone()));
    opens(&scribe, 1, Vec::new());
    for seq in 1..=40 {
        let begun = Instant::now();
        push(&scribe, SLOT, (1, seq), vec![change(1, 1); 5_000]);
        while logged(&scribe, SLOT) != (1, seq) {
            assert!(begun.elapsed() < Duration::from_secs(10), "it is written");
            sleep(Duration::from_millis(1)).await;
        }
    }
    shutdown.cancel();
    running.await.expect("it ends");
    let extent = world.log.extent().await.expect("an answer");
    assert_eq!(extent.changes, 200_000);
}

#[tokio::test]
async fn who_owns_a_partition_no_longer_writes_nothing_that_its_successor_has() {
    for world in World::all().await {
        let (old, new) = (
            Scribe::new(world.log.clone()),
            Scribe::new(world.log.clone()),
        );
        opens(&old, 1, Vec::new());
        for seq in 1..=3 {
            push(
                &old,
                SLOT,
                (1, seq),
                vec![change(1, i64::try_from(seq).expect("small"))],
            );
        }
        let left = || (1..=3).map(|seq| pending((1, seq), vec![change(1, seq.cast_signed())]));
        opens(&new, 2, left().collect());
        // The old one is first: the new one finds that.
        old.flush().await.expect("it is written");
        push(&new, SLOT, (2, 4), vec![change(1, 4)]);
        new.flush().await.expect("it is written");
        assert_eq!(logged(&new, SLOT), (2, 4));
        // One that took effect before it lost the partition, which the new one had found too.
        push(&old, SLOT, (1, 4), vec![change(1, 99)]);
        old.flush().await.expect("it has nothing to write");
        assert_eq!(logged(&old, SLOT), (2, 4));
        assert_eq!(world.times().await, [1, 2, 3, 4]);
        assert_eq!(
            world.log.newest_row().await.expect("an answer"),
            2,
            "no empty row"
        );
    }
}

#[tokio::test]
async fn commits_without_changes_and_bytes_that_are_none_hold_up_nothing() {
    for world in World::all().await {
        let scribe = Scribe::new(world.log.clone());
        opens(&scribe, 1, Vec::new());
        push(&scribe, SLOT, (1, 1), Vec::new());
        scribe.flush().await.expect("it is written");
        assert_eq!(logged(&scribe, SLOT), (1, 1));
        assert_eq!(world.log.newest_row().await.expect("an answer"), 0);
        let broken = Pending {
            place: Place { epoch: 1, seq: 2 },
            changes: encode(vec![change(1, 1)]).slice(1..),
        };
        scribe.push(SLOT.0, SLOT.1, broken);
        push(&scribe, SLOT, (1, 3), vec![change(1, 3)]);
        scribe.flush().await.expect("it is written");
        assert_eq!(logged(&scribe, SLOT), (1, 3));
        assert_eq!(world.times().await, [3]);
    }
}

#[tokio::test]
async fn marks_that_cannot_be_read_are_told_and_nothing_is_written() {
    for world in World::all().await {
        let scribe = Scribe::new(world.log.clone());
        opens(&scribe, 1, Vec::new());
        push(&scribe, SLOT, (1, 1), vec![change(1, 1)]);
        scribe.flush().await.expect("it is written");
        let damage = "UPDATE change_mark SET marks = $1";
        world.execute(damage, [vec![0xff_u8].into()]).await;
        push(&scribe, SLOT, (1, 2), vec![change(1, 2)]);
        let error = scribe.flush().await.expect_err("damaged");
        assert!(matches!(error, WriteError::Damaged(_)), "{error:?}");
        assert_eq!(
            error.to_string(),
            "how far the log of changes is with service 2 cannot be read: a number has no end"
        );
        world.execute("DELETE FROM change_mark", []).await;
        scribe.flush().await.expect("it is written");
        assert_eq!(world.times().await, [1, 2]);
    }
}

#[tokio::test]
async fn changes_wait_while_postgres_is_away_and_come_once_it_is_back() {
    let mut server = PostgresServer::start_with(&[]).expect("a server");
    let url = server.url().parse().expect("a URL");
    let world = World::on(&url, None, None).await;
    let scribe = Scribe::new(world.log.clone());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(scribe.clone().run(shutdown.clone()));
    opens(&scribe, 1, Vec::new());
    let mut seq = 0;
    for _ in 0..2 {
        server.kill_9().expect("killed");
        for _ in 0..50 {
            seq += 1;
            push(&scribe, SLOT, (1, seq), vec![change(1, seq.cast_signed())]);
            sleep(Duration::from_millis(5)).await;
        }
        assert!(
            logged(&scribe, SLOT) < (1, seq),
            "nothing can have come through"
        );
        server.restart().expect("it comes back");
        let written = async {
            while logged(&scribe, SLOT) < (1, seq) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), written)
            .await
            .expect("it is written");
    }
    let expected: Vec<i64> = (1..=seq.cast_signed()).collect();
    assert_eq!(world.times().await, expected);
    shutdown.cancel();
    running.await.expect("it ends");
}

#[tokio::test]
async fn a_process_does_not_wait_for_ever_for_a_log_that_does_not_answer() {
    let server = PostgresServer::start_with(&[]).expect("a server");
    let url = server.url().parse().expect("a URL");
    let world = World::on(&url, None, None).await;
    let scribe = Scribe::new(world.log.clone());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(scribe.clone().run(shutdown.clone()));
    server.suspend().expect("stopped");
    opens(&scribe, 1, vec![pending((1, 1), vec![change(1, 1)])]);
    shutdown.cancel();
    let ended = timeout(limits::CLOSE_PATIENCE * 2, running).await;
    ended.expect("in time").expect("it ends");
    server.resume().expect("continued");
}

#[tokio::test]
async fn another_number_of_partitions_begins_without_marks_and_with_all_changes() {
    for world in World::all().await {
        let scribe = Scribe::new(world.log.clone());
        opens(&scribe, 7, Vec::new());
        push(&scribe, SLOT, (7, 1), vec![change(1, 1)]);
        scribe.flush().await.expect("it is written");
        let left = vec![
            (
                SLOT.0,
                SLOT.1,
                vec![
                    pending((7, 1), vec![change(1, 1)]),
                    pending((7, 2), vec![change(1, 2)]),
                ],
            ),
            (
                OTHER.0,
                OTHER.1,
                vec![pending((3, 3), vec![change(1, 3), change(1, 4)])],
            ),
        ];
        let transaction = world.database.begin_write().await.expect("a transaction");
        let broken = Pending {
            place: Place { epoch: 3, seq: 4 },
            changes: vec![9].into(),
        };
        let refused = world
            .log
            .hand_over(&transaction, [(OTHER.0, OTHER.1, vec![broken])])
            .await;
        let told = refused.expect_err("no changes").to_string();
        assert!(told.starts_with("what commit 4 of epoch 3 left for the log in partition 1023 of identity cannot be read"), "{told}");
        transaction.rollback().await.expect("it is as it was");
        let transaction = world.database.begin_write().await.expect("a transaction");
        let added = world.log.hand_over(&transaction, left).await;
        assert_eq!(added.expect("it is written"), 3);
        transaction.commit().await.expect("it is done");
        assert_eq!(world.times().await, [1, 2, 3, 4]);
        // Numbers below those of before are new ones.
        let after = Scribe::new(world.log.clone());
        opens(&after, 1, Vec::new());
        push(&after, SLOT, (1, 1), vec![change(1, 5)]);
        after.flush().await.expect("it is written");
        assert_eq!(world.times().await, [1, 2, 3, 4, 5]);
    }
}
