//! Bodies that are too long, broken or hostile, and those that take their time.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use rpc::Memory;
use serde_json::Value;
use tonic::Status;
use tonic::body::Body;

use super::json_of;
use super::stub::{Answer, Stub, gzip, request};
use crate::TranscodeLayer;

const PATH: &str = "/v1/events:ingest";
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

fn error_of(answer: &Answer) -> Value {
    json_of(&answer.body)["error"].clone()
}

async fn check(headers: &[(&str, &str)], body: &[u8], status: StatusCode, message: &str) {
    let stub = Stub::answering(&[b""]);
    let answer = stub.send(request("POST", PATH, headers, body)).await;
    let error = error_of(&answer);
    let told = error["message"].as_str().expect("a message");
    assert!(told.contains(message), "{told}");
    assert_eq!(answer.status, status, "{message}");
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused_with_the_place() {
    for (body, message) in [
        (
            &b"{\"events\": [{\"name\": \"\xff\"}]}"[..],
            "events[0].name: is not JSON",
        ),
        (b"{\"events\": [", "the JSON ends in the middle"),
        (
            b"{\"events\": 7}",
            "events: invalid type: integer `7`, expected a list (line 1, column 12)",
        ),
        (b"null", "expected an object"),
    ] {
        check(&[JSON], body, StatusCode::BAD_REQUEST, message).await;
    }
}

#[tokio::test]
async fn long_bodies_are_refused_before_they_are_all_there() {
    let chunk = Bytes::from(vec![b' '; 1 << 16]);
    let endless = stream::repeat(chunk).map(|chunk| Ok::<_, Status>(Frame::data(chunk)));
    let body = Body::new(StreamBody::new(endless));
    let sent = Request::post(PATH).header(JSON.0, JSON.1).body(body);
    let answer = Stub::answering(&[b""]).send(sent.expect("a request")).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);

    let bomb = gzip(&vec![b' '; 200 << 20]);
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    check(&[JSON, GZIP], &bomb, status, "longer than").await;
    let line = vec![b' '; 9 << 20];
    let lines = ("content-type", "application/x-ndjson");
    let sent = request("POST", "/v1/events:ingestStream", &[lines], &line);
    let answer = Stub::answering(&[b""]).send(sent).await;
    assert_eq!(answer.status, status);
}

#[tokio::test]
async fn other_headers_than_those_that_are_known_are_refused() {
    let status = StatusCode::BAD_REQUEST;
    check(&[JSON, GZIP], b"{}", status, "is not gzip").await;
    let time = ("connect-timeout-ms", "soon");
    check(&[JSON, time], b"{}", status, "connect-timeout-ms").await;
    let other = ("content-encoding", "br");
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    check(&[JSON, other], b"{}", status, "must be gzip").await;
}

#[tokio::test]
async fn gzip_is_taken_and_given() {
    let keys = b"\x0a\x05\x12\x03abc".repeat(200);
    let stub = Stub::answering(&[&keys]);
    let plain = stub.send(request("GET", "/v1/keys", &[], b"")).await;
    assert!(!plain.headers.contains_key("content-encoding"));
    assert_eq!(plain.headers["vary"], "accept-encoding");
    let sent = request("GET", "/v1/keys", &[("accept-encoding", "gzip")], b"");
    let compressed = stub.send(sent).await;
    assert_eq!(compressed.headers["content-encoding"], "gzip");
    assert!(compressed.body.len() * 4 < plain.body.len());
    let opened = crate::incoming::inflate_whole(&compressed.body, 1 << 20);
    assert_eq!(opened, Some(plain.body));

    let stub = Stub::answering(&[b""]);
    let body = gzip(b"{\"customerId\":\"c\"}");
    let sent = request("POST", "/v1/customers:find", &[JSON, GZIP], &body);
    assert_eq!(stub.send(sent).await.status, StatusCode::OK);
    assert_eq!(stub.call().messages, [b"\x0a\x01c".to_vec()]);
}

#[tokio::test]
async fn bodies_share_the_memory_of_all_requests() {
    // A quarter of it is for what is arriving.
    let layer = TranscodeLayer::new(Memory::of_bytes(4 << 20));
    let body = vec![b' '; 2 << 20];
    let sent = request("POST", PATH, &[JSON], &body);
    let answer = Stub::answering(&[b""]).send_to(layer, sent).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let error = error_of(&answer);
    let mut details = error["details"].as_array().expect("details").iter();
    assert!(
        details.any(|detail| detail["reason"] == "MEMORY_FULL"),
        "{error}"
    );
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_ends() {
    let silent = stream::pending::<Result<Frame<Bytes>, Status>>();
    let body = Body::new(StreamBody::new(silent));
    let sent = Request::post(PATH).header(JSON.0, JSON.1).body(body);
    let answer = Stub::answering(&[b""]).send(sent.expect("a request")).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
}
