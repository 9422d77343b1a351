//! Serves connections over HTTP/2 and HTTP/1.1, from their first byte to an orderly end.
//!
//! The version is told by the first bytes, or agreed on with TLS. Senders that are slow hold their
//! own connection and nobody else's, and lose it.

mod unread;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::sync::watch;
use tonic::body::Body;
use tower::ServiceExt as _;

pub use self::unread::forget;
use self::unread::{Unread, watched};
use crate::calls::Calls;
use crate::incoming::Connection;
use crate::limits;

/// Gives the requests of all connections to `calls` until `stop`, then ends each connection as soon
/// as its requests are answered, and returns when all have ended.
pub(crate) async fn serve_connections(
    mut incoming: BoxStream<'static, io::Result<Connection>>,
    calls: Calls,
    stop: impl Future<Output = ()>,
) {
    let builder = builder();
    let (closing, closed) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let connection = tokio::select! {
            () = &mut stop => break,
            connection = incoming.next() => connection,
        };
        match connection {
            Some(Ok(connection)) => {
                let served = serve_one(connection, calls.clone(), builder.clone(), closed.clone());
                tokio::spawn(served);
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
            None => break,
        }
    }
    // Whoever connects from now on is refused at once, and goes elsewhere.
    drop(incoming);
    closing.send_replace(());
    drop(closed);
    closing.closed().await;
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME)
        .max_buf_size(limits::HTTP1_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(limits::KEEPALIVE_INTERVAL))
        .keep_alive_timeout(limits::KEEPALIVE_TIMEOUT)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(limits::STREAMS_PER_CONNECTION)
        .max_header_list_size(limits::HTTP2_HEADER_BYTES);
    builder
}

async fn serve_one(
    connection: Connection,
    calls: Calls,
    builder: Builder<TokioExecutor>,
    mut closing: watch::Receiver<()>,
) {
    let peer = connection.peer().clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut request, unread) = watched(request);
        request.extensions_mut().insert(peer.clone());
        answer(calls.clone(), request, unread)
    });
    let mut served = pin!(builder.serve_connection(TokioIo::new(connection), service));
    // Clients connect again with the certificates that there are by then, and look for replicas:
    // those that came meanwhile get their share.
    let mut aged = pin!(tokio::time::sleep(connection_age()));
    let (mut is_aged, mut is_closing) = (false, false);
    loop {
        tokio::select! {
            ended = &mut served => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection ended before its end");
                }
                return;
            }
            () = &mut aged, if !is_aged => is_aged = true,
            _ = closing.changed(), if !is_closing => is_closing = true,
        }
        served.as_mut().graceful_shutdown();
    }
}

async fn answer(
    calls: Calls,
    request: Request<Body>,
    unread: Unread,
) -> Result<Response<Body>, Infallible> {
    let mut response = calls.oneshot(request).await?;
    unread.tell(&mut response);
    Ok(response)
}

/// The age at which a connection ends in order. Those that were opened together do not end so.
fn connection_age() -> Duration {
    let spread = uuid::Uuid::now_v7().as_u64_pair().1 % limits::CONNECTION_AGE_SPREAD_SECONDS;
    limits::CONNECTION_AGE + Duration::from_secs(spread)
}
