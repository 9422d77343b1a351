//! Leases: one owner at a time, and epochs that only grow.

use std::sync::Arc;

use kernel::{Duration, PartitionCount, PartitionId, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use storage::{Acquire, Database, DatabaseUrl, LeaseStore, SharedLeases, StorageError};
use testkit::PostgresServer;

use crate::{databases, unique};

const TTL: Duration = Duration::from_millis(100);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn ids(numbers: &[u16]) -> Vec<PartitionId> {
    numbers.iter().map(|n| PartitionId::new(*n)).collect()
}

async fn acquire(
    leases: &LeaseStore,
    service: &str,
    worker: &str,
    numbers: &[u16],
    now: i64,
    above: u64,
) -> Vec<(u16, u64)> {
    let acquired = leases
        .acquire(Acquire {
            service,
            partitions: &ids(numbers),
            worker,
            ttl: TTL,
            now: at(now),
            above,
        })
        .await
        .expect("an answer");
    acquired
        .into_iter()
        .map(|(id, epoch)| (id.number(), epoch))
        .collect()
}

#[tokio::test]
async fn a_lease_has_one_owner_and_every_owner_a_higher_epoch() {
    let (databases, _folder) = databases().await;
    for database in databases {
        let leases = LeaseStore::new(database);
        let service = unique("lease");
        let count = PartitionCount::try_new(4).expect("a count");
        leases.prepare(&service, count).await.expect("rows");
        leases.prepare(&service, count).await.expect("rows, again");

        assert_eq!(
            acquire(&leases, &service, "a", &[0, 1], 1_000, 0).await,
            [(0, 1), (1, 1)]
        );
        assert_eq!(
            acquire(&leases, &service, "b", &[0, 2], 1_050, 0).await,
            [(2, 1)]
        );
        assert_eq!(
            acquire(&leases, &service, "a", &[0], 1_050, 0).await,
            [(0, 2)],
            "its own, again"
        );
        assert_eq!(
            acquire(&leases, &service, "b", &[1], 1_100, 0).await,
            [(1, 2)],
            "it lapsed"
        );
        assert_eq!(
            acquire(&leases, &service, "a", &[3], 1_100, 41).await,
            [(3, 42)]
        );
        assert_eq!(acquire(&leases, &service, "a", &[], 1_100, 0).await, []);

        let kept = leases
            .renew(&service, "a", TTL, at(1_140))
            .await
            .expect("an answer");
        assert_eq!(kept, [(PartitionId::new(0), 2), (PartitionId::new(3), 42)]);
        leases
            .release(&service, &ids(&[0, 1]), "a")
            .await
            .expect("released");
        assert_eq!(
            acquire(&leases, &service, "b", &[0, 1, 3], 1_141, 0).await,
            [(0, 3), (1, 3)]
        );
        let owners: Vec<_> = leases
            .list(&service)
            .await
            .expect("a list")
            .into_iter()
            .map(|lease| (lease.partition.number(), lease.worker, lease.epoch))
            .collect();
        let expected = [(0, "b", 3), (1, "b", 3), (2, "b", 1), (3, "a", 42)];
        assert_eq!(owners, expected.map(|(p, w, e)| (p, w.to_owned(), e)));
    }
}

#[tokio::test]
async fn members_are_alive_while_they_say_so() {
    let (databases, _folder) = databases().await;
    for database in databases {
        let leases = LeaseStore::new(database);
        let service = unique("member");
        for (worker, now) in [("b", 1_000), ("a", 1_050), ("b", 1_060)] {
            leases
                .heartbeat(&service, worker, TTL, at(now))
                .await
                .expect("a beat");
        }
        let alive = |now| leases.members(&service, at(now));
        assert_eq!(alive(1_100).await.expect("a list"), ["a", "b"]);
        assert_eq!(alive(1_155).await.expect("a list"), ["b"]);
        leases
            .leave(&service, "b", at(1_100))
            .await
            .expect("it leaves");
        assert_eq!(alive(1_100).await.expect("a list"), ["a"]);
    }
}

/// The number of looks for a statement that waits for a lock: far more than it takes to get there.
const LOOKS: usize = 100_000;

#[tokio::test]
async fn a_database_that_does_not_answer_is_not_waited_for_for_ever() {
    let server = PostgresServer::start().expect("a server");
    let url: DatabaseUrl = server.url().parse().expect("a URL");
    let database = Database::connect(&url).await.expect("it opens");
    database.migrate("test", &[]).await.expect("tables");
    let leases: SharedLeases = Arc::new(LeaseStore::new(database.clone()));
    let count = PartitionCount::try_new(1).expect("a count");
    leases.prepare("lease", count).await.expect("rows");

    let blocking = database.begin_write().await.expect("a transaction");
    let lock = blocking.execute_unprepared("LOCK TABLE partition_lease");
    lock.await.expect("locked");
    let asked = Arc::clone(&leases);
    let renewing = tokio::spawn(async move { asked.renew("lease", "a", TTL, at(1_000)).await });
    let waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let waiting = Statement::from_string(DbBackend::Postgres, waiting);
    let mut waits = false;
    for _ in 0..LOOKS {
        let found = database.orm().query_all_raw(waiting.clone()).await;
        waits = !found.expect("an answer").is_empty();
        if waits {
            break;
        }
    }
    assert!(waits, "the statement is under way");
    tokio::time::pause();
    let late = renewing.await.expect("no panic").expect_err("it waits");
    assert!(matches!(late, StorageError::Late(_)), "{late}");
    assert!(late.to_string().contains("within 10 s"), "{late}");
    tokio::time::resume();

    blocking.rollback().await.expect("unlocked");
    let renewed = leases.renew("lease", "a", TTL, at(1_000)).await;
    assert_eq!(renewed.expect("an answer"), []);
}
