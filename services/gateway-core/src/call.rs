//! A call of the tracking API: from its text to events, and to letters for those that cannot be
//! taken.

use std::borrow::Cow;

use kernel::Timestamp;
use messages::identity::v1;

use crate::facts::{Facts, Sent};
use crate::json::{self, Envelope, Fields};
use crate::limits::EVENTS_PER_CALL;
use crate::{
    Dialect, Fault, Letter, Reason, Route, SourceRules, Text, cloud_events, posthog, segment, time,
};

/// A call that cannot be read: none of its events can be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFault {
    /// It is no JSON, or JSON of another form.
    #[error("{0}")]
    Malformed(String),
    /// It has more events than one call may have.
    #[error("the call has more than {EVENTS_PER_CALL} events: send them in several calls")]
    TooManyEvents,
}

/// A call whose text was read as far as its events.
#[derive(Debug)]
pub struct Call<'t> {
    route: Route<'t>,
    text: &'t Text<'t>,
    fields: Fields<'t>,
    events: Vec<&'t str>,
    is_batch: bool,
}

/// The things that a call does not say itself.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'t> {
    /// The path that it was sent to.
    pub path: &'t str,
    /// The rules of its source.
    pub rules: &'t SourceRules,
    /// Its write key; absent where events may have any.
    pub key: Option<&'t str>,
    /// When it was received.
    pub receive_time: Timestamp,
    /// When this try of it was sent, where its sender says that beside it.
    pub request_time: Option<Timestamp>,
}

/// The events of a call.
#[derive(Debug, Default)]
pub struct Reading<'t> {
    /// Those that may be taken.
    pub events: Vec<Readable<'t>>,
    /// Those that cannot.
    pub letters: Vec<Letter>,
    /// The number of those for which no mapping is.
    pub nothing_count: usize,
    /// The outcome of each, in their order, where the sender wants to know.
    pub verdicts: Vec<Verdict<'t>>,
    /// True where they are of long ago, so that others go first.
    pub is_bulk: bool,
}

/// An event that may be taken.
#[derive(Debug)]
pub struct Readable<'t> {
    /// The event.
    pub event: v1::Event,
    /// As it was sent.
    pub sent: &'t str,
    /// Its place in the call, from 0.
    pub place: usize,
}

/// The outcome of one event, for senders who want to know.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict<'t> {
    /// Its id, as it was sent.
    pub id: Cow<'t, str>,
    /// The reason why it was not taken; absent where it was.
    pub fault: Option<String>,
}

impl<'t> Call<'t> {
    /// Reads a call as far as its events.
    ///
    /// # Errors
    /// [`CallFault`] where it cannot be read.
    pub fn read(route: Route<'t>, text: &'t Text<'t>) -> Result<Self, CallFault> {
        let json = text.as_str().trim_ascii();
        let malformed = |error: &dyn std::fmt::Display| {
            CallFault::Malformed(format!("the body is no JSON that can be read: {error}"))
        };
        if let Route::One(_) = route {
            let fields = Fields::read(json).map_err(|error| malformed(&error))?;
            return Ok(Self::of_one(route, text, fields, json));
        }
        let envelope = Envelope::read(json, EVENTS_PER_CALL).map_err(|error| malformed(&error))?;
        if envelope.is_too_long {
            return Err(CallFault::TooManyEvents);
        }
        let Envelope { fields, events, .. } = envelope;
        let Some(events) = events else {
            if route == Route::Capture {
                return Ok(Self::of_one(route, text, fields, json));
            }
            let text = "the body has no `batch`: send {\"batch\": [{…}, …]}";
            return Err(CallFault::Malformed(text.to_owned()));
        };
        let in_events = events.iter().filter(|event| text.is_broken(event)).count();
        if in_events == 0 && text.broken_count() > 0 {
            return Err(CallFault::Malformed("the body is no UTF-8".to_owned()));
        }
        Ok(Self {
            route,
            text,
            fields,
            events,
            is_batch: true,
        })
    }

    fn of_one(route: Route<'t>, text: &'t Text<'t>, fields: Fields<'t>, event: &'t str) -> Self {
        Self {
            route,
            text,
            fields,
            events: vec![event],
            is_batch: false,
        }
    }

    /// Returns the write key in the body; absent where it has none.
    pub fn key(&self) -> Option<Cow<'t, str>> {
        let of = |fields: &Fields<'t>| {
            let names = ["writeKey", "api_key", "token"].into_iter();
            let mut found = names.filter_map(|name| fields.get(name).and_then(json::text));
            found.find(|key| !key.is_empty())
        };
        let own = of(&self.fields);
        // Browsers send bare lists, with the key in each event.
        own.or_else(|| {
            let first = Fields::read(self.events.first()?).ok()?;
            let inner = || of(&Fields::read(first.get("properties")?).ok()?);
            of(&first).or_else(inner)
        })
    }

    /// Reads the events.
    pub fn events(&self, about: &Circumstances<'t>) -> Reading<'t> {
        let facts = self.facts(about);
        let mut reading = Reading {
            is_bulk: self.route == Route::Import
                || self.fields.get("historical_migration") == Some("true"),
            events: Vec::with_capacity(self.events.len()),
            ..Reading::default()
        };
        for (place, sent) in self.events.iter().enumerate() {
            let read = match self.text.is_broken(sent) {
                true => Err(Fault::new(
                    Reason::BadText,
                    "",
                    "holds bytes that are no UTF-8: send UTF-8",
                )),
                false => read_one(self.route, sent, &facts),
            };
            let fault = match read {
                Ok(event) => {
                    reading.events.push(Readable { event, sent, place });
                    None
                }
                Err(fault) => {
                    let told = format!("{} {}", fault.field, fault.description);
                    reading.letters.push(self.letter(about, fault, sent));
                    Some(told.trim_start().to_owned())
                }
            };
            if self.route == Route::CaptureV1 {
                let id = Fields::read(sent).ok();
                let id = id.and_then(|fields| fields.get("uuid").and_then(json::text));
                let id = id.unwrap_or_default();
                reading.verdicts.push(Verdict { id, fault });
            }
        }
        reading
    }

    /// Returns a letter for an event of this call, without write keys.
    pub fn letter(&self, about: &Circumstances<'_>, fault: Fault, event: &str) -> Letter {
        let sent = self.sent(about.request_time);
        let own = Fields::read(event).unwrap_or_default();
        let own = time::of("sentAt", &own).or(time::of("sent_at", &own));
        let time = own.or(sent.map(|sent| sent.time));
        let event = without_keys(event, about.key);
        Letter::new(about.path, fault, &event, time)
    }

    fn facts(&self, about: &Circumstances<'t>) -> Facts<'t> {
        // One event of Segment's dialect says itself when it was sent.
        let is_apart = self.is_batch || self.route.dialect() != Dialect::Segment;
        Facts {
            rules: about.rules,
            key: about.key,
            receive_time: about.receive_time,
            sent: self.sent(about.request_time).filter(|_| is_apart),
            context: self.fields.get("context").filter(|_| self.is_batch),
            is_batch: self.is_batch,
        }
    }

    /// Returns when the call was sent. One that cannot be read is none: it costs no events.
    fn sent(&self, request_time: Option<Timestamp>) -> Option<Sent> {
        let of = |field: &str, may_be_old| {
            let time = time::of(field, &self.fields)?;
            Some(Sent { time, may_be_old })
        };
        let own = request_time.map(|time| Sent {
            time,
            may_be_old: false,
        });
        own.or_else(|| of("sentAt", false))
            .or_else(|| of("sent_at", true))
            .or_else(|| of("created_at", true))
    }
}

fn read_one<'t>(route: Route<'_>, event: &'t str, facts: &Facts<'t>) -> Result<v1::Event, Fault> {
    match route {
        Route::One(kind) => segment::read(Some(kind), event, facts),
        Route::Batch | Route::Import => segment::read(None, event, facts),
        Route::CloudEvents(_) => cloud_events::read(event, facts),
        _ => posthog::read(event, facts),
    }
}

/// Reads the event of a letter once more.
///
/// Its clock is corrected by the time at which it was received then: identity would take the time
/// since for a fault of the clock.
///
/// # Errors
/// [`Fault`] where it cannot be taken still.
pub fn reread(
    path: &str,
    event: &str,
    sent_time: Option<Timestamp>,
    receive_time: Timestamp,
    rules: &SourceRules,
) -> Result<v1::Event, Fault> {
    let Some(route) = Route::of(path).filter(|route| route.brings_events()) else {
        return Err(Fault::malformed(
            "",
            format!("came by {path}, which brings no events"),
        ));
    };
    let facts = Facts {
        rules,
        key: None,
        receive_time,
        sent: sent_time.map(|time| Sent {
            time,
            may_be_old: false,
        }),
        context: None,
        is_batch: false,
    };
    let event = read_one(route, event.trim_ascii(), &facts)?;
    Ok(time::settled(event, receive_time))
}

/// Returns an event without the write keys in it: they are secrets, and letters are shown.
fn without_keys<'e>(event: &'e str, key: Option<&str>) -> Cow<'e, str> {
    let fields = Fields::read(event).unwrap_or_default();
    let properties = fields
        .get("properties")
        .and_then(|json| Fields::read(json).ok());
    let among = properties.as_ref().and_then(|it| it.get("token"));
    let own = ["writeKey", "api_key", "token"]
        .into_iter()
        .filter_map(|name| fields.get(name));
    let found = own.chain(among).filter_map(json::text);
    let found = found.chain(key.map(Cow::Borrowed));
    let mut event = Cow::Borrowed(event);
    for key in found.filter(|key| !key.is_empty()) {
        if event.contains(key.as_ref()) {
            event = event.replace(key.as_ref(), "REMOVED").into();
        }
    }
    event
}
