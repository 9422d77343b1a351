//! A violation of a rule by one field of a request.

use std::fmt;

/// A violation of a rule by one field, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The path of the field with proto names, such as
    /// `definitions[3].journey.steps[2].wait.duration`.
    pub field: String,
    /// The violation, with the value where it helps, and what would be right.
    pub description: String,
}

impl Violation {
    /// Names what is wrong with a field.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
        }
    }

    /// The same violation seen from further out: `name` under `segment` is `segment.name`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        if self.field.is_empty() {
            self.field.push_str(prefix);
        } else if !prefix.is_empty() {
            let dot = if self.field.starts_with('[') { "" } else { "." };
            self.field = format!("{prefix}{dot}{}", self.field);
        }
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            return f.write_str(&self.description);
        }
        write!(f, "{}: {}", self.field, self.description)
    }
}

/// Everything that is wrong with a request, in the order of its fields; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations {
    listed: Vec<Violation>,
    more: usize,
}

impl Violations {
    /// Takes what was found, and how many more were counted; nothing where nothing was found.
    pub(crate) fn found(listed: Vec<Violation>, more: usize) -> Result<(), Self> {
        if listed.is_empty() {
            Ok(())
        } else {
            Err(Self { listed, more })
        }
    }

    /// The violations that are listed.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.listed.iter()
    }

    /// Returns the number of violations beyond those that are listed.
    pub const fn more(&self) -> usize {
        self.more
    }

    /// The violations that are listed, to keep, and the number of the others.
    pub(crate) fn into_parts(self) -> (Vec<Violation>, usize) {
        (self.listed, self.more)
    }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Self {
        Self {
            listed: vec![violation],
            more: 0,
        }
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, violation) in self.listed.iter().enumerate() {
            if place > 0 {
                f.write_str("; ")?;
            }
            violation.fmt(f)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Violations {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_is_seen_from_further_out() {
        for (field, prefix, expected) in [
            ("name", "segment", "segment.name"),
            ("", "segment", "segment"),
            ("[2].id", "steps", "steps[2].id"),
            ("name", "", "name"),
        ] {
            assert_eq!(Violation::new(field, "x").under(prefix).field, expected);
        }
    }
}
