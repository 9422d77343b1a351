//! Reads objects that come as JSON text.
//!
//! Each level is cut into the texts of its parts, so that a number is read from its digits, and a
//! part that is kept whole is not taken apart.

use kernel::Value;
use kernel::limits::{JSON_DEPTH, LIST_VALUES, PROPERTY_DEPTH};
use serde_json::value::RawValue;

use super::{Entries, Reader, too_deep};

/// The fault of a text that is no object.
pub(super) const NO_OBJECT: &str = "is not a JSON object: it begins with { and ends with }";

impl Reader {
    /// Recursion ends at `PROPERTY_DEPTH`.
    pub(super) fn object_text(&mut self, object: &str, prefix: &str, depth: usize) {
        let entries = match Entries::read(object) {
            Ok(Entries(entries)) => entries,
            Err(error) if error.is_data() => return self.report(prefix, NO_OBJECT),
            Err(error) => return self.report(prefix, no_json(&error)),
        };
        self.report_alike(entries.iter().map(|(key, _)| key.as_str()), prefix);
        for (key, value) in &entries {
            if self.is_over() {
                return;
            }
            let Some(path) = self.path(prefix, key) else {
                continue;
            };
            match value.get() {
                "null" => self.null(path),
                object
                    if object.starts_with('{') && depth < PROPERTY_DEPTH && !is_empty(object) =>
                {
                    self.object_text(object, &path, depth + 1);
                }
                other => {
                    if let Some(value) = self.value_text(other, &path, depth) {
                        self.set(&path, value);
                    }
                }
            }
        }
    }

    /// Returns the value of a text under a key at a depth; absent where it was reported.
    fn value_text(&mut self, text: &str, path: &str, depth: usize) -> Option<Value> {
        match text.as_bytes().first() {
            Some(b't') => Some(Value::Bool(true)),
            Some(b'f') => Some(Value::Bool(false)),
            Some(b'"') => match serde_json::from_str::<String>(text) {
                Ok(text) => self.text(&text, path),
                Err(error) => {
                    self.report(path, no_json(&error));
                    None
                }
            },
            Some(b'[') => self.list_text(text, path, depth + 1),
            Some(b'{' | b'n') => self.whole_text(text, path, depth),
            _ => self.number_text(text, path),
        }
    }

    fn list_text(&mut self, list: &str, path: &str, depth: usize) -> Option<Value> {
        // It was found to be JSON with the object that holds it.
        let items = serde_json::from_str::<Vec<&RawValue>>(list).unwrap_or_default();
        if items.len() > LIST_VALUES {
            return self.whole_text(list, path, depth - 1);
        }
        let mut values = Vec::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            let (path, text) = (format!("{path}[{place}]"), item.get());
            let value = if text.starts_with('[') {
                self.whole_text(text, &path, depth)
            } else {
                self.value_text(text, &path, depth)
            };
            values.extend(value);
        }
        Some(Value::List(values))
    }

    fn whole_text(&mut self, text: &str, path: &str, depth: usize) -> Option<Value> {
        match readable(text, depth) {
            Ok(text) => Some(Value::Json(text.into())),
            Err(reason) => {
                self.report(path, reason);
                None
            }
        }
    }

    fn number_text(&mut self, text: &str, path: &str) -> Option<Value> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            if let Ok(whole) = text.parse::<i128>() {
                return Some(Value::from(whole));
            }
            let count = digits.len();
            self.report(
                path,
                format!(
                    "is a number of {count} digits: at most 38 are exact, so send it as a text"
                ),
            );
            return None;
        }
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        if number.is_none() {
            let reason = "is a number beyond what a double holds: send it as a text";
            self.report(path, reason);
        }
        number.map(Value::from)
    }
}

fn is_empty(object: &str) -> bool {
    object[1..].trim_ascii_start().starts_with('}')
}

/// Says what is wrong with the text of an object.
pub(super) fn no_json(error: &serde_json::Error) -> String {
    format!("is not JSON: {error}")
}

/// Returns JSON that stands at a depth without the whitespace between its parts, or what is wrong
/// with it.
///
/// Its form is right already. Numbers and escapes that nobody can read are found here, so that they
/// are not met by templates.
pub(super) fn readable(json: &str, depth: usize) -> Result<String, String> {
    let compact = compact(json, depth).ok_or_else(too_deep)?;
    match serde_json::from_str::<serde_json::Value>(&compact) {
        Ok(_) => Ok(compact),
        Err(error) => Err(no_json(&error)),
    }
}

/// Returns JSON without the whitespace between its parts; absent where it nests too deep.
fn compact(json: &str, mut depth: usize) -> Option<String> {
    let mut compact = String::with_capacity(json.len());
    let (mut is_text, mut is_escaped) = (false, false);
    for character in json.chars() {
        if is_text {
            is_text = character != '"' || is_escaped;
            is_escaped = character == '\\' && !is_escaped;
        } else {
            match character {
                '"' => is_text = true,
                '[' | '{' => depth += 1,
                ']' | '}' => depth -= 1,
                ' ' | '\t' | '\n' | '\r' => continue,
                _ => {}
            }
            if depth > JSON_DEPTH {
                return None;
            }
        }
        compact.push(character);
    }
    Some(compact)
}
