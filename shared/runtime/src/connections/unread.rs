//! Tells a client of HTTP/1.1 that its connection ends, where its body was not read to the end.
//!
//! Such a connection has to be closed, since the next request would begin in the middle of the
//! body. A client that is not told sends its next request into the end, and loses it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::body::Body;

/// Remembers whether the body of a request was read to its end.
#[derive(Debug)]
pub(super) struct Unread {
    /// Absent where the version of HTTP has no such end.
    is_read: Option<Arc<AtomicBool>>,
}

struct Watched {
    body: Incoming,
    is_read: Arc<AtomicBool>,
}

/// Watches the body of a request.
pub(super) fn watched(request: Request<Incoming>) -> (Request<Body>, Unread) {
    let is_whole = request.body().is_end_stream();
    if request.version() > Version::HTTP_11 || is_whole {
        return (request.map(Body::new), Unread { is_read: None });
    }
    let is_read = Arc::new(AtomicBool::new(false));
    let unread = Unread {
        is_read: Some(Arc::clone(&is_read)),
    };
    (
        request.map(|body| Body::new(Watched { body, is_read })),
        unread,
    )
}

impl Unread {
    /// Says so in the answer, where it is so by now.
    pub(super) fn tell(&self, response: &mut Response<Body>) {
        let is_read = self.is_read.as_ref();
        if is_read.is_some_and(|is_read| !is_read.load(Ordering::Relaxed)) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.is_read.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
