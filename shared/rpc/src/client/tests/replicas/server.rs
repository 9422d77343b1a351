//! Servers on addresses of this machine, which can drain, die, hang and lose calls.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::Iter;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::client::Resolver;

/// The state of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It answers calls, each after a moment.
    Answers,
    /// It begins calls and answers none.
    Hangs,
    /// It loses its connection with each call that it begins.
    Loses,
    /// It takes no connections, ends the calls under way and then its connections.
    Drains,
}

/// The time that a call takes: so long that some are under way when anything happens.
const WORK: Duration = Duration::from_millis(2);

/// A server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    mode: watch::Sender<Mode>,
    begun: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves at the loopback address of this number.
    pub(super) async fn start(host: u8) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, host], 0))).await
    }

    /// Serves at an address, such as that of a server that is no more.
    pub(super) async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address)
            .await
            .expect("an address of this machine");
        let address = listener.local_addr().expect("a bound address");
        let (mode, told) = watch::channel(Mode::Answers);
        let begun = Arc::<AtomicUsize>::default();
        Self {
            address,
            mode,
            begun: Arc::clone(&begun),
            task: tokio::spawn(accept(listener, told, begun)),
        }
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Returns how many calls it has begun since it was asked last.
    pub(super) fn take_begun(&self) -> usize {
        self.begun.swap(0, Ordering::Relaxed)
    }

    /// Ends in order, and returns when the last call has ended.
    pub(super) async fn drain(self) {
        self.set(Mode::Drains);
        self.task.await.expect("no panic");
    }

    /// Ends with no warning.
    pub(super) async fn kill(self) {
        self.task.abort();
        self.task.await.expect_err("it was ended");
    }
}

/// Connections end with the set, and so with the task.
async fn accept(listener: TcpListener, told: watch::Receiver<Mode>, begun: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    let mut mode = told.clone();
    let mut drained = pin!(mode.wait_for(|mode| *mode == Mode::Drains));
    loop {
        tokio::select! {
            stream = listener.accept() => {
                let (stream, _) = stream.expect("a connection");
                connections.spawn(serve(stream, told.clone(), Arc::clone(&begun)));
            }
            _ = &mut drained => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: TcpStream, told: watch::Receiver<Mode>, begun: Arc<AtomicUsize>) {
    let lost = Arc::new(Notify::new());
    let service = {
        let (told, lost) = (told.clone(), Arc::clone(&lost));
        service_fn(move |_: hyper::Request<Incoming>| {
            begun.fetch_add(1, Ordering::Relaxed);
            answer(*told.borrow(), Arc::clone(&lost))
        })
    };
    let connection =
        Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut told = told;
    let mut is_draining = false;
    loop {
        tokio::select! {
            _ = &mut connection => return,
            () = lost.notified() => return,
            _ = told.wait_for(|mode| *mode == Mode::Drains), if !is_draining => {
                is_draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(mode: Mode, lost: Arc<Notify>) -> Result<Response<StreamBody<Frames>>, Infallible> {
    match mode {
        Mode::Answers | Mode::Drains => tokio::time::sleep(WORK).await,
        Mode::Hangs => std::future::pending().await,
        Mode::Loses => {
            lost.notify_one();
            std::future::pending::<()>().await;
        }
    }
    let trailers = HeaderMap::from_iter([(
        HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let frames = [
        // An empty message: no compression, and no bytes.
        Ok(Frame::data(Bytes::from_static(&[0; 5]))),
        Ok(Frame::trailers(trailers)),
    ];
    let body = StreamBody::new(futures::stream::iter(frames));
    let mut response = Response::new(body);
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    Ok(response)
}

type Frames = Iter<std::array::IntoIter<Result<Frame<Bytes>, Infallible>, 2>>;

/// Addresses that a test says.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Arc<Mutex<BTreeMap<String, Vec<SocketAddr>>>>);

impl Names {
    pub(super) fn set<'a>(&self, name: &str, servers: impl IntoIterator<Item = &'a Server>) {
        let addresses = servers.into_iter().map(|server| server.address).collect();
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned(), addresses);
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        host: &str,
        _port: u16,
    ) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = names.get(host).cloned();
        Box::pin(async { found.ok_or_else(|| std::io::Error::other("nobody knows the name")) })
    }
}
