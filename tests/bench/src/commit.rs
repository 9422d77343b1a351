//! Measures a transition in a packed commit, beside the same work as plain pipelined commands; and
//! how many are committed in a second with and without a journal.
//!
//! A transition writes a state, sets a timer and emits a record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hot::{Commit, HotStore, Owner, RedisOptions, RedisStore, Slot, StateWrite, StreamName, Timer};
use journal::{JournalOptions, JournaledStore, SqlLog};
use kernel::{PartitionCount, PartitionId, Timestamp};
use redis::aio::MultiplexedConnection;
use storage::{Acquire, Database, Heartbeat, LeaseStore, MemberId};
use testkit::{PostgresServer, RedisServer};
use tokio_util::sync::CancellationToken;

use crate::Failure;
use crate::result::{Measured, median};

const ROUNDS: usize = 5;
/// Transitions in one commit.
const BATCH: u32 = 128;
/// Commits in each round.
const COMMITS: u32 = 400;
const PARTITIONS: u16 = 16;
/// Pipelines under way at once: what a Redis primary wants.
const IN_FLIGHT: u16 = 4;
/// The epoch of the first lease.
const EPOCH: u64 = 1;
/// Customers, and so states that are written again and again.
const CUSTOMERS: u32 = 200_000;
const STATE_BYTES: usize = 300;
const RECORD_BYTES: usize = 120;
/// The most that a transition may cost, as a share of plain commands.
const BOUND: f64 = 0.8;
/// The least share of its transitions that a journal leaves.
const JOURNAL_BOUND: f64 = 0.3;

/// Measures Redis by its own account of processor time.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let postgres = PostgresServer::start_with(&["-c", "shared_buffers=256MB"])?;
    let (mut packed, mut plain) = (Vec::new(), Vec::new());
    let (mut rates, mut journaled) = (Vec::new(), Vec::new());
    let transitions = f64::from(COMMITS * BATCH);
    for _ in 0..ROUNDS {
        let server = RedisServer::start_with(RedisServer::APPEND_ONLY)?;
        let mut account = account(&server).await?;
        let store = store(&server, false).await?;
        let before = used_us(&mut account).await?;
        let took = commits(&store).await?;
        packed.push((used_us(&mut account).await? - before) / transitions);
        rates.push(transitions / took.as_secs_f64());

        let server = RedisServer::start_with(RedisServer::APPEND_ONLY)?;
        let store = journaled_store(&server, &postgres).await?;
        let took = commits(&store).await?;
        journaled.push(transitions / took.as_secs_f64());

        let server = RedisServer::start_with(RedisServer::APPEND_ONLY)?;
        let mut account = self::account(&server).await?;
        let before = used_us(&mut account).await?;
        commands(&server).await?;
        plain.push((used_us(&mut account).await? - before) / transitions);
    }
    let (figure, ceiling) = (median(packed), median(plain));
    let (hot, journal) = (median(rates), median(journaled));
    let cpu = [("redis", figure)].into();
    Ok(
        Measured::new("commit", figure, "µs of Redis a transition", ceiling, cpu)
            .also("hot_transitions_per_s", hot)
            .also("journal_transitions_per_s", journal)
            .also("journal_ratio", journal / hot)
            .at_most("ratio", BOUND)
            .at_least("journal_ratio", JOURNAL_BOUND),
    )
}

async fn store(server: &RedisServer, origins: bool) -> Result<RedisStore, Failure> {
    let count = PartitionCount::try_new(PARTITIONS.into())?;
    let mut options = RedisOptions::new(server.url());
    options.origins = origins;
    Ok(RedisStore::connect(options, count).await?)
}

/// A store with a journal in an empty database, and a lease for each partition.
async fn journaled_store(
    server: &RedisServer,
    postgres: &PostgresServer,
) -> Result<JournaledStore, Failure> {
    let count = PartitionCount::try_new(PARTITIONS.into())?;
    let database = Database::connect(&postgres.create_database()?.parse()?).await?;
    database.migrate("bench", &[]).await?;
    let leases = LeaseStore::new(database.clone());
    let service = Owner::Journey.name();
    leases.prepare(service, count).await?;
    let partitions: Vec<PartitionId> = count.iter().collect();
    let member = MemberId {
        service,
        worker: "bench",
        incarnation: "bench",
    };
    let beat = Heartbeat {
        member,
        ttl: kernel::Duration::from_millis(600_000),
        takes_part: true,
        clock_skew_ms: None,
    };
    leases.heartbeat(beat).await?;
    let taken = leases
        .acquire(Acquire {
            member,
            partitions: &partitions,
            above: 0,
        })
        .await?;
    if taken.len() != partitions.len() || taken.iter().any(|(_, epoch)| *epoch != EPOCH) {
        return Err("a lease of a new database is not free".into());
    }
    let log = SqlLog::open(database).await?;
    let hot = store(server, true).await?;
    let journaled = JournaledStore::start(
        Arc::new(hot),
        Arc::new(log),
        "bench",
        JournalOptions::default(),
        CancellationToken::new(),
    )
    .await?;
    Ok(journaled)
}

/// Commits through a store, all partitions at a time: each waits for its own commit only, as
/// workers do.
async fn commits(store: &dyn HotStore) -> Result<Duration, Failure> {
    let started = Instant::now();
    let workers = (0..PARTITIONS).map(|partition| async move {
        store.open(slot(partition), EPOCH).await?;
        for seq in 1..=COMMITS / u32::from(PARTITIONS) {
            let commit = commit(partition, seq);
            store.commit(slot(partition), &commit).await?;
        }
        Ok::<(), hot::HotError>(())
    });
    futures::future::try_join_all(workers).await?;
    Ok(started.elapsed())
}

fn slot(partition: u16) -> Slot {
    Slot {
        owner: Owner::Journey,
        partition: PartitionId::new(partition),
    }
}

fn commit(partition: u16, seq: u32) -> Commit {
    let states = (0..BATCH)
        .map(|place| {
            let due = Timestamp::from_millis(due_ms(seq, place));
            StateWrite {
                key: key(partition, seq, place),
                value: Some(Bytes::from(vec![b's'; STATE_BYTES])),
                timer: Timer {
                    due: Some(due),
                    entry: Some(due),
                },
                adds_entry: true,
            }
        })
        .collect();
    Commit {
        epoch: EPOCH,
        seq: u64::from(seq),
        batch_id: u64::from(seq),
        states,
        outputs: vec![(
            StreamName::Actions,
            Bytes::from(vec![b'r'; RECORD_BYTES * BATCH as usize]),
        )],
        ..Commit::default()
    }
}

/// Sixteen bytes, as ids of customers have.
fn key(partition: u16, seq: u32, place: u32) -> Bytes {
    let customer = (seq * BATCH + place) % (CUSTOMERS / u32::from(PARTITIONS));
    format!("{partition:04}{customer:012}").into()
}

/// Within thirty days, anywhere.
fn due_ms(seq: u32, place: u32) -> i64 {
    const MONTH_MS: u32 = 30 * 86_400_000 / 1_000;
    let spread = seq.wrapping_mul(2_654_435_761).wrapping_add(place * 40_503) % MONTH_MS;
    1_750_000_000_000 + i64::from(spread) * 1_000
}

/// The same work with one command for each thing, pipelined as far.
async fn commands(server: &RedisServer) -> Result<(), Failure> {
    let client = redis::Client::open(server.url())?;
    let connection = client.get_multiplexed_async_connection().await?;
    let workers = (0..IN_FLIGHT).map(|first| {
        let mut connection = connection.clone();
        async move {
            let each = COMMITS / u32::from(PARTITIONS);
            for seq in 1..=each {
                for partition in (first..PARTITIONS).step_by(usize::from(IN_FLIGHT)) {
                    pipeline(partition, seq).exec_async(&mut connection).await?;
                }
            }
            Ok::<(), redis::RedisError>(())
        }
    });
    futures::future::try_join_all(workers).await?;
    Ok(())
}

fn pipeline(partition: u16, seq: u32) -> redis::Pipeline {
    let mut pipeline = redis::pipe();
    let (state, record) = (vec![b's'; STATE_BYTES], vec![b'r'; RECORD_BYTES]);
    for place in 0..BATCH {
        let key = key(partition, seq, place);
        let name = [b"s:", &key[..]].concat();
        pipeline.cmd("SET").arg(&name).arg(&state[..]).ignore();
        pipeline
            .cmd("ZADD")
            .arg(format!("z:{partition}"))
            .arg(due_ms(seq, place))
            .arg(&key[..])
            .ignore();
        pipeline
            .cmd("XADD")
            .arg(format!("x:{partition}"))
            .arg("*")
            .arg("p")
            .arg(&record[..])
            .ignore();
    }
    pipeline
}

async fn account(server: &RedisServer) -> Result<MultiplexedConnection, Failure> {
    let client = redis::Client::open(server.url())?;
    Ok(client.get_multiplexed_async_connection().await?)
}

/// Microseconds of processor time that the server has used so far, its threads together.
async fn used_us(connection: &mut MultiplexedConnection) -> Result<f64, Failure> {
    let info: String = redis::cmd("INFO")
        .arg("cpu")
        .query_async(connection)
        .await?;
    let seconds: f64 = info
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            matches!(name, "used_cpu_sys" | "used_cpu_user").then_some(value.trim())
        })
        .filter_map(|value| value.parse::<f64>().ok())
        .sum();
    Ok(seconds * 1e6)
}
