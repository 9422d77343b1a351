//! The way of a client to a service: over one connection, or to all replicas as our own clients go.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use rpc::PeerChannel;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::Channel;

/// A way to a service.
#[derive(Clone)]
pub(crate) enum Way {
    /// To one process, by a client that knows nothing of replicas.
    Direct(Channel),
    /// To the replicas behind a name.
    Balanced(PeerChannel),
}

type BoxError = Box<dyn Error + Send + Sync>;

impl Service<Request<Body>> for Way {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Direct(channel) => channel.poll_ready(context).map_err(Into::into),
            Self::Balanced(channel) => {
                let ready = Service::<Request<Body>>::poll_ready(channel, context);
                ready.map_err(Into::into)
            }
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self {
            Self::Direct(channel) => {
                let answer = channel.call(request);
                Box::pin(async move { Ok(answer.await?) })
            }
            Self::Balanced(channel) => {
                let answer = channel.call(request);
                Box::pin(async move { Ok(answer.await?.map(Body::new)) })
            }
        }
    }
}
