//! JSON that is read where it stands: the entries of an object, each value as it is written.
//!
//! Numbers stay digits and objects stay text, so that what goes on is what was sent.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The entries of an object, in their order.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields<'t>(Vec<(Cow<'t, str>, &'t str)>);

impl<'t> Fields<'t> {
    /// Reads an object.
    ///
    /// # Errors
    /// Where the text is no JSON, or no object.
    pub(crate) fn read(json: &'t str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Returns the value of a key; absent where it is null.
    pub(crate) fn get(&self, key: &str) -> Option<&'t str> {
        let found = self.0.iter().find(|(own, _)| own == key);
        found.map(|(_, value)| *value).filter(|it| *it != "null")
    }

    /// Returns a key that is there twice.
    pub(crate) fn twice(&self) -> Option<&str> {
        let mut entries = self.0.iter().enumerate();
        let found =
            entries.find(|(place, (key, _))| self.0[..*place].iter().any(|it| it.0 == *key));
        found.map(|(_, (key, _))| key.as_ref())
    }

    /// Returns all entries, nulls included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'t str)> + Clone {
        self.0.iter().map(|(key, value)| (key.as_ref(), *value))
    }
}

impl<'t> Deserialize<'t> for Fields<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'t> Visitor<'t> for Reading {
            type Value = Fields<'t>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Fields<'t>, A::Error> {
                let mut entries = Vec::with_capacity(12);
                while let Some(Key(key)) = map.next_key()? {
                    entries.push((key, map.next_value::<&RawValue>()?.get()));
                }
                Ok(Fields(entries))
            }
        }
        deserializer.deserialize_map(Reading)
    }
}

/// A key, which is borrowed unless it has escapes.
#[derive(Deserialize)]
struct Key<'t>(#[serde(borrow)] Cow<'t, str>);

/// A call of many events: what stands beside them, and the events as they are written.
#[derive(Debug, Default)]
pub(crate) struct Envelope<'t> {
    /// The entries beside the events.
    pub(crate) fields: Fields<'t>,
    /// The events; absent where the object has no list of them.
    pub(crate) events: Option<Vec<&'t str>>,
    /// True where the list is longer than a call may be. The rest was not read.
    pub(crate) is_too_long: bool,
}

impl<'t> Envelope<'t> {
    /// Reads an object with a list `batch`, or a bare list of events, up to so many of them.
    ///
    /// # Errors
    /// Where the text is no JSON, or neither of the two.
    pub(crate) fn read(json: &'t str, most: usize) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let envelope = Reading { most }.deserialize(&mut deserializer)?;
        if !envelope.is_too_long {
            deserializer.end()?;
        }
        Ok(envelope)
    }
}

/// The key of the list of events.
const BATCH: &str = "batch";

#[derive(Clone, Copy)]
struct Reading {
    most: usize,
}

impl<'t> DeserializeSeed<'t> for Reading {
    type Value = Envelope<'t>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Envelope<'t>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Reading {
    type Value = Envelope<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `batch` of events")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Envelope<'t>, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(Key(key)) = map.next_key()? {
            if key != BATCH {
                let value = map.next_value::<&RawValue>()?.get();
                envelope.fields.0.push((key, value));
                continue;
            }
            if envelope.events.is_some() {
                return Err(serde::de::Error::custom("`batch` is there twice"));
            }
            let events = map.next_value_seed(Events(self.most))?;
            envelope.is_too_long |= events.is_none();
            envelope.events = Some(events.unwrap_or_default());
        }
        Ok(envelope)
    }

    fn visit_seq<A: SeqAccess<'t>>(self, list: A) -> Result<Envelope<'t>, A::Error> {
        let events = Events(self.most).visit_seq(list)?;
        Ok(Envelope {
            is_too_long: events.is_none(),
            events: Some(events.unwrap_or_default()),
            ..Envelope::default()
        })
    }
}

/// Reads a list; none where it is longer than this.
struct Events(usize);

impl<'t> DeserializeSeed<'t> for Events {
    type Value = Option<Vec<&'t str>>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'t> Visitor<'t> for Events {
    type Value = Option<Vec<&'t str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        while let Some(event) = list.next_element::<&RawValue>()? {
            if events.len() < self.0 {
                events.push(event.get());
            } else {
                while list.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
        }
        Ok(Some(events))
    }
}

/// Returns a text, where the JSON is one that can be read.
pub(crate) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(json).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// Returns a text, or the digits of a number: ids come as either.
pub(crate) fn id(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => Some(Cow::Borrowed(json)),
        _ => text(json),
    }
}

/// Returns whether the JSON is an object.
pub(crate) fn is_object(json: &str) -> bool {
    json.starts_with('{')
}

/// Returns whether the JSON is an object without entries.
pub(crate) fn is_empty_object(json: &str) -> bool {
    let inner = json.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    inner.is_some_and(|inner| inner.trim_ascii().is_empty())
}

/// Writes an object of values that stay as they are written.
pub(crate) fn object<'a>(entries: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut json = String::from("{");
    for (key, value) in entries {
        if json.len() > 1 {
            json.push(',');
        }
        push_text(&mut json, key);
        json.push(':');
        json.push_str(value);
    }
    json.push('}');
    json
}

/// Writes a text.
pub(crate) fn push_text(json: &mut String, text: &str) {
    if text
        .bytes()
        .any(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
    {
        json.push_str(&serde_json::Value::from(text).to_string());
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_are_written() {
        let fields = Fields::read(r#"{"a": 1.0, "b\n": null, "c": {"x": [ 1 ]}}"#);
        let fields = fields.expect("an object");
        assert_eq!(fields.get("a"), Some("1.0"));
        assert_eq!((fields.get("b\n"), fields.get("d")), (None, None));
        assert_eq!(
            object(fields.iter()),
            r#"{"a":1.0,"b\n":null,"c":{"x": [ 1 ]}}"#
        );
        assert_eq!(fields.twice(), None);
        let fields = Fields::read(r#"{"a":1,"b":2,"a":null}"#).expect("an object");
        assert_eq!(fields.twice(), Some("a"));
    }

    #[test]
    fn a_batch_is_read_up_to_its_limit() {
        let read = |json| Envelope::read(json, 2).map(|it| (it.events, it.is_too_long));
        assert_eq!(
            read(r#"{"batch":[1, {}]}"#).ok(),
            Some((Some(vec!["1", "{}"]), false))
        );
        assert_eq!(read(" [{}] ").ok(), Some((Some(vec!["{}"]), false)));
        assert_eq!(
            read(r#"{"batch":[1,2,3],"k":1}"#).ok(),
            Some((Some(vec![]), true))
        );
        assert_eq!(read("[1,2,3]").ok(), Some((Some(vec![]), true)));
        assert_eq!(read(r#"{"event":1}"#).ok(), Some((None, false)));
        for bad in [
            "",
            "1",
            "{",
            "[1",
            r#"{"batch":1}"#,
            r#"{"batch":[],"batch":[]}"#,
            "[] x",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let deep = format!(
            "{{\"batch\":[{}{}]}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert!(read(&deep).is_ok());
    }

    #[test]
    fn ids_are_texts_or_numbers() {
        for (json, expected) in [
            ("\"a b\"", Some("a b")),
            (r#""a\u0062""#, Some("ab")),
            ("12", Some("12")),
            ("-1.5", Some("-1.5")),
            (r#""\ud800""#, None),
            ("true", None),
            ("{}", None),
        ] {
            assert_eq!(id(json).as_deref(), expected, "{json}");
        }
    }
}
