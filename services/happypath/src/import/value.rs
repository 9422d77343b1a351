//! Values of events, as JSON text that is as exact as the file.

use std::collections::BTreeMap;

use serde_json::Value;

/// Reads a text as what it looks like: a number, true or false, or text.
pub(crate) fn scalar(text: &str) -> String {
    let value = match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => number(text).map_or_else(|| Value::from(text), Value::from),
    };
    value.to_string()
}

/// Returns a number as people write one. `007` and `+49301234` are codes and phone numbers, and so
/// may be what has more than 15 digits.
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

/// Returns the object of values that are written in JSON; absent where there are none.
pub(crate) fn object(fields: &BTreeMap<String, String>) -> Option<String> {
    let fields = fields
        .iter()
        .map(|(name, json)| format!("{}:{json}", Value::from(name.as_str())));
    let fields: Vec<String> = fields.collect();
    (!fields.is_empty()).then(|| format!("{{{}}}", fields.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_what_they_look_like() {
        for (text, json) in [
            ("12", "12.0"),
            ("-0.5", "-0.5"),
            ("0", "0.0"),
            ("1e3", "1000.0"),
            ("5.", "5.0"),
            ("true", "true"),
            ("007", "\"007\""),
            ("+49301", "\"+49301\""),
            ("inf", "\"inf\""),
            ("1e999", "\"1e999\""),
            ("12345678901234567", "\"12345678901234567\""),
            ("a\"b", "\"a\\\"b\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), json, "{text}");
        }
    }

    #[test]
    fn an_object_quotes_its_names() {
        let fields = [("b \"", "1"), ("a.b", "[]")];
        let fields = fields.map(|(name, json)| (name.to_owned(), json.to_owned()));
        assert_eq!(
            object(&fields.into()).as_deref(),
            Some("{\"a.b\":[],\"b \\\"\":1}")
        );
        assert_eq!(object(&BTreeMap::new()), None);
    }
}
