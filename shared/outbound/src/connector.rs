//! Connects to destinations, and only to those that may be connected to.
//!
//! A name is resolved once, every address is checked, and the connection goes to a checked address:
//! a name that resolves to something else a moment later gains nothing. Each new connection is
//! checked again.

mod wire;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use destination::{host_of, is_public};
use http::Uri;
use hyper_util::rt::TokioIo;
use kernel::OutboundAddresses;
use tokio::net::TcpStream;

pub(crate) use self::wire::Reach;
pub use self::wire::Wire;

/// The network between a client and its destinations.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Returns the addresses of a host.
    ///
    /// # Errors
    /// As the network says; a post may be tried again.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    /// Connects to an address, by TCP unless the network is another one.
    ///
    /// # Errors
    /// As the network says; a post may be tried again.
    async fn connect(&self, address: SocketAddr) -> io::Result<Wire> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Wire::new(stream))
    }
}

/// The network of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNetwork;

#[async_trait]
impl Network for SystemNetwork {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// There is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The host is not of the public internet, and its destination does not ask for that.
    #[error("the host resolves to no address of the public internet")]
    Refused,
    /// The operator does not allow its addresses, whatever the destination says.
    #[error("the host resolves to no address that this installation may connect to")]
    Forbidden,
    /// It took too long: try again.
    #[error("no connection in time")]
    TimedOut,
    /// The name cannot be resolved, or nothing listens: try again.
    #[error("no connection: {0}")]
    Failed(#[from] io::Error),
}

/// Opens connections for the HTTP client.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) network: Arc<dyn Network>,
    /// The addresses that the operator allows. A destination can only narrow them.
    pub(crate) allowed: Arc<OutboundAddresses>,
    /// True where the destination takes addresses that are not of the public internet.
    pub(crate) allow_private_network: bool,
    pub(crate) timeout: Duration,
}

impl Connector {
    async fn connect(self, url: Uri) -> Result<TokioIo<Wire>, ConnectError> {
        tokio::time::timeout(self.timeout, self.connect_any(&url))
            .await
            .map_err(|_| ConnectError::TimedOut)?
    }

    async fn connect_any(&self, url: &Uri) -> Result<TokioIo<Wire>, ConnectError> {
        let host = host_of(url);
        let is_tls = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let mut addresses = match host.parse::<IpAddr>() {
            Ok(literal) => vec![SocketAddr::new(literal, port)],
            Err(_) => self.network.resolve(&host, port).await?,
        };
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address").into());
        }
        let is_wanted = |ip| self.allow_private_network || is_public(ip);
        addresses.retain(|found| is_wanted(found.ip()));
        if addresses.is_empty() {
            return Err(ConnectError::Refused);
        }
        let is_allowed = |ip| self.allowed.contain(ip, is_public(ip));
        addresses.retain(|found| is_allowed(found.ip()));
        if addresses.is_empty() {
            return Err(ConnectError::Forbidden);
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for found in addresses {
            match self.network.connect(found).await {
                Ok(wire) => return Ok(TokioIo::new(wire.to(found.ip()))),
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        Box::pin(self.clone().connect(url))
    }
}
