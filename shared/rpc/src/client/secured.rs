//! Connects over TLS, with the certificates that are in use at that moment.
//!
//! The transport has a connector of its own, which reads certificates once. These ask for them with
//! every connection, so that they may change while a channel is open.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use access::tls::{Alpn, ClientTls};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower::Service;

/// The port of a URL that names none.
const PORT: u16 = 443;

/// Agrees on TLS with the server of a name.
///
/// # Errors
/// As [`ClientTls::connect`].
pub(super) async fn agree(
    tls: &ClientTls,
    host: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    // Files that cannot be read change nothing, so the outcome does not count.
    let read = tls.clone();
    let _ = tokio::task::spawn_blocking(move || read.refresh()).await;
    tls.connect(host, stream, Alpn::Http2).await
}

/// Opens connections over TLS for a channel of the transport.
#[derive(Debug, Clone)]
pub(super) struct Secured {
    tls: ClientTls,
}

impl Secured {
    /// Trusts whom these certificates say, and shows its own where there is one.
    pub(super) const fn new(tls: ClientTls) -> Self {
        Self { tls }
    }
}

impl Service<Uri> for Secured {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tls = self.tls.clone();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
            let address = (host, uri.port_u16().unwrap_or(PORT));
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(agree(&tls, host, stream).await?))
        })
    }
}
