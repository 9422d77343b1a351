//! Values of events, from text and from JSON.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

/// Reads a text as what it looks like: a number, true or false, or text.
pub(crate) fn scalar(text: &str) -> Value {
    let kind = match text {
        "true" => Kind::BoolValue(true),
        "false" => Kind::BoolValue(false),
        text => match number(text) {
            Some(number) => Kind::NumberValue(number),
            None => Kind::StringValue(text.to_owned()),
        },
    };
    Value { kind: Some(kind) }
}

/// A number as people write one. `007` and `+49301234` are codes and phone numbers; 17 digits do
/// not fit a double.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let first = digits.bytes().next()?;
    let has_leading_zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let is_long = digits.bytes().filter(u8::is_ascii_digit).count() > 15;
    if !first.is_ascii_digit() || has_leading_zero || is_long {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Reads a JSON value as it is. Nulls are kept: they say that nothing is known.
pub(crate) fn json(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(truth) => Kind::BoolValue(*truth),
        Json::Number(number) => match number.as_f64() {
            Some(number) => Kind::NumberValue(number),
            None => Kind::StringValue(number.to_string()),
        },
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(values) => Kind::ListValue(ListValue {
            values: values.iter().map(json).collect(),
        }),
        Json::Object(fields) => Kind::StructValue(Struct {
            fields: fields
                .iter()
                .map(|(name, value)| (name.clone(), json(value)))
                .collect(),
        }),
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_what_they_look_like() {
        for (text, kind) in [
            ("12", Kind::NumberValue(12.0)),
            ("-0.5", Kind::NumberValue(-0.5)),
            ("0", Kind::NumberValue(0.0)),
            ("1e3", Kind::NumberValue(1000.0)),
            ("true", Kind::BoolValue(true)),
            ("007", Kind::StringValue("007".to_owned())),
            ("+49301", Kind::StringValue("+49301".to_owned())),
            ("inf", Kind::StringValue("inf".to_owned())),
            ("1e999", Kind::StringValue("1e999".to_owned())),
            (
                "12345678901234567",
                Kind::StringValue("12345678901234567".to_owned()),
            ),
            ("", Kind::StringValue(String::new())),
        ] {
            assert_eq!(scalar(text).kind, Some(kind), "{text}");
        }
    }
}
