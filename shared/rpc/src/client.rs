//! Channels to other services: each call goes to one of the replicas.

mod balanced;
mod broken;
mod connection;
mod pool;
mod relay;
mod renewing;
mod resolver;
mod secured;
mod target;
mod under_way;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use access::tls::ClientTls;
use http::HeaderValue;
use tokio::sync::{Notify, watch};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use self::balanced::Balanced;
pub use self::broken::NoConnection;
pub use self::relay::RelayChannel;
pub use self::renewing::Renewing;
pub use self::resolver::Resolver;
use self::resolver::SystemResolver;
use self::secured::Secured;
use self::target::Target;
use crate::limits::RENEWAL_PATIENCE;
use crate::{Deadline, ErrorReason, Failure, TraceParent};

/// A channel that carries the credential of this process, and deadline and trace context of the
/// call at hand, to the service called.
pub type PeerChannel = InterceptedService<Renewing, Outgoing>;

/// The credential that calls present: a key or a token, which may change while channels are open.
/// Cheap to clone; every copy presents the same.
#[derive(Clone, Default)]
pub struct Presented(Arc<Shown>);

#[derive(Default)]
struct Shown {
    value: watch::Sender<Option<MetadataValue<Ascii>>>,
    refused: Notify,
    /// True once somebody presents another one where this one is refused.
    is_renewed: AtomicBool,
}

impl Presented {
    /// Presents a key or a token.
    ///
    /// # Errors
    /// [`ErrorReason::CredentialInvalid`] where the text cannot be a header.
    pub fn bearer(text: &str) -> Result<Self, Failure> {
        let presented = Self::default();
        presented.set(text)?;
        Ok(presented)
    }

    /// Presents another key or token from now on.
    ///
    /// # Errors
    /// As [`Self::bearer`].
    pub fn set(&self, text: &str) -> Result<(), Failure> {
        let value = MetadataValue::try_from(format!("Bearer {text}"));
        let mut value: MetadataValue<Ascii> = value.map_err(|_| {
            let message = "the key or token has characters that no header has: copy it again";
            Failure::new(ErrorReason::CredentialInvalid, message)
        })?;
        // Transports neither index such a header nor show it.
        value.set_sensitive(true);
        self.0.value.send_replace(Some(value));
        Ok(())
    }

    /// Completes once a server has refused what is presented. Whoever waits for that presents
    /// another one then, for which the calls that were refused wait a moment.
    pub async fn refused(&self) {
        self.0.is_renewed.store(true, Ordering::Relaxed);
        self.0.refused.notified().await;
    }

    fn is_renewed(&self) -> bool {
        self.0.is_renewed.load(Ordering::Relaxed)
    }

    /// Tells that what was sent was refused, and waits a moment for another one. Absent where none
    /// comes.
    async fn other_than(&self, sent: &HeaderValue) -> Option<HeaderValue> {
        let mut values = self.0.value.subscribe();
        self.0.refused.notify_one();
        let is_other = |value: &Option<MetadataValue<Ascii>>| {
            value
                .as_ref()
                .is_some_and(|it| it.as_encoded_bytes() != sent.as_bytes())
        };
        let other = tokio::time::timeout(RENEWAL_PATIENCE, values.wait_for(is_other));
        let other = other.await.ok()?.ok()?.clone()?;
        let mut header = HeaderValue::from_bytes(other.as_encoded_bytes()).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    fn value(&self) -> Option<MetadataValue<Ascii>> {
        self.0.value.borrow().clone()
    }

    /// The key or token without its scheme, as a header of its own.
    fn key(&self) -> Option<HeaderValue> {
        let value = self.value()?;
        let key = value.as_encoded_bytes().strip_prefix(b"Bearer ")?;
        let mut header = HeaderValue::from_bytes(key).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.value().is_some() {
            "Presented(…)"
        } else {
            "Presented(nothing)"
        })
    }
}

/// The side of a client: the servers that it trusts, and what it presents.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// Authorities and own certificate for `https://`; absent for the authorities of this machine.
    pub tls: Option<ClientTls>,
    /// The credential.
    pub presented: Presented,
}

/// Adds the credential of this process, and deadline and trace context of the call at hand, to each
/// call that it makes.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    presented: Presented,
}

impl Interceptor for Outgoing {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(deadline) = Deadline::current() {
            if deadline.remaining().is_zero() {
                let message = "the caller's deadline passed before another service was asked";
                return Err(Failure::new(ErrorReason::DeadlineExceeded, message).into());
            }
            if !request.metadata().contains_key("grpc-timeout") {
                request.set_timeout(deadline.remaining());
            }
        }
        let parent = TraceParent::of_span(&tracing::Span::current()).or_else(TraceParent::current);
        if let Some(parent) = parent
            && let Ok(value) = parent.to_string().parse()
        {
            request.metadata_mut().insert("traceparent", value);
        }
        if let Some(value) = self.presented.value() {
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

/// Opens a channel to a service that asks for no credential, or at `https://` for none but a
/// certificate that an authority of this machine has signed. As [`connect_with`].
///
/// # Errors
/// As [`connect_with`].
pub fn connect(address: &str) -> Result<PeerChannel, Failure> {
    connect_with(address, &ClientOptions::default())
}

/// Opens a channel to a service at `host:port`, `http://host:port` or `https://host:port`. Behind a
/// name may be many replicas: calls are shared out among all of its addresses, as they come and go.
/// It connects with the first call, and again after each loss.
///
/// # Errors
/// [`ErrorReason::PeerUnavailable`] where the text is no address.
pub fn connect_with(address: &str, options: &ClientOptions) -> Result<PeerChannel, Failure> {
    connect_through(address, options, Arc::new(SystemResolver))
}

/// As [`connect_with`], with another source of the addresses behind a name.
///
/// # Errors
/// As [`connect_with`].
pub fn connect_through(
    address: &str,
    options: &ClientOptions,
    resolver: Arc<dyn Resolver>,
) -> Result<PeerChannel, Failure> {
    Ok(channel(balanced(address, options, resolver)?, options))
}

/// As [`connect_with`], with a channel over the same connections for calls that are handed on. The
/// replicas of the service are measured under its name, where it is given.
///
/// # Errors
/// As [`connect_with`].
pub fn connect_relayed(
    peer: Option<&'static str>,
    address: &str,
    options: &ClientOptions,
) -> Result<(PeerChannel, RelayChannel), Failure> {
    let balanced = balanced(address, options, Arc::new(SystemResolver))?;
    if let Some(peer) = peer {
        balanced.measure(peer);
    }
    let relay = RelayChannel::new(balanced.clone(), options.presented.clone());
    Ok((channel(balanced, options), relay))
}

fn balanced(
    address: &str,
    options: &ClientOptions,
    resolver: Arc<dyn Resolver>,
) -> Result<Balanced, Failure> {
    let target = Target::parse(address)?;
    let tls = target
        .is_secured()
        .then(|| options.tls.clone().unwrap_or_else(ClientTls::of_system));
    Ok(Balanced::new(target, tls, resolver))
}

fn channel(balanced: Balanced, options: &ClientOptions) -> PeerChannel {
    let presented = options.presented.clone();
    let channel = Renewing::new(balanced, presented.clone());
    InterceptedService::new(channel, Outgoing { presented })
}

/// Opens a channel over TLS to a server of any kind, with the certificates that are in use whenever
/// it connects. It must be called inside a tokio runtime.
pub fn secured_channel(endpoint: &Endpoint, tls: ClientTls) -> Channel {
    endpoint.connect_with_connector_lazy(Secured::new(tls))
}

#[cfg(test)]
mod tests;
