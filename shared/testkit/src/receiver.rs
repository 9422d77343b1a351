//! A receiver of webhooks: a small HTTP server that behaves as badly as told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The answer to every request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status, perhaps a header, and a text.
    Fixed(StatusCode, Option<(&'static str, String)>, &'static str),
    /// Nothing, ever.
    Silence,
    /// The end of the connection.
    Close,
    /// A body without end, as fast as it is read.
    EndlessBody,
    /// A body that comes a byte at a time.
    DrippingBody,
    /// Success, once the watch says so.
    Held(watch::Receiver<bool>),
}

type Seen = Arc<Mutex<Vec<(Parts, Bytes)>>>;
type AnswerBody = BoxBody<Bytes, Infallible>;

/// A receiver of webhooks on a port of its own.
#[derive(Debug)]
pub struct Receiver {
    /// The address at which it listens.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    answer: Arc<Mutex<Answer>>,
    seen: Seen,
}

impl Receiver {
    /// Starts one that answers so.
    ///
    /// # Panics
    /// Where the machine has no free port.
    pub async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let receiver = Self {
            address: listener.local_addr().expect("an address"),
            connections: Arc::default(),
            answer: Arc::new(Mutex::new(answer)),
            seen: Seen::default(),
        };
        let connections = Arc::clone(&receiver.connections);
        let (answer, seen) = (Arc::clone(&receiver.answer), Arc::clone(&receiver.seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&seen)));
            }
        });
        receiver
    }

    /// Has it answer so from now on.
    ///
    /// # Panics
    /// Where a request of it panicked.
    pub fn answer(&self, answer: Answer) {
        *self.answer.lock().expect("not poisoned") = answer;
    }

    /// Returns a port where nothing listens.
    ///
    /// # Panics
    /// Where the machine has no free port.
    pub async fn free_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address").port()
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("http://{}/hooks?x=1", self.address)
    }

    /// Returns the number of connections that were made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the requests that came, oldest first, each with its body.
    ///
    /// # Panics
    /// Where a request of it panicked.
    pub fn requests(&self) -> Vec<(Parts, Bytes)> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

async fn serve(stream: TcpStream, answer: Arc<Mutex<Answer>>, seen: Seen) {
    if matches!(current(&answer), Answer::Close) {
        return;
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, seen) = (current(&answer), Arc::clone(&seen));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a whole request").to_bytes();
            seen.lock().expect("not poisoned").push((head, body));
            Ok::<_, Infallible>(respond(answer).await)
        }
    });
    // A client that hangs up is what some tests are about.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn current(answer: &Mutex<Answer>) -> Answer {
    answer.lock().expect("not poisoned").clone()
}

async fn respond(answer: Answer) -> Response<AnswerBody> {
    match answer {
        Answer::Fixed(status, header, text) => {
            let mut response = Response::new(Full::from(text).boxed());
            *response.status_mut() = status;
            if let Some((name, value)) = header {
                let value = value.parse().expect("a header value");
                response.headers_mut().insert(name, value);
            }
            response
        }
        Answer::Silence | Answer::Close => std::future::pending().await,
        Answer::EndlessBody => {
            let block = || Ok(Frame::data(Bytes::from_static(&[b'x'; 4_096])));
            Response::new(BodyExt::boxed(StreamBody::new(stream::repeat_with(block))))
        }
        Answer::DrippingBody => {
            let drip = stream::repeat(()).then(|()| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(Frame::data(Bytes::from_static(b"x")))
            });
            Response::new(BodyExt::boxed(StreamBody::new(drip)))
        }
        Answer::Held(mut held) => {
            held.wait_for(|released| *released)
                .await
                .expect("a test that lets go");
            Response::new(Full::default().boxed())
        }
    }
}
