//! Reads objects that come as `google.protobuf.Struct`.

use kernel::Value;
use kernel::limits::{JSON_DEPTH, LIST_VALUES, PROPERTY_DEPTH};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Number};

use super::{Reader, not_finite, too_deep};

impl Reader {
    /// Recursion ends at `PROPERTY_DEPTH`.
    pub(super) fn structure(&mut self, object: &Struct, prefix: &str, depth: usize) {
        self.report_alike(object.fields.keys().map(String::as_str), prefix);
        for (key, value) in &object.fields {
            if self.is_over() {
                return;
            }
            let Some(path) = self.path(prefix, key) else {
                continue;
            };
            match value.kind.as_ref() {
                None | Some(Kind::NullValue(_)) => self.null(path),
                Some(Kind::StructValue(inner))
                    if depth < PROPERTY_DEPTH && !inner.fields.is_empty() =>
                {
                    self.structure(inner, &path, depth + 1);
                }
                Some(kind) => {
                    if let Some(value) = self.value(kind, &path, depth) {
                        self.set(&path, value);
                    }
                }
            }
        }
    }

    /// Returns the value of something under a key at a depth; absent where it was reported.
    fn value(&mut self, kind: &Kind, path: &str, depth: usize) -> Option<Value> {
        match kind {
            Kind::BoolValue(truth) => Some(Value::Bool(*truth)),
            Kind::NumberValue(number) => self.number(*number, path),
            Kind::StringValue(text) => self.text(text, path),
            Kind::ListValue(list) if list.values.len() <= LIST_VALUES => {
                self.list(list, path, depth + 1)
            }
            Kind::ListValue(_) | Kind::StructValue(_) | Kind::NullValue(_) => {
                self.whole(kind, path, depth + 1)
            }
        }
    }

    /// Recursion ends here: what a list holds in its turn is kept as text.
    fn list(&mut self, list: &ListValue, path: &str, depth: usize) -> Option<Value> {
        let mut values = Vec::with_capacity(list.values.len());
        for (place, value) in list.values.iter().enumerate() {
            let path = format!("{path}[{place}]");
            let null = Kind::NullValue(0);
            let kind = value.kind.as_ref().unwrap_or(&null);
            let value = match kind {
                Kind::ListValue(_) => self.whole(kind, &path, depth + 1),
                _ => self.value(kind, &path, depth),
            };
            // Once something was reported nothing is kept anyway.
            values.extend(value);
        }
        Some(Value::List(values))
    }

    fn whole(&mut self, kind: &Kind, path: &str, depth: usize) -> Option<Value> {
        match json(kind, depth) {
            Ok(json) => Some(Value::Json(json.to_string().into())),
            Err(reason) => {
                self.report(path, reason);
                None
            }
        }
    }
}

/// Returns an object at a depth as JSON text, or what is wrong with it.
pub(super) fn object_text(object: &Struct, depth: usize) -> Result<String, String> {
    fields(object, depth).map(|json| json.to_string())
}

fn fields(object: &Struct, depth: usize) -> Result<serde_json::Value, String> {
    if depth > JSON_DEPTH {
        return Err(too_deep());
    }
    let mut fields = Map::with_capacity(object.fields.len());
    for (key, value) in &object.fields {
        let null = Kind::NullValue(0);
        let kind = value.kind.as_ref().unwrap_or(&null);
        fields.insert(key.clone(), json(kind, depth + 1)?);
    }
    Ok(fields.into())
}

/// Returns what is at a depth as JSON. Recursion ends at `JSON_DEPTH`.
fn json(kind: &Kind, depth: usize) -> Result<serde_json::Value, String> {
    Ok(match kind {
        Kind::NullValue(_) => serde_json::Value::Null,
        Kind::BoolValue(truth) => (*truth).into(),
        Kind::StringValue(text) => text.as_str().into(),
        Kind::NumberValue(number) => json_number(*number)?,
        Kind::StructValue(object) => fields(object, depth)?,
        Kind::ListValue(_) if depth > JSON_DEPTH => return Err(too_deep()),
        Kind::ListValue(list) => {
            let null = Kind::NullValue(0);
            let values = list.values.iter();
            let values = values.map(|value| json(value.kind.as_ref().unwrap_or(&null), depth + 1));
            values.collect::<Result<Vec<_>, _>>()?.into()
        }
    })
}

fn json_number(number: f64) -> Result<serde_json::Value, String> {
    /// Below it every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        let whole = number as i64;
        return Ok(whole.into());
    }
    let number = Number::from_f64(number).ok_or_else(|| not_finite(number))?;
    Ok(number.into())
}
