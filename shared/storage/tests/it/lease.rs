//! Leases: one owner at a time, who is alive, and epochs that only grow. One suite for SQL and for
//! memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use kernel::{Duration, PartitionCount, PartitionId, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use storage::{
    Acquire, Database, DatabaseUrl, Heard, Heartbeat, LeaseStore, LeaseTally, MemberId,
    MemoryLeases, SharedLeases, StorageError,
};
use testkit::PostgresServer;

use crate::{Places, databases, unique};

/// Far longer than a test takes: time passes only where a test says so.
const TTL: Duration = Duration::from_millis(600_000);

/// Leases, and what makes time pass for them.
struct Subject {
    leases: SharedLeases,
    service: String,
    time: Time,
}

enum Time {
    /// All that is known is of so long ago.
    Sql(Database),
    Memory(Arc<AtomicI64>),
}

impl Subject {
    /// Those of every kind, with four partitions each.
    async fn all() -> (Vec<Self>, Places) {
        let (databases, folder) = databases().await;
        let mut subjects: Vec<Self> = databases
            .into_iter()
            .map(|database| Self {
                leases: Arc::new(LeaseStore::new(database.clone())),
                service: unique("lease"),
                time: Time::Sql(database),
            })
            .collect();
        let now = Arc::new(AtomicI64::new(1_000_000_000));
        let shown = Arc::clone(&now);
        let leases =
            MemoryLeases::new(move || Timestamp::from_millis(shown.load(Ordering::Relaxed)));
        subjects.push(Self {
            leases: Arc::new(leases),
            service: unique("lease"),
            time: Time::Memory(now),
        });
        let count = PartitionCount::try_new(4).expect("a count");
        for subject in &subjects {
            for _ in 0..2 {
                let prepared = subject.leases.prepare(&subject.service, count).await;
                prepared.expect("rows, the second time too");
            }
        }
        (subjects, folder)
    }

    /// Sets the clock of the database, forward or back.
    async fn pass(&self, millis: i64) {
        match &self.time {
            Time::Memory(now) => {
                now.fetch_add(millis, Ordering::Relaxed);
            }
            Time::Sql(database) => {
                let orm = database.orm();
                let sql = "UPDATE worker SET beat_time = beat_time - $1 WHERE service = $2";
                let values = [millis.into(), self.service.as_str().into()];
                let backend = orm.get_database_backend();
                let statement = Statement::from_sql_and_values(backend, sql, values);
                orm.execute_raw(statement).await.expect("rows of the past");
            }
        }
    }

    fn member<'a>(&'a self, (worker, incarnation): (&'a str, &'a str)) -> MemberId<'a> {
        MemberId {
            service: &self.service,
            worker,
            incarnation,
        }
    }

    async fn beat(&self, process: (&str, &str), takes_part: bool) -> Heard {
        let beat = Heartbeat {
            member: self.member(process),
            ttl: TTL,
            takes_part,
            clock_skew_ms: (!takes_part).then_some(-7_000),
        };
        self.leases.heartbeat(beat).await.expect("an answer")
    }

    /// Is alive and takes part.
    async fn joins(&self, process: (&str, &str)) {
        assert_eq!(self.beat(process, true).await.namesake, None, "{process:?}");
    }

    async fn acquires(
        &self,
        process: (&str, &str),
        numbers: &[u16],
        above: u64,
    ) -> Vec<(u16, u64)> {
        let acquire = Acquire {
            member: self.member(process),
            partitions: &ids(numbers),
            above,
        };
        let acquired = self.leases.acquire(acquire).await;
        plain(acquired.expect("an answer"))
    }

    async fn held(&self, process: (&str, &str)) -> Vec<(u16, u64)> {
        let held = self.leases.held(self.member(process)).await;
        let held = plain(held.expect("an answer"));
        let tally = self.leases.tally(self.member(process)).await;
        let expected = LeaseTally::of(held.iter().map(|(_, epoch)| *epoch));
        assert_eq!(tally.expect("an answer"), expected);
        held
    }

    /// The owner and the epoch of each partition.
    async fn owners(&self) -> Vec<(Option<String>, u64)> {
        let leases = self.leases.list(&self.service).await.expect("a list");
        let numbers: Vec<u16> = leases.iter().map(|it| it.partition.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        leases
            .into_iter()
            .map(|lease| (lease.owner.map(|owner| owner.worker), lease.epoch))
            .collect()
    }

    async fn members(&self) -> Vec<(String, bool, Option<i64>)> {
        let members = self.leases.members(&self.service).await.expect("a list");
        members
            .into_iter()
            .map(|member| (member.worker, member.takes_part, member.clock_skew_ms))
            .collect()
    }
}

fn ids(numbers: &[u16]) -> Vec<PartitionId> {
    numbers.iter().map(|n| PartitionId::new(*n)).collect()
}

fn plain(leases: Vec<(PartitionId, u64)>) -> Vec<(u16, u64)> {
    leases
        .into_iter()
        .map(|(partition, epoch)| (partition.number(), epoch))
        .collect()
}

const A: (&str, &str) = ("a", "a1");
const B: (&str, &str) = ("b", "b1");

#[tokio::test]
async fn a_lease_has_one_owner_and_every_owner_a_higher_epoch() {
    let (subjects, _folder) = Subject::all().await;
    for on in subjects {
        on.joins(A).await;
        on.joins(B).await;
        assert_eq!(on.acquires(A, &[0, 1], 0).await, [(0, 1), (1, 1)]);
        assert_eq!(on.acquires(B, &[0, 2], 0).await, [(2, 1)]);
        assert_eq!(on.acquires(A, &[0], 0).await, [(0, 2)], "its own, again");
        assert_eq!(on.acquires(A, &[3], 41).await, [(3, 42)]);
        assert_eq!(on.acquires(A, &[], 0).await, []);
        assert_eq!(on.held(A).await, [(0, 2), (1, 1), (3, 42)]);
        let given = ids(&[0, 2]);
        let released = on.leases.release(on.member(A), &given);
        released.await.expect("released");
        assert_eq!(on.acquires(B, &[0, 1, 3], 0).await, [(0, 3)]);
        let expected = [(B, 3), (A, 1), (B, 1), (A, 42)];
        let expected = expected.map(|((worker, _), epoch)| (Some(worker.to_owned()), epoch));
        assert_eq!(on.owners().await, expected);
    }
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_its_owner_is_heard() {
    let (subjects, _folder) = Subject::all().await;
    for on in subjects {
        on.joins(A).await;
        assert_eq!(on.acquires(A, &[0, 1], 0).await.len(), 2);
        on.pass(TTL.as_millis() / 2).await;
        on.joins(A).await;
        on.pass(TTL.as_millis() / 2).await;
        on.joins(B).await;
        assert_eq!(on.acquires(B, &[0], 0).await, [], "one word renews all");
        on.pass(TTL.as_millis() / 2).await;
        assert_eq!(on.acquires(B, &[0], 0).await, [(0, 2)], "it lapsed");
        assert_eq!(on.owners().await[1], (None, 1));
        // Nobody took the other one meanwhile.
        on.joins(A).await;
        assert_eq!(on.held(A).await, [(1, 1)]);
        assert_eq!(on.acquires(B, &[1], 0).await, []);
        on.leases.leave(on.member(A)).await.expect("it leaves");
        assert_eq!(on.acquires(B, &[1], 0).await, [(1, 2)], "who left has none");
    }
}

#[tokio::test]
async fn who_does_not_take_part_is_given_nothing_and_keeps_what_it_has() {
    let (subjects, _folder) = Subject::all().await;
    for on in subjects {
        assert_eq!(on.acquires(A, &[0], 0).await, [], "it was never heard");
        on.joins(A).await;
        assert_eq!(on.acquires(A, &[0], 0).await, [(0, 1)]);
        on.beat(A, false).await;
        assert_eq!(on.acquires(A, &[0, 1], 0).await, []);
        on.joins(B).await;
        assert_eq!(on.acquires(B, &[0], 0).await, [], "it ends what it began");
        assert_eq!(
            on.members().await,
            [
                ("a".to_owned(), false, Some(-7_000)),
                ("b".to_owned(), true, None)
            ]
        );
        on.joins(A).await;
        on.pass(TTL.as_millis()).await;
        assert_eq!(on.acquires(A, &[0], 0).await, [], "it counts as dead");
        assert_eq!(on.members().await, []);
    }
}

#[tokio::test]
async fn a_name_belongs_to_one_process_at_a_time() {
    let (subjects, _folder) = Subject::all().await;
    for on in subjects {
        let again = ("a", "a2");
        on.joins(A).await;
        assert_eq!(on.acquires(A, &[0], 0).await, [(0, 1)]);
        let seen = on.beat(again, true).await.namesake.expect("a namesake");
        assert_eq!(seen.incarnation, "a1");
        assert_eq!(
            on.acquires(again, &[0, 1], 0).await,
            [],
            "the name is not its own"
        );
        assert_eq!(
            on.beat(again, true).await.namesake,
            Some(seen.clone()),
            "not heard since"
        );
        on.pass(1_000).await;
        on.joins(A).await;
        let heard = on.beat(again, true).await.namesake.expect("a namesake");
        assert_ne!(heard.beat_time, seen.beat_time, "it is alive");
        on.pass(TTL.as_millis()).await;
        on.joins(again).await;
        assert_eq!(
            on.held(again).await,
            [],
            "what the dead one had is not its own"
        );
        assert_eq!(on.acquires(again, &[0], 0).await, [(0, 2)]);
        let late = on.beat(A, true).await.namesake;
        assert_eq!(late.expect("a namesake").incarnation, "a2");
        // A word of who has the name no more changes nothing.
        on.leases.leave(on.member(A)).await.expect("it leaves");
        assert_eq!(on.held(again).await, [(0, 2)]);
        on.joins(B).await;
        assert_eq!(on.acquires(B, &[0], 0).await, []);
        on.leases.evict(&on.service).await.expect("nobody is alive");
        assert_eq!(on.members().await, []);
        on.joins(B).await;
        assert_eq!(on.acquires(B, &[0], 0).await, [(0, 3)]);
    }
}

#[tokio::test]
async fn a_clock_of_the_database_that_is_set_keeps_nobody_dead_alive() {
    let (subjects, _folder) = Subject::all().await;
    for on in subjects {
        for by_ms in [-3_600_000, 3_600_000] {
            on.joins(A).await;
            assert_eq!(on.acquires(A, &[0], 0).await.len(), 1);
            on.pass(by_ms).await;
            assert_eq!(on.members().await, [], "it was not heard by this clock");
            on.joins(A).await;
            on.joins(B).await;
            assert_eq!(on.acquires(B, &[0], 0).await, [], "who is alive says so");
        }
    }
}

#[tokio::test]
async fn the_time_is_that_of_the_database() {
    let (databases, _folder) = databases().await;
    for database in databases {
        let leases = LeaseStore::new(database.clone());
        let service = unique("time");
        let beat = Heartbeat {
            member: MemberId {
                service: &service,
                worker: "a",
                incarnation: "a1",
            },
            ttl: TTL,
            takes_part: true,
            clock_skew_ms: None,
        };
        let first = leases.heartbeat(beat).await.expect("an answer").now;
        let begun = database.begin_write().await.expect("a transaction");
        begun.rollback().await.expect("ended");
        let second = leases.heartbeat(beat).await.expect("an answer").now;
        assert!(first <= second, "{first} {second}");
        let member = leases.members(&service).await.expect("a list").remove(0);
        let lasts = member.expire_time.since(second);
        assert!(lasts <= TTL && lasts.as_millis() > 0, "{lasts}");
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
    const MEMBER: MemberId<'_> = MemberId {
        service: "lease",
        worker: "a",
        incarnation: "a1",
    };

    let blocking = database.begin_write().await.expect("a transaction");
    let lock = blocking.execute_unprepared("LOCK TABLE partition_lease");
    lock.await.expect("locked");
    let asked = Arc::clone(&leases);
    let asking = tokio::spawn(async move { asked.held(MEMBER).await });
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
    let late = asking.await.expect("no panic").expect_err("it waits");
    assert!(matches!(late, StorageError::Late(_)), "{late}");
    assert!(late.to_string().contains("within 10 s"), "{late}");
    tokio::time::resume();

    blocking.rollback().await.expect("unlocked");
    assert_eq!(leases.held(MEMBER).await.expect("an answer"), []);
}
