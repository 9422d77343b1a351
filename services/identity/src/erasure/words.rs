//! The values of identifiers that are looked for in stores whose rows name no customers.
//!
//! Such a row has what somebody sent, in whatever form. A value counts as found in any case of
//! letters; a short one only where it stands alone, and a phone number however it is divided.

use identity_core::Identifier;

use super::limits::DISTINCT_CHARS;

/// Divides the values of a list: no identifier has it.
const DIVIDER: char = '\n';

/// Values to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// In small letters.
    values: Vec<String>,
    /// Digits of phone numbers.
    phones: Vec<String>,
}

impl Words {
    /// The values of identifiers.
    pub(crate) fn of<'a>(identifiers: impl IntoIterator<Item = &'a Identifier>) -> Self {
        let all = identifiers.into_iter().map(|it| it.value.as_str());
        Self::of_values(all)
    }

    /// The values of several.
    pub(crate) fn all<'a>(several: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut words = Self::default();
        for own in several {
            words.values.extend_from_slice(&own.values);
            words.phones.extend_from_slice(&own.phones);
        }
        words
    }

    /// Reads what [`Self::text`] wrote.
    pub(crate) fn parse(text: &str) -> Self {
        Self::of_values(text.split(DIVIDER))
    }

    /// Values as they are.
    pub(super) fn of_values<'a>(all: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words = Self::default();
        for value in all.into_iter().filter(|value| !value.trim().is_empty()) {
            let value = value.trim().to_lowercase();
            let digits: String = value.chars().filter(char::is_ascii_digit).collect();
            if value.starts_with('+') && digits.len() > DISTINCT_CHARS {
                words.phones.push(digits);
            }
            let escaped = escaped(&value);
            if escaped != value {
                words.values.push(escaped);
            }
            words.values.push(value);
        }
        words
    }

    /// As it is kept until all stores were looked through.
    pub(crate) fn text(&self) -> String {
        self.values.join("\n")
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns whether a text has one of the values.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        let small = text.to_lowercase();
        if self.values.iter().any(|value| is_in(value, &small)) {
            return true;
        }
        if self.phones.is_empty() {
            return false;
        }
        let dense: String = small
            .chars()
            .filter(|own| !matches!(own, ' ' | '-' | '(' | ')' | '/' | '.' | '\u{a0}'))
            .collect();
        self.phones.iter().any(|digits| dense.contains(digits))
    }

    /// Returns whether bytes have one of the values.
    pub(crate) fn are_in_bytes(&self, bytes: &[u8]) -> bool {
        self.are_in(&String::from_utf8_lossy(bytes))
    }
}

/// Returns whether a value is in a text, both in small letters.
fn is_in(value: &str, text: &str) -> bool {
    if value.chars().count() >= DISTINCT_CHARS {
        return text.contains(value);
    }
    text.match_indices(value).any(|(place, _)| {
        let before = text[..place].chars().next_back();
        let after = text[place + value.len()..].chars().next();
        [before, after]
            .into_iter()
            .all(|own| own.is_none_or(|own| !own.is_alphanumeric()))
    })
}

/// A value as JSON has it that is written in ASCII alone.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for own in value.chars() {
        if own.is_ascii() {
            text.push(own);
            continue;
        }
        for unit in own.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, text: &str, expected: bool) {
        let identifier = Identifier {
            namespace: "any".to_owned(),
            value: value.to_owned(),
        };
        let words = Words::of([&identifier]);
        assert_eq!(words.are_in(text), expected, "{value} in {text}");
        let again = Words::parse(&words.text());
        assert!(again.values.len() >= words.values.len());
    }

    #[test]
    fn a_value_is_found_as_it_was_sent() {
        check("ann@example.org", r#"{"email":" Ann@Example.org"}"#, true);
        check("ann@example.org", "bob@example.org", false);
        check("7", r#"{"userId":"7"}"#, true);
        check("7", r#"{"userId":7,"x":1}"#, true);
        check("7", r#"{"userId":"17","n":2.75}"#, false);
        check("+491701234567", r#"{"phone":"+49 (170) 123-4567"}"#, true);
        check("+491701234567", r#"{"phone":"+49 170 7654321"}"#, false);
        check("jürgen-1", r#"{"userId":"j\u00fcrgen-1"}"#, true);
        check("jürgen-1", r#"{"userId":"Jürgen-1"}"#, true);
    }
}
