//! Measures waiting timers in Redis beside sorted sets, and how late they fire under load.

mod alarms;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engine::{Clock as _, Engine, EngineConfig, SystemClock, TimeSource};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hot::{
    Append, Commit, HotError, HotStore, Owner, RedisOptions, RedisStore, Slot, StateWrite,
    StreamId, StreamName, Timer,
};
use kernel::{PartitionCount, PartitionId, Timestamp};
use prost::Message as _;
use proto::stream::v1::{Batch, Event, Record, record::Body};
use redis::aio::MultiplexedConnection;
use storage::{Database, LeaseStore};
use testkit::RedisServer;
use tokio::sync::watch;

use self::alarms::{Alarms, LATE, SET};
use crate::Failure;
use crate::result::{Measured, quantile};

/// Timers that wait at once, unless somebody says otherwise.
pub(crate) const WAITING: u32 = 1_000_000;
const PARTITIONS: u16 = 64;
/// Timers in one commit.
const BATCH: u32 = 128;
/// The span over which timers are spread, in milliseconds: a week.
const SPAN_MS: i64 = 7 * 86_400_000;
/// The time until the first of them comes due: nothing of this run waits for that.
const AHEAD_MS: i64 = 86_400_000;
/// The epoch of who takes the timers at the end: above those of the engine.
const LAST_EPOCH: u64 = 1_000;
/// Timers that fire each second while lateness is measured.
const RATE: u32 = 10_000;
/// For how many seconds.
const SECONDS: u32 = 8;
/// The time before the first of them in which everything must be set.
const LEAD_MS: i64 = 6_000;
/// Most bytes beyond the state, most microseconds of Redis to set and pop one, most milliseconds
/// that all but one in a hundred may be late.
const BOUNDS: (f64, f64, f64) = (60.0, 5.0, 250.0);

/// Measures memory and processor time at the store, then lateness through the engine.
pub(crate) async fn measure(waiting: u32) -> Result<Measured, Failure> {
    let plain = fill(waiting, false).await?;
    let timed = fill(waiting, true).await?;
    let sorted = sorted_set(waiting).await?;
    let bytes = (timed.bytes - plain.bytes) / f64::from(waiting);
    let set_us = (timed.set_us - plain.set_us) / f64::from(waiting);
    let pop_us = timed.pop_us / f64::from(waiting);
    let mut lateness = timed.lateness;
    let cpu = [("redis", set_us + pop_us)].into();
    Ok(Measured::new(
        "timers",
        bytes,
        "bytes each",
        sorted / f64::from(waiting),
        cpu,
    )
    .also("set_and_pop_us", set_us + pop_us)
    .also("set_us", set_us)
    .also("pop_us", pop_us)
    .also("waiting", f64::from(waiting))
    .also("lateness_p50_ms", quantile(&mut lateness, 0.5))
    .also("lateness_p99_ms", quantile(&mut lateness, 0.99))
    .at_most("figure", BOUNDS.0)
    .at_most("set_and_pop_us", BOUNDS.1)
    .at_most("lateness_p99_ms", BOUNDS.2))
}

/// The memory and processor time of a number of states.
struct Taken {
    bytes: f64,
    set_us: f64,
    pop_us: f64,
    lateness: Vec<f64>,
}

/// Writes states, with a timer each or without. Beside those that wait, measures how late others
/// fire; then takes all that wait as if they came due.
async fn fill(waiting: u32, with_timers: bool) -> Result<Taken, Failure> {
    // Its file grows to the end: what a rewrite takes depends on when it comes.
    let server = RedisServer::start_with(
        &[
            RedisServer::APPEND_ONLY,
            &["--auto-aof-rewrite-percentage", "0"],
        ]
        .concat(),
    )?;
    let count = PartitionCount::try_new(PARTITIONS.into())?;
    let store = RedisStore::connect(RedisOptions::new(server.url()), count).await?;
    let mut account = account(&server).await?;
    let (empty, before) = (memory(&mut account).await?, used_us(&mut account).await?);
    let each = waiting / u32::from(PARTITIONS);
    let first_due = with_timers.then(first_due);
    stream::iter(0..PARTITIONS)
        .map(|partition| set(&store, partition, each, first_due))
        .buffer_unordered(4)
        .try_collect::<()>()
        .await?;
    let set_us = used_us(&mut account).await? - before;
    let bytes = memory(&mut account).await? - empty;
    let mut lateness = Vec::new();
    if with_timers {
        lateness = late(&server).await?;
    }
    let before = used_us(&mut account).await?;
    if with_timers {
        stream::iter(0..PARTITIONS)
            .map(|partition| pop(&store, partition, each))
            .buffer_unordered(4)
            .try_collect::<()>()
            .await?;
    }
    let pop_us = used_us(&mut account).await? - before;
    Ok(Taken {
        bytes,
        set_us,
        pop_us,
        lateness,
    })
}

fn slot(partition: u16) -> Slot {
    Slot {
        owner: Owner::Journey,
        partition: PartitionId::new(partition),
    }
}

async fn set(
    store: &RedisStore,
    partition: u16,
    each: u32,
    first_due: Option<Timestamp>,
) -> Result<(), HotError> {
    store.open(slot(partition), 1).await?;
    for (seq, first) in (1..).zip((0..each).step_by(BATCH as usize)) {
        let states = (first..(first + BATCH).min(each))
            .map(|number| {
                let due = first_due.map(|first| first + offset(partition, number));
                let (timer, adds_entry) = Timer::NONE.set(due);
                StateWrite {
                    key: key(partition, number),
                    value: Some(Bytes::from_static(&[b's'; 300])),
                    timer,
                    adds_entry,
                }
            })
            .collect();
        let commit = Commit {
            epoch: 1,
            seq,
            batch_id: seq,
            states,
            ..Commit::default()
        };
        store.commit(slot(partition), &commit).await?;
    }
    Ok(())
}

/// Takes all timers, oldest first, as a worker does when their time has come.
async fn pop(store: &RedisStore, partition: u16, each: u32) -> Result<(), Failure> {
    // A new owner, who knows nothing yet.
    let head = store.open(slot(partition), LAST_EPOCH).await?;
    let mut taken = 0;
    for seq in head.commit_seq + 1.. {
        let due = store
            .due(slot(partition), Timestamp::MAX, BATCH as usize)
            .await?;
        if due.timers.is_empty() {
            break;
        }
        taken += due.timers.len();
        let commit = Commit {
            epoch: LAST_EPOCH,
            seq,
            batch_id: seq,
            fired: due.timers,
            ..Commit::default()
        };
        store.commit(slot(partition), &commit).await?;
    }
    if taken == each as usize {
        return Ok(());
    }
    Err(format!("{taken} of {each} timers of partition {partition} came up").into())
}

/// The same timers as members of a sorted set for each partition: what they would take.
async fn sorted_set(waiting: u32) -> Result<f64, Failure> {
    let server = RedisServer::start()?;
    let mut connection = account(&server).await?;
    let empty = memory(&mut connection).await?;
    let each = waiting / u32::from(PARTITIONS);
    let first_due = first_due();
    for partition in 0..PARTITIONS {
        for first in (0..each).step_by(BATCH as usize) {
            let mut add = redis::cmd("ZADD");
            add.arg(format!("z:{partition}"));
            for number in first..(first + BATCH).min(each) {
                add.arg((first_due + offset(partition, number)).as_millis())
                    .arg(&key(partition, number)[..]);
            }
            add.exec_async(&mut connection).await?;
        }
    }
    Ok(memory(&mut connection).await? - empty)
}

/// Sixteen bytes, as ids of customers have.
fn key(partition: u16, number: u32) -> Bytes {
    let mixed = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut key = [0; 16];
    key[..2].copy_from_slice(&partition.to_be_bytes());
    key[4..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&mixed.to_be_bytes());
    Bytes::copy_from_slice(&key)
}

/// When the first of the waiting timers may come due.
fn first_due() -> Timestamp {
    SystemClock.now() + kernel::Duration::from_millis(AHEAD_MS)
}

/// The time after that at which one comes due: up to a week.
fn offset(partition: u16, number: u32) -> kernel::Duration {
    let mixed =
        (u64::from(number) << 16 | u64::from(partition)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    kernel::Duration::from_millis(i64::try_from(mixed >> 16).unwrap_or(0) % SPAN_MS)
}

async fn account(server: &RedisServer) -> Result<MultiplexedConnection, Failure> {
    let client = redis::Client::open(server.url())?;
    Ok(client.get_multiplexed_async_connection().await?)
}

/// Bytes of memory that the server has given out.
async fn memory(connection: &mut MultiplexedConnection) -> Result<f64, Failure> {
    info(connection, "memory", &["used_memory"]).await
}

/// Microseconds of processor time that the server has used so far.
async fn used_us(connection: &mut MultiplexedConnection) -> Result<f64, Failure> {
    Ok(info(connection, "cpu", &["used_cpu_sys", "used_cpu_user"]).await? * 1e6)
}

/// The sum of some fields of the answer to INFO.
async fn info(
    connection: &mut MultiplexedConnection,
    section: &str,
    fields: &[&str],
) -> Result<f64, Failure> {
    let info: String = redis::cmd("INFO")
        .arg(section)
        .query_async(connection)
        .await?;
    Ok(info
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| fields.contains(name))
        .filter_map(|(_, value)| value.trim().parse::<f64>().ok())
        .sum())
}

/// Sets timers that come due at a steady rate, and returns how late each fired.
async fn late(server: &RedisServer) -> Result<Vec<f64>, Failure> {
    let count = PartitionCount::try_new(PARTITIONS.into())?;
    let store = Arc::new(RedisStore::connect(RedisOptions::new(server.url()), count).await?);
    let database = Database::connect(&"sqlite::memory:".parse()?).await?;
    database.migrate("bench", &[]).await?;
    let (_definitions, receiver) = watch::channel(Arc::new(()));
    let engine = Engine::<Alarms>::start(EngineConfig::new(
        store.clone(),
        LeaseStore::new(database),
        TimeSource::system(),
        "bench",
        receiver,
    ))
    .await?;
    let total = RATE * SECONDS;
    let begin = SystemClock.now().as_millis() + LEAD_MS;
    stream::iter(0..PARTITIONS)
        .map(|partition| enlist(store.as_ref(), partition, total, begin))
        .buffer_unordered(8)
        .try_collect::<()>()
        .await?;
    let end = Timestamp::from_millis(begin + i64::from(SECONDS) * 1_000);
    SystemClock.sleep_until(end).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while LATE.lock().unwrap_or_else(PoisonError::into_inner).len() < total as usize {
        if tokio::time::Instant::now() > deadline {
            let set = SET.load(Ordering::Relaxed);
            return Err(format!("{set} of {total} timers were set, and not all fired").into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    engine.shutdown().await;
    Ok(std::mem::take(
        &mut *LATE.lock().unwrap_or_else(PoisonError::into_inner),
    ))
}

async fn enlist(
    store: &RedisStore,
    partition: u16,
    total: u32,
    begin: i64,
) -> Result<(), HotError> {
    let own: Vec<u32> = (u32::from(partition)..total)
        .step_by(usize::from(PARTITIONS))
        .collect();
    for some in own.chunks(500) {
        let records = some
            .iter()
            .map(|number| Record {
                // None of those that wait.
                customer_id: key(partition, u32::MAX - *number).to_vec().into(),
                time_ms: begin + i64::from(*number) * 1_000 / i64::from(RATE),
                body: Some(Body::Event(Event::default())),
                ..Record::default()
            })
            .collect();
        let append = Append {
            to: StreamId {
                name: StreamName::Facts,
                partition: PartitionId::new(partition),
            },
            payload: Batch {
                records,
                ..Batch::default()
            }
            .encode_to_vec()
            .into(),
            source: None,
            origin: None,
        };
        store.append(&append).await?;
    }
    Ok(())
}
