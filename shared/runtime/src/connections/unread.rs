//! Tells a client of HTTP/1.1 that its connection ends, where its body was not read to the end.
//!
//! Such a connection has to be closed, since the next request would begin in the middle of the
//! body. A client that is not told sends its next request into the end, and loses it. One that is
//! still sending would find its connection cut off before it reads the answer, so that the rest of
//! the body is read for a while, and forgotten.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tonic::body::Body;

use crate::limits::{UNREAD_BYTES, UNREAD_TIME};

/// Remembers whether the body of a request was read to its end.
#[derive(Debug)]
pub(super) struct Unread {
    /// Absent where the version of HTTP has no such end.
    is_read: Option<Arc<AtomicBool>>,
}

struct Watched {
    /// Absent once it is dropped.
    body: Option<Incoming>,
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
        request.map(|body| {
            let body = Some(body);
            Body::new(Watched { body, is_read })
        }),
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
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(&mut *body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || body.is_end_stream() {
            self.is_read.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.as_ref().map(HttpBody::size_hint);
        hint.unwrap_or_default()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let unread = self
            .body
            .take()
            .filter(|_| !self.is_read.load(Ordering::Relaxed));
        // Where the process ends, nobody reads on.
        if let (Some(body), Ok(runtime)) = (unread, Handle::try_current()) {
            runtime.spawn(forget(body, UNREAD_BYTES, UNREAD_TIME));
        }
    }
}

/// Reads the rest of a body and forgets it, so that a client that is still sending reads its
/// answer. It ends after so many bytes or so long: then the client is cut off.
pub async fn forget<B>(body: B, most_bytes: usize, most_time: Duration)
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let rest = async {
        let (mut body, mut bytes) = (body, 0);
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > most_bytes {
                return;
            }
        }
    };
    // One that takes longer is cut off.
    let _ = tokio::time::timeout(most_time, rest).await;
}
