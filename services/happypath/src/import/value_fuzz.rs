//! Reads values and instants, whatever is in them.

use std::sync::LazyLock;

use super::numeral::Decimal;
use super::value::{self, ValueType, Writing};
use crate::when::{TimeFormat, TimeRules, Zone, instant_text};

const TYPES: [ValueType; 6] = [
    ValueType::Text,
    ValueType::Number,
    ValueType::Integer,
    ValueType::Boolean,
    ValueType::Instant,
    ValueType::Json,
];
const FORMATS: [&str; 9] = [
    "auto",
    "seconds",
    "nanos",
    "excel",
    "excel1904",
    "dmy",
    "mdy",
    "ymd",
    "%d.%m.%Y %H:%M %z",
];

/// Reads a text as a cell, without a type and with each.
///
/// # Panics
/// Where a value is no JSON, or a number is not what JSON reads.
pub(crate) fn value(text: &str) {
    let text = text.trim();
    let json = value::scalar(text);
    assert_eq!(
        is_number(text),
        json == text && !matches!(text, "true" | "false"),
        "{text:?}"
    );
    for decimal in [None, Some(Decimal::Point), Some(Decimal::Comma)] {
        for has_semicolons in [false, true] {
            let writing = Writing {
                decimal,
                has_semicolons,
                times: TimeRules::default(),
            };
            let untyped = [value::untyped(text, &writing)];
            let typed = TYPES.map(|value_type| value::typed(text, value_type, &writing));
            for read in untyped.into_iter().chain(typed) {
                match read {
                    Ok(json) => {
                        let is_json = serde_json::from_str::<&serde_json::value::RawValue>(&json);
                        assert!(is_json.is_ok(), "{text:?} is {json}");
                    }
                    Err(reason) => assert!(!reason.is_empty()),
                }
            }
        }
    }
}

/// Reads a text as an instant, in every way.
///
/// # Panics
/// Where an instant is not what is written of it.
pub(crate) fn instant(text: &str) {
    static ZONES: LazyLock<[Zone; 3]> = LazyLock::new(|| {
        ["UTC", "Europe/Berlin", "-03:30"].map(|zone| zone.parse().expect("a zone"))
    });
    static READ: LazyLock<[TimeFormat; 9]> =
        LazyLock::new(|| FORMATS.map(|format| format.parse().expect("a format")));
    for zone in &*ZONES {
        for format in &*READ {
            let rules = TimeRules { format, zone };
            match instant_text(text, &rules) {
                Ok(written) if !written.starts_with('-') => {
                    assert_eq!(instant_text(&written, &TimeRules::default()), Ok(written));
                }
                Ok(_) => {}
                Err(reason) => assert!(reason.starts_with('`')),
            }
        }
    }
    // A name that is none is compared with hundreds, so only what looks like one is tried.
    if text.contains(['%', '/']) {
        let _ = (text.parse::<TimeFormat>(), text.parse::<Zone>());
    }
}

/// The rule for numbers, as it is written down: what JSON takes for a number, but for whole ones
/// that are too long to be exact, and exponents without a point before them or a sign behind.
fn is_number(text: &str) -> bool {
    let is_json = serde_json::from_str::<serde_json::Number>(text).is_ok();
    let starts = text.starts_with(|sign: char| sign == '-' || sign.is_ascii_digit());
    let exponent = text.find(['e', 'E']);
    let is_float = match exponent {
        Some(place) => text[..place].contains('.') || text[place + 1..].starts_with(['+', '-']),
        None => true,
    };
    let is_whole = exponent.is_none() && !text.contains('.');
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    is_json
        && starts
        && is_float
        && text.len() <= 400
        && text != "-0"
        && (!is_whole || digits <= 38)
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}
