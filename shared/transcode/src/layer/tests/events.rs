//! Streams as server-sent events, down to their bytes.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use rpc::{ErrorReason, Failure, Memory};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::stub::{Answer, Stub, request};
use super::{EXPORT, json_of};
use crate::TranscodeLayer;

const WATCH: &str = "/v1/changes:watch";
const EVENTS: (&str, &str) = ("accept", "text/event-stream");
/// Answers of `WatchChanges` with positions alone.
const FIRST: &[u8] = b"\x12\x01a";
const SECOND: &[u8] = b"\x12\x03b c";

fn text_of(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).expect("text")
}

#[tokio::test]
async fn a_stream_is_events_for_who_asks_for_them() {
    let stub = Stub::answering(&[FIRST, SECOND]);
    let answer = stub.send(request("GET", WATCH, &[EVENTS], b"")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert_eq!(
        answer.headers["cache-control"],
        "no-cache, no-store, no-transform"
    );
    assert_eq!(answer.headers["x-accel-buffering"], "no");
    assert!(!answer.headers.contains_key("content-length"));
    assert_eq!(
        text_of(&answer),
        "retry: 2000\nid: a\ndata: {\"position\":\"a\"}\n\nid: b c\ndata: {\"position\":\"b c\"}\n\n"
    );
    let answer = stub.send(request("GET", WATCH, &[], b"")).await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    // Without a position there is no id.
    let stub = Stub::answering(&[b""]);
    let sent = request("GET", "/v1/audit/entries:export", &[EVENTS], b"");
    assert_eq!(text_of(&stub.send(sent).await), "retry: 2000\ndata: {}\n\n");
}

#[tokio::test]
async fn other_calls_are_answered_as_ever() {
    let stub = Stub::answering(&[b""]);
    let answer = stub.send(request("GET", "/v1/keys", &[EVENTS], b"")).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let kinds = [EVENTS, ("content-type", "application/json")];
    let sent = request("POST", "/v1/events:ingestStream", &kinds, b"{}");
    let answer = stub.send(sent).await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let kinds = [EVENTS, ("content-type", "application/connect+json")];
    let sent = request("POST", EXPORT, &kinds, b"\0\0\0\0\0");
    let answer = stub.send(sent).await;
    assert_eq!(answer.headers["content-type"], "application/connect+json");
}

#[tokio::test]
async fn an_id_cannot_end_its_line() {
    for position in ["a\nb", "a\rb", "a\0b"] {
        let message = [b"\x12\x03", position.as_bytes()].concat();
        let stub = Stub::answering(&[&message]);
        let answer = stub.send(request("GET", WATCH, &[EVENTS], b"")).await;
        let text = text_of(&answer);
        assert!(text.starts_with("retry: 2000\ndata: {"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}

#[tokio::test]
async fn an_error_is_the_last_event() {
    let failure = Failure::new(ErrorReason::WatchNotRead, "nothing was read");
    let failure = failure.with_retry_after(Duration::from_millis(1_500));
    let stub = Stub::answering(&[FIRST]).then_failing(failure);
    let answer = stub.send(request("GET", WATCH, &[EVENTS], b"")).await;
    let (_, last) = text_of(&answer).split_once("\n\n").expect("two events");
    let rest = last.strip_prefix("event: error\nretry: 2000\ndata: ");
    let rest = rest.unwrap_or_else(|| panic!("{last}"));
    let data = rest.strip_suffix("\n\n").expect("the end of an event");
    let error = &json_of(data.as_bytes())["error"];
    assert_eq!(
        (&error["code"], &error["status"]),
        (&409.into(), &"ABORTED".into())
    );
    // Before the first event the status can say it, and a browser does not try again.
    let stub = Stub::failing(Failure::new(ErrorReason::ChangesOutOfRange, "too old"));
    let answer = stub.send(request("GET", WATCH, &[EVENTS], b"")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(json_of(&answer.body)["error"]["status"], "OUT_OF_RANGE");
}

/// The request that is made of an address and the last event that its caller has.
async fn asked(target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let stub = Stub::answering(&[FIRST]);
    stub.send(request("GET", target, headers, b"")).await;
    stub.call().messages.concat()
}

#[tokio::test]
async fn a_browser_that_comes_back_goes_on_behind_its_last_event() {
    let last = ("last-event-id", "p&1+=");
    let position = b"\x0a\x05p&1+=";
    assert_eq!(asked(WATCH, &[EVENTS, last]).await, position);
    let target = format!("{WATCH}?position=old&maxChanges=3&fromStart=true");
    let with_others = [&b"\x20\x03\x10\x01"[..], position].concat();
    assert_eq!(asked(&target, &[EVENTS, last]).await, with_others);
    // By no other way, and not without an id.
    let old = b"\x0a\x03old";
    let target = format!("{WATCH}?position=old");
    assert_eq!(asked(&target, &[last]).await, old);
    assert_eq!(asked(&target, &[EVENTS, ("last-event-id", "")]).await, old);
    let elsewhere = asked("/v1/audit/entries:export", &[EVENTS, last]).await;
    assert_eq!(elsewhere, b"");
}

#[tokio::test(start_paused = true)]
async fn a_stream_on_which_nothing_comes_has_comments() {
    let service = service_fn(|_| async {
        let frame = [&[0, 0, 0, 0, 3], FIRST].concat();
        let frames = stream::iter([Ok::<_, Status>(Frame::data(Bytes::from(frame)))]);
        let frames = frames.chain(stream::pending());
        Ok::<_, Status>(Response::new(Body::new(StreamBody::new(frames))))
    });
    let service = TranscodeLayer::new(Memory::default()).layer(service);
    let sent = request("GET", WATCH, &[EVENTS], b"");
    let mut body = service.oneshot(sent).await.expect("an answer").into_body();
    let begin = Instant::now();
    for expected in [
        "retry: 2000\nid: a\ndata: {\"position\":\"a\"}\n\n",
        ":\n\n",
        ":\n\n",
    ] {
        let frame = body.frame().await.expect("a frame").expect("whole");
        assert_eq!(frame.into_data().expect("data"), expected);
    }
    assert_eq!(begin.elapsed(), Duration::from_secs(30));
}
