//! Values that formulas find or make. Numbers of a document stay the digits that they are written
//! in.

use std::borrow::Cow;
use std::cmp::Ordering;

use kernel::{Amount, Timestamp, Value};

use crate::limits::WORKED_BYTES;

/// A value that a formula found or made.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<'t> {
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(Numeral<'t>),
    /// A text.
    Text(Cow<'t, str>),
    /// An instant.
    Time(Timestamp),
    /// A length of time, in milliseconds.
    Span(i64),
    /// A list that the formula made.
    List(Vec<Found<'t>>),
    /// An object, a list, or a text that is too long to be worked with: JSON, as it is written.
    Json(&'t str),
}

/// A number.
#[derive(Debug, Clone, PartialEq)]
pub enum Numeral<'t> {
    /// As it is written, in JSON.
    Written(Cow<'t, str>),
    /// One that was computed.
    Computed(f64),
}

impl<'t> Found<'t> {
    /// Reads a value of a document; none where it is a text that cannot be read.
    pub(super) fn of(json: &'t str) -> Option<Self> {
        match json.as_bytes().first()? {
            b't' => Some(Self::Bool(true)),
            b'f' => Some(Self::Bool(false)),
            b'n' => None,
            b'"' if json.len() > WORKED_BYTES => Some(Self::Json(json)),
            b'"' => text(json).map(Self::Text),
            b'{' | b'[' => Some(Self::Json(json)),
            _ => Some(Self::Number(Numeral::Written(json.into()))),
        }
    }

    /// Returns the text, or the digits of a number: ids come as either.
    pub fn into_id(self) -> Option<Cow<'t, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(number.into_text()),
            _ => None,
        }
    }

    /// Returns the instant, where this is one, or a text or a number that says one: RFC 3339,
    /// without a zone (then UTC), or seconds or milliseconds since the epoch.
    pub fn as_time(&self) -> Option<Timestamp> {
        match self {
            Self::Time(time) => Some(*time),
            Self::Number(number) => Some(Timestamp::from_number(number.as_double()?)),
            Self::Text(text) => time_of_text(text.trim()),
            _ => None,
        }
    }

    /// Writes it as JSON. A length of time is its milliseconds.
    pub fn write_json(&self, json: &mut String) {
        match self {
            Self::Bool(truth) => json.push_str(if *truth { "true" } else { "false" }),
            Self::Number(number) => json.push_str(&number.clone().into_text()),
            Self::Text(text) => push_text(json, text),
            Self::Time(time) => push_text(json, &time.to_string()),
            Self::Span(millis) => json.push_str(&millis.to_string()),
            Self::List(items) => {
                json.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        json.push(',');
                    }
                    item.write_json(json);
                }
                json.push(']');
            }
            Self::Json(text) => json.push_str(text),
        }
    }

    /// Compares two values of one type; none where they have no order, not even equality.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(own), Self::Number(other)) => own.amount()?.partial_cmp(&other.amount()?),
            (Self::Text(own), Self::Text(other)) => Some(own.cmp(other)),
            (Self::Bool(own), Self::Bool(other)) => Some(own.cmp(other)),
            (Self::Time(own), Self::Time(other)) => Some(own.cmp(other)),
            (Self::Span(own), Self::Span(other)) => Some(own.cmp(other)),
            _ => None,
        }
    }

    /// Returns the bytes of a text, and 1 for anything else: the work of looking at it.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Json(text) => text.len(),
            Self::List(items) => items.len(),
            _ => 1,
        }
    }
}

impl<'t> Numeral<'t> {
    /// Reads a number in a text; none where it is no number of JSON.
    pub(super) fn of_text(text: Cow<'t, str>) -> Option<Self> {
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            && serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        is_number.then_some(Self::Written(text))
    }

    /// Returns the number as a double; none where it is none that is finite.
    pub(super) fn as_double(&self) -> Option<f64> {
        let number = match self {
            Self::Written(text) => text.parse().ok()?,
            Self::Computed(number) => *number,
        };
        number.is_finite().then_some(number)
    }

    /// Returns the number as exact as it is.
    fn amount(&self) -> Option<Amount> {
        if let Self::Written(text) = self
            && let Ok(whole) = text.parse::<i128>()
        {
            return Value::from(whole).as_amount();
        }
        Value::from(self.as_double()?).as_amount()
    }

    /// Returns its digits, without a part after the point; none where a whole number of JSON would
    /// not hold them exactly.
    pub(super) fn into_whole(self) -> Option<Self> {
        if let Self::Written(text) = &self
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-')
        {
            return Some(self);
        }
        let whole = self.as_double()?.trunc();
        // Digits beyond would be made up.
        (whole.abs() <= LARGEST_EXACT).then_some(Self::Computed(whole))
    }

    /// Returns its digits.
    pub(super) fn into_text(self) -> Cow<'t, str> {
        match self {
            Self::Written(text) => text,
            Self::Computed(number) if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT => {
                // Minus zero is zero to everybody.
                format!("{:.0}", number + 0.0).into()
            }
            Self::Computed(number) => serde_json::Value::from(number).to_string().into(),
        }
    }
}

/// Up to here every whole number is a double.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(json).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

fn push_text(json: &mut String, text: &str) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

fn time_of_text(text: &str) -> Option<Timestamp> {
    let is_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if !text.is_empty()
        && text.bytes().all(is_number)
        && let Ok(number) = text.parse::<f64>()
    {
        return Some(Timestamp::from_number(number));
    }
    let with_zone = text.parse().ok();
    with_zone.or_else(|| is_without_zone(text).then(|| format!("{text}Z").parse().ok())?)
}

/// Returns whether a text is a date and a time, and ends in a digit of its seconds.
fn is_without_zone(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', ' ']) else {
        return false;
    };
    let is_time = |byte: u8| byte.is_ascii_digit() || matches!(byte, b':' | b'.');
    date.len() == 10 && time.len() >= 8 && time.bytes().all(is_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_senders_write_it() {
        let expected = Timestamp::from_millis(1_764_482_400_250);
        for json in [
            "\"2025-11-30T06:00:00.250Z\"",
            "\"2025-11-30T07:00:00.250+01:00\"",
            "\"2025-11-30T06:00:00.250+0000\"",
            "\" 2025-11-30 06:00:00.250 \"",
            "1764482400250",
            "1764482400.25",
            "\"1764482400250\"",
            "\"1764482400.250\"",
        ] {
            let found = Found::of(json).expect(json);
            assert_eq!(found.as_time(), Some(expected), "{json}");
        }
        for json in [
            "\"yesterday\"",
            "\"2025-11-30\"",
            "\"\"",
            "true",
            "{}",
            "\"-\"",
        ] {
            assert_eq!(Found::of(json).and_then(|it| it.as_time()), None, "{json}");
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (json, expected) in [
            ("12345678901234567890123", "12345678901234567890123"),
            ("19.90", "19.90"),
            ("-1E3", "-1E3"),
        ] {
            let id = Found::of(json).and_then(Found::into_id);
            assert_eq!(id.as_deref(), Some(expected), "{json}");
        }
        for (number, expected) in [(3.0, "3"), (-0.0, "0"), (0.1, "0.1"), (1e300, "1e+300")] {
            assert_eq!(Numeral::Computed(number).into_text(), expected);
        }
    }

    #[test]
    fn whole_numbers_beyond_doubles_are_compared_exactly() {
        let number = |text: &'static str| Found::of(text).expect(text);
        let (one, other) = (number("9007199254740993"), number("9007199254740992"));
        assert_eq!(one.compare(&other), Some(Ordering::Greater));
        assert_eq!(number("1.0").compare(&number("1")), Some(Ordering::Equal));
    }
}
