//! A JSON document that is read where it stands: a level of it when a path first leads there.
//!
//! Nothing is copied but texts with escapes. It holds no more values than [`limits::VALUES`],
//! however it was made: whatever lies beyond is unknown.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::ast::Step;
use crate::limits;

/// A text that is no JSON.
#[derive(Debug, thiserror::Error)]
#[error("it is no JSON: {0}")]
pub struct DocumentFault(#[from] serde_json::Error);

/// A JSON document.
#[derive(Debug)]
pub struct Document<'t> {
    root: Entry<'t>,
    /// The number of values that may still be read.
    left: Cell<usize>,
}

/// A value in a document, as it is written, and its own values once somebody asked for them.
#[derive(Debug)]
struct Entry<'t> {
    text: &'t str,
    inner: OnceCell<Inner<'t>>,
}

/// The values in a value.
#[derive(Debug)]
enum Inner<'t> {
    /// Of an object, ordered by key; of equal ones the last one counts.
    Object(Vec<(Cow<'t, str>, Entry<'t>)>),
    List(Vec<Entry<'t>>),
    /// It has none, or more than are read.
    None,
}

impl<'t> Document<'t> {
    /// Reads a document. All of it must be JSON.
    ///
    /// # Errors
    /// [`DocumentFault`] where it is not.
    pub fn read(text: &'t str) -> Result<Self, DocumentFault> {
        let text: &'t RawValue = serde_json::from_str(text)?;
        Ok(Self {
            root: Entry::of(text.get()),
            left: Cell::new(limits::VALUES),
        })
    }

    /// Its text.
    pub fn text(&self) -> &'t str {
        self.root.text
    }

    /// Returns whether it has more values than are read, or keys that are no text, so that some are
    /// unknown.
    pub fn is_exhausted(&self) -> bool {
        self.left.get() == 0
    }

    /// Returns the text of the value that a path leads to; none where there is none, or null.
    pub(super) fn find(&self, steps: &[Step]) -> Option<&'t str> {
        let mut entry = &self.root;
        for step in steps {
            entry = entry.step(step, &self.left)?;
        }
        Some(entry.text).filter(|text| *text != "null")
    }
}

impl<'t> Entry<'t> {
    const fn of(text: &'t str) -> Self {
        Self {
            text,
            inner: OnceCell::new(),
        }
    }

    fn step(&self, step: &Step, left: &Cell<usize>) -> Option<&Self> {
        match (step, self.inner(left)) {
            (Step::Field(name), Inner::Object(fields)) => {
                let end = fields.partition_point(|(key, _)| key.as_ref() <= name.as_ref());
                let (key, entry) = fields.get(end.checked_sub(1)?)?;
                (key.as_ref() == name.as_ref()).then_some(entry)
            }
            (Step::Place(place), Inner::List(entries)) => {
                entries.get(usize::try_from(*place).ok()?)
            }
            _ => None,
        }
    }

    fn inner(&self, left: &Cell<usize>) -> &Inner<'t> {
        self.inner.get_or_init(|| {
            let level = match self.text.as_bytes().first() {
                Some(b'{') => read_level::<Fields<'t>>(self.text, left).map(|level| {
                    let mut fields = level.0;
                    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
                    Inner::Object(fields)
                }),
                Some(b'[') => {
                    read_level::<Elements<'t>>(self.text, left).map(|level| Inner::List(level.0))
                }
                _ => None,
            };
            level.unwrap_or(Inner::None)
        })
    }
}

/// A list of values, each as it is written.
struct Elements<'t>(Vec<Entry<'t>>);

/// The fields of an object, each value as it is written.
struct Fields<'t>(Vec<(Cow<'t, str>, Entry<'t>)>);

/// One level of a document.
trait Level<'t>: Sized {
    /// Reads it, where it has at most so many values.
    fn read(text: &'t str, most: usize) -> serde_json::Result<Self>;

    /// Returns the number of its values.
    fn count(&self) -> usize;
}

/// Reads a level, where as many values may still be read. Otherwise none may be from now on.
fn read_level<'t, L: Level<'t>>(text: &'t str, left: &Cell<usize>) -> Option<L> {
    // The text was read as a whole: it fails for its size, or for a key that is no text.
    match L::read(text, left.get()) {
        Ok(level) => {
            left.set(left.get() - level.count());
            Some(level)
        }
        Err(_) => {
            left.set(0);
            None
        }
    }
}

impl<'t> Level<'t> for Elements<'t> {
    fn read(text: &'t str, most: usize) -> serde_json::Result<Self> {
        struct Reading(usize);
        impl<'t> Visitor<'t> for Reading {
            type Value = Elements<'t>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<Elements<'t>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element::<&RawValue>()? {
                    check_room(elements.len(), self.0)?;
                    elements.push(Entry::of(element.get()));
                }
                Ok(Elements(elements))
            }
        }
        serde_json::Deserializer::from_str(text).deserialize_seq(Reading(most))
    }

    fn count(&self) -> usize {
        self.0.len()
    }
}

impl<'t> Level<'t> for Fields<'t> {
    fn read(text: &'t str, most: usize) -> serde_json::Result<Self> {
        struct Reading(usize);
        impl<'t> Visitor<'t> for Reading {
            type Value = Fields<'t>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Fields<'t>, A::Error> {
                let mut fields = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    check_room(fields.len(), self.0)?;
                    fields.push((key, Entry::of(map.next_value::<&RawValue>()?.get())));
                }
                Ok(Fields(fields))
            }
        }
        serde_json::Deserializer::from_str(text).deserialize_map(Reading(most))
    }

    fn count(&self) -> usize {
        self.0.len()
    }
}

fn check_room<E: serde::de::Error>(count: usize, most: usize) -> Result<(), E> {
    match count < most {
        true => Ok(()),
        false => Err(E::custom("it has too many values")),
    }
}

/// A key, which is borrowed unless it has escapes.
#[derive(Deserialize)]
struct Key<'t>(#[serde(borrow)] Cow<'t, str>);

/// Returns the elements of a list, each as it is written, where it has at most so many.
pub(super) fn elements(list: &str, most: usize) -> Option<Vec<&str>> {
    let level = Elements::read(list, most).ok()?;
    Some(level.0.into_iter().map(|entry| entry.text).collect())
}

/// Returns the number of values in a list or an object, where that is at most so many.
pub(super) fn count(text: &str, most: usize) -> Option<usize> {
    match text.as_bytes().first()? {
        b'[' => Some(Elements::read(text, most).ok()?.count()),
        b'{' => Some(Fields::read(text, most).ok()?.count()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> Step {
        Step::Field(name.into())
    }

    #[test]
    fn a_path_leads_to_a_value_as_it_is_written() {
        let text = r#" {"b": [1, {"c\n": 1.50}], "a": null, "b ": "x", "d": 1, "d": 2} "#;
        let document = Document::read(text).expect("JSON");
        for (steps, expected) in [
            (vec![field("b"), Step::Place(0)], Some("1")),
            (vec![field("b"), Step::Place(1), field("c\n")], Some("1.50")),
            (vec![field("b"), Step::Place(2)], None),
            (vec![field("b"), field("0")], None),
            (vec![Step::Place(0)], None),
            (vec![field("a")], None),
            (vec![field("b ")], Some("\"x\"")),
            (vec![field("d")], Some("2")),
            (vec![field("e")], None),
            (vec![field("d"), field("e")], None),
        ] {
            assert_eq!(document.find(&steps), expected, "{steps:?}");
        }
        assert!(!document.is_exhausted());
        assert_eq!(document.find(&[]), Some(text.trim()));
    }

    #[test]
    fn a_document_with_too_many_values_is_known_in_part() {
        let wide = vec!["1"; limits::VALUES].join(",");
        let text = format!("{{\"a\":1,\"b\":[{wide}]}}");
        let document = Document::read(&text).expect("JSON");
        assert_eq!(document.find(&[field("a")]), Some("1"));
        assert_eq!(document.find(&[field("b"), Step::Place(0)]), None);
        assert!(document.is_exhausted());
    }

    #[test]
    fn a_deep_document_takes_no_stack() {
        let text = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let document = Document::read(&text).expect("JSON");
        let steps = vec![Step::Place(0); limits::STEPS];
        assert!(document.find(&steps).is_some());
    }
}
