//! How a transcript writes instants, values and the names of enums.

use prost_types::Struct;
use prost_types::value::Kind;
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

/// Properties as JSON, from words: a dot in a name leads into an object; numbers and truth values
/// are what they look like.
pub(crate) fn object(pairs: &[(String, String)]) -> Struct {
    let mut object = Struct::default();
    for (path, text) in pairs {
        let kind = match (text.as_str(), text.parse()) {
            ("null", _) => Kind::NullValue(0),
            ("true", _) => Kind::BoolValue(true),
            ("false", _) => Kind::BoolValue(false),
            (_, Ok(number)) => Kind::NumberValue(number),
            _ => Kind::StringValue(text.clone()),
        };
        put(&mut object, path, kind);
    }
    object
}

/// Sets a value in an object, or in the objects within it to which its path leads.
fn put(object: &mut Struct, path: &str, kind: Kind) {
    let (key, rest) = match path.split_once('.') {
        Some((key, rest)) => (key, Some(rest)),
        None => (path, None),
    };
    let value = object.fields.entry(key.to_owned()).or_default();
    let Some(rest) = rest else {
        value.kind = Some(kind);
        return;
    };
    let mut inner = match value.kind.take() {
        Some(Kind::StructValue(inner)) => inner,
        _ => Struct::default(),
    };
    put(&mut inner, rest, kind);
    value.kind = Some(Kind::StructValue(inner));
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
