//! What the log does while Postgres is away, and afterwards.

use bytes::Bytes;
use hot::{Origin, Owner, Slot, StreamId, StreamName, Writer};
use journal::contract::Subject;
use journal::{CommitRow, EntryRow, Journaled, LogError};
use kernel::PartitionId;
use testkit::PostgresServer;

use crate::sql::Sql;

const SLOT: Slot = Slot {
    owner: Owner::Journey,
    partition: PartitionId::new(3),
};

fn commit(seq: u64) -> CommitRow {
    CommitRow {
        slot: SLOT,
        seq,
        epoch: 1,
        batch_id: seq,
        payload: Bytes::from_static(b"x"),
        events: Vec::new(),
    }
}

fn entry(seq: u64) -> EntryRow {
    EntryRow {
        stream: StreamId {
            name: StreamName::Actions,
            partition: SLOT.partition,
        },
        origin: Origin {
            writer: Writer::process(1),
            seq,
        },
        source: None,
        payload: Bytes::from_static(b"x"),
    }
}

#[tokio::test]
async fn the_log_is_unavailable_while_postgres_is_away_and_goes_on_by_itself() {
    let mut server = PostgresServer::start_with(&[]).expect("a server");
    let mut subject = Sql::on(&server);
    let log = subject.open().await;
    subject.lease(SLOT, 1).await;
    log.append_commit(commit(1)).await.expect("appends");
    log.append_entry(entry(1)).await.expect("appends");
    server.kill_9().expect("killed");
    let (one, other) = tokio::join!(log.append_commit(commit(2)), log.append_entry(entry(2)));
    for error in [one.expect_err("away"), other.expect_err("away")] {
        assert!(matches!(error, LogError::Unavailable(_)), "{error}");
    }
    server.restart().expect("it comes back");
    let written = log.append_commit(commit(2)).await.expect("appends");
    assert_eq!(written, Journaled::Written);
    log.append_entry(entry(2)).await.expect("appends");
    let head = log.head(SLOT).await.expect("a head");
    assert_eq!(head.seq, 2);
    let last = log.last_entries(entry(1).stream).await.expect("reads");
    assert_eq!(last, [entry(2).origin]);
}

#[tokio::test]
async fn a_restart_of_postgres_between_two_appends_is_not_noticed() {
    let mut server = PostgresServer::start_with(&[]).expect("a server");
    let mut subject = Sql::on(&server);
    let log = subject.open().await;
    subject.lease(SLOT, 1).await;
    for seq in 1..=4 {
        let written = log.append_commit(commit(seq)).await.expect("appends");
        assert_eq!(written, Journaled::Written);
        server.restart().expect("it comes back");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let server = PostgresServer::start_with(&[]).expect("a server");
    let mut subject = Sql::on(&server);
    let log = subject.open().await;
    subject.lease(SLOT, 1).await;
    log.append_commit(commit(1)).await.expect("appends");
    server.suspend().expect("stopped");
    let error = log.append_commit(commit(2)).await.expect_err("it hangs");
    assert!(matches!(error, LogError::Unavailable(_)), "{error}");
    server.resume().expect("continued");
    // The server has the statement still, and may execute it now.
    log.append_commit(commit(2)).await.expect("is there");
    assert_eq!(log.head(SLOT).await.expect("a head").seq, 2);
}
