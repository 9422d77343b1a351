//! Streams of a log in memory, on a clock that jumps to whatever is waited for next.

mod log;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use proto::gateway::v1::{ChangeFilter, WatchChangesRequest, WatchChangesResponse};
use rpc::{ErrorReason, Failure};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use self::log::Log;
use super::stream::WatchStream;
use super::watches::{OpenLog, Watches};
use super::{SharedSource, Tail};
use crate::limits::{HEARTBEAT, READER_PATIENCE, RECENT_TIME, WATCHES_OF_CALLER};

/// A process that serves a log.
struct Served {
    log: Arc<Log>,
    watches: Watches,
    shutdown: CancellationToken,
}

impl Served {
    fn new() -> Self {
        let (log, shutdown) = (Arc::new(Log::new()), CancellationToken::new());
        let source: SharedSource = log.clone();
        let open = OpenLog {
            tail: Tail::new(Arc::clone(&source), shutdown.clone()),
            source,
            retention: kernel::Duration::from_days(7),
        };
        let watches = Watches::new(Some(open), shutdown.clone());
        Self {
            log,
            watches,
            shutdown,
        }
    }

    /// Opens a stream, which is behind its first message: that has a position alone.
    async fn open(&self, request: &WatchChangesRequest) -> Result<(WatchStream, String), Failure> {
        let mut stream = self.watches.open("key:a".into(), request).await?;
        let first = message(&mut stream).await;
        assert_eq!(first.changes, []);
        Ok((stream, first.position))
    }
}

fn from_start() -> WatchChangesRequest {
    WatchChangesRequest {
        from_start: true,
        ..WatchChangesRequest::default()
    }
}

fn behind(position: &str) -> WatchChangesRequest {
    WatchChangesRequest {
        position: position.to_owned(),
        ..WatchChangesRequest::default()
    }
}

fn of_segment(segment: &str, request: WatchChangesRequest) -> WatchChangesRequest {
    WatchChangesRequest {
        filter: Some(ChangeFilter {
            segments: vec![segment.to_owned()],
            ..ChangeFilter::default()
        }),
        ..request
    }
}

async fn message(stream: &mut WatchStream) -> WatchChangesResponse {
    let message = stream.next().await.expect("it goes on");
    message.expect("a message")
}

/// The reason for which a stream ends, after whatever comes before.
async fn end(stream: &mut WatchStream) -> Status {
    loop {
        match stream.next().await.expect("an end with a reason") {
            Ok(_) => {}
            Err(status) => {
                assert!(stream.next().await.is_none());
                return status;
            }
        }
    }
}

/// The numbers of the customers whose changes a message has.
fn numbers(message: &WatchChangesResponse) -> Vec<u32> {
    let changes = message.changes.iter();
    let number = |id: &str| u32::from_str_radix(&id[28..], 16).expect("a number");
    changes.map(|it| number(&it.customer_id)).collect()
}

fn reason(status: &Status) -> String {
    let info = status.get_error_details().error_info().cloned();
    info.expect("a reason").reason
}

#[tokio::test(start_paused = true)]
async fn a_stream_begins_at_the_start_or_now_and_goes_on() {
    let served = Served::new();
    served.log.write(0..3);
    served.log.write(3..5);
    let (mut all, _) = served.open(&from_start()).await.expect("a stream");
    let (mut new, _) = served.open(&behind("")).await.expect("a stream");
    assert_eq!(numbers(&message(&mut all).await), [0, 1, 2, 3, 4]);
    served.log.write(5..7);
    let (one, other) = (message(&mut all).await, message(&mut new).await);
    assert_eq!(numbers(&one), [5, 6]);
    assert_eq!(one, other);
    let ids: Vec<_> = one.changes.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["000000000000feed-3-0", "000000000000feed-3-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_changes_has_a_position_now_and_then() {
    let served = Served::new();
    let request = of_segment("even", behind(""));
    let (mut stream, first) = served.open(&request).await.expect("a stream");
    let begin = Instant::now();
    // Nobody wants it, and yet the position is behind it.
    served.log.write(1..2);
    let heartbeat = message(&mut stream).await;
    assert_eq!(begin.elapsed(), HEARTBEAT);
    assert_eq!(heartbeat.changes, []);
    assert_ne!(heartbeat.position, first);
    served.log.write(2..3);
    assert_eq!(numbers(&message(&mut stream).await), [2]);
    assert!(begin.elapsed() < HEARTBEAT + Duration::from_millis(200));
    let (mut again, _) = served
        .open(&behind(&heartbeat.position))
        .await
        .expect("a stream");
    assert_eq!(numbers(&message(&mut again).await), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_comes_back_misses_nothing_and_gets_nothing_twice() {
    for seed in 0..200_u64 {
        let served = Served::new();
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |most: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            u32::try_from(random % most).expect("small")
        };
        let (mut written, mut found, mut request) = (0, Vec::new(), from_start());
        while found.len() < 120 {
            let count = below(7);
            served.log.write(written..written + count);
            written += count;
            request.max_changes = 1 + below(4);
            let (mut stream, position) = served.open(&request).await.expect("a stream");
            assert!(
                request.position.is_empty() || request.position == position,
                "{seed}"
            );
            // It goes away after any number of messages, each of which it has taken whole.
            for _ in 0..below(3) {
                if found.len() == usize::try_from(written).expect("small") {
                    break;
                }
                let message = message(&mut stream).await;
                found.extend(numbers(&message));
                request = behind(&message.position);
            }
            if request.position.is_empty() {
                request = behind(&position);
            }
        }
        let expected: Vec<u32> = (0..).take(found.len()).collect();
        assert_eq!(found, expected, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_have_at_most_so_many_changes_and_bytes() {
    let served = Served::new();
    served.log.write(0..30_000);
    let request = WatchChangesRequest {
        max_changes: 7,
        ..from_start()
    };
    let (mut few, _) = served.open(&request).await.expect("a stream");
    assert_eq!(numbers(&message(&mut few).await), [0, 1, 2, 3, 4, 5, 6]);
    let (mut most, _) = served.open(&from_start()).await.expect("a stream");
    let whole = message(&mut most).await;
    assert_eq!(whole.changes.len(), 1_000);
    assert!(prost::Message::encoded_len(&whole) < 1 << 20);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_the_log_does_not_have_is_refused_with_what_to_do() {
    let served = Served::new();
    served.log.write(0..2);
    served.log.write(2..4);
    served.log.write(4..6);
    let (mut stream, old) = served.open(&from_start()).await.expect("a stream");
    let new = message(&mut stream).await.position;
    served.log.prune(1);
    served.log.restore(1);
    let other = ::changes::Position {
        log: 7,
        row: 1,
        index: 0,
    };
    for (position, code, expected, words) in [
        (
            old,
            Code::OutOfRange,
            ErrorReason::ChangesOutOfRange,
            "from_start",
        ),
        (
            new,
            Code::OutOfRange,
            ErrorReason::ChangesOutOfRange,
            "restored",
        ),
        (
            other.to_string(),
            Code::InvalidArgument,
            ErrorReason::PositionInvalid,
            "installation",
        ),
        (
            "7".to_owned(),
            Code::InvalidArgument,
            ErrorReason::PositionInvalid,
            "is no position",
        ),
        (
            "ä\u{0}".to_owned(),
            Code::InvalidArgument,
            ErrorReason::PositionInvalid,
            "is no position",
        ),
    ] {
        let refused = served
            .open(&behind(&position))
            .await
            .expect_err("no stream");
        let status = Status::from(refused);
        assert_eq!(
            (status.code(), &*reason(&status)),
            (code, expected.as_str()),
            "{position}"
        );
        let details = status.get_error_details();
        let violation = &details.bad_request().expect("a field").field_violations[0];
        assert_eq!(violation.field, "position");
        assert!(
            violation.description.contains(words),
            "{}",
            violation.description
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_does_not_read_ends_and_holds_nobody_up() {
    let served = Served::new();
    served.log.write(0..10_000);
    let (mut asleep, _) = served.open(&from_start()).await.expect("a stream");
    let (mut awake, _) = served.open(&from_start()).await.expect("a stream");
    let begin = Instant::now();
    let mut count = 0;
    while count < 10_000 {
        count += message(&mut awake).await.changes.len();
    }
    assert!(begin.elapsed() < Duration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let reads = served.log.reads();
    tokio::time::sleep(READER_PATIENCE).await;
    // The awake one saw heartbeats only; the other one was not read for.
    assert_eq!(served.log.reads(), reads);
    let status = end(&mut asleep).await;
    assert_eq!(status.code(), Code::Aborted);
    assert_eq!(reason(&status), "WATCH_NOT_READ");
    served.log.write(10_000..10_001);
    while numbers(&message(&mut awake).await).is_empty() {}
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_sleeps_while_the_log_is_pruned_hears_of_it() {
    let served = Served::new();
    for row in 0..40 {
        served.log.write(row..row + 1);
    }
    let request = WatchChangesRequest {
        max_changes: 1,
        ..from_start()
    };
    let (mut stream, _) = served.open(&request).await.expect("a stream");
    assert_eq!(numbers(&message(&mut stream).await), [0]);
    // Rows that it had read ahead are gone by then.
    tokio::time::sleep(Duration::from_secs(5)).await;
    served.log.prune(39);
    let status = end(&mut stream).await;
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(reason(&status), "CHANGES_OUT_OF_RANGE");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_where_the_database_is_restored() {
    let served = Served::new();
    served.log.write(0..1);
    served.log.write(1..2);
    let (mut stream, _) = served.open(&from_start()).await.expect("a stream");
    assert_eq!(numbers(&message(&mut stream).await), [0, 1]);
    served.log.restore(2);
    let begin = Instant::now();
    let status = end(&mut stream).await;
    assert_eq!(reason(&status), "CHANGES_OUT_OF_RANGE");
    assert!(begin.elapsed() < HEARTBEAT);
}

#[tokio::test(start_paused = true)]
async fn an_erased_change_is_passed_over_and_ids_stay() {
    let served = Served::new();
    served.log.write(0..2);
    served.log.write(2..4);
    served.log.erase(0);
    let (mut stream, _) = served.open(&from_start()).await.expect("a stream");
    let message = message(&mut stream).await;
    assert_eq!(numbers(&message), [2, 3]);
    assert_eq!(message.changes[0].id, "000000000000feed-2-0");
}

#[tokio::test(start_paused = true)]
async fn the_log_is_followed_once_for_all_and_not_for_nobody() {
    let served = Served::new();
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(served.open(&behind("")).await.expect("a stream").0);
    }
    tokio::time::sleep(Duration::from_millis(250)).await;
    let reads = served.log.reads();
    served.log.write(0..3);
    for stream in &mut streams {
        assert_eq!(numbers(&message(stream).await), [0, 1, 2]);
    }
    assert_eq!(served.log.reads(), reads + 1);
    drop(streams);
    tokio::time::sleep(RECENT_TIME).await;
    let asks = served.log.asks();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(served.log.asks(), asks);
    let (mut stream, _) = served.open(&from_start()).await.expect("a stream");
    assert_eq!(numbers(&message(&mut stream).await), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_has_so_many_streams_until_some_end() {
    let served = Served::new();
    let mut streams = Vec::new();
    for _ in 0..WATCHES_OF_CALLER {
        streams.push(served.open(&behind("")).await.expect("a stream"));
    }
    let refused = served.open(&behind("")).await.expect_err("too many");
    let status = Status::from(refused);
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_error_details().retry_info().is_some());
    streams.pop();
    served.open(&behind("")).await.expect("one has ended");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_process() {
    let served = Served::new();
    let (mut stream, _) = served.open(&behind("")).await.expect("a stream");
    served.shutdown.cancel();
    let status = end(&mut stream).await;
    assert_eq!(
        (status.code(), &*reason(&status)),
        (Code::Unavailable, "SHUTTING_DOWN")
    );
}

#[tokio::test]
async fn an_installation_that_keeps_no_changes_says_so() {
    let watches = Watches::new(None, CancellationToken::new());
    let refused = watches.open("key:a".into(), &from_start()).await;
    let refused = refused.expect_err("nothing is kept");
    assert_eq!(refused.reason(), ErrorReason::ChangesNotKept);
    assert!(refused.message().contains("change_retention"));
    let state = watches.state().await.expect("a state");
    assert_eq!(state.retention, Some(prost_types::Duration::default()));
}
