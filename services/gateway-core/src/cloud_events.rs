//! `CloudEvents` 1.0 over HTTP: posts in binary, structured and batched mode, in JSON or protobuf,
//! to events of the contracts, and to letters for those that cannot be taken.
//!
//! The specification is <https://github.com/cloudevents/spec>. Every event becomes one JSON text
//! first, in the JSON format: that is read, mapped and kept, so that a replay reads the same.

mod binary;
mod event;
mod format;
mod media;
mod protobuf;

use std::borrow::Cow;

pub(crate) use self::event::read;
pub use self::format::Format;
use crate::facts::Facts;
use crate::json::{Envelope, Fields};
use crate::limits::EVENTS_PER_CALL;
use crate::{CallFault, Circumstances, Fault, Letter, Readable, Reading, Reason, Text};

/// The path of events, by which their letters are read again. It never has a key in it.
pub const CLOUD_EVENTS_PATH: &str = "/v1/cloudevents";

/// The text in the place of a write key in a letter.
const REMOVED: &str = "REMOVED";

/// A post of `CloudEvents`, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Post<'b, 'h> {
    /// Its `Content-Type`, where it has one.
    pub content_type: Option<&'h str>,
    /// Its headers that are attributes, without `ce-`, in small letters.
    pub attributes: &'h [(&'h str, &'h [u8])],
    /// Its body.
    pub body: &'b [u8],
}

/// The events of a post, each as JSON.
#[derive(Debug)]
pub struct CloudEvents<'b> {
    events: Vec<Sent<'b>>,
}

/// One event as it was sent.
#[derive(Debug)]
struct Sent<'b> {
    json: Cow<'b, str>,
    /// The reason why it cannot even be read; absent where it can.
    fault: Option<Fault>,
}

impl<'b> CloudEvents<'b> {
    /// Reads a post as far as its events.
    ///
    /// # Errors
    /// [`CallFault`] where it cannot be read.
    pub fn read(format: Format, post: Post<'b, '_>) -> Result<Self, CallFault> {
        let events = match format {
            Format::Binary => vec![binary::read(post)],
            Format::Json => vec![one(post.body)?],
            Format::JsonBatch => batch(post.body)?,
            Format::Protobuf => vec![protobuf::one(post.body)?],
            Format::ProtobufBatch => protobuf::batch(post.body)?,
        };
        Ok(Self { events })
    }

    /// Reads the events.
    pub fn events<'s>(&'s self, about: &Circumstances<'s>) -> Reading<'s> {
        let facts = facts(about);
        let mut reading = Reading {
            events: Vec::with_capacity(self.events.len()),
            ..Reading::default()
        };
        for (place, sent) in self.events.iter().enumerate() {
            let json: &str = &sent.json;
            let read = match &sent.fault {
                Some(fault) => Err(fault.clone()),
                None => read(json, &facts),
            };
            match read {
                Ok(event) => reading.events.push(Readable {
                    event,
                    sent: json,
                    place,
                }),
                Err(fault) => reading.letters.push(self.letter(about, fault, json)),
            }
        }
        reading
    }

    /// Returns a letter for an event of this post, without the write key that it came with.
    pub fn letter(&self, about: &Circumstances<'_>, fault: Fault, event: &str) -> Letter {
        let key = about.key.filter(|key| !key.is_empty());
        let event = match key.filter(|key| event.contains(*key)) {
            Some(key) => Cow::Owned(event.replace(key, REMOVED)),
            None => Cow::Borrowed(event),
        };
        Letter::new(CLOUD_EVENTS_PATH, fault, &event, None)
    }
}

/// The facts of a post. `CloudEvents` do not say when they were sent.
fn facts<'t>(about: &Circumstances<'t>) -> Facts<'t> {
    Facts {
        rules: about.rules,
        key: about.key,
        receive_time: about.receive_time,
        sent: None,
        context: None,
        is_batch: false,
    }
}

/// Reads a body that is one event.
fn one(body: &[u8]) -> Result<Sent<'_>, CallFault> {
    let text = Text::plain(body);
    let json = text.as_str().trim_ascii();
    if let Err(error) = Fields::read(json) {
        return Err(malformed(
            &error,
            "an event is an object {\"specversion\": \"1.0\", …}",
        ));
    }
    let is_broken = text.is_broken(json);
    Ok(Sent {
        fault: is_broken.then(broken),
        json: borrowed(body, json),
    })
}

/// Reads a body that is a list of events. It may be empty.
fn batch(body: &[u8]) -> Result<Vec<Sent<'_>>, CallFault> {
    let text = Text::plain(body);
    let json = text.as_str().trim_ascii();
    let remedy = "a batch is a list [{\"specversion\": \"1.0\", …}, …]";
    if json.starts_with('{') {
        return Err(malformed(&"it is an object", remedy));
    }
    let envelope = Envelope::read(json, EVENTS_PER_CALL);
    let envelope = envelope.map_err(|error| malformed(&error, remedy))?;
    if envelope.is_too_long {
        return Err(CallFault::TooManyEvents);
    }
    let events = envelope.events.unwrap_or_default();
    let in_events = events.iter().filter(|event| text.is_broken(event)).count();
    if in_events == 0 && text.broken_count() > 0 {
        return Err(CallFault::Malformed("the body is no UTF-8".to_owned()));
    }
    let sent = events.into_iter().map(|event| Sent {
        fault: text.is_broken(event).then(broken),
        json: borrowed(body, event),
    });
    Ok(sent.collect())
}

/// Returns a part of a body's text: out of the body itself, unless that had to be mended.
fn borrowed<'b>(body: &'b [u8], part: &str) -> Cow<'b, str> {
    let begin = (part.as_ptr() as usize).checked_sub(body.as_ptr() as usize);
    let own = begin.and_then(|begin| body.get(begin..begin.checked_add(part.len())?));
    match own.and_then(|own| str::from_utf8(own).ok()) {
        Some(own) if own == part => Cow::Borrowed(own),
        _ => Cow::Owned(part.to_owned()),
    }
}

fn malformed(error: &dyn std::fmt::Display, remedy: &str) -> CallFault {
    CallFault::Malformed(format!(
        "the body is no JSON that can be read: {error}: {remedy}"
    ))
}

/// The fault of an event whose bytes are no text.
fn broken() -> Fault {
    Fault::new(
        Reason::BadText,
        "",
        "holds bytes that are no UTF-8: send UTF-8",
    )
}
