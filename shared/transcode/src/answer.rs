//! Answers by HTTP: what is common to REST and Connect.

mod compress;
pub(crate) mod connect;
mod details;
mod events;
pub(crate) mod rest;

use bytes::Bytes;
use futures::stream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::body::Body;
use tonic::{Code, Status};

pub(crate) use self::compress::{accepts_gzip, gzip};
pub(crate) use self::events::{POSITION, accepts_events};
use crate::limits::COMPRESSED_ANSWER;
use crate::trouble::{Slot, Trouble};

/// The parts of a request that shape its answer.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) accepts_gzip: bool,
    /// Says that a stream is wanted as server-sent events.
    pub(crate) accepts_events: bool,
    /// A call by HEAD: the answer has no body.
    pub(crate) is_head: bool,
    pub(crate) slot: Slot,
}

/// A body that is all there.
pub(crate) fn body(bytes: impl Into<Bytes>) -> Body {
    Body::new(http_body_util::Full::new(bytes.into()))
}

/// The frames of a body that comes bit by bit.
trait Frames: Send + Sized + 'static {
    /// Returns the data of the next frame, or `None` at the end.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;

    fn into_body(self) -> Body {
        let frames = stream::unfold(self, |mut own| async move {
            let data = own.next().await?;
            Some((Ok::<_, Status>(Frame::data(data)), own))
        });
        Body::new(StreamBody::new(frames))
    }
}

/// An answer with all of its body, compressed where that is asked for and worth it.
fn whole(
    status: StatusCode,
    content_type: HeaderValue,
    headers: HeaderMap,
    bytes: Vec<u8>,
    asked: &Asked,
) -> Response<Body> {
    let is_compressed = asked.accepts_gzip && bytes.len() >= COMPRESSED_ANSWER;
    let bytes = if is_compressed { gzip(&bytes) } else { bytes };
    let length = bytes.len();
    let is_head = asked.is_head;
    let mut response = Response::new(body(if is_head { Vec::new() } else { bytes }));
    *response.status_mut() = status;
    let to = response.headers_mut();
    *to = headers;
    to.insert(header::CONTENT_TYPE, content_type);
    to.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if is_compressed {
        to.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if bytes_vary(length, is_compressed) {
        to.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

/// Returns whether another caller may get other bytes for the same answer.
fn bytes_vary(length: usize, is_compressed: bool) -> bool {
    is_compressed || length >= COMPRESSED_ANSWER
}

/// The metadata of an answer as headers: all but those that belong to gRPC itself.
fn metadata(from: &HeaderMap, to: &mut HeaderMap, prefix: &str) {
    for (name, value) in from {
        let is_ours = name.as_str().starts_with("grpc-")
            || [
                header::CONTENT_TYPE,
                header::CONTENT_LENGTH,
                header::CONTENT_ENCODING,
                header::TRANSFER_ENCODING,
                header::CONNECTION,
                header::TRAILER,
                header::DATE,
            ]
            .contains(name);
        if is_ours {
            continue;
        }
        if let Ok(name) = HeaderName::try_from(format!("{prefix}{name}")) {
            to.append(name, value.clone());
        }
    }
}

/// Headers that every answer has which may be about a person.
fn private(headers: &mut HeaderMap) {
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
}

/// Headers of a stream: proxies pass each part of it on at once, where they would gather them
/// otherwise.
fn unbuffered(headers: &mut HeaderMap) {
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
}

/// Headers that say what a caller can do about an error.
fn remedies(status: &Status, headers: &mut HeaderMap) {
    if let Some(delay) = details::retry_after(status) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(delay));
    }
    if status.code() == Code::Unauthenticated {
        // By RFC 6750: no error where there was no credential.
        let challenge = match details::reason(status).as_deref() {
            Some("CREDENTIAL_INVALID" | "CREDENTIAL_EXPIRED") => {
                "Bearer realm=\"happypath\", error=\"invalid_token\""
            }
            _ => "Bearer realm=\"happypath\"",
        };
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        );
    }
}

/// The trouble of an answer that ended so; none where it ended well. What the body of the request
/// says of itself is nearer to the cause than what a service made of it.
fn trouble_of(status: Status, slot: &Slot) -> Option<Trouble> {
    match slot.take() {
        Some(trouble) => Some(trouble),
        None if status.code() == Code::Ok => None,
        None => Some(status.into()),
    }
}
