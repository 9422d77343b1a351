//! Requests that cannot be read, through the layer around a real server: unary answers and streams.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::Request as HttpRequest;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use prost_types::{Struct, Value, value::Kind};
use proto::identity::v1;
use proto::identity::v1::event::PropertiesForm;
use proto::identity::v1::identity_service_server::{IdentityService, IdentityServiceServer};
use rpc::{Arrival, Arrivals, ServerLayer, Violation};
use tonic::body::Body;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::StatusExt as _;
use tower::{Layer as _, Service as _};

/// Bytes that the server under test takes.
const LIMIT: usize = 1_000;

struct Identity;

/// Tells the events that could not be read.
fn rejected(unread: Vec<(usize, Violation)>) -> Vec<v1::RejectedEvent> {
    let unread = unread.into_iter();
    let rejected = unread.map(|(index, violation)| v1::RejectedEvent {
        index: u32::try_from(index).expect("a few events"),
        field: violation.field,
        description: violation.description,
    });
    rejected.collect()
}

/// Tells of a batch what the layer knows of it.
fn answer(batch: &v1::IngestStreamRequest, arrival: Arrival) -> v1::IngestStreamResponse {
    v1::IngestStreamResponse {
        accepted_count: u32::try_from(batch.events.len()).expect("a few events"),
        rejected: rejected(arrival.unread),
        refusal: arrival
            .refused
            .map_or_else(String::new, |one| one.to_string()),
        ..v1::IngestStreamResponse::default()
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<v1::IngestStreamResponse, Status>> + Send>>;

fn unused<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not part of this test"))
}

#[tonic::async_trait]
impl IdentityService for Identity {
    async fn ingest(
        &self,
        request: Request<v1::IngestRequest>,
    ) -> Result<Response<v1::IngestResponse>, Status> {
        let arrival = Arrivals::of(&request).take();
        Ok(Response::new(v1::IngestResponse {
            rejected: rejected(arrival.unread),
            ..v1::IngestResponse::default()
        }))
    }

    type IngestStreamStream = Answers;

    async fn ingest_stream(
        &self,
        request: Request<Streaming<v1::IngestStreamRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let arrivals = Arrivals::of(&request);
        let batches = request.into_inner();
        let answers = batches.map(move |batch| batch.map(|batch| answer(&batch, arrivals.take())));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_customer(
        &self,
        _: Request<v1::GetCustomerRequest>,
    ) -> Result<Response<v1::GetCustomerResponse>, Status> {
        unused()
    }

    async fn list_customers(
        &self,
        _: Request<v1::ListCustomersRequest>,
    ) -> Result<Response<v1::ListCustomersResponse>, Status> {
        unused()
    }

    async fn list_events(
        &self,
        _: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        unused()
    }

    async fn merge_customers(
        &self,
        _: Request<v1::MergeCustomersRequest>,
    ) -> Result<Response<v1::MergeCustomersResponse>, Status> {
        unused()
    }

    async fn advance_clock(
        &self,
        _: Request<v1::AdvanceClockRequest>,
    ) -> Result<Response<v1::AdvanceClockResponse>, Status> {
        unused()
    }
}

/// One message as gRPC frames it.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a small message");
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    frame
}

/// Sends bytes to a method and returns how the call ended, in the headers or in the trailers, with
/// the answers before that.
async fn exchange(method: &str, pieces: Vec<Bytes>) -> (Vec<u8>, Status) {
    let frames = pieces
        .into_iter()
        .map(|piece| Ok::<_, Status>(Frame::data(piece)));
    let request = HttpRequest::builder()
        .method("POST")
        .uri(format!("/happypath.identity.v1.IdentityService/{method}"))
        .header("content-type", "application/grpc")
        .body(Body::new(StreamBody::new(futures::stream::iter(frames))))
        .expect("a request");
    let server = IdentityServiceServer::new(Identity).max_decoding_message_size(LIMIT);
    let response = ServerLayer::default().layer(server).call(request).await;
    let response = match response {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if let Some(status) = Status::from_header_map(response.headers()) {
        return (Vec::new(), status);
    }
    let mut answers = Vec::new();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        match frame.expect("a frame").into_trailers() {
            Ok(trailers) => {
                let status = Status::from_header_map(&trailers).expect("a status");
                return (answers, status);
            }
            Err(frame) => answers.extend(frame.into_data().expect("data or trailers")),
        }
    }
    panic!("an answer without a status");
}

async fn call(method: &str, bytes: Vec<u8>) -> Status {
    exchange(method, vec![Bytes::from(bytes)]).await.1
}

/// Sends batches on one stream, and returns the answers.
async fn stream(batches: &[Vec<u8>]) -> (Vec<v1::IngestStreamResponse>, Status) {
    let sent: Vec<u8> = batches.iter().flat_map(|batch| frame(batch)).collect();
    // In pieces that are cut anywhere.
    let pieces = sent.chunks(7).map(Bytes::copy_from_slice).collect();
    let (mut bytes, status) = exchange("IngestStream", pieces).await;
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_be_bytes(bytes[1..5].try_into().expect("four bytes"));
        let rest = bytes.split_off(5 + usize::try_from(length).expect("small"));
        answers.push(v1::IngestStreamResponse::decode(&bytes[5..]).expect("an answer"));
        bytes = rest;
    }
    (answers, status)
}

/// An event whose properties nest so deep.
fn nested(depth: usize) -> v1::Event {
    let mut value = Value { kind: None };
    for _ in 0..depth {
        let fields = [("a".to_owned(), value)].into_iter().collect();
        value = Value {
            kind: Some(Kind::StructValue(Struct { fields })),
        };
    }
    let fields = [("a".to_owned(), value)].into_iter().collect();
    v1::Event {
        properties_form: Some(PropertiesForm::Properties(Struct { fields })),
        ..v1::Event::default()
    }
}

fn check(status: &Status, field: &str, words: &[&str]) {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().len() < 300, "{}", status.message());
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(info.reason, "INVALID_REQUEST");
    let violations = &details
        .bad_request()
        .expect("a BadRequest")
        .field_violations;
    assert_eq!(violations[0].field, field);
    for word in words {
        assert!(
            violations[0].description.contains(word),
            "{word}: {}",
            violations[0].description
        );
    }
}

#[tokio::test]
async fn unreadable_messages_are_invalid_requests() {
    let status = call("Ingest", frame(&[0xff; 40])).await;
    check(&status, "", &["protobuf", "contract"]);
    let empty = [0x12, 0].repeat(2_000);
    check(
        &call("Ingest", frame(&empty)).await,
        "events",
        &["more than 1500", "at most 500"],
    );
}

#[tokio::test]
async fn an_event_of_a_call_that_cannot_be_read_stops_no_other() {
    let request = v1::IngestRequest {
        events: vec![nested(1), nested(60)],
        ..v1::IngestRequest::default()
    };
    let bytes = request.encode_to_vec();
    assert!(bytes.len() <= LIMIT);
    let (answer, status) = exchange("Ingest", vec![frame(&bytes).into()]).await;
    assert_eq!(status.code(), Code::Ok, "{status:?}");
    let answer = v1::IngestResponse::decode(&answer[5..]).expect("an answer");
    let [told] = &answer.rejected[..] else {
        panic!("one event cannot be read: {:?}", answer.rejected);
    };
    assert_eq!((told.index, told.field.as_str()), (1, "properties.a.a.a"));
    assert!(told.description.contains("nest less"), "{told:?}");
}

#[tokio::test]
async fn what_is_not_framed_as_grpc_says_ends_calls_and_streams() {
    for method in ["Ingest", "IngestStream"] {
        let mut announced = frame(&[0; LIMIT + 1]);
        let status = call(method, announced.clone()).await;
        assert_eq!(
            status.code() == Code::Ok,
            method == "IngestStream",
            "{status:?}"
        );
        // A length above that of any message is refused before anything of it came.
        announced[1..5].copy_from_slice(&9_000_000_u32.to_be_bytes());
        announced.truncate(20);
        let status = call(method, announced).await;
        check(&status, "", &["9000000 bytes", "at most 1000", "several"]);
        let status = call(method, vec![9; 40]).await;
        check(&status, "", &["gRPC"]);
        let mut half = frame(&[10, 0, 10, 0]);
        half.truncate(7);
        check(&call(method, half).await, "", &["whole"]);
        assert_eq!(call(method, frame(&[])).await.code(), Code::Ok);
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_what_cannot_be_read() {
    let batch = |events: Vec<v1::Event>| {
        let request = v1::IngestStreamRequest {
            events,
            ..v1::IngestStreamRequest::default()
        };
        request.encode_to_vec()
    };
    // The name of the second event is no text.
    let mut no_text = batch(vec![nested(1)]);
    no_text.extend([0x0a, 3, 0x12, 1, 0xff]);
    let batches = [
        batch(vec![nested(1), nested(60), nested(1)]),
        vec![0xff; 40],
        no_text,
        batch(vec![nested(1)]),
    ];
    let (answers, status) = stream(&batches).await;
    assert_eq!(status.code(), Code::Ok, "{status:?}");
    let told: Vec<_> = answers
        .iter()
        .map(|answer| {
            let rejected = answer.rejected.first();
            let rejected = rejected.map(|event| (event.index, event.field.as_str()));
            (answer.accepted_count, rejected, answer.refusal.is_empty())
        })
        .collect();
    assert_eq!(
        told,
        [
            (3, Some((1, "properties.a.a.a")), true),
            (0, None, false),
            (2, Some((1, "name")), true),
            (1, None, true),
        ]
    );
}
