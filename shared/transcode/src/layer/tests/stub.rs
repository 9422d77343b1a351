//! A service of gRPC that answers as it is told, and remembers what it was asked.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use rpc::Memory;
use tonic::Status;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::TranscodeLayer;

#[derive(Clone)]
pub(super) struct Stub {
    messages: Vec<Vec<u8>>,
    status: Status,
    trailers: HeaderMap,
    last: Arc<Mutex<Option<Call>>>,
}

/// A call that it was asked.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) messages: Vec<Vec<u8>>,
}

/// An answer by HTTP.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Stub {
    pub(super) fn answering(messages: &[&[u8]]) -> Self {
        Self {
            messages: messages.iter().map(|message| message.to_vec()).collect(),
            status: Status::ok(""),
            trailers: HeaderMap::new(),
            last: Arc::default(),
        }
    }

    pub(super) fn failing(status: impl Into<Status>) -> Self {
        Self::answering(&[]).then_failing(status)
    }

    pub(super) fn then_failing(mut self, status: impl Into<Status>) -> Self {
        self.status = status.into();
        self
    }

    pub(super) fn with_trailers(mut self, trailers: HeaderMap) -> Self {
        self.trailers = trailers;
        self
    }

    /// The last call.
    pub(super) fn call(&self) -> Call {
        self.last.lock().expect("whole").clone().expect("a call")
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        self.send_to(TranscodeLayer::new(Memory::default()), request)
            .await
    }

    pub(super) async fn send_with_fallback(&self, request: Request<Body>) -> Answer {
        let fallback = service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(crate::answer::body("fallback")))
        });
        let layer = TranscodeLayer::default().with_fallback(BoxCloneSyncService::new(fallback));
        self.send_to(layer, request).await
    }

    pub(super) async fn send_to(&self, layer: TranscodeLayer, request: Request<Body>) -> Answer {
        let stub = self.clone();
        let service = layer.layer(service_fn(move |request| stub.clone().answer(request)));
        let response = service.oneshot(request).await.expect("never fails");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.to_vec(),
        }
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let (parts, body) = request.into_parts();
        let read = body.collect().await;
        let (messages, status) = match read.map(|body| frames(&body.to_bytes())) {
            Ok(messages) => (messages, self.status.clone()),
            Err(status) => (Vec::new(), status),
        };
        let is_refused = self.messages.is_empty() || messages.is_empty();
        *self.last.lock().expect("whole") = Some(Call {
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            messages,
        });
        if is_refused {
            return Ok(status.into_http());
        }
        let mut trailers = self.trailers;
        status.add_header(&mut trailers).expect("headers");
        let frames = self.messages.into_iter().map(|message| {
            let length = u32::try_from(message.len()).expect("short").to_be_bytes();
            Frame::data(Bytes::from([&[0], &length[..], &message].concat()))
        });
        let frames: Vec<_> = frames.chain([Frame::trailers(trailers)]).collect();
        let frames = stream::iter(frames.into_iter().map(Ok::<_, Status>));
        let mut response = Response::new(Body::new(StreamBody::new(frames)));
        let kind = "application/grpc".parse().expect("a value");
        response.headers_mut().insert("content-type", kind);
        Ok(response)
    }
}

fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        let (message, rest) = rest.split_at(length);
        messages.push(message.to_vec());
        bytes = rest;
    }
    messages
}

pub(super) fn request(
    verb: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Request<Body> {
    let mut request = Request::builder().method(verb).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = crate::answer::body(body.to_vec());
    request.body(body).expect("a request")
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}
