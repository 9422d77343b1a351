//! Reads the JSON objects of requests as properties, within limits.
//!
//! An object comes as text, which is exact, or as a `google.protobuf.Struct`, whose numbers are
//! doubles. All of it is kept: what has no form that expressions read is kept as JSON text.

mod entries;
mod structure;
mod text;

use std::collections::HashMap;

use kernel::limits::{EVENT_BYTES, NAME_BYTES, PROPERTIES_PER_EVENT, TEXT_BYTES};
use kernel::{NameFault, Properties, Value, fold_case, push_key, read_name};
use prost_types::Struct;

pub use self::entries::Entries;
use crate::{Violation, limits};

/// An object, flattened to paths: `{"address": {"city": "Graz"}}` is `address.city`, and
/// `{"address.city": "Graz"}` is `address\.city`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flat {
    /// The values.
    pub properties: Properties,
    /// The paths of nulls.
    pub nulls: Vec<String>,
}

/// Flattens an object.
///
/// The cost is bounded by the limits of the kernel, however deep or wide the object is: what lies
/// beyond a limit is not looked at. Paths are inside the object.
///
/// # Errors
/// Every value that is beyond a limit or is no finite number, and every key that is no name or
/// differs from another one in nothing but case or normal form.
pub fn flatten(object: &Struct) -> Result<Flat, Vec<Violation>> {
    let mut reader = Reader::default();
    reader.structure(object, "", 1);
    reader.finish()
}

/// Flattens an object that is written in JSON, with whole numbers as exact as they are written.
///
/// # Errors
/// As [`flatten`], and where it is no JSON, or holds a whole number of more digits than are exact.
pub fn flatten_json(object: &str) -> Result<Flat, Vec<Violation>> {
    let mut reader = Reader::default();
    reader.object_text(object, "", 1);
    reader.finish()
}

/// Returns an object in JSON without the whitespace between its parts, which nothing reads.
///
/// # Errors
/// Where it is no JSON object, or is beyond a limit.
pub fn compact_object(object: &str) -> Result<String, Violation> {
    let object = object.trim_ascii();
    if !object.starts_with('{') {
        return Err(Violation::new("", text::NO_OBJECT));
    }
    let is_json = serde_json::from_str::<&serde_json::value::RawValue>(object);
    is_json.map_err(|error| Violation::new("", text::no_json(&error)))?;
    text::readable(object, 0).map_err(|reason| Violation::new("", reason))
}

/// Returns an object as JSON text.
///
/// # Errors
/// Where it is beyond a limit, or holds a number that is not finite.
pub fn object_text(object: &Struct) -> Result<String, Violation> {
    structure::object_text(object, 1).map_err(|reason| Violation::new("", reason))
}

#[derive(Default)]
struct Reader {
    flat: Flat,
    bytes: usize,
    /// Set once there are too many properties, so that the rest costs nothing.
    full: bool,
    violations: Vec<Violation>,
}

impl Reader {
    fn finish(mut self) -> Result<Flat, Vec<Violation>> {
        if self.bytes > EVENT_BYTES {
            self.report(
                "",
                format!("holds more than {EVENT_BYTES} bytes: send only what decisions need"),
            );
        }
        if self.violations.is_empty() {
            Ok(self.flat)
        } else {
            self.violations.sort();
            Err(self.violations)
        }
    }

    fn report(&mut self, field: &str, description: impl Into<String>) {
        if self.violations.len() < limits::VIOLATIONS {
            let shown: String = field.chars().take(NAME_BYTES + 20).collect();
            self.violations.push(Violation::new(shown, description));
        }
    }

    /// Returns whether nothing more is to be looked at.
    fn is_over(&self) -> bool {
        self.full || self.bytes > EVENT_BYTES || self.violations.len() >= limits::VIOLATIONS
    }

    /// Returns the path of a key; absent where it was reported.
    fn path(&mut self, prefix: &str, key: &str) -> Option<String> {
        let mut path = prefix.to_owned();
        match read_name(key) {
            Ok(key) => push_key(&mut path, &key),
            Err(fault) => {
                push_key(&mut path, key);
                self.report(&path, fault.to_string());
                return None;
            }
        }
        if path.len() > NAME_BYTES {
            self.report(&path, NameFault::TooLong(path.len()).to_string());
            return None;
        }
        Some(path)
    }

    /// Reports keys of one object that differ in case or normal form alone, or not at all.
    /// Definitions could tell the former apart, people could not.
    fn report_alike<'k>(
        &mut self,
        keys: impl ExactSizeIterator<Item = &'k str> + Clone,
        prefix: &str,
    ) {
        if are_apart(&keys) {
            return;
        }
        let mut seen: HashMap<String, &str> = HashMap::with_capacity(keys.len());
        for key in keys {
            if let Some(other) = seen.insert(fold_case(key), key) {
                let description = if other == key {
                    "is there twice: keep one".to_owned()
                } else {
                    let other: String = other.chars().take(limits::SHOWN_VALUE_CHARS).collect();
                    format!(
                        "differs from {other:?} in nothing but case or the form of its characters: keep one"
                    )
                };
                let mut path = prefix.to_owned();
                push_key(&mut path, key);
                self.report(&path, description);
            }
        }
    }

    fn null(&mut self, path: String) {
        self.bytes += path.len();
        self.flat.nulls.push(path);
        self.count();
    }

    fn set(&mut self, path: &str, value: Value) {
        self.bytes += path.len() + weight(&value);
        // Keys that are there twice were reported.
        self.flat.properties.set(path, value);
        self.count();
    }

    fn count(&mut self) {
        let count = self.flat.properties.len() + self.flat.nulls.len();
        if count > PROPERTIES_PER_EVENT && !self.full {
            self.full = true;
            self.report(
                "",
                format!(
                    "holds more than {PROPERTIES_PER_EVENT} values: send only what decisions need"
                ),
            );
        }
    }

    /// Returns the value of a text; absent where it was reported.
    fn text(&mut self, text: &str, path: &str) -> Option<Value> {
        if text.len() > TEXT_BYTES {
            self.report(
                path,
                format!(
                    "is a text of {} bytes: at most {TEXT_BYTES} are kept",
                    text.len()
                ),
            );
            return None;
        }
        Some(Value::from(text))
    }

    /// Returns the value of a number; absent where it was reported.
    fn number(&mut self, number: f64, path: &str) -> Option<Value> {
        if number.is_finite() {
            return Some(Value::from(number));
        }
        self.report(path, not_finite(number));
        None
    }
}

fn not_finite(number: f64) -> String {
    format!("is {number}: send a finite number, or leave it out")
}

fn too_deep() -> String {
    format!(
        "is nested more than {} deep: flatten it",
        kernel::limits::JSON_DEPTH
    )
}

/// The bytes of a value that count against those of its event.
fn weight(value: &Value) -> usize {
    match value {
        Value::Bool(_) => 1,
        Value::Number(_) => 8,
        Value::Integer(_) => 16,
        Value::Text(text) | Value::Json(text) => text.len(),
        Value::List(values) => values.iter().map(weight).sum(),
    }
}

/// Returns whether it is told at a glance that keys differ in more than case or normal form.
fn are_apart<'k>(keys: &(impl ExactSizeIterator<Item = &'k str> + Clone)) -> bool {
    /// Beyond it, a table of keys is faster than to compare all.
    const FEW: usize = 16;
    keys.len() <= FEW
        && keys.clone().enumerate().all(|(place, key)| {
            let mut before = keys.clone().take(place);
            key.is_ascii() && !before.any(|other| other.eq_ignore_ascii_case(key))
        })
}

#[cfg(test)]
mod tests;
