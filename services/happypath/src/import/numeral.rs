//! Numbers as files write them: with a point or a comma before the decimals, in groups or not.

use std::str::FromStr;

use serde::Deserialize;

/// The sign before the decimals of a number; the other one groups its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Decimal {
    /// `1,249.50`.
    Point,
    /// `1.249,50`.
    Comma,
}

/// Digits of a number that is kept to its last one where it is whole.
const EXACT_DIGITS: usize = 38;
/// Characters of the longest number: doubles end at 309 digits before the point.
const NUMBER_CHARS: usize = 400;
/// Digits that a spreadsheet shows of a number that it shortens, and one more.
const SHORTENED_DIGITS: usize = 12;

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "point" => Ok(Self::Point),
            "comma" => Ok(Self::Comma),
            _ => Err("expected point or comma".to_owned()),
        }
    }
}

/// A number of a text, and the sign that its writer uses before decimals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numeral {
    /// As JSON writes it.
    pub(super) json: String,
    /// True where it is whole, decimals of zeros included.
    pub(super) is_whole: bool,
    /// Absent where the text does not show it.
    pub(super) decimal: Option<Decimal>,
    /// True where it could be the other sign just as well, as in `1,249`.
    pub(super) is_ambiguous: bool,
}

/// Returns whether a text is a number that comes back as it was written, or has decimals.
///
/// `007`, `+20` and `.5` are codes, phone numbers and bits of text as often as numbers, and so is
/// `1e5`: an exponent counts with a point before it or a sign behind it, as floating-point numbers
/// are printed.
pub(super) fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if text.len() > NUMBER_CHARS || !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !are_digits(whole) || has_leading_zero || fraction.is_some_and(|it| !are_digits(it)) {
        return false;
    }
    match (fraction, exponent) {
        (None, None) => whole.len() <= EXACT_DIGITS && text != "-0",
        (Some(_), None) => is_finite(text),
        (fraction, Some(exponent)) => {
            let power = exponent.strip_prefix(['-', '+']);
            let is_signed = power.is_some();
            are_digits(power.unwrap_or(exponent))
                && (fraction.is_some() || is_signed)
                && is_finite(text)
        }
    }
}

/// Reads a number in any of the ways that people and programs write one.
pub(super) fn parse(text: &str, decided: Option<Decimal>) -> Option<Numeral> {
    let text = text.trim();
    if text.len() > NUMBER_CHARS {
        return None;
    }
    let (sign, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let parts = Parts::read(mantissa, decided)?;
    let whole = parts.whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let mut json = format!("{sign}{whole}");
    if let Some(fraction) = &parts.fraction {
        json.push('.');
        json.push_str(if fraction.is_empty() { "0" } else { fraction });
    }
    if let Some(exponent) = exponent {
        let power = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if !are_digits(power) {
            return None;
        }
        json.push('e');
        json.push_str(exponent);
    }
    let fraction = parts.fraction.as_deref().unwrap_or_default();
    let is_whole = exponent.is_none() && fraction.bytes().all(|digit| digit == b'0');
    is_finite(&json).then_some(Numeral {
        json,
        is_whole,
        decimal: parts.decimal,
        is_ambiguous: parts.is_ambiguous,
    })
}

/// Returns the digits of a whole number; absent where there are too many of them to be exact.
pub(super) fn whole(numeral: &Numeral) -> Option<&str> {
    let whole = numeral
        .json
        .split_once('.')
        .map_or(numeral.json.as_str(), |(whole, _)| whole);
    let digits = whole.trim_start_matches('-');
    let whole = if digits == "0" { digits } else { whole };
    (digits.len() <= EXACT_DIGITS).then_some(whole)
}

/// Returns whether a spreadsheet took digits from a number, such as `4.01E+12` for an article
/// number.
pub(super) fn is_shortened(text: &str) -> bool {
    match text.split_once(['e', 'E']) {
        Some((mantissa, power)) => {
            let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
            power.starts_with('+') && digits < SHORTENED_DIGITS
        }
        None => false,
    }
}

/// The digits of a number, without the signs that group them.
struct Parts {
    whole: String,
    fraction: Option<String>,
    decimal: Option<Decimal>,
    is_ambiguous: bool,
}

impl Parts {
    fn read(text: &str, decided: Option<Decimal>) -> Option<Self> {
        let (points, commas) = (count(text, '.'), count(text, ','));
        let last = text.rfind(['.', ',']);
        let (decimal, is_ambiguous) = match (decided, points, commas) {
            (_, 0, 0) => (None, false),
            (Some(decimal), _, _) => (Some(decimal), false),
            (None, 1, 0) => (Some(Decimal::Point), is_grouped(text, '.')),
            (None, 0, 1) => (Some(Decimal::Comma), is_grouped(text, ',')),
            (None, 0, _) => (Some(Decimal::Point), false),
            (None, _, 0) => (Some(Decimal::Comma), false),
            // The last sign is the one before the decimals.
            (None, _, _) if last.is_some_and(|last| text[last..].starts_with(',')) => {
                (Some(Decimal::Comma), false)
            }
            (None, _, _) => (Some(Decimal::Point), false),
        };
        let (before, group) = match decimal {
            Some(Decimal::Comma) => (',', '.'),
            _ => ('.', ','),
        };
        let (whole, fraction) = match text.split_once(before) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let fraction = fraction.map(str::to_owned);
        if fraction
            .as_ref()
            .is_some_and(|it| !it.bytes().all(|digit| digit.is_ascii_digit()))
        {
            return None;
        }
        let whole = ungrouped(whole, group)?;
        let is_empty = whole.is_empty() && fraction.as_ref().is_none_or(String::is_empty);
        (!is_empty).then_some(Self {
            whole,
            fraction,
            decimal,
            is_ambiguous,
        })
    }
}

/// Returns whether a text is one to three digits and one group more: `1,249` but not `0,249`.
fn is_grouped(text: &str, sign: char) -> bool {
    !text.starts_with('0')
        && text.split_once(sign).is_some_and(|(first, rest)| {
            (1..=3).contains(&first.len())
                && are_digits(first)
                && rest.len() == 3
                && are_digits(rest)
        })
}

/// Returns digits without the sign between groups of three, or a space or apostrophe there; absent
/// where they are no groups.
fn ungrouped(text: &str, group: char) -> Option<String> {
    if text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(text.to_owned());
    }
    let is_sign =
        |sign: char| sign == group || matches!(sign, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’');
    let sign = text.chars().find(|sign| is_sign(*sign))?;
    let mut groups = text.split(sign);
    let first = groups.next()?;
    let mut digits = first.to_owned();
    let is_first = (1..=3).contains(&first.len()) && are_digits(first) && !first.starts_with('0');
    for group in groups {
        if group.len() != 3 || !are_digits(group) {
            return None;
        }
        digits.push_str(group);
    }
    is_first.then_some(digits)
}

fn count(text: &str, sign: char) -> usize {
    text.matches(sign).count()
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

fn is_finite(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_every_usual_form() {
        for (text, json, is_ambiguous) in [
            ("19,90", "19.90", false),
            ("1.249,50", "1249.50", false),
            ("1,249.50", "1249.50", false),
            ("1 249,50", "1249.50", false),
            ("1'249.50", "1249.50", false),
            ("1.249.500", "1249500", false),
            ("1,249", "1.249", true),
            ("0,249", "0.249", false),
            ("1249,500", "1249.500", false),
            ("+20", "20", false),
            ("-.5", "-0.5", false),
            ("5.", "5.0", false),
            ("007", "7", false),
            ("1e5", "1e5", false),
            ("\u{2212}5,25", "-5.25", false),
        ] {
            let read = parse(text, None).expect(text);
            assert_eq!(
                (read.json.as_str(), read.is_ambiguous),
                (json, is_ambiguous),
                "{text}"
            );
            assert!(
                serde_json::from_str::<serde_json::Number>(json).is_ok(),
                "{json}"
            );
        }
        for text in [
            "",
            "-",
            ".",
            ",",
            "1_000",
            "1,24,500",
            "12.34.56",
            "1e",
            "1e999",
            "0.249.500",
            "NaN",
            "1,2,3",
        ] {
            assert_eq!(parse(text, None), None, "{text}");
        }
    }

    #[test]
    fn a_sign_that_was_decided_is_kept_to() {
        let read = |text, decimal| parse(text, Some(decimal)).map(|numeral| numeral.json);
        for (text, by_point, by_comma) in [
            ("1,249", Some("1249"), Some("1.249")),
            ("1.249", Some("1.249"), Some("1249")),
            ("19.90", Some("19.90"), None),
            ("19,90", None, Some("19.90")),
            ("1.249,50", None, Some("1249.50")),
        ] {
            assert_eq!(read(text, Decimal::Point).as_deref(), by_point, "{text}");
            assert_eq!(read(text, Decimal::Comma).as_deref(), by_comma, "{text}");
        }
    }

    #[test]
    fn decimals_of_zeros_are_whole_numbers() {
        for (text, digits) in [
            ("12345.0", Some("12345")),
            ("-0.0", Some("0")),
            ("7", Some("7")),
        ] {
            let read = parse(text, None).expect(text);
            assert!(read.is_whole);
            assert_eq!(whole(&read), digits);
        }
        let long = parse(&"9".repeat(39), None).expect("a number");
        assert_eq!(whole(&long), None);
    }

    #[test]
    fn what_spreadsheets_shorten_is_seen() {
        assert!(is_shortened("4.01E+12") && is_shortened("1.7145576E+09"));
        assert!(!is_shortened("1.7145576E9") && !is_shortened("1.714557600123456e+18"));
    }
}
