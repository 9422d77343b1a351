//! Says in words what a rule asks for.

use prost_reflect::Value;

use super::rule::Literal;
use crate::limits::SHOWN_VALUE_CHARS;

/// Patterns of the contracts in words; others are shown as they are.
const PHRASES: [(&str, &str); 12] = [
    (
        "^[a-z][a-z0-9_]{0,63}$",
        "must be 1 to 64 lower case letters, digits and _, beginning with a letter, such as `first_purchase`",
    ),
    (
        "^([a-z][a-z0-9_]{0,63})?$",
        "must be empty, or 1 to 64 lower case letters, digits and _, beginning with a letter",
    ),
    (
        "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
        "must be a text without control characters, such as `Order Completed`",
    ),
    (
        "^[^\\x00-\\x1f\\x7f-\\x9f]*$",
        "must be empty, or a text without control characters, such as `order_id`",
    ),
    (
        "^([0-9]{1,9}(ms|s|m|h|d|w))+$",
        "must be numbers with units w, d, h, m, s or ms, such as 30d or 1h30m",
    ),
    (
        "^(([0-9]{1,9}(ms|s|m|h|d|w))+)?$",
        "must be empty, or numbers with units w, d, h, m, s or ms, such as 30d or 1h30m",
    ),
    ("^https?://", "must begin with http:// or https://"),
    (
        "^https?://[^/\\x00-\\x20\\x7f-\\x9f]+$",
        "must be http:// or https:// and a host, with nothing behind them, such as https://shop.example.com",
    ),
    (
        "^[A-Z_]{0,64}$",
        "must be empty, or a reason such as `NO_IDENTIFIER`",
    ),
    (
        "^whsec_[A-Za-z0-9+/=*]{3,100}$",
        "must be `whsec_` and 24 to 64 bytes in base64",
    ),
    (
        "^[a-z]{1,30}$",
        "must be 1 to 30 lower case letters, such as `journey`",
    ),
    (
        "^[^\\x00-\\x1f\\x7f-\\x9f]*$",
        "must have no control characters",
    ),
];

/// Returns what a pattern asks for.
pub(super) fn pattern_phrase(pattern: &str) -> String {
    PHRASES
        .iter()
        .find(|(known, _)| *known == pattern)
        .map_or_else(
            || format!("must match {pattern}"),
            |(_, phrase)| (*phrase).to_owned(),
        )
}

/// One or several allowed values.
pub(super) fn listed(values: &[Literal]) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    match texts.as_slice() {
        [only] => only.clone(),
        _ => format!("one of {}", texts.join(", ")),
    }
}

/// A value as an error shows it, cut where it is long; none where it says nothing.
pub(crate) fn shown(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) if text.is_empty() => return None,
        Value::String(text) => text.clone(),
        Value::EnumNumber(number) => number.to_string(),
        other => Literal::read(other)?.to_string(),
    };
    let mut cut: String = text.chars().take(SHOWN_VALUE_CHARS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    // Control characters of a hostile value must not reach a terminal.
    Some(format!("`{}`", cut.replace(char::is_control, "\u{fffd}")))
}
