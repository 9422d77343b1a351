//! The layer that lets calls in: one for gRPC and gRPC-Web alike, before a byte of a message is
//! read and before anything is looked up.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use access::{Admission, Caller, Guard, Peer, Refusal, Refused, Vouched};
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::{Layer, Service};

use self::log::RefusalLog;
use crate::relay::{Relayed, SentCredential};
use crate::{ErrorReason, Failure};

mod log;

/// Lets calls in; give it to `tonic::transport::Server::layer` behind
/// [`ServerLayer`](crate::ServerLayer), so that refusals are part of the call's span.
///
/// Handlers find the [`Caller`] in the extensions of the request.
#[derive(Debug, Clone)]
pub struct GuardLayer {
    guard: Guard,
    log: Arc<RefusalLog>,
    keeps_credentials: bool,
}

/// The service that [`GuardLayer`] wraps around others.
#[derive(Debug, Clone)]
pub struct GuardService<S> {
    inner: S,
    layer: GuardLayer,
}

impl GuardLayer {
    /// Lets in whom this guard lets in.
    pub fn new(guard: Guard) -> Self {
        Self {
            guard,
            log: Arc::default(),
            keeps_credentials: false,
        }
    }

    /// Leaves the credential of a caller that is let in as a [`SentCredential`] in the extensions
    /// of the request, for a process that hands calls on.
    #[must_use]
    pub fn keeping_credentials(self) -> Self {
        Self {
            keeps_credentials: true,
            ..self
        }
    }

    /// A credential has done its work here: nothing behind may see it, and so nothing can show it,
    /// unless the call is handed on.
    fn let_in(&self, request: &mut Request<Body>, caller: Option<Caller>) {
        let sent = request.headers_mut().remove(http::header::AUTHORIZATION);
        if let Some(mut sent) = sent.filter(|_| self.keeps_credentials) {
            sent.set_sensitive(true);
            request.extensions_mut().insert(SentCredential(sent));
        }
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller);
        }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardService {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S> Service<Request<Body>> for GuardService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(relayed) = Relayed::take(request.headers_mut()) else {
            return self.admitted(request);
        };
        let connection = request.extensions().get::<Peer>().and_then(Peer::address);
        match relayed.vouched(&self.layer.guard) {
            Vouched::Done(is_vouched) => {
                let sender = relayed.sender(is_vouched, connection);
                request.extensions_mut().insert(sender);
                self.admitted(request)
            }
            Vouched::Later(vouched) => {
                let mut own = self.taken();
                Box::pin(async move {
                    let sender = relayed.sender(vouched.await, connection);
                    request.extensions_mut().insert(sender);
                    own.admitted(request).await
                })
            }
        }
    }
}

impl<S> GuardService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    /// The service that was made ready is the one that is called later; its copy is not.
    fn taken(&mut self) -> Self {
        let ready = self.clone();
        std::mem::replace(self, ready)
    }

    /// Carries a call out whose sender is known, where they may make it.
    fn admitted(&mut self, mut request: Request<Body>) -> <Self as Service<Request<Body>>>::Future {
        tell_address(&mut request);
        let peer = request.extensions().get::<Peer>().cloned();
        let certificate = peer.as_ref().and_then(Peer::certificate);
        let path = request.uri().path();
        match self.layer.guard.admit(path, request.headers(), certificate) {
            Admission::Done(Ok(caller)) => {
                self.layer.let_in(&mut request, caller);
                Box::pin(self.inner.call(request))
            }
            Admission::Done(Err(refused)) => {
                self.layer.log.tell(&refused, peer.as_ref());
                Box::pin(std::future::ready(Ok(answer(&refused))))
            }
            Admission::Later(admission) => {
                let mut own = self.taken();
                Box::pin(async move {
                    match admission.await {
                        Ok(caller) => {
                            own.layer.let_in(&mut request, caller);
                            own.inner.call(request).await
                        }
                        Err(refused) => {
                            own.layer.log.tell(&refused, peer.as_ref());
                            Ok(answer(&refused))
                        }
                    }
                })
            }
        }
    }
}

/// Puts the address of the sender where `tonic::Request::remote_addr` looks for it.
fn tell_address(request: &mut Request<Body>) {
    let address = request.extensions().get::<Peer>().and_then(Peer::address);
    if address.is_some() {
        request.extensions_mut().insert(TcpConnectInfo {
            local_addr: None,
            remote_addr: address,
        });
    }
}

fn answer(refused: &Refused) -> Response<Body> {
    Status::from(failure_of(&refused.refusal)).into_http()
}

/// The answer to a caller who is not let in.
fn failure_of(refusal: &Refusal) -> Failure {
    let reason = match refusal {
        Refusal::Missing => ErrorReason::CredentialMissing,
        Refusal::Invalid(_) => ErrorReason::CredentialInvalid,
        Refusal::Expired { .. } => ErrorReason::CredentialExpired,
        Refusal::Scope { .. } => ErrorReason::ScopeMissing,
        Refusal::NoRule => ErrorReason::MethodClosed,
        Refusal::Unavailable(_) => {
            return Failure::new(ErrorReason::CredentialUnchecked, refusal.to_string())
                .with_retry_after(crate::limits::CREDENTIAL_RETRY);
        }
    };
    Failure::new(reason, refusal.to_string())
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn each_refusal_has_its_code() {
        let end = kernel::Timestamp::from_millis(0);
        for (refusal, code) in [
            (Refusal::Missing, Code::Unauthenticated),
            (Refusal::invalid("x"), Code::Unauthenticated),
            (Refusal::Expired { what: "key", end }, Code::Unauthenticated),
            (
                Refusal::Scope {
                    scope: access::Scope::KeysRead,
                    held: String::new(),
                },
                Code::PermissionDenied,
            ),
            (Refusal::NoRule, Code::PermissionDenied),
            (Refusal::Unavailable("x".to_owned()), Code::Unavailable),
        ] {
            assert_eq!(Status::from(failure_of(&refusal)).code(), code, "{refusal}");
        }
    }
}
