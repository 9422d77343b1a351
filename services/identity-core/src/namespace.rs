//! Namespaces: kinds of identifiers, and how far each may be trusted.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization as _;

use crate::blocked::{is_blocked, unquote};
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
}

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
    /// and where nothing is left.
    pub fn normalize(self, value: String) -> Result<String, MalformedValue> {
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
            Self::Trim => visible.trim().nfc().collect(),
            Self::Lowercase => visible.trim().to_lowercase().nfc().collect(),
            Self::Email => without_joiners(&visible)
                .trim()
                .to_lowercase()
                .nfc()
                .collect(),
        }
    }
}

/// The shape that every deliverable address has (RFC 5321 §4.1.2 without quoted local parts and address literals).
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

/// A kind of identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    pub(crate) name: Box<str>,
    pub(crate) priority: u32,
    pub(crate) limit: u32,
    pub(crate) normalizer: Normalizer,
    /// Unquoted and lower-cased.
    pub(crate) blocked: HashSet<Box<str>>,
}

impl Namespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rank when an event must drop identifiers: 1 is kept longest.
    pub const fn priority(&self) -> u32 {
        self.priority
    }

    /// The number of values that one customer may have.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// The way in which its values are made comparable.
    pub const fn normalizer(&self) -> Normalizer {
        self.normalizer
    }

    /// Returns whether a value names nobody, by the built-in list or by this namespace's own.
    pub fn is_blocked(&self, value: &str) -> bool {
        is_blocked(value)
            || (!self.blocked.is_empty()
                && self
                    .blocked
                    .contains(unquote(&without_invisible(value)).to_lowercase().as_str()))
    }
}

/// The namespaces of an installation, by priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces(Vec<Namespace>);

impl Namespaces {
    pub(crate) fn new(mut namespaces: Vec<Namespace>) -> Self {
        namespaces.sort_by_key(|namespace| namespace.priority);
        Self(namespaces)
    }

    /// The namespace of a name, with its rank: 0 is kept longest.
    pub fn find(&self, name: &str) -> Option<(usize, &Namespace)> {
        self.0
            .iter()
            .enumerate()
            .find(|(_, namespace)| namespace.name.as_ref() == name)
    }

    /// The namespaces, by priority.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Namespace> {
        self.0.iter()
    }

    /// The namespace of a rank that [`Self::find`] gave.
    pub(crate) fn at(&self, rank: usize) -> &Namespace {
        &self.0[rank]
    }
}

impl Default for Namespaces {
    /// What an installation has that defined none: `user_id`, `email` and `anonymous_id`.
    fn default() -> Self {
        let namespace = |name: &str, priority, limit, normalizer| Namespace {
            name: name.into(),
            priority,
            limit,
            normalizer,
            blocked: HashSet::new(),
        };
        Self::new(vec![
            namespace("user_id", 1, 1, Normalizer::Trim),
            namespace("email", 2, 5, Normalizer::Email),
            namespace("anonymous_id", 3, 5, Normalizer::Trim),
        ])
    }
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
}
