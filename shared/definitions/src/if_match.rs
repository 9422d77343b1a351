//! The versions that a change expects to find, so that no editor overwrites another one's work.

use std::fmt;

/// The version that a change expects a definition to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IfMatch {
    /// Any, or none.
    #[default]
    Any,
    /// None: the name must be free.
    Absent,
    /// The version with this etag.
    Etag(String),
}

impl IfMatch {
    /// The text that stands for [`Absent`](Self::Absent): versions count from 1, so no etag is it.
    const ABSENT: &'static str = "0";

    /// Reads an `if_match` of the contract.
    pub fn parse(text: &str) -> Self {
        match text {
            "" => Self::Any,
            Self::ABSENT => Self::Absent,
            etag => Self::Etag(etag.to_owned()),
        }
    }

    /// Checks the etag of the version in force, or `None` where there is none.
    ///
    /// # Errors
    /// The difference and what to do about it, for people.
    pub(crate) fn check(&self, found: Option<&str>) -> Result<(), String> {
        match (self, found) {
            (Self::Any, _) | (Self::Absent, None) => Ok(()),
            (Self::Etag(wanted), Some(found)) if wanted == found => Ok(()),
            (_, None) => Err(format!(
                "is {self}, and there is no such definition now: send `{}` to create it",
                Self::ABSENT
            )),
            (_, Some(found)) => Err(format!(
                "is {self}, and the definition has `{found}` now: read it, make the change again, \
                 and send that etag"
            )),
        }
    }
}

impl fmt::Display for IfMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("empty"),
            Self::Absent => write!(f, "`{}`", Self::ABSENT),
            Self::Etag(etag) => write!(f, "`{etag}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: &str, found: Option<&str>, is_right: bool) {
        let checked = IfMatch::parse(wanted).check(found);
        assert_eq!(checked.is_ok(), is_right, "{wanted} {found:?}");
        if let (Err(text), Some(found)) = (checked, found) {
            assert!(text.contains(&format!("`{found}`")), "{text}");
        }
    }

    #[test]
    fn nothing_matches_anything_and_an_etag_only_itself() {
        for found in [None, Some("1-aa"), Some("2-aa")] {
            check("", found, true);
            check("0", found, found.is_none());
            check("1-aa", found, found == Some("1-aa"));
            check("1-AA", found, false);
            check("*", found, false);
        }
    }
}
