//! The name of an installation.

use std::fmt;
use std::str::FromStr;

/// The most letters of a name: with what stores put before it, it fits the 63 bytes that PostgreSQL
/// gives to the name of a schema.
const MOST_LETTERS: usize = 40;

/// The name of an installation among those that share servers: 1 to 40 lower case letters, digits,
/// `-` and `_`, the first a letter. An installation with servers of its own needs none.
///
/// It has no character that ends a name in a key, that a pattern or a hash tag of Redis reads, or
/// that a quoted name of SQL has to escape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstallationName(Box<str>);

/// A text is not the name of an installation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the name of an installation: expected 1 to {MOST_LETTERS} lower case letters, digits, - and _, the first a letter"
)]
pub struct ParseInstallationNameError;

impl InstallationName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InstallationName {
    type Err = ParseInstallationNameError;

    fn from_str(text: &str) -> Result<Self, ParseInstallationNameError> {
        let is_right = text.len() <= MOST_LETTERS
            && text.starts_with(|letter: char| letter.is_ascii_lowercase())
            && text.bytes().all(|letter| {
                letter.is_ascii_lowercase()
                    || letter.is_ascii_digit()
                    || matches!(letter, b'-' | b'_')
            });
        if is_right {
            Ok(Self(text.into()))
        } else {
            Err(ParseInstallationNameError)
        }
    }
}

impl fmt::Display for InstallationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_shown() {
        let longest = "a".repeat(40);
        for text in ["a", "shop-de", "shop_de", "a1--", &longest] {
            let name: InstallationName = text.parse().expect(text);
            assert_eq!(name.to_string(), text);
            assert_eq!(name.as_str(), text);
        }
    }

    #[test]
    fn what_could_mean_something_else_in_a_store_is_refused() {
        let longer = "a".repeat(41);
        for text in [
            "", "1a", "-a", "_a", "A", "aB", "a.b", "a:b", "a b", " a", "a\n", "a{b}", "a*", "a\"",
            "ä", "aä", &longer,
        ] {
            let parsed = text.parse::<InstallationName>();
            assert_eq!(parsed, Err(ParseInstallationNameError), "{text:?}");
        }
    }
}
