//! Requests that cannot be read, through the layer around a real server: unary answers and streams.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::Request as HttpRequest;
use http_body_util::Full;
use prost::Message as _;
use prost_types::{Struct, Value, value::Kind};
use proto::identity::v1;
use proto::identity::v1::event::PropertiesForm;
use proto::identity::v1::identity_service_server::{IdentityService, IdentityServiceServer};
use rpc::ServerLayer;
use tonic::body::Body;
use tonic::codegen::Body as _;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::StatusExt as _;
use tower::{Layer as _, Service as _};

/// Bytes that the server under test takes.
const LIMIT: usize = 1_000;

struct Identity;

type Answers = Pin<Box<dyn Stream<Item = Result<v1::IngestStreamResponse, Status>> + Send>>;

fn unused<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not part of this test"))
}

#[tonic::async_trait]
impl IdentityService for Identity {
    async fn ingest(
        &self,
        _: Request<v1::IngestRequest>,
    ) -> Result<Response<v1::IngestResponse>, Status> {
        Ok(Response::new(v1::IngestResponse::default()))
    }

    type IngestStreamStream = Answers;

    async fn ingest_stream(
        &self,
        request: Request<Streaming<v1::IngestStreamRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let batches = request.into_inner();
        let answers = batches.map(|batch| batch.map(|_| v1::IngestStreamResponse::default()));
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

/// Sends bytes to a method and returns how the call ended, in the headers or in the trailers.
async fn call(method: &str, bytes: Vec<u8>) -> Status {
    let request = HttpRequest::builder()
        .method("POST")
        .uri(format!("/happypath.identity.v1.IdentityService/{method}"))
        .header("content-type", "application/grpc")
        .body(Body::new(Full::new(Bytes::from(bytes))))
        .expect("a request");
    let server = IdentityServiceServer::new(Identity).max_decoding_message_size(LIMIT);
    let response = ServerLayer::default().layer(server).call(request).await;
    let response = match response {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if let Some(status) = Status::from_header_map(response.headers()) {
        return status;
    }
    let mut body = Box::pin(response.into_body());
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await
    {
        if let Ok(trailers) = frame.expect("a frame").into_trailers() {
            return Status::from_header_map(&trailers).expect("a status");
        }
    }
    panic!("an answer without a status");
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
async fn unreadable_messages_are_invalid_requests_on_unary_calls_and_on_streams() {
    let event = nested(60);
    let deep = v1::IngestRequest {
        events: vec![event.clone()],
        ..v1::IngestRequest::default()
    }
    .encode_to_vec();
    let deep_batch = v1::IngestStreamRequest {
        events: vec![event],
        ..v1::IngestStreamRequest::default()
    }
    .encode_to_vec();
    assert!(deep.len() <= LIMIT && deep_batch.len() <= LIMIT);
    for (method, deep) in [("Ingest", deep), ("IngestStream", deep_batch)] {
        let status = call(method, frame(&deep)).await;
        check(&status, "events.properties.fields.kind", &["nest less"]);
        let status = call(method, frame(&[0xff; 40])).await;
        check(&status, "", &["protobuf", "contract"]);
        let status = call(method, frame(&[0; LIMIT + 1])).await;
        check(&status, "", &["1001 bytes", "at most 1000", "several"]);
        let status = call(method, vec![9; 40]).await;
        check(&status, "", &["gRPC"]);
        let mut half = frame(&[10, 0, 10, 0]);
        half.truncate(7);
        check(&call(method, half).await, "", &["whole"]);
        assert_eq!(call(method, frame(&[])).await.code(), Code::Ok);
    }
}
