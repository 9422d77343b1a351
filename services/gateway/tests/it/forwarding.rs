//! Calls as they reach the service, and answers as they come back.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use proto::identity::v1::get_customer_request::Key;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{
    Event, GetCustomerRequest, GetCustomerResponse, IngestStreamRequest, IngestStreamResponse,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::played::{self, Played, framed};
use crate::process::{Gateway, PATIENCE, Site, eventually};

async fn front_of(played: &Played) -> (Site, Gateway) {
    let site = Site::new();
    let gateway = Gateway::start(&site, &played.url(), &[]).await;
    (site, gateway)
}

fn batch(bytes: usize) -> IngestStreamRequest {
    IngestStreamRequest {
        events: vec![Event {
            name: "x".repeat(bytes),
            ..Event::default()
        }],
        ..IngestStreamRequest::default()
    }
}

#[tokio::test]
async fn a_call_reaches_its_service_as_it_was_sent() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let played = Played::start(move |request: Request<Incoming>| {
        let sender = sender.clone();
        async move {
            let (parts, body) = request.into_parts();
            sender
                .send((parts, played::read(body).await))
                .expect("a test");
            let trailers = [("grpc-status", "0"), ("x-trailer", "kept")];
            played::answer(vec![framed(&GetCustomerResponse::default())], &trailers)
        }
    })
    .await;
    let (_site, gateway) = front_of(&played).await;
    let mut client = IdentityServiceClient::new(gateway.channel().await);
    let message = GetCustomerRequest {
        key: Some(Key::CustomerId(
            "not an id, which is for the service to say".to_owned(),
        )),
        ..GetCustomerRequest::default()
    };
    let mut request = tonic::Request::new(message.clone());
    request.set_timeout(Duration::from_secs(20));
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (name, value) in [
        ("x-own", "1"),
        ("traceparent", trace),
        ("x-forwarded-for", "9.9.9.9"),
        ("x-happypath-relay-key", "made up"),
    ] {
        request
            .metadata_mut()
            .insert(name, value.parse().expect("ascii"));
    }
    let answer = client.get_customer(request).await.expect("an answer");
    assert_eq!(
        answer.metadata().get("x-trailer").map(|it| it.as_bytes()),
        Some(&b"kept"[..])
    );
    let (parts, body) = seen.recv().await.expect("a request");
    assert_eq!(body, framed(&message));
    assert_eq!(
        parts.uri.path(),
        "/happypath.identity.v1.IdentityService/GetCustomer"
    );
    let header = |name: &str| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    assert_eq!(header("x-own").as_deref(), Some("1"));
    assert_eq!(header("te").as_deref(), Some("trailers"));
    let carried = header("traceparent").expect("a trace");
    assert_eq!(carried[..36], trace[..36]);
    let timeout = header("grpc-timeout").expect("a deadline");
    let micros: u64 = timeout.trim_end_matches('u').parse().expect("microseconds");
    assert!((10_000_000..20_000_000).contains(&micros), "{timeout}");
    // Strangers cannot say where a call comes from.
    assert_eq!(header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert!(header("x-happypath-relay-key").is_some_and(|key| key.starts_with("hpk_")));
}

/// Answers each message of a stream as soon as it is there.
fn echo(request: Request<Incoming>) -> Response<Body> {
    let frames = futures::stream::unfold(
        (request.into_body(), Vec::new(), false),
        |(mut body, mut bytes, is_over)| async move {
            if is_over {
                return None;
            }
            loop {
                let length = bytes.get(1..5).map(|it: &[u8]| {
                    u32::from_be_bytes(it.try_into().expect("four bytes")) as usize
                });
                if length.is_some_and(|length| bytes.len() >= 5 + length) {
                    let rest = bytes.split_off(5 + length.expect("a length"));
                    let answer = IngestStreamResponse {
                        accepted_count: u32::try_from(bytes.len()).expect("small"),
                        ..IngestStreamResponse::default()
                    };
                    return Some((Frame::data(framed(&answer)), (body, rest, false)));
                }
                match body.frame().await {
                    Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().expect("data")),
                    Some(Err(_)) | None => {
                        let status = Status::aborted("over").metadata().clone();
                        let mut trailers: HeaderMap = status.into_headers();
                        trailers.insert("grpc-status", 10.into());
                        return Some((Frame::trailers(trailers), (body, bytes, true)));
                    }
                }
            }
        },
    );
    played::respond(Body::new(StreamBody::new(frames.map(Ok::<_, Infallible>))))
}

#[tokio::test]
async fn messages_and_answers_of_a_stream_go_both_ways_one_by_one() {
    let played = Played::start(|request| async { echo(request) }).await;
    let (_site, gateway) = front_of(&played).await;
    let mut client = IdentityServiceClient::new(gateway.channel().await);
    let (sender, receiver) = mpsc::channel(1);
    let answers = client.ingest_stream(ReceiverStream::new(receiver)).await;
    let mut answers = answers.expect("a stream").into_inner();
    for bytes in [1, 70_000, 3_000_000, 1] {
        let message = batch(bytes);
        let length = framed(&message).len();
        sender.send(message).await.expect("it is read");
        let answer = answers
            .message()
            .await
            .expect("an answer")
            .expect("one more");
        assert_eq!(answer.accepted_count as usize, length);
    }
    drop(sender);
    let end = answers
        .message()
        .await
        .expect_err("the status of the service");
    assert_eq!(end.code(), Code::Aborted);
}

#[tokio::test]
async fn a_service_that_does_not_read_holds_up_its_sender_and_not_the_gateway() {
    let released = Arc::new(tokio::sync::Notify::new());
    let held = Arc::clone(&released);
    let played = Played::start(move |request| {
        let held = Arc::clone(&held);
        async move {
            held.notified().await;
            echo(request)
        }
    })
    .await;
    let (_site, gateway) = front_of(&played).await;
    let mut client = IdentityServiceClient::new(gateway.channel().await);
    let before = gateway.process.memory();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let messages = futures::stream::iter(0..64).map(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        batch(1024 * 1024)
    });
    let call = tokio::spawn(async move {
        let answers = client.ingest_stream(messages).await.expect("a stream");
        let answers = answers.into_inner();
        answers
            .filter(|answer| std::future::ready(answer.is_ok()))
            .count()
            .await
    });
    // The sender stops by itself: as much is under way as windows and the gateway take.
    let mut last = (usize::MAX, Instant::now());
    eventually(async || {
        let now = sent.load(Ordering::SeqCst);
        if now != last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(300) && now > 0).then_some(())
    })
    .await;
    assert!(last.0 < 16, "{} messages of 1 MiB are under way", last.0);
    let grown = gateway.process.memory().saturating_sub(before);
    assert!(grown < 32 << 20, "the gateway has grown by {grown} bytes");
    released.notify_one();
    let answers = tokio::time::timeout(PATIENCE, call).await;
    assert_eq!(answers.expect("in time").expect("no panic"), 64);
}

#[tokio::test]
async fn a_deadline_is_answered_and_the_service_hears_that_nobody_waits() {
    for gives_up in [false, true] {
        let (gone, mut hears) = mpsc::unbounded_channel();
        let played = Played::start(move |request: Request<Incoming>| {
            let gone = gone.clone();
            async move {
                let _told = Told(gone, request);
                std::future::pending().await
            }
        })
        .await;
        let (_site, gateway) = front_of(&played).await;
        // The transport's own client says CANCELLED where it is the first to give up.
        let channel = rpc::connect(&gateway.url()).expect("an address");
        let mut client = IdentityServiceClient::new(channel);
        let mut request = tonic::Request::new(GetCustomerRequest::default());
        let limit = Duration::from_millis(400);
        if gives_up {
            let call = client.get_customer(request);
            assert!(tokio::time::timeout(limit, call).await.is_err());
        } else {
            request.set_timeout(limit);
            let begun = Instant::now();
            let status = client.get_customer(request).await.expect_err("too late");
            assert_eq!(status.code(), Code::DeadlineExceeded);
            assert!(begun.elapsed() < 2 * limit);
        }
        let heard = tokio::time::timeout(PATIENCE, hears.recv()).await;
        assert!(heard.is_ok_and(|heard| heard.is_some()), "{gives_up}");
    }
}

/// Tells when a request is given up.
struct Told(
    mpsc::UnboundedSender<()>,
    #[expect(dead_code, reason = "held until it is given up")] Request<Incoming>,
);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
