//! The newest events of a customer, for people. Each is written when it arrives, and read again
//! only where somebody looks: a state is stored with every event, and most of what it shows is as
//! before.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use decision::{Poison, read_ordinal};
use kernel::{Properties, Timestamp};
use messages::convert;
use messages::segmentation::state_v1 as stored;
use messages::stream::v1::{Event, NamedValue, Value, ValueList, value::Kind};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, message, uint32};

use crate::limits;

/// The number of `State.recent_events`.
const RECENT_EVENTS_FIELD: u32 = 7;
/// The number of `RecentEvent.properties`.
const PROPERTIES_FIELD: u32 = 4;
/// The number of `RecentEvent.ordinal`.
const ORDINAL_FIELD: u32 = 5;

/// Bytes that few events exceed as they are written, so that their buffer seldom grows.
const USUAL_BYTES: usize = 256;

/// An event of the recent past, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct RecentEvent {
    /// Its id.
    pub event_id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// When it happened.
    pub time: Timestamp,
    /// Its properties; long texts are cut.
    pub properties: Properties,
}

/// The newest events of a customer, written one behind another as the head of a state has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RecentEvents {
    /// The elements of `State.recent_events`.
    written: Vec<u8>,
    /// Newest last.
    places: VecDeque<Place>,
}

/// The place of an event among those that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// When it happened.
    time: Timestamp,
    /// The number of bytes that it takes.
    len: usize,
    /// The fragment that it happened to.
    ordinal: u16,
}

/// An event as it is written, without its fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) time: Timestamp,
    /// The fragment that it happened to.
    pub(crate) ordinal: u16,
    bytes: Vec<u8>,
}

impl RecentEvents {
    /// Takes events as they are stored.
    ///
    /// # Errors
    /// [`Poison`] where one of them cannot be read.
    pub(crate) fn stored(stored: &[Bytes]) -> Result<Self, Poison> {
        let mut events = Self::default();
        for bytes in stored {
            let message = stored::RecentEvent::decode(bytes.as_ref())
                .map_err(|error| Poison::new(format!("a recent event cannot be read: {error}")))?;
            let time = Timestamp::from_millis(message.time_ms);
            events.insert(time, read_ordinal(message.ordinal)?, bytes);
        }
        events.drop_surplus();
        Ok(events)
    }

    /// Adds an event of a fragment, with what people look at of its properties. There may be one
    /// too many then.
    pub(crate) fn add(&mut self, event: &Event, time: Timestamp, ordinal: u16) {
        let mut bytes = write(event, time);
        write_ordinal(ordinal, &mut bytes);
        self.insert(time, ordinal, &bytes);
    }

    /// Adds an event as it is written. There may be one too many then.
    pub(crate) fn put(&mut self, mut element: Element) {
        write_ordinal(element.ordinal, &mut element.bytes);
        self.insert(element.time, element.ordinal, &element.bytes);
    }

    /// Lets go of the oldest where there are too many.
    pub(crate) fn drop_surplus(&mut self) {
        while self.places.len() > limits::RECENT_EVENTS {
            let oldest = self.places.pop_front().map_or(0, |place| place.len);
            self.written.drain(..oldest);
        }
    }

    /// Takes out the oldest where there are too many.
    pub(crate) fn take_surplus(&mut self) -> Option<Element> {
        if self.places.len() <= limits::RECENT_EVENTS {
            return None;
        }
        let place = self.places.pop_front()?;
        let written: Vec<u8> = self.written.drain(..place.len).collect();
        let state = stored::State::decode(written.as_slice());
        let event = state.expect("it was written here").recent_events.pop()?;
        Some(element(place, &event))
    }

    /// The number of those that happened to a fragment.
    pub(crate) fn count_of(&self, ordinal: u16) -> usize {
        let places = self.places.iter();
        places.filter(|place| place.ordinal == ordinal).count()
    }

    /// All of them, newest last.
    pub(crate) fn to_elements(&self) -> Vec<Element> {
        let each = self.places.iter().zip(self.elements());
        each.map(|(place, bytes)| element(*place, &bytes)).collect()
    }

    /// Reads them, newest last.
    pub(crate) fn read(&self) -> impl Iterator<Item = RecentEvent> {
        self.elements().into_iter().map(|bytes| {
            let message = stored::RecentEvent::decode(bytes);
            let message = message.expect("it was written here, or read before");
            RecentEvent {
                properties: convert::properties(&message.properties),
                event_id: message.event_id.into(),
                name: message.name.into(),
                time: Timestamp::from_millis(message.time_ms),
            }
        })
    }

    /// All of them as the head of a state has them.
    pub(crate) fn written(&self) -> &[u8] {
        &self.written
    }

    fn elements(&self) -> Vec<Bytes> {
        let state = stored::State::decode(self.written.as_slice());
        state.expect("it was written here").recent_events
    }

    /// Adds an event in the order of time.
    fn insert(&mut self, time: Timestamp, ordinal: u16, event: &[u8]) {
        let place = self.places.partition_point(|known| known.time <= time);
        let newer: usize = self.places.range(place..).map(|known| known.len).sum();
        let end = self.written.len();
        let tag = WireType::LengthDelimited;
        encode_key(RECENT_EVENTS_FIELD, tag, &mut self.written);
        encode_varint(event.len() as u64, &mut self.written);
        self.written.extend_from_slice(event);
        let len = self.written.len() - end;
        self.written[end - newer..].rotate_right(len);
        self.places.insert(place, Place { time, len, ordinal });
    }
}

/// Returns an event as one of another fragment.
pub(crate) fn set_ordinal(element: Element, ordinal: u16) -> Element {
    Element { ordinal, ..element }
}

/// Takes an event as it is written, and takes its fragment off.
fn element(place: Place, bytes: &Bytes) -> Element {
    let message = stored::RecentEvent::decode(bytes.as_ref());
    let mut message = message.expect("it was written here, or read before");
    message.ordinal = 0;
    Element {
        time: place.time,
        ordinal: place.ordinal,
        bytes: message.encode_to_vec(),
    }
}

/// Adds the fragment of an event, unless it is the customer's own.
fn write_ordinal(ordinal: u16, bytes: &mut Vec<u8>) {
    if ordinal > 0 {
        uint32::encode(ORDINAL_FIELD, &ordinal.into(), bytes);
    }
}

/// Writes an event, with what people look at of its properties.
fn write(event: &Event, time: Timestamp) -> Vec<u8> {
    let message = stored::RecentEvent {
        event_id: event.event_id.clone(),
        name: event.name.clone(),
        time_ms: time.as_millis(),
        properties: Vec::new(),
        ordinal: 0,
    };
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    message.encode_raw(&mut bytes);
    let known = event.properties.iter().filter(|named| is_known(named));
    for named in known.take(limits::RECENT_PROPERTIES) {
        let shown = shown(named);
        let len = message::encoded_len(PROPERTIES_FIELD, shown.as_ref());
        // Twenty events of lists of long texts would be more than a state may have.
        if bytes.len() + len <= limits::RECENT_EVENT_BYTES {
            // A repeated field is the sequence of its elements.
            message::encode(PROPERTIES_FIELD, shown.as_ref(), &mut bytes);
        }
    }
    bytes
}

fn is_known(named: &NamedValue) -> bool {
    named.value.as_ref().is_some_and(|it| it.kind.is_some())
}

/// Cuts a property to what people look at.
fn shown(named: &NamedValue) -> Cow<'_, NamedValue> {
    let kind = named.value.as_ref().and_then(|it| it.kind.as_ref());
    match kind.and_then(cut) {
        None => Cow::Borrowed(named),
        cut => Cow::Owned(NamedValue {
            name: named.name.clone(),
            value: Some(Value { kind: cut }),
        }),
    }
}

/// Returns what people look at of a value, where that may be less than all of it.
fn cut(kind: &Kind) -> Option<Kind> {
    match kind {
        Kind::Text(text) | Kind::Json(text) => {
            let (end, _) = text.char_indices().nth(limits::RECENT_TEXT_CHARS)?;
            Some(Kind::Text(format!("{}…", &text[..end])))
        }
        Kind::List(list) => {
            let values = list.values.iter().take(limits::RECENT_LIST_VALUES);
            let cut = |kind: &Kind| cut(kind).unwrap_or_else(|| kind.clone());
            let values = values.map(|value| Value {
                kind: value.kind.as_ref().map(cut),
            });
            Some(Kind::List(ValueList {
                values: values.collect(),
            }))
        }
        Kind::Bool(_) | Kind::Number(_) | Kind::Integer(_) => None,
    }
}

#[cfg(test)]
mod tests;
