//! One call, handed on: its messages go and its answers come as they are, as fast as the slower
//! side takes them.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use kernel::Owner;
use rpc::{ErrorReason, Failure, NoConnection, RelayChannel};
use std::error::Error as _;
use tonic::Status;
use tonic::body::Body;
use tower::Service as _;

use crate::limits::PEER_RETRY;

/// Hands a call on to a service, and returns its answer.
pub(super) async fn hand_on(
    mut channel: RelayChannel,
    owner: Owner,
    request: Request<Body>,
) -> Response<Body> {
    let fault = Fault::default();
    let request = request.map(|body| {
        Body::new(Messages {
            body,
            fault: fault.clone(),
        })
    });
    match channel.call(request).await {
        Ok(response) => response.map(|body| {
            Body::new(Answers {
                body,
                owner,
                fault,
                is_over: false,
            })
        }),
        Err(status) => fault.of(owner, status).into_http(),
    }
}

/// The status of a call that this process could not carry to its end: callers learn which service
/// does not answer, and not where it is.
pub(super) fn unanswered(owner: Owner, status: Status) -> Status {
    let is_lost = status.source().is_some_and(|it| it.is::<NoConnection>());
    if !is_lost {
        return status;
    }
    let message = format!("the {} service does not answer", owner.name());
    Failure::new(ErrorReason::PeerUnavailable, message)
        .with_retry_after(PEER_RETRY)
        .with_source(status)
        .into()
}

/// The reason why the messages of a call came to no end. It is what the caller has to know, and not
/// what the transport makes of it.
#[derive(Debug, Clone, Default)]
struct Fault(Arc<Mutex<Option<Status>>>);

impl Fault {
    fn set(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }

    fn of(&self, owner: Owner, status: Status) -> Status {
        let own = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        own.unwrap_or_else(|| unanswered(owner, status))
    }
}

/// The messages of a call.
struct Messages {
    body: Body,
    fault: Fault,
}

impl HttpBody for Messages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Err(status))) = &frame {
            self.fault.set(status.clone());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The answers of a call, which end with a status whatever becomes of the service.
struct Answers {
    body: Body,
    owner: Owner,
    fault: Fault,
    is_over: bool,
}

impl HttpBody for Answers {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let Poll::Ready(Some(Err(status))) = frame else {
            return frame;
        };
        self.is_over = true;
        let status = self.fault.of(self.owner, status);
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(
            status
                .add_header(&mut trailers)
                .map(|()| Frame::trailers(trailers)),
        ))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
