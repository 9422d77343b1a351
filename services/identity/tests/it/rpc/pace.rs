//! The pace of events on stream time, before services that hear receipts.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use engine::{EngineError, TimeSource};
use hot::{SharedHotStore, StreamId, StreamName};
use identity_core::Rules;
use kernel::{PartitionCount, PartitionId, Timestamp};
use proto::identity::v1;
use runtime::Downstream;
use tokio::sync::Notify;
use tonic::{Code, Request};

use super::{Client, connect, event, reason, stream};
use crate::fixture::{Fixture, Sql, records_of};

/// No call is held up by a number of records.
const NEVER: usize = usize::MAX;

/// Services behind, which remember what had come whenever they were waited for.
#[derive(Debug)]
struct Behind {
    hot: SharedHotStore,
    partitions: PartitionCount,
    hears: AtomicBool,
    /// The number of records that had come, each time.
    seen: Mutex<Vec<usize>>,
    /// The timers that have not fired.
    dues: Mutex<BTreeSet<(PartitionId, Timestamp)>>,
    /// From so many records on they do not come to rest.
    stuck_from: AtomicUsize,
    /// Told whenever somebody waits for those who do not.
    stuck: Notify,
}

impl Behind {
    async fn times(&self, partition: PartitionId) -> Vec<i64> {
        let name = StreamName::Events;
        let records = records_of(&self.hot, StreamId { name, partition }).await;
        records
            .iter()
            .map(|record| record.time_ms / 1_000)
            .collect()
    }

    fn seen(&self) -> Vec<usize> {
        std::mem::take(&mut self.seen.lock().expect("nobody failed"))
    }

    fn will_fire(&self, timers: &[(PartitionId, i64)]) {
        let timers = timers
            .iter()
            .map(|(partition, second)| (*partition, Timestamp::from_millis(second * 1_000)));
        self.dues.lock().expect("nobody failed").extend(timers);
    }
}

#[async_trait]
impl Downstream for Behind {
    fn hears_receipts(&self) -> bool {
        self.hears.load(Ordering::SeqCst)
    }

    async fn settle(&self) -> Result<(), EngineError> {
        let mut count = 0;
        for partition in self.partitions.iter() {
            let times = self.times(partition).await;
            count += times.len();
            let now = Timestamp::from_millis(times.into_iter().max().unwrap_or(0) * 1_000);
            let mut dues = self.dues.lock().expect("nobody failed");
            dues.retain(|(of, due)| *of != partition || *due > now);
        }
        self.seen.lock().expect("nobody failed").push(count);
        if count >= self.stuck_from.load(Ordering::SeqCst) {
            self.stuck.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    fn next_dues(&self) -> Option<Vec<(PartitionId, Timestamp)>> {
        let dues = self.dues.lock().expect("nobody failed");
        Some(dues.iter().copied().collect())
    }
}

async fn serve(hears: bool) -> (Client, Arc<Behind>, Fixture) {
    let mut fixture = Fixture::open(Sql::Sqlite, TimeSource::Stream, Rules::default()).await;
    let behind = Arc::new(Behind {
        hot: Arc::clone(&fixture.hot),
        partitions: fixture.partitions,
        hears: AtomicBool::new(hears),
        seen: Mutex::default(),
        dues: Mutex::default(),
        stuck_from: AtomicUsize::new(NEVER),
        stuck: Notify::new(),
    });
    fixture.identity.downstream = Some(Arc::clone(&behind) as _);
    let client = connect(&fixture).await;
    (client, behind, fixture)
}

fn second(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

/// Events of customers, each at its second and with its place as sequence.
fn events(given: &[(&str, i64)]) -> Vec<v1::Event> {
    let events = given.iter().zip(1..);
    events
        .map(|((identifiers, at), sequence)| v1::Event {
            time: Some(second(*at)),
            sequence,
            ..event(identifiers)
        })
        .collect()
}

fn request(request_id: &str, given: &[(&str, i64)]) -> v1::IngestRequest {
    v1::IngestRequest {
        request_id: request_id.to_owned(),
        events: events(given),
        lane: 0,
    }
}

fn batch(given: &[(&str, i64)]) -> v1::IngestStreamRequest {
    v1::IngestStreamRequest {
        events: events(given),
        source: "a file".to_owned(),
        lane: v1::Lane::Bulk.into(),
        import: String::new(),
    }
}

fn advance(seconds: i64) -> v1::AdvanceClockRequest {
    v1::AdvanceClockRequest {
        time: Some(second(seconds)),
    }
}

const WALK: [(&str, i64); 3] = [("user_id=u1", 10), ("user_id=u1", 20), ("user_id=u1", 20)];

#[tokio::test]
async fn nothing_is_waited_for_where_nobody_hears_receipts() {
    let (mut client, behind, fixture) = serve(false).await;
    client.ingest(request("", &WALK)).await.expect("taken");
    stream(&mut client, vec![batch(&[("user_id=u2", 30)])])
        .await
        .expect("taken");
    client.advance_clock(advance(40)).await.expect("moves");
    assert_eq!(behind.seen(), [0; 0], "no question was asked");
    // From the definition on that does.
    behind.hears.store(true, Ordering::SeqCst);
    client.ingest(request("", &[WALK[0]])).await.expect("taken");
    let records = fixture.records(StreamName::Events).await.len();
    assert_eq!(behind.seen(), [records - 1]);
}

#[tokio::test]
async fn an_event_is_let_in_once_what_those_before_it_caused_has_happened() {
    let (mut client, behind, _fixture) = serve(true).await;
    client.ingest(request("", &WALK)).await.expect("taken");
    assert_eq!(behind.seen(), [0, 1, 2], "in one request");
    let later = WALK.map(|(who, at)| (who, at + 100));
    stream(&mut client, vec![batch(&later[..2]), batch(&later)])
        .await
        .expect("taken");
    // The first two of the second batch were there before, which is known of their source.
    assert_eq!(behind.seen(), [3, 4, 5], "in two batches");
    let together = [
        ("user_id=u1", 200),
        ("user_id=u2", 200),
        ("user_id=u3", 200),
    ];
    client.ingest(request("", &together)).await.expect("taken");
    assert_eq!(behind.seen(), [6], "of different customers at one instant");
    let joined = client.ingest(request("", &[("user_id=u1 email=e@x.io", 300)]));
    joined.await.expect("taken");
    let known = [("email=e@x.io", 300), ("user_id=u2", 300)];
    client.ingest(request("", &known)).await.expect("taken");
    assert_eq!(behind.seen(), [9, 10]);
}

#[tokio::test]
async fn calls_at_once_have_one_order() {
    let (client, behind, _fixture) = serve(true).await;
    let calls = (0..8).map(|number| {
        let mut client = client.clone();
        async move {
            let who = format!("user_id=u{number}");
            let given = [(who.as_str(), 10), (who.as_str(), 20)];
            client.ingest(request("", &given)).await.expect("taken");
        }
    });
    futures::future::join_all(calls).await;
    assert_eq!(behind.seen(), (0..16).collect::<Vec<_>>());
}

#[tokio::test]
async fn time_goes_from_one_due_timer_to_the_next() {
    let (mut client, behind, _fixture) = serve(true).await;
    let who = "user_id=u1";
    client
        .ingest(request("", &[(who, 10)]))
        .await
        .expect("taken");
    let mut own = None;
    for partition in behind.partitions.iter() {
        if !behind.times(partition).await.is_empty() {
            own = Some(partition);
        }
    }
    let own = own.expect("it is somewhere");
    let other = PartitionId::new((own.number() + 1) % 4);
    behind.will_fire(&[(own, 11), (own, 12), (own, 30), (other, 11), (other, 35)]);
    client
        .ingest(request("", &[(who, 20)]))
        .await
        .expect("taken");
    assert_eq!(behind.times(own).await, [10, 11, 12, 20]);
    assert_eq!(
        behind.times(other).await,
        [0; 0],
        "an event is of its own partition"
    );
    client.advance_clock(advance(30)).await.expect("moves");
    assert_eq!(behind.times(own).await, [10, 11, 12, 20, 30, 30]);
    assert_eq!(behind.times(other).await, [11, 30]);
    client.advance_clock(advance(34)).await.expect("moves");
    assert_eq!(behind.times(other).await, [11, 30, 34]);
}

#[tokio::test]
async fn a_deadline_ends_the_wait_and_the_same_request_goes_on_where_it_was() {
    let (mut client, behind, fixture) = serve(true).await;
    behind.stuck_from.store(1, Ordering::SeqCst);
    let mut first = Request::new(request("r1", &WALK));
    first.set_timeout(Duration::from_secs(1));
    let late = client
        .ingest(first)
        .await
        .expect_err("it is not taken whole");
    assert_eq!(
        (late.code(), reason(&late).as_str()),
        (Code::Unavailable, "RECEIPTS_PENDING")
    );
    assert_eq!(fixture.records(StreamName::Events).await.len(), 1);
    let mut ahead = Request::new(advance(90));
    ahead.set_timeout(Duration::from_millis(100));
    let late = client.advance_clock(ahead).await.expect_err("it is stuck");
    assert_eq!(reason(&late), "RECEIPTS_PENDING");
    behind.stuck_from.store(NEVER, Ordering::SeqCst);
    let answer = client.ingest(request("r1", &WALK)).await.expect("taken");
    assert_eq!(answer.into_inner().results.len(), 3);
    assert_eq!(fixture.records(StreamName::Events).await.len(), 3);
    client.advance_clock(advance(90)).await.expect("moves");
}

#[tokio::test]
async fn a_deadline_ends_the_wait_of_a_stream_which_goes_on_where_it_was() {
    let (mut client, behind, fixture) = serve(true).await;
    behind.stuck_from.store(2, Ordering::SeqCst);
    let mut first = Request::new(tokio_stream::iter(vec![batch(&WALK)]));
    first.set_timeout(Duration::from_secs(1));
    let answers = client.ingest_stream(first).await.expect("it begins");
    let late = answers.into_inner().message().await;
    let late = late.expect_err("it is not taken whole");
    assert_eq!(
        (late.code(), reason(&late).as_str()),
        (Code::Unavailable, "RECEIPTS_PENDING")
    );
    assert_eq!(fixture.records(StreamName::Events).await.len(), 2);
    behind.stuck_from.store(NEVER, Ordering::SeqCst);
    let answers = stream(&mut client, vec![batch(&WALK)]).await;
    let answer = &answers.expect("taken")[0];
    assert_eq!((answer.accepted_count, answer.replayed_count), (3, 2));
    assert_eq!(fixture.records(StreamName::Events).await.len(), 3);
}

#[tokio::test]
async fn a_stream_that_ends_while_it_waits_loses_and_doubles_nothing() {
    let (mut client, behind, fixture) = serve(true).await;
    behind.stuck_from.store(2, Ordering::SeqCst);
    let waiting = tokio::spawn({
        let mut client = client.clone();
        async move { stream(&mut client, vec![batch(&WALK)]).await.map(|_| ()) }
    });
    behind.stuck.notified().await;
    waiting.abort();
    waiting.await.expect_err("it was ended");
    behind.stuck_from.store(NEVER, Ordering::SeqCst);
    let answers = stream(&mut client, vec![batch(&WALK)])
        .await
        .expect("taken");
    let answer = &answers[0];
    assert_eq!((answer.accepted_count, answer.replayed_count), (3, 2));
    let sequences = fixture.records(StreamName::Events).await;
    assert_eq!(sequences.len(), 3);
}
