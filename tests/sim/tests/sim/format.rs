//! How a transcript writes instants, values and the names of enums.

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use proto::convert::instant;

/// An instant without what is zero: `2017-03-01T10:00`.
pub(crate) fn when(time: Option<&prost_types::Timestamp>) -> String {
    let Some(time) = time else {
        return "-".to_owned();
    };
    let text = instant(time).to_string();
    let text = text.trim_end_matches('Z');
    text.strip_suffix(":00").unwrap_or(text).to_owned()
}

/// `ACTIVATION_STATUS_DELIVERED` as `delivered`: the prefix is that of the enum's unspecified
/// value.
pub(crate) fn short(name: &str, unspecified: &str) -> String {
    let prefix = unspecified.trim_end_matches("UNSPECIFIED");
    name.trim_start_matches(prefix).to_lowercase()
}

/// Properties as JSON, from words: numbers and truth values are what they look like.
pub(crate) fn object(pairs: &[(String, String)]) -> Struct {
    let fields = pairs.iter().map(|(name, text)| {
        let kind = match (text.as_str(), text.parse()) {
            ("null", _) => Kind::NullValue(0),
            ("true", _) => Kind::BoolValue(true),
            ("false", _) => Kind::BoolValue(false),
            (_, Ok(number)) => Kind::NumberValue(number),
            _ => Kind::StringValue(text.clone()),
        };
        (name.clone(), Value { kind: Some(kind) })
    });
    Struct {
        fields: fields.collect(),
    }
}

/// Properties as words, by name.
pub(crate) fn words(object: &Struct) -> String {
    let words = object.fields.iter().map(|(name, value)| {
        let text = match &value.kind {
            Some(Kind::StringValue(text)) => text.clone(),
            Some(Kind::NumberValue(number)) => number.to_string(),
            Some(Kind::BoolValue(truth)) => truth.to_string(),
            _ => "?".to_owned(),
        };
        format!("{name}={text}")
    });
    let mut words: Vec<String> = words.collect();
    words.sort();
    words.join(" ")
}

/// Texts after a word, or nothing where there are none.
pub(crate) fn listed(word: &str, texts: &[String]) -> Option<String> {
    (!texts.is_empty()).then(|| format!("{word} {}", texts.join(", ")))
}
