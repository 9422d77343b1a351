//! Reading: extents, positions, rows, and what cannot be read.

use changes::{ChangeLog, Extent, Position, ReadError};
use kernel::Timestamp;

use crate::world::World;

#[tokio::test]
async fn an_empty_log_has_a_name_that_stays_and_nothing_else() {
    for world in World::all().await {
        let begin = Position {
            log: world.log.id(),
            row: 1,
            index: 0,
        };
        let extent = Extent {
            oldest: begin,
            newest: begin,
            oldest_time: None,
            changes: 0,
        };
        assert_eq!(world.log.extent().await.expect("an answer"), extent);
        assert_eq!(world.log.newest_row().await.expect("an answer"), 0);
        let read = world.log.read(begin, 1).await.expect("it is right");
        assert_eq!(read, []);
        let again = ChangeLog::open(world.database.clone()).await;
        assert_eq!(again.expect("it opens").id(), world.log.id());
    }
    let [one, other] = World::all().await;
    assert_ne!(one.log.id(), other.log.id());
}

#[tokio::test]
async fn a_log_tells_how_far_it_goes() {
    for world in World::all().await {
        world.write_rows(&[3, 2]).await;
        world
            .execute("UPDATE change_log SET append_time = 10 * row_number", [])
            .await;
        let extent = world.log.extent().await.expect("an answer");
        assert_eq!((extent.oldest.row, extent.oldest.index), (1, 0));
        assert_eq!(extent.newest, Position::behind(world.log.id(), 2));
        assert_eq!(extent.oldest_time, Some(Timestamp::from_millis(10)));
        assert_eq!(extent.changes, 5);
        assert_eq!(world.log.newest_row().await.expect("an answer"), 2);
        for (time, row) in [(10, 1), (11, 2), (20, 2), (21, 3)] {
            let time = Timestamp::from_millis(time);
            let position = world.log.position_at(time).await.expect("an answer");
            assert_eq!((position.row, position.index), (row, 0), "{time}");
        }
    }
}

#[tokio::test]
async fn rows_are_read_up_to_some_bytes_and_one_in_any_case() {
    for world in World::all().await {
        world.write_rows(&[2, 1, 4, 1]).await;
        let begin = world.log.extent().await.expect("an answer").oldest;
        let bytes = world.log.read(begin, usize::MAX).await.expect("rows");
        assert_eq!(bytes.len(), 4);
        // A change has 53 bytes in its batch.
        for (bytes, rows) in [
            (0, 1),
            (1, 1),
            (106, 1),
            (107, 2),
            (159, 2),
            (160, 3),
            (372, 4),
        ] {
            let read = world.log.read(begin, bytes).await.expect("rows");
            assert_eq!(read.len(), rows, "{bytes}");
        }
        let all: Vec<i64> = (1..=8).collect();
        for bytes in [1, 150, 10_000] {
            let read = world.read_from(begin, bytes).await;
            let times: Vec<i64> = read.iter().map(|(_, change)| change.time_ms).collect();
            assert_eq!(times, all);
            for (at, (position, _)) in read.iter().enumerate() {
                let rest = world.read_from(*position, bytes).await;
                assert_eq!(rest, read[at + 1..], "{position:?}");
            }
        }
    }
}

#[tokio::test]
async fn positions_that_are_not_in_the_log_are_told_apart() {
    for world in World::all().await {
        world.write_rows(&[3, 3, 3]).await;
        world
            .execute("UPDATE change_log SET append_time = row_number", [])
            .await;
        let pruned = world.log.prune(Timestamp::from_millis(2)).await;
        assert_eq!(pruned.expect("it prunes"), 1);
        let log = world.log.id();
        for (log, row, index, expected) in [
            (log ^ 1, 2, 0, "is of another installation"),
            (log, 0, 0, "is older than what is kept"),
            (log, 1, 3, "is older than what is kept"),
            (log, 2, 0, ""),
            (log, 2, 3, ""),
            (log, 2, 4, "is newer than the newest change"),
            (log, 4, 0, ""),
            (log, 4, 1, "is newer than the newest change"),
            (log, 5, 0, "is newer than the newest change"),
            (log, u64::MAX, u32::MAX, "is newer than the newest change"),
        ] {
            let position = Position { log, row, index };
            let read = world.log.read(position, 1).await;
            let told = read.map_or_else(|error| error.to_string(), |_| String::new());
            assert_eq!(told, expected, "{position:?}");
        }
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_told_when_it_is_next() {
    for world in World::all().await {
        world.write_rows(&[1, 9, 1]).await;
        let begin = world.log.extent().await.expect("an answer").oldest;
        let next = Position::behind(begin.log, 1);
        for (set, why) in [
            ("body = $1", "it is packed in an unknown way, 120"),
            (
                "change_count = change_count + 1",
                "it has 9 changes, not 10",
            ),
        ] {
            let broken = format!("UPDATE change_log SET {set} WHERE row_number = 2");
            match set {
                "body = $1" => {
                    let keep = "INSERT INTO change_log SELECT 99, 0, change_count, byte_count, body \
                                FROM change_log WHERE row_number = 2";
                    world.execute(keep, []).await;
                    world.execute(&broken, [b"xyz".to_vec().into()]).await;
                }
                _ => world.execute(&broken, []).await,
            }
            let before = world.log.read(begin, usize::MAX).await.expect("one row");
            assert_eq!(before.len(), 1);
            let error = world.log.read(next, usize::MAX).await.expect_err("damaged");
            assert!(matches!(error, ReadError::Damaged(_)), "{error:?}");
            let expected = format!("row 2 of the log of changes cannot be read: {why}");
            assert_eq!(error.to_string(), expected);
            let behind = Position::behind(begin.log, 2);
            let rest = world.log.read(behind, 1).await.expect("a row");
            assert_eq!(rest.len(), 1);
            let mend = "UPDATE change_log SET \
                        body = (SELECT kept.body FROM change_log kept WHERE kept.row_number = 99) \
                        WHERE row_number = 2";
            world.execute(mend, []).await;
        }
    }
}
