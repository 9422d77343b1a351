//! The newest events of a customer, for people. Each is written when it arrives, and read again only
//! where somebody looks: a state is stored with every event, and most of what it shows is as before.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use decision::Poison;
use kernel::{Properties, Timestamp};
use messages::convert;
use messages::segmentation::state_v1 as stored;
use messages::stream::v1::{Event, NamedValue, Value, ValueList, value::Kind};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, message};

use crate::limits;

/// The number of `State.recent_events`.
const RECENT_EVENTS_FIELD: u32 = 7;
/// The number of `RecentEvent.properties`.
const PROPERTIES_FIELD: u32 = 4;

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
    /// When each happened, and how many of those bytes it takes. Newest last.
    places: VecDeque<(Timestamp, usize)>,
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
            events.insert(Timestamp::from_millis(message.time_ms), bytes);
        }
        Ok(events)
    }

    /// Adds an event, with what people look at of its properties.
    pub(crate) fn add(&mut self, event: &Event, time: Timestamp) {
        self.insert(time, &write(event, time));
    }

    /// Adds those of another customer.
    pub(crate) fn join(&mut self, other: &Self) {
        for ((time, _), bytes) in other.places.iter().zip(other.elements()) {
            self.insert(*time, &bytes);
        }
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

    /// Adds an event in the order of time, and lets go of the oldest where there are too many.
    fn insert(&mut self, time: Timestamp, event: &[u8]) {
        let place = self.places.partition_point(|(known, _)| *known <= time);
        let newer: usize = self.places.range(place..).map(|(_, len)| len).sum();
        let end = self.written.len();
        let tag = WireType::LengthDelimited;
        encode_key(RECENT_EVENTS_FIELD, tag, &mut self.written);
        encode_varint(event.len() as u64, &mut self.written);
        self.written.extend_from_slice(event);
        let len = self.written.len() - end;
        self.written[end - newer..].rotate_right(len);
        self.places.insert(place, (time, len));
        if self.places.len() > limits::RECENT_EVENTS
            && let Some((_, oldest)) = self.places.pop_front()
        {
            self.written.drain(..oldest);
        }
    }
}

/// Writes an event, with what people look at of its properties.
fn write(event: &Event, time: Timestamp) -> Vec<u8> {
    let message = stored::RecentEvent {
        event_id: event.event_id.clone(),
        name: event.name.clone(),
        time_ms: time.as_millis(),
        properties: Vec::new(),
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
mod tests {
    use super::*;

    fn stored(events: &RecentEvents) -> Result<RecentEvents, Poison> {
        let state = stored::State::decode(events.written()).expect("a state");
        RecentEvents::stored(&state.recent_events)
    }

    fn check(kind: Option<Kind>, shown: Option<kernel::Value>) {
        let event = Event {
            event_id: "e1".to_owned(),
            name: "view".to_owned(),
            properties: vec![NamedValue {
                name: "it".to_owned(),
                value: Some(Value { kind }),
            }],
            ..Event::default()
        };
        let time = Timestamp::from_millis(-7);
        let mut events = RecentEvents::default();
        events.add(&event, time);
        let expected = RecentEvent {
            event_id: "e1".into(),
            name: "view".into(),
            time,
            properties: shown.map(|value| ("it", value)).into_iter().collect(),
        };
        assert_eq!(events.read().collect::<Vec<_>>(), [expected]);
        assert_eq!(stored(&events), Ok(events));
    }

    #[test]
    fn an_event_is_read_as_it_was_written_and_cut_to_what_people_look_at() {
        let text = |chars: usize| "é".repeat(chars);
        let list = |count: usize| {
            let value = Value {
                kind: Some(Kind::Text(text(121))),
            };
            Some(Kind::List(ValueList {
                values: vec![value; count],
            }))
        };
        let cut = kernel::Value::Text(format!("{}…", text(120)).into());
        check(None, None);
        check(Some(Kind::Bool(true)), Some(true.into()));
        check(Some(Kind::Number(-0.5)), Some((-0.5).into()));
        check(Some(Kind::Text(text(120))), Some(text(120).as_str().into()));
        check(Some(Kind::Text(text(121))), Some(cut.clone()));
        for (count, shown) in [(0, 0), (2, 2), (8, 8), (9, 8)] {
            let shown = kernel::Value::List(vec![cut.clone(); shown]);
            check(list(count), Some(shown));
        }
    }

    #[test]
    fn what_has_no_value_takes_no_place_among_the_properties() {
        let named = |number: usize| NamedValue {
            name: format!("p{number:02}"),
            value: (number >= 5).then_some(Value {
                kind: Some(Kind::Bool(true)),
            }),
        };
        let event = Event {
            properties: (0..limits::RECENT_PROPERTIES + 6).map(named).collect(),
            ..Event::default()
        };
        let mut events = RecentEvents::default();
        events.add(&event, Timestamp::MIN);
        let shown = events.read().next().expect("an event").properties;
        assert_eq!(shown.len(), limits::RECENT_PROPERTIES);
        assert!(shown.value("p05").is_some(), "{shown:?}");
    }

    #[test]
    fn what_is_shown_is_bounded_whatever_the_letters_are() {
        let text = Value {
            kind: Some(Kind::Text("🛒".repeat(108))),
        };
        let named = |name: String, kind: Kind| NamedValue {
            name,
            value: Some(Value { kind: Some(kind) }),
        };
        let list = || {
            Kind::List(ValueList {
                values: vec![text.clone(); 8],
            })
        };
        let large = (0..9).map(|number| named(format!("p{number}"), list()));
        let small = named("small".to_owned(), Kind::Bool(true));
        let event = Event {
            name: "view".to_owned(),
            properties: large.chain([small]).collect(),
            ..Event::default()
        };
        let mut events = RecentEvents::default();
        for millis in 0..30 {
            events.add(&event, Timestamp::from_millis(millis));
        }
        let most = limits::RECENT_EVENTS * (limits::RECENT_EVENT_BYTES + 16);
        assert!(events.written().len() <= most, "{}", events.written().len());
        let shown = events.read().next().expect("an event").properties;
        assert!(shown.value("p0").is_some() && shown.value("p8").is_none());
        assert!(shown.value("small").is_some(), "it has room");
    }

    #[test]
    fn the_newest_are_kept_in_the_order_of_time() {
        let at = |millis: i64| {
            let event = Event {
                event_id: millis.to_string(),
                ..Event::default()
            };
            (event, Timestamp::from_millis(millis))
        };
        let ids = |events: &RecentEvents| -> Vec<String> {
            let ids = events.read().map(|event| event.event_id.to_string());
            ids.collect()
        };
        let most = i64::try_from(limits::RECENT_EVENTS).expect("few");
        let (mut events, mut late) = (RecentEvents::default(), RecentEvents::default());
        let even = (0..most).map(|half| half * 2);
        for millis in even.clone().chain([1, -1, 1_000]) {
            let (event, time) = at(millis);
            events.add(&event, time);
            assert_eq!(stored(&events).as_ref(), Ok(&events));
        }
        // The first pushed out 0, the second itself, and the third the first.
        let expected = even.skip(1).chain([1_000]);
        let expected: Vec<String> = expected.map(|millis| millis.to_string()).collect();
        assert_eq!(ids(&events), expected);
        for millis in [5, 2_000] {
            let (event, time) = at(millis);
            late.add(&event, time);
        }
        events.join(&late);
        let mut joined = ids(&events);
        assert_eq!(joined.pop().as_deref(), Some("2000"));
        assert_eq!(joined.pop().as_deref(), Some("1000"));
        assert_eq!(joined[..2], ["5", "6"]);
        assert_eq!(joined.len() + 2, limits::RECENT_EVENTS);
    }

    #[test]
    fn what_is_no_event_is_refused() {
        assert!(RecentEvents::stored(&[Bytes::from_static(&[0xff])]).is_err());
    }
}
