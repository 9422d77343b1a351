//! The memory of a process under requests that cost it the most, and the patience of those beside
//! them.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use proto::identity::v1::event::PropertiesForm;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::process::{Service, free_port};
use crate::suite::eventually;

/// Bytes that nothing takes a process above its load before.
const ABOVE: u64 = 200_000_000;
/// The time by which nothing delays the slowest hundredth of the others: ten times what it is on a
/// machine that does nothing else, which tests do not have.
const DELAY: Duration = Duration::from_secs(2);
/// Bytes of a message that streams announce, and do not send.
const ANNOUNCED: u32 = 7_000_000;
/// Streams that announce one.
const STREAMS: usize = 1_000;
/// Streams that share a connection.
const STREAMS_PER_CONNECTION: usize = 100;

/// The frame of a message that has so many bytes, and begins with these.
fn framed(length: u32, beginning: &[u8]) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(length.to_be_bytes());
    bytes.extend_from_slice(beginning);
    bytes.into()
}

/// Sends bytes to a method, and returns how the call ended. A request that is left open never ends
/// by itself.
async fn send(mut channel: Channel, method: &str, bytes: Bytes, is_left_open: bool) -> Status {
    let frames = futures::stream::iter([Ok::<_, Status>(Frame::data(bytes))]);
    let frames = if is_left_open {
        frames.chain(futures::stream::pending()).boxed()
    } else {
        frames.boxed()
    };
    let request = http::Request::builder()
        .method("POST")
        .uri(format!("/happypath.identity.v1.IdentityService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(StreamBody::new(frames)))
        .expect("a request");
    std::future::poll_fn(|context| channel.poll_ready(context))
        .await
        .expect("connected");
    let response = channel.call(request).await.expect("an answer");
    if let Some(status) = Status::from_header_map(response.headers()) {
        return status;
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_trailers) {
            Ok(Ok(trailers)) => return Status::from_header_map(&trailers).expect("a status"),
            Ok(Err(_data)) => {}
            Err(status) => return status,
        }
    }
    panic!("an answer without a status");
}

/// Sends one event after another until it is told to stop, and returns the slowest hundredth.
async fn small_calls(channel: Channel, mut stop: oneshot::Receiver<()>) -> Duration {
    let mut client = IdentityServiceClient::new(channel);
    let mut times = Vec::new();
    while stop.try_recv().is_err() {
        let event = Event {
            name: "purchase".to_owned(),
            identifiers: [("user_id".to_owned(), format!("u{}", times.len() % 50))].into(),
            ..Event::default()
        };
        let request = IngestRequest {
            events: vec![event],
            ..IngestRequest::default()
        };
        let begun = Instant::now();
        client.ingest(request).await.expect("room for a small call");
        times.push(begun.elapsed());
        // As often as people do things, not as fast as a machine can.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    times.sort();
    times[times.len() * 99 / 100]
}

/// Does what costs much beside small calls, and returns their slowest hundredth.
async fn beside<T>(address: &str, work: impl Future<Output = T>) -> (Duration, T) {
    let (stop, stopped) = oneshot::channel();
    let calls = tokio::spawn(small_calls(connect(address).await, stopped));
    let done = work.await;
    stop.send(()).expect("calls go on");
    (calls.await.expect("calls"), done)
}

async fn connect(address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(address.to_owned()).expect("an address");
    endpoint.connect().await.expect("connected")
}

/// A message whose lists no rule counts, and that is ten times as large once it is built.
fn wide() -> Bytes {
    let values = vec![Value::default(); 300_000];
    let value = Value {
        kind: Some(Kind::ListValue(ListValue { values })),
    };
    let event = Event {
        properties_form: Some(PropertiesForm::Properties(Struct {
            fields: [("a".to_owned(), value)].into(),
        })),
        ..Event::default()
    };
    let request = IngestRequest {
        events: vec![event],
        ..IngestRequest::default()
    };
    let bytes = request.encode_to_vec();
    framed(u32::try_from(bytes.len()).expect("below 8 MB"), &bytes)
}

/// Sends so many messages at once, and returns how each ended.
async fn at_once(address: &str, count: usize, method: &str, bytes: &Bytes) -> Vec<Code> {
    let channel = connect(address).await;
    let calls: FuturesUnordered<_> = (0..count)
        .map(|_| send(channel.clone(), method, bytes.clone(), false))
        .collect();
    calls.map(|status| status.code()).collect().await
}

/// Opens streams that begin a message and do not go on.
async fn announce(address: &str, count: usize, beginning: usize) -> Vec<JoinHandle<Status>> {
    let bytes = framed(ANNOUNCED, &vec![0x0a; beginning]);
    let mut opened = Vec::new();
    for _ in 0..count.div_ceil(STREAMS_PER_CONNECTION) {
        let channel = connect(address).await;
        for _ in 0..STREAMS_PER_CONNECTION {
            let stream = send(channel.clone(), "IngestStream", bytes.clone(), true);
            opened.push(tokio::spawn(stream));
        }
        // A small call on the same connection is answered after they have begun.
        let status = send(channel, "Ingest", framed(0, &[]), false).await;
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    opened
}

/// Waits until one of the streams has ended.
async fn one_of(streams: &[JoinHandle<Status>]) {
    let ended = eventually(async || streams.iter().any(JoinHandle::is_finished).then_some(()));
    ended.await.expect("one gives way");
}

#[expect(
    clippy::print_stdout,
    reason = "the figures are worth reading where the bounds hold too"
)]
#[tokio::test(flavor = "multi_thread")]
async fn no_message_and_no_set_of_streams_takes_much_memory_or_time_of_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let stores = [
        (
            "--hot-store",
            format!("embedded:{}", folder.path().join("hot").display()),
        ),
        (
            "--database",
            format!("sqlite:{}", folder.path().join("db").display()),
        ),
        ("--partitions", "4".to_owned()),
    ];
    let stores = stores
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value]);
    let identity = Service::start("identity", free_port(), stores.collect()).await;
    let address = identity.url();
    // Four million events of two bytes.
    let empty = framed(8_000_000, &[0x12, 0].repeat(4_000_000));
    let wide = wide();
    let (alone, ()) = beside(&address, tokio::time::sleep(Duration::from_secs(2))).await;
    let (before, _) = identity.memory();

    let (one, ended) = beside(&address, at_once(&address, 1, "Ingest", &empty)).await;
    assert_eq!(ended, [Code::InvalidArgument]);
    let (two, ended) = beside(&address, at_once(&address, 2, "Ingest", &empty)).await;
    assert_eq!(ended, [Code::InvalidArgument; 2]);
    let (many, ended) = beside(&address, at_once(&address, 8, "Ingest", &wide)).await;
    let is_told = |code| matches!(code, &Code::InvalidArgument | &Code::ResourceExhausted);
    assert!(ended.iter().all(is_told), "{ended:?}");
    let (announced, open) = beside(&address, announce(&address, STREAMS, 26)).await;
    let half_sent = async {
        let streams = announce(&address, 300, 200_000).await;
        one_of(&streams).await;
        streams
    };
    let (half_sent, more) = beside(&address, half_sent).await;

    let (now, peak) = identity.memory();
    let figures = format!(
        "{before} bytes before, {peak} at the most, {now} now; p99 alone {alone:?}, beside one \
         {one:?}, two {two:?}, wide ones {many:?}, announced ones {announced:?}, ones half sent \
         {half_sent:?}"
    );
    println!("{figures}");
    assert!(peak <= before + ABOVE, "{figures}");
    for p99 in [one, two, many, announced, half_sent] {
        assert!(p99 <= alone + DELAY, "{figures}");
    }
    // Messages that were only announced are waited for; some of those half sent gave way.
    assert!(open.iter().all(|stream| !stream.is_finished()), "{figures}");
    let gone: Vec<_> = more
        .into_iter()
        .filter(|stream| stream.is_finished())
        .collect();
    assert!(!gone.is_empty(), "{figures}");
    for stream in gone {
        let status = stream.await.expect("a stream");
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    }
    drop(open);
}
