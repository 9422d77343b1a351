//! Calls to a service, each to one of its replicas.
//!
//! Carries out what [`Pool`] decides: looks for addresses, connects, sends. A call that no server
//! began goes to another replica, and so does a read whose connection was lost. Anything else that
//! was begun is for the caller to repeat, who knows whether that is safe.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use access::tls::ClientTls;
use bytes::Bytes;
use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::broken::{is_lost, is_not_begun, unanswered, unreached};
use super::connection::{self, Sender};
use super::pool::{Choice, Plan, Pool, ReplicaId};
use super::resolver::Resolver;
use super::target::Target;
use super::under_way::UnderWay;
use crate::limits::{CALL_ATTEMPTS, LOOKUP_TIMEOUT};
use crate::metrics::observe_replicas;
use crate::{Deadline, wire};

/// The name of this client in its calls.
const AGENT: &str = concat!("happypath/", env!("CARGO_PKG_VERSION"));

/// The replicas of a service, to which calls are sent. Cheap to clone.
#[derive(Clone)]
pub(super) struct Balanced(Arc<Shared>);

/// The common ground of all copies and all calls under way.
pub(super) struct Shared {
    target: Target,
    tls: Option<ClientTls>,
    resolver: Arc<dyn Resolver>,
    pool: Mutex<Pool<Sender>>,
    /// Told whenever waiting calls may find a replica.
    changed: Notify,
}

impl Balanced {
    /// Connects with the first call.
    pub(super) fn new(target: Target, tls: Option<ClientTls>, resolver: Arc<dyn Resolver>) -> Self {
        let seed = RandomState::new().hash_one(&target.text);
        let pool = match target.address() {
            Some(address) => Pool::at(address, Instant::now(), seed),
            None => Pool::behind_name(Instant::now(), seed),
        };
        Self(Arc::new(Shared {
            target,
            tls,
            resolver,
            pool: Mutex::new(pool),
            changed: Notify::new(),
        }))
    }

    /// Measures how many replicas there are of the service of this name, while there is a channel.
    pub(super) fn measure(&self, peer: &'static str) {
        let weak = Arc::downgrade(&self.0);
        observe_replicas(peer, move || Some(weak.upgrade()?.pool().counts()));
    }
}

impl fmt::Debug for Balanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Balanced")
            .field(&self.0.target.text)
            .finish()
    }
}

impl Service<Request<Body>> for Balanced {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        let deadline = Deadline::of_headers(request.headers());
        shared.target.complete(&mut request);
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        Box::pin(async move {
            let sent = shared.send(request);
            let Some(deadline) = deadline else {
                return sent.await;
            };
            let in_time = tokio::time::timeout_at(deadline.instant(), sent).await;
            in_time.unwrap_or_else(|_| Err(Status::deadline_exceeded("the call took too long")))
        })
    }
}

/// The message or messages of a call.
enum Message {
    /// One, which can be sent again.
    Single { bytes: Bytes, is_read: bool },
    /// Those of a stream, or of a method that no contract has; absent once they were sent.
    Once(Option<Body>),
}

impl Message {
    async fn of(path: &str, body: Body) -> Result<Self, Status> {
        match wire::method(path).filter(|method| !method.is_stream) {
            Some(method) => Ok(Self::Single {
                bytes: body.collect().await?.to_bytes(),
                is_read: method.is_read,
            }),
            None => Ok(Self::Once(Some(body))),
        }
    }

    /// The request, unless its messages were sent.
    fn request(&mut self, parts: &Parts) -> Option<Request<Body>> {
        let body = match self {
            Self::Single { bytes, .. } => Body::new(Full::new(bytes.clone())),
            Self::Once(body) => body.take()?,
        };
        Some(Request::from_parts(parts.clone(), body))
    }

    /// Returns whether the call may be sent again though a server may have begun it.
    fn is_read(&self) -> bool {
        matches!(self, Self::Single { is_read: true, .. })
    }
}

impl Shared {
    async fn send(self: &Arc<Self>, request: Request<Body>) -> Result<Response<Body>, Status> {
        let (parts, body) = request.into_parts();
        let mut message = Message::of(parts.uri.path(), body).await?;
        let mut attempt = 1;
        let mut was_lost = false;
        loop {
            let (call, mut sender) = self.replica().await?;
            let request = message.request(&parts);
            let request = request.expect("a message that was sent is not sent again");
            let mut error = match sender.try_send_request(request).await {
                Ok(response) => return Ok(call.answered(response)),
                Err(error) => error,
            };
            drop(call);
            let unsent = error.take_message();
            let error = error.into_error();
            let may_repeat = match (unsent, &mut message) {
                (Some(unsent), Message::Once(body)) => {
                    *body = Some(unsent.into_body());
                    true
                }
                (Some(_), Message::Single { .. }) => true,
                (None, Message::Once(_)) => false,
                (None, Message::Single { .. }) if is_not_begun(&error) => true,
                (None, message) => {
                    let may_repeat = message.is_read() && is_lost(&error) && !was_lost;
                    was_lost = true;
                    may_repeat
                }
            };
            if !may_repeat || attempt == CALL_ATTEMPTS {
                return Err(unanswered(self.target(), error));
            }
            tracing::debug!(peer = self.target(), %error, "a call goes to another replica");
            attempt += 1;
        }
    }

    /// Waits for a replica that can be asked; the call counts there.
    async fn replica(self: &Arc<Self>) -> Result<(UnderWay, Sender), Status> {
        let mut choice = self.carry_out(true);
        loop {
            match choice {
                Choice::Ask(id, sender) => {
                    return Ok((UnderWay::new(Arc::clone(self), id), sender));
                }
                Choice::Fail => return Err(self.unreached()),
                Choice::Wait => {}
            }
            // Listens before it looks, so that no change is missed in between.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            choice = self.carry_out(false);
            if matches!(choice, Choice::Wait) {
                changed.await;
                choice = self.carry_out(false);
            }
        }
    }

    fn carry_out(self: &Arc<Self>, is_first: bool) -> Choice<Sender> {
        let Plan {
            choice,
            dial,
            look_up,
        } = self.pool().plan(Instant::now(), is_first);
        for (id, address) in dial {
            self.dial(id, address);
        }
        if look_up {
            self.look_up();
        }
        choice
    }

    /// Connects to a replica, in a task that ends with the connection or with the channel.
    fn dial(self: &Arc<Self>, id: ReplicaId, address: SocketAddr) {
        let (target, tls) = (self.target.clone(), self.tls.clone());
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            let opened = connection::open(&target, address, tls.as_ref()).await;
            let Some(shared) = weak.upgrade() else {
                return;
            };
            match opened {
                Err(error) => shared.not_connected(id, address, error),
                Ok((sender, work)) => {
                    let is_wanted = shared.pool().connected(id, sender);
                    shared.changed.notify_waiters();
                    drop(shared);
                    if !is_wanted {
                        return;
                    }
                    if let Err(error) = work.await {
                        tracing::debug!(peer = target.text, %address, %error, "a connection ended");
                    }
                    if let Some(shared) = weak.upgrade() {
                        shared.pool().part_with_closed(Instant::now());
                        shared.changed.notify_waiters();
                    }
                }
            }
        });
    }

    fn not_connected(&self, id: ReplicaId, address: SocketAddr, error: io::Error) {
        let text = error.to_string();
        let failures = self.pool().not_connected(id, Instant::now(), error);
        self.changed.notify_waiters();
        if failures == 1 {
            tracing::warn!(
                peer = self.target(),
                %address,
                error = text,
                "a replica cannot be connected to, and is tried again"
            );
        }
    }

    /// Looks for the addresses behind the name.
    fn look_up(self: &Arc<Self>) {
        let looking = self.resolver.resolve(&self.target.host, self.target.port);
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            let found = tokio::time::timeout(LOOKUP_TIMEOUT, looking).await;
            let found = match found {
                Ok(Ok(none)) if none.is_empty() => Err(io::Error::other("the name has no address")),
                Ok(found) => found,
                Err(_) => Err(io::Error::other("no answer about the name")),
            };
            if let Some(shared) = weak.upgrade() {
                shared.take_addresses(found);
                shared.changed.notify_waiters();
            }
        });
    }

    fn take_addresses(&self, found: io::Result<Vec<SocketAddr>>) {
        let peer = self.target();
        match found {
            Err(error) => {
                let text = error.to_string();
                let is_news = self.pool().not_found(Instant::now(), error);
                if is_news {
                    tracing::warn!(
                        peer,
                        error = text,
                        "no address of a service is found, known ones stay"
                    );
                }
            }
            Ok(addresses) => {
                let change = self.pool().found(Instant::now(), &addresses);
                if !change.added.is_empty() || !change.removed.is_empty() {
                    let (added, removed) = (change.added, change.removed);
                    tracing::debug!(
                        peer,
                        ?added,
                        ?removed,
                        "the addresses of a service have changed"
                    );
                }
            }
        }
    }

    fn unreached(&self) -> Status {
        unreached(self.target(), self.pool().failure())
    }

    /// A call was answered.
    pub(super) fn heard(&self, replica: ReplicaId) {
        self.pool().heard(replica, Instant::now());
    }

    /// A call has ended.
    pub(super) fn ended(&self, replica: ReplicaId, was_heard: bool) {
        self.pool().ended(replica, was_heard);
    }

    /// The service, as its address was written.
    pub(super) fn target(&self) -> &str {
        &self.target.text
    }

    fn pool(&self) -> MutexGuard<'_, Pool<Sender>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
