//! Calls of one moment that go to a Redis together: each has its own answer.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use hot::limits::STREAM_ENTRIES;
use hot::{
    Append, Appended, Cursor, GateClaim, HotError, HotStore, Origin, RedisOptions, RedisStore,
    RestorableStore as _, StreamId, StreamName, Writer,
};
use kernel::{PartitionCount, PartitionId};
use testkit::RedisServer;

fn partitions() -> PartitionCount {
    PartitionCount::try_new(8).expect("a count")
}

async fn connect(server: &RedisServer, origins: bool) -> RedisStore {
    let options = RedisOptions {
        origins,
        ..RedisOptions::new(server.url())
    };
    RedisStore::connect(options, partitions())
        .await
        .expect("connects")
}

fn streams() -> Vec<StreamId> {
    let name = StreamName::Events;
    let streams = partitions()
        .iter()
        .map(|partition| StreamId { name, partition });
    streams.collect()
}

fn append(to: StreamId, number: u64) -> Append {
    Append {
        to,
        payload: Bytes::from(number.to_string()),
        source: None,
        origin: None,
    }
}

/// The numbers in a stream, in order.
async fn numbers(store: &RedisStore, stream: StreamId) -> Vec<u64> {
    let entries = store.poll(stream, Cursor::START, 10_000).await;
    let entries = entries.expect("polls").into_iter();
    let texts = entries.map(|entry| String::from_utf8(entry.payload.to_vec()).expect("text"));
    texts.map(|text| text.parse().expect("a number")).collect()
}

/// Calls of functions so far.
fn calls(server: &RedisServer) -> u64 {
    let stats = server.ask(&["INFO", "commandstats"]).expect("answers");
    let line = stats
        .lines()
        .find(|line| line.starts_with("cmdstat_fcall:"));
    let calls = line.and_then(|line| line.split(['=', ',']).nth(1));
    calls.expect("calls").parse().expect("a number")
}

#[tokio::test]
async fn appends_of_one_moment_are_one_call_on_each_connection() {
    let server = RedisServer::start().expect("starts");
    let store = connect(&server, false).await;
    let streams = streams();
    let before = calls(&server);
    let appends: Vec<Append> = (0..).zip(&streams).map(|(n, to)| append(*to, n)).collect();
    for outcome in join_all(appends.iter().map(|append| store.append(append))).await {
        assert_eq!(outcome.expect("appends"), Appended::Applied);
    }
    let made = calls(&server) - before;
    let lanes = u64::from(RedisOptions::new("").lanes);
    assert!(made <= lanes, "{made} calls for {} appends", appends.len());
    for (number, stream) in (0..).zip(streams) {
        assert_eq!(numbers(&store, stream).await, [number]);
    }
}

#[tokio::test]
async fn an_append_that_is_refused_stops_no_other() {
    let server = RedisServer::start().expect("starts");
    let store = connect(&server, true).await;
    let streams = streams();
    let of = |to: StreamId, seq: u64| Append {
        origin: Some(Origin {
            writer: Writer::process(1),
            seq,
        }),
        ..append(to, seq)
    };
    // Known already, missing one before it, behind a closed gate, full, and two that are taken.
    let [known, gap, gated, full, next, plain, ..] = streams[..] else {
        panic!("there are fewer partitions");
    };
    store.append(&of(known, 1)).await.expect("appends");
    store.append(&of(next, 1)).await.expect("appends");
    let claim = GateClaim {
        gate: hot::Gate(7),
        ttl: Duration::from_secs(60),
        opened: None,
    };
    store
        .close_gate(gated.partition, claim)
        .await
        .expect("closes");
    for number in 0..STREAM_ENTRIES {
        store.append(&append(full, number)).await.expect("appends");
    }
    let appends = [
        of(known, 1),
        of(gap, 2),
        of(gated, 1),
        append(full, 0),
        of(next, 2),
        append(plain, 5),
    ];
    let outcomes = join_all(appends.iter().map(|append| store.append(append))).await;
    let mut outcomes = outcomes.into_iter();
    let mut outcome = || outcomes.next().expect("one for each");
    assert_eq!(outcome().expect("an answer"), Appended::Replayed);
    assert_eq!(outcome().expect("an answer"), Appended::Gap { mark: 0 });
    let error = outcome().expect_err("the gate is closed");
    assert!(matches!(error, HotError::Unavailable(_)), "{error}");
    assert_eq!(outcome().expect("an answer"), Appended::Full);
    assert_eq!(outcome().expect("an answer"), Appended::Applied);
    assert_eq!(outcome().expect("an answer"), Appended::Applied);
    assert_eq!(numbers(&store, known).await, [1]);
    assert_eq!(numbers(&store, gap).await, Vec::<u64>::new());
    assert_eq!(numbers(&store, next).await, [1, 2]);
    assert_eq!(numbers(&store, plain).await, [5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_give_up_take_no_answer_from_others() {
    let server = RedisServer::start().expect("starts");
    let store = std::sync::Arc::new(connect(&server, false).await);
    let streams = streams();
    let mut kept = Vec::new();
    for number in 0..2_000_u64 {
        let place = usize::try_from(number).expect("small") % streams.len();
        let (store, to) = (std::sync::Arc::clone(&store), streams[place]);
        let call = tokio::spawn(async move { store.append(&append(to, number)).await });
        // Some before they run, some while they collect, some while they are on their way.
        match number % 5 {
            0 => call.abort(),
            1 => {
                tokio::task::yield_now().await;
                call.abort();
            }
            _ => kept.push((number, call)),
        }
    }
    let mut taken: BTreeMap<u64, u64> = BTreeMap::new();
    let mut acknowledged = Vec::new();
    for (number, call) in kept {
        let outcome = call.await.expect("no panic").expect("appends");
        assert_eq!(outcome, Appended::Applied);
        acknowledged.push(number);
    }
    for stream in streams {
        for number in numbers(&store, stream).await {
            *taken.entry(number).or_default() += 1;
        }
    }
    assert!(taken.values().all(|times| *times == 1), "{taken:?}");
    assert!(acknowledged.iter().all(|number| taken.contains_key(number)));
}

#[tokio::test]
async fn a_server_that_lost_its_functions_is_told_them_again() {
    let server = RedisServer::start().expect("starts");
    let store = connect(&server, false).await;
    server.ask(&["FUNCTION", "FLUSH"]).expect("answers");
    let streams = streams();
    let appends: Vec<Append> = (0..).zip(&streams).map(|(n, to)| append(*to, n)).collect();
    for outcome in join_all(appends.iter().map(|append| store.append(append))).await {
        assert_eq!(outcome.expect("appends"), Appended::Applied);
    }
    for (number, stream) in (0..).zip(streams) {
        assert_eq!(numbers(&store, stream).await, [number]);
    }
}

#[tokio::test]
async fn a_server_that_dies_fails_all_that_was_on_its_way() {
    let mut server = RedisServer::start().expect("starts");
    let store = connect(&server, false).await;
    let to = StreamId {
        name: StreamName::Events,
        partition: PartitionId::new(0),
    };
    server.kill_9().expect("killed");
    let appends: Vec<Append> = (0..8).map(|number| append(to, number)).collect();
    for outcome in join_all(appends.iter().map(|append| store.append(append))).await {
        let error = outcome.expect_err("nobody answers");
        assert!(matches!(error, HotError::Unavailable(_)), "{error}");
    }
}
