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
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Takes what was found; nothing where nothing was.
    pub fn found(violations: Vec<Violation>) -> Result<(), Self> {
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Self(violations))
        }
    }

    /// The violations.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }

    /// The violations, to keep.
    pub fn into_vec(self) -> Vec<Violation> {
        self.0
    }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Self {
        Self(vec![violation])
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, violation) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("; ")?;
            }
            violation.fmt(f)?;
        }
        Ok(())
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
