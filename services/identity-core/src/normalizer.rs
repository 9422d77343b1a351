//! Values made comparable: what is one value to people is one value here.

use phonenumber::country;
use unicode_normalization::UnicodeNormalization as _;

use crate::domain::registrable;
use crate::invisible::{without_invisible, without_joiners};

/// The way in which values of a namespace are made comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalizer {
    /// White space around the value is removed.
    Trim,
    /// Trimmed and lower-cased.
    Lowercase,
    /// An e-mail address: trimmed, lower-cased, and shaped like one.
    Email,
    /// A telephone number in E.164.
    Phone,
    /// In normalization form KC, case-folded, without invisible characters.
    Nfkc,
    /// The registrable domain of a host name, of the address of a page or of an e-mail address.
    Domain,
}

impl Normalizer {
    /// Its name in definitions.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Trim => "NORMALIZER_TRIM",
            Self::Lowercase => "NORMALIZER_LOWERCASE",
            Self::Email => "NORMALIZER_EMAIL",
            Self::Phone => "NORMALIZER_PHONE",
            Self::Nfkc => "NORMALIZER_NFKC",
            Self::Domain => "NORMALIZER_DOMAIN",
        }
    }
}

/// The digits of the shortest and the longest number of E.164, with those of its country.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Characters of a written telephone number, at the most.
const PHONE_CHARS: usize = 40;

/// A value that its namespace cannot take, as it came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value is not one of its namespace")]
pub struct MalformedValue(pub String);

impl Normalizer {
    /// Makes a value comparable: without white space and invisible characters around it, in
    /// normalization form C, and as the namespace wants it. An ordinary value is returned as it is,
    /// without a copy.
    ///
    /// # Errors
    /// [`MalformedValue`] for control characters, for what should be an e-mail address and is none,
    /// or should have a domain and has none, and where nothing is left.
    pub fn normalize(self, value: String) -> Result<String, MalformedValue> {
        match self {
            Self::Phone => phone(&value, None).ok_or(MalformedValue(value)),
            Self::Nfkc => folded(&value).ok_or(MalformedValue(value)),
            Self::Domain => registrable(&value).map_err(|_| MalformedValue(value)),
            Self::Trim | Self::Lowercase | Self::Email => self.normalize_plain(value),
        }
    }

    fn normalize_plain(self, value: String) -> Result<String, MalformedValue> {
        let trimmed = value.trim();
        let is_lower = self == Self::Trim || !trimmed.bytes().any(|byte| byte.is_ascii_uppercase());
        let changed = match (trimmed.len() == value.len(), is_lower) {
            _ if !trimmed.is_ascii() => Some(self.normalize_unicode(trimmed)),
            (true, true) => None,
            (false, true) => Some(trimmed.to_owned()),
            (_, false) => Some(trimmed.to_ascii_lowercase()),
        };
        let clean = changed.as_deref().unwrap_or(&value);
        let is_bad = clean.is_empty() || clean.chars().any(char::is_control);
        if is_bad || (self == Self::Email && !is_email(clean)) {
            return Err(MalformedValue(value));
        }
        Ok(changed.unwrap_or(value))
    }

    /// Makes a value comparable that is more than ASCII.
    fn normalize_unicode(self, trimmed: &str) -> String {
        let visible = without_invisible(trimmed);
        match self {
            Self::Trim | Self::Phone | Self::Nfkc | Self::Domain => visible.trim().nfc().collect(),
            Self::Lowercase => visible.trim().to_lowercase().nfc().collect(),
            Self::Email => without_joiners(&visible)
                .trim()
                .to_lowercase()
                .nfc()
                .collect(),
        }
    }
}

/// Reads a telephone number, in E.164; absent where it is none, or where nobody can say of which
/// country.
///
/// Letters are none of it: an extension would make one of all who share a switchboard.
pub(crate) fn phone(value: &str, country: Option<country::Id>) -> Option<String> {
    let written: String = without_invisible(value).trim().nfkc().collect();
    let is_written = |sign: char| {
        sign.is_ascii_digit() || "+-()./ \u{2010}\u{2011}\u{2012}\u{2013}".contains(sign)
    };
    if written.chars().count() > PHONE_CHARS || !written.chars().all(is_written) {
        return None;
    }
    let digits: String = written
        .chars()
        .filter(|sign| sign.is_ascii_digit() || *sign == '+')
        .collect();
    let digits = match digits.strip_prefix("00") {
        Some(rest) if country.is_none() => format!("+{rest}"),
        _ => digits,
    };
    if digits.len() < 4 || digits.rfind('+').is_some_and(|place| place > 0) {
        return None;
    }
    let number = phonenumber::parse(country, &digits).ok()?;
    let text = number.format().mode(phonenumber::Mode::E164).to_string();
    let count = text.bytes().filter(u8::is_ascii_digit).count();
    (PHONE_DIGITS.contains(&count) && text.starts_with('+')).then_some(text)
}

/// A text in normalization form KC, case-folded, without invisible characters; absent where nothing
/// is left, or control characters are.
fn folded(value: &str) -> Option<String> {
    // Compatibility forms may bring capitals and white space, and folding may bring marks that
    // compose.
    let once = |text: &str| -> String {
        let visible = without_invisible(text);
        let visible = without_joiners(&visible);
        let plain: String = visible.trim().nfkc().collect();
        plain.chars().flat_map(fold).nfkc().collect()
    };
    let text = once(&once(value));
    let text = text.trim();
    let is_good = !text.is_empty() && !text.chars().any(char::is_control);
    is_good.then(|| text.to_owned())
}

/// A character without case. The dotless i is a letter of its own.
fn fold(sign: char) -> impl Iterator<Item = char> {
    let is_plain = sign == 'ı';
    let upper = (!is_plain).then(|| sign.to_uppercase().flat_map(char::to_lowercase));
    upper.into_iter().flatten().chain(is_plain.then_some(sign))
}

/// The shape that every deliverable address has (RFC 5321 §4.1.2 without quoted local parts and
/// address literals).
fn is_email(value: &str) -> bool {
    let Some((local, domain)) = value.split_once('@') else {
        return false;
    };
    let is_plain = |text: &str| {
        !text.is_empty()
            && !text.contains(['@', '"', '<', '>', '(', ')', ',', ';', ':', '\\'])
            && !text.contains(char::is_whitespace)
            && !text.starts_with('.')
            && !text.ends_with('.')
            && !text.contains("..")
    };
    local.len() <= 64 && is_plain(local) && is_plain(domain) && domain.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_made_comparable() {
        for (normalizer, value, expected) in [
            (Normalizer::Trim, " U1 ", Some("U1")),
            (Normalizer::Trim, "U1", Some("U1")),
            (Normalizer::Trim, "u\u{0}1", None),
            (Normalizer::Lowercase, " ABC-É ", Some("abc-é")),
            (
                Normalizer::Email,
                " Jane@Example.COM",
                Some("jane@example.com"),
            ),
            (
                Normalizer::Email,
                "jane.doe+x@mail.example.com",
                Some("jane.doe+x@mail.example.com"),
            ),
            (
                Normalizer::Email,
                "\u{feff}jane\u{200b}@exam\u{ad}ple.com\u{a0}",
                Some("jane@example.com"),
            ),
            (
                Normalizer::Email,
                "jane\u{200d}@example.com",
                Some("jane@example.com"),
            ),
            (Normalizer::Email, "jane\u{a0}doe@example.com", None),
            (
                Normalizer::Email,
                "JO\u{308}RG@example.com",
                Some("jörg@example.com"),
            ),
            (Normalizer::Trim, "\u{200b}U1\u{feff}", Some("U1")),
            (Normalizer::Trim, "Jo\u{308}rg", Some("Jörg")),
            (Normalizer::Trim, "\u{200b}", None),
            (Normalizer::Lowercase, "STRASSE\u{200e}", Some("strasse")),
            (Normalizer::Phone, "+49 (30) 123-456", Some("+4930123456")),
            (Normalizer::Phone, "0049 30 123456", Some("+4930123456")),
            (
                Normalizer::Phone,
                "\u{200b}+1 555 123 4567",
                Some("+15551234567"),
            ),
            (Normalizer::Phone, "030 123456", None),
            (Normalizer::Phone, "+49 30 123456 ext 7", None),
            (Normalizer::Phone, "+", None),
            (Normalizer::Phone, "+999 999 999 999", None),
            (Normalizer::Phone, "++4930123456", None),
            (Normalizer::Nfkc, "\u{ff21}da", Some("ada")),
            (Normalizer::Nfkc, "STRASSE", Some("strasse")),
            (Normalizer::Nfkc, "Straße", Some("strasse")),
            (Normalizer::Nfkc, "ﬁle\u{200d}", Some("file")),
            (Normalizer::Nfkc, "ΣΊΣΥΦΟΣ", Some("σίσυφοσ")),
            (Normalizer::Nfkc, "a\u{0}", None),
            (Normalizer::Email, "jane", None),
            (Normalizer::Email, "jane@localhost", None),
            (Normalizer::Email, "a@b@c.de", None),
            (Normalizer::Email, "@example.com", None),
            (Normalizer::Email, "ja ne@example.com", None),
            (Normalizer::Email, "jane@.example.com", None),
            (Normalizer::Email, "jane@example..com", None),
        ] {
            assert_eq!(
                normalizer.normalize(value.to_owned()).ok().as_deref(),
                expected,
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_number_without_a_country_is_one_of_the_namespaces() {
        let de = Some(country::Id::DE);
        for (value, country, expected) in [
            ("030 123456", de, Some("+4930123456")),
            ("0049 30 123456", de, Some("+4930123456")),
            ("+1 650 253 0000", de, Some("+16502530000")),
            ("030 123456", None, None),
        ] {
            assert_eq!(phone(value, country).as_deref(), expected, "{value:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_comparable_stays_as_it_is(value in ".{0,20}") {
            for normalizer in [Normalizer::Trim, Normalizer::Lowercase, Normalizer::Email, Normalizer::Phone, Normalizer::Nfkc, Normalizer::Domain] {
                let Ok(once) = normalizer.normalize(value.clone()) else {
                    continue;
                };
                let again = normalizer.normalize(once.clone());
                proptest::prop_assert_eq!(again.ok(), Some(once));
            }
        }
    }
}
