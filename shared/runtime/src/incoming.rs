//! Connections as they come: plain, or over TLS, each with who is at its other end.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use access::tls::{Handshake, ServerTls};
use access::{Flood, Peer};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::TcpIncoming;

use crate::limits;

/// The first bytes of every connection over HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    peer: Peer,
    opening: Option<Opening>,
}

/// The first bytes of a connection, which tell the version of HTTP.
#[derive(Debug)]
struct Opening {
    late: Pin<Box<Sleep>>,
    seen: usize,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

/// Accepts connections. Over TLS, those that are slow to agree hold up nobody else.
pub(crate) fn incoming(
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
) -> BoxStream<'static, io::Result<Connection>> {
    let plain = TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .with_keepalive(Some(limits::KEEPALIVE_INTERVAL));
    let Some(tls) = tls else {
        return plain.map(|stream| stream.map(Connection::plain)).boxed();
    };
    let (sender, receiver) = mpsc::channel(limits::HANDSHAKES);
    tokio::spawn(agree_with_all(plain, tls, sender));
    let received = futures::stream::unfold(receiver, async |mut receiver| {
        let connection = receiver.recv().await?;
        Some((Ok(connection), receiver))
    });
    received.boxed()
}

/// Ends once nobody takes connections any more.
async fn agree_with_all(
    mut plain: TcpIncoming,
    tls: Arc<ServerTls>,
    sender: mpsc::Sender<Connection>,
) {
    let permits = Arc::new(Semaphore::new(limits::HANDSHAKES));
    let failures = Arc::new(Flood::new(limits::HANDSHAKE_FAILURES_LOGGED));
    loop {
        let stream = tokio::select! {
            stream = plain.next() => stream,
            () = sender.closed() => return,
        };
        let stream = match stream {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                continue;
            }
            None => return,
        };
        // Closed never: the semaphore lives as long as this loop.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let (tls, sender, failures) = (Arc::clone(&tls), sender.clone(), Arc::clone(&failures));
        tokio::spawn(async move {
            let address = stream.peer_addr().ok();
            match tls.accept(stream).await {
                // Whoever took connections may have ended meanwhile.
                Ok(agreed) => drop(sender.send(Connection::secured(agreed)).await),
                Err(error) if failures.admit(Instant::now()).0 => {
                    let address = address.map(tracing::field::display);
                    tracing::warn!(%error, address, "no agreement on TLS with a client");
                }
                Err(_) => {}
            }
            drop(permit);
        });
    }
}

impl Opening {
    fn new() -> Self {
        Self {
            late: Box::pin(tokio::time::sleep(limits::OPENING_TIME)),
            seen: 0,
        }
    }

    /// Takes in bytes that were read, and returns whether the version is known by now.
    fn is_over(&mut self, bytes: &[u8]) -> bool {
        let is_other = bytes
            .iter()
            .zip(PREFACE.iter().skip(self.seen))
            .any(|(byte, expected)| byte != expected);
        self.seen += bytes.len();
        is_other || self.seen >= PREFACE.len()
    }
}

impl Connection {
    /// The other end.
    pub(crate) const fn peer(&self) -> &Peer {
        &self.peer
    }

    fn plain(stream: TcpStream) -> Self {
        Self {
            peer: Peer::new(stream.peer_addr().ok(), None),
            stream: Stream::Plain(stream),
            opening: Some(Opening::new()),
        }
    }

    fn secured(agreed: Handshake) -> Self {
        let address = agreed.stream.get_ref().0.peer_addr().ok();
        Self {
            peer: Peer::new(address, agreed.peer),
            stream: Stream::Secured(Box::new(agreed.stream)),
            opening: Some(Opening::new()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Secured(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if let Some(opening) = &mut this.opening {
            if opening.is_over(&buffer.filled()[before..]) {
                this.opening = None;
            } else if read.is_pending() && opening.late.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Secured(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Stream::Secured(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Secured(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Secured(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Secured(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_opening_is_over_once_the_version_is_known() {
        for (pieces, expected) in [
            (&["GET / HTTP/1.1"][..], true),
            (&["P"], false),
            (&["P", "OST"], true),
            (&["PRI * HTTP/2.0"], false),
            (&["PRI * HTTP/2.0\r\n\r\nSM\r", "\n\r\n"], true),
            (&[""], false),
        ] {
            let mut opening = Opening::new();
            let is_over = pieces
                .iter()
                .fold(false, |_, piece| opening.is_over(piece.as_bytes()));
            assert_eq!(is_over, expected, "{pieces:?}");
        }
    }
}
