//! One connection to one replica: HTTP/2, in plain text or over TLS, and whether it still works.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use access::tls::ClientTls;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tonic::body::Body;

use super::pool::Link;
use super::secured::agree;
use super::target::Target;
use crate::limits::{CONNECT_TIMEOUT, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};

/// The end of a connection at which requests are handed in. Cheap to clone.
pub(super) type Sender = SendRequest<Body>;

/// The work of a connection, which ends with it.
pub(super) type Work = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

impl Link for Sender {
    fn is_open(&self) -> bool {
        !self.is_closed()
    }
}

/// Connects to one address of a service.
///
/// # Errors
/// As the network or the server says, and where it takes longer than [`CONNECT_TIMEOUT`].
pub(super) async fn open(
    target: &Target,
    address: SocketAddr,
    tls: Option<&ClientTls>,
) -> io::Result<(Sender, Work)> {
    let opening = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        match tls {
            None => speak(TokioIo::new(stream)).await,
            // The name counts and not the address behind it, since certificates are for names.
            Some(tls) => speak(TokioIo::new(agree(tls, &target.host, stream).await?)).await,
        }
    };
    let opened = tokio::time::timeout(CONNECT_TIMEOUT, opening).await;
    opened.unwrap_or_else(|_| {
        let seconds = CONNECT_TIMEOUT.as_secs();
        let message = format!("no connection within {seconds} s");
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    })
}

async fn speak(stream: impl Read + Write + Send + Unpin + 'static) -> io::Result<(Sender, Work)> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let spoken = builder.handshake(stream).await;
    let (sender, connection) = spoken.map_err(io::Error::other)?;
    Ok((sender, Box::pin(connection)))
}
