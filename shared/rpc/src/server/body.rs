//! The body of an answer: streams run in it, so spans, panics and unreadable messages reach into
//! it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Body as HttpBody;

use super::Call;

/// Runs the stream of an answer in the span of its call, records how it ends, and turns a panic
/// into INTERNAL.
pub(super) struct GuardedBody {
    inner: Body,
    call: Call,
    is_over: bool,
}

impl GuardedBody {
    pub(super) fn new(inner: Body, call: Call) -> Self {
        Self {
            inner,
            call,
            is_over: false,
        }
    }
}

impl HttpBody for GuardedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let polled = this.call.span.in_scope(|| {
            catch_unwind(AssertUnwindSafe(|| {
                Pin::new(&mut this.inner).poll_frame(context)
            }))
        });
        let Ok(mut frame) = polled else {
            this.is_over = true;
            let status = super::panicked(&this.call.span);
            this.call.ended(&status);
            return Poll::Ready(Some(trailers(&status)));
        };
        if let Poll::Ready(Some(Ok(frame))) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            let status = super::unread::status_of(trailers);
            this.call
                .ended(&status.unwrap_or_else(|| Status::unknown("the answer has no status")));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}

fn trailers(status: &Status) -> Result<http_body::Frame<Bytes>, Status> {
    let mut headers = http::HeaderMap::new();
    status.add_header(&mut headers)?;
    Ok(http_body::Frame::trailers(headers))
}
