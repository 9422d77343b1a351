//! A line that is no event.

use std::fmt;

/// A line that cannot be sent, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadLine {
    /// The line, from 1.
    pub(crate) line: u64,
    /// The field at fault; empty for the whole line.
    pub(crate) field: String,
    /// Says what is wrong, and what would be right.
    pub(crate) reason: String,
    /// True where the service refused it. The source has passed it then, and skips it when it is
    /// sent again under its place.
    pub(crate) is_passed: bool,
}

impl BadLine {
    /// Says what is wrong.
    pub(crate) fn new(line: u64, field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            line,
            field: field.into(),
            reason: reason.into(),
            is_passed: false,
        }
    }

    /// The same line, refused by the service.
    pub(crate) fn passed(self) -> Self {
        Self {
            is_passed: true,
            ..self
        }
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "{}: {}", self.line, self.reason),
            field => write!(f, "{}: {field}: {}", self.line, self.reason),
        }
    }
}
