//! Retention: what is old is removed, and nothing else.

use std::time::Duration;

use changes::{Position, ReadError};
use kernel::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test]
async fn rows_that_are_too_old_are_removed_from_the_beginning() {
    for world in World::all().await {
        world.write_rows(&[1, 2, 3, 4]).await;
        world
            .execute("UPDATE change_log SET append_time = 10 * row_number", [])
            .await;
        // The third came by a clock that was ahead.
        world
            .execute(
                "UPDATE change_log SET append_time = 35 WHERE row_number = 3",
                [],
            )
            .await;
        for (before, removed, oldest, changes) in [
            (10, 0, 1, 10),
            (21, 2, 3, 7),
            (35, 0, 3, 7),
            (36, 1, 4, 4),
            (99, 1, 5, 0),
            (99, 0, 5, 0),
        ] {
            let pruned = world.log.prune(Timestamp::from_millis(before)).await;
            assert_eq!(pruned.expect("it prunes"), removed, "{before}");
            let extent = world.log.extent().await.expect("an answer");
            assert_eq!(
                (extent.oldest.row, extent.changes),
                (oldest, changes),
                "{before}"
            );
            assert_eq!(extent.newest.row, 5);
            assert_eq!(extent.oldest_time.is_none(), changes == 0);
        }
        world.write_rows(&[5]).await;
        let all = world.read_all().await;
        assert_eq!((all.len(), all[0].0.row), (5, 5), "numbers go on");
    }
}

#[tokio::test]
async fn more_rows_than_one_transaction_removes_are_removed() {
    for world in World::all().await {
        world.write_rows(&[1]).await;
        let many = "INSERT INTO change_log SELECT r.n, 0, 1, 40, own.body FROM change_log own, \
                    (WITH RECURSIVE r(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM r WHERE n < 2500) \
                     SELECT n FROM r) r WHERE own.row_number = 1";
        world.execute(many, []).await;
        let head = "UPDATE change_head SET next_row = 2501, change_count = 2500";
        world.execute(head, []).await;
        let large = "UPDATE change_log SET append_time = 0, byte_count = 40000000 \
                     WHERE row_number < 4";
        world.execute(large, []).await;
        let pruned = world.log.prune(Timestamp::from_millis(1)).await;
        assert_eq!(pruned.expect("it prunes"), 2_500);
        let extent = world.log.extent().await.expect("an answer");
        assert_eq!((extent.oldest.row, extent.changes), (2_501, 0));
    }
}

#[tokio::test]
async fn the_upkeep_removes_what_is_older_than_the_retention_until_it_is_told_to_end() {
    for world in World::all().await {
        world.write_rows(&[1, 1]).await;
        world
            .execute(
                "UPDATE change_log SET append_time = 0 WHERE row_number = 1",
                [],
            )
            .await;
        let shutdown = CancellationToken::new();
        let hour = kernel::Duration::from_millis(3_600_000);
        let upkeep = tokio::spawn(world.log.clone().keep_pruned(hour, shutdown.clone()));
        while world.log.extent().await.expect("an answer").oldest.row == 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shutdown.cancel();
        upkeep.await.expect("it ends");
        assert_eq!(world.read_all().await.len(), 1);
    }
}

#[tokio::test]
async fn a_reader_who_is_overtaken_by_the_retention_is_told_and_sees_no_gap() {
    for world in World::all().await {
        world.write_rows(&[1; 40]).await;
        world
            .execute("UPDATE change_log SET append_time = row_number", [])
            .await;
        let log = world.log.clone();
        let pruned = tokio::spawn(async move {
            for before in 2..=40 {
                let removed = log.prune(Timestamp::from_millis(before)).await;
                assert_eq!(removed.expect("it prunes"), 1);
            }
        });
        let mut position = Position::behind(world.log.id(), 0);
        while !pruned.is_finished() {
            match world.log.read(position, 1).await {
                Ok(rows) => {
                    assert_eq!(rows[0].row, position.row);
                    position = Position::behind(position.log, rows[0].row.min(38));
                }
                Err(ReadError::TooOld) => {
                    let oldest = world.log.extent().await.expect("an answer").oldest;
                    assert!(oldest.row > position.row, "{oldest:?} {position:?}");
                    position = oldest;
                }
                Err(error) => panic!("{error}"),
            }
        }
        pruned.await.expect("it ends");
    }
}
