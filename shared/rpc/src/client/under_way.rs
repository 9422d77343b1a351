//! A call under way: it counts at its replica until the last byte of its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tonic::Status;
use tonic::body::Body;

use super::balanced::Shared;
use super::broken::unanswered;
use super::pool::ReplicaId;

/// A call under way.
pub(super) struct UnderWay {
    shared: Arc<Shared>,
    replica: ReplicaId,
    is_heard: bool,
}

impl UnderWay {
    /// A call of a replica, which counts there already.
    pub(super) const fn new(shared: Arc<Shared>, replica: ReplicaId) -> Self {
        Self {
            shared,
            replica,
            is_heard: false,
        }
    }

    /// The answer begins. The call ends with it.
    pub(super) fn answered(mut self, response: Response<Incoming>) -> Response<Body> {
        self.is_heard = true;
        self.shared.heard(self.replica);
        response.map(|body| Body::new(Answer { body, call: self }))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.shared.ended(self.replica, self.is_heard);
    }
}

/// The body of an answer.
struct Answer {
    body: Incoming,
    call: UnderWay,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        frame.map_err(|error| unanswered(self.call.shared.target(), error))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
