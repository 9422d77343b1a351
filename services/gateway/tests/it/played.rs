//! A service that is played by a test: it sees every request that reaches it, and answers as the
//! test says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use prost::Message;
use tokio::net::TcpListener;
use tonic::body::Body;

/// The answer to a request.
type Play = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// A service that is played.
pub(crate) struct Played {
    address: SocketAddr,
}

impl Played {
    /// Answers every request so.
    pub(crate) async fn start<F>(
        play: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("a bound port");
        let play: Play = Arc::new(move |request| Box::pin(play(request)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let play = Arc::clone(&play);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let answer = play(request);
                        async move { Ok::<_, Infallible>(answer.await) }
                    });
                    let builder = Builder::new(TokioExecutor::new());
                    let served = builder.serve_connection(TokioIo::new(stream), service);
                    // The gateway is killed with its test.
                    let _ = served.await;
                });
            }
        });
        Self { address }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A message as gRPC frames it.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(5 + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).expect("a small message"));
    message.encode(&mut bytes).expect("room");
    bytes.freeze()
}

/// An answer of gRPC with these messages and the status after them.
pub(crate) fn answer(
    messages: Vec<Bytes>,
    trailers: &[(&'static str, &'static str)],
) -> Response<Body> {
    let ended = trailers
        .iter()
        .map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        })
        .collect::<HeaderMap>();
    let frames = messages.into_iter().map(Frame::data);
    let frames = frames
        .chain([Frame::trailers(ended)])
        .map(Ok::<_, Infallible>);
    respond(Body::new(StreamBody::new(futures::stream::iter(frames))))
}

/// An answer of gRPC with this body.
pub(crate) fn respond(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let content = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", content);
    response
}

/// Reads a whole request body.
pub(crate) async fn read(body: Incoming) -> Bytes {
    body.collect().await.expect("a body").to_bytes()
}
