//! Streams as server-sent events, which browsers read and go on with by themselves.
//!
//! A message with a `position` has it as its id, which a client that comes back sends as
//! `Last-Event-ID`: that is the position of its next request.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use bytes::Bytes;
use http::Response;
use http::header::{self, ACCEPT, HeaderMap, HeaderValue};
use prost_reflect::Value;
use rpc::{Failure, Memory};
use tokio::time::timeout;
use tonic::body::Body;

use super::{Asked, Frames, details, rest, trouble_of, unbuffered};
use crate::contract::{self, Method};
use crate::limits::{EVENTS_QUIET, EVENTS_RETRY_MS};
use crate::outgoing::{Answer, Part};
use crate::trouble::Trouble;
use crate::write;

pub(super) const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
/// Also for proxies that would change a body on its way, or keep it.
const CACHE: HeaderValue = HeaderValue::from_static("no-cache, no-store, no-transform");
/// A line that clients pass over.
const COMMENT: &[u8] = b":\n\n";
/// The field of a message that is the id of its event, and of a request that it is sent back in.
pub(crate) const POSITION: &str = "position";

/// Returns whether a caller wants a stream as events: by their name, whatever else it takes.
pub(crate) fn accepts_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).into_iter();
    let mut kinds = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    kinds.any(|kind| {
        let name = kind.split(';').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

/// The answer to a stream whose first message is there.
pub(super) fn stream(
    method: &'static Method,
    first: Bytes,
    answer: Answer,
    mut headers: HeaderMap,
    asked: Asked,
    memory: Memory,
) -> Response<Body> {
    let events = Events {
        method,
        answer,
        first: Some(first),
        asked,
        memory,
        is_over: false,
    };
    headers.insert(header::CONTENT_TYPE, EVENTS);
    headers.insert(header::CACHE_CONTROL, CACHE);
    unbuffered(&mut headers);
    let mut response = Response::new(events.into_body());
    *response.headers_mut() = headers;
    response
}

/// The messages of an answer, each an event.
struct Events {
    method: &'static Method,
    answer: Answer,
    first: Option<Bytes>,
    asked: Asked,
    memory: Memory,
    is_over: bool,
}

impl Frames for Events {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        if let Some(first) = self.first.take() {
            let mut event = format!("retry: {EVENTS_RETRY_MS}\n").into_bytes();
            event.extend(self.event(first).await);
            return Some(event.into());
        }
        // Proxies end a connection on which nothing comes.
        let Ok(part) = timeout(EVENTS_QUIET, self.answer.next()).await else {
            return Some(Bytes::from_static(COMMENT));
        };
        match part {
            Part::Message(message) => Some(self.event(message).await.into()),
            Part::End(status, _) => {
                let trouble = trouble_of(status, &self.asked.slot)?;
                Some(self.error(&trouble).into())
            }
        }
    }
}

impl Events {
    async fn event(&mut self, message: Bytes) -> Vec<u8> {
        let _turn = self.memory.turn(message.len()).await;
        let event = event_of(self.method, message);
        event.unwrap_or_else(|trouble| self.error(&trouble))
    }

    /// The last event of a stream that fails. A browser opens it again after the time that is told,
    /// and learns there whether it may.
    fn error(&mut self, trouble: &Trouble) -> Vec<u8> {
        self.is_over = true;
        let mut event = b"event: error\n".to_vec();
        if let Some(seconds) = details::retry_after(&trouble.status) {
            event.extend(format!("retry: {}\n", seconds.saturating_mul(1_000)).into_bytes());
        }
        event.extend(b"data: ");
        event.extend(rest::last(trouble));
        event.extend(b"\n\n");
        event
    }
}

fn event_of(method: &Method, bytes: Bytes) -> Result<Vec<u8>, Trouble> {
    let mut event = Vec::with_capacity(2 * bytes.len());
    let message = write::read(contract::message(method.output), bytes);
    let message = message.map_err(Failure::internal)?;
    let position = message.get_field_by_name(POSITION);
    let position = position.as_deref().and_then(Value::as_str);
    // A line cannot have what ends it.
    if let Some(position) = position.filter(|text| !text.contains(['\n', '\r', '\0'])) {
        event.extend(format!("id: {position}\n").into_bytes());
    }
    event.extend(b"data: ");
    write::write_read(&message, &mut event).map_err(Failure::internal)?;
    event.extend(b"\n\n");
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_for_who_names_them() {
        for (value, expected) in [
            ("text/event-stream", true),
            ("application/json, Text/Event-Stream;q=0.5", true),
            ("*/*", false),
            ("text/event-streams", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, value.parse().expect("a value"));
            assert_eq!(accepts_events(&headers), expected, "{value}");
        }
    }
}
