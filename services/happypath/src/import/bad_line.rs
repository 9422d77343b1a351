//! A line that is no event.

use std::fmt;

/// A line that cannot be sent, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadLine {
    /// The line, from 1.
    pub(crate) line: u64,
    /// The column of the fault in the line, in characters from 1; absent where it is not one place.
    pub(crate) column: Option<u64>,
    /// The field at fault; empty for the whole line.
    pub(crate) field: String,
    /// Says what is wrong, and what would be right.
    pub(crate) reason: String,
    /// The other faults of the line, each with its field.
    pub(crate) others: Vec<(String, String)>,
    /// Faults that are only counted.
    pub(crate) more: usize,
    /// True where nothing after it could be read: nobody knows what the file holds there.
    pub(crate) is_last: bool,
}

impl BadLine {
    /// Says what is wrong.
    pub(crate) fn new(line: u64, field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            line,
            column: None,
            field: field.into(),
            reason: reason.into(),
            others: Vec::new(),
            more: 0,
            is_last: false,
        }
    }

    /// Says what is wrong at a place of the line.
    pub(crate) fn at(line: u64, column: u64, reason: impl Into<String>) -> Self {
        Self {
            column: Some(column),
            ..Self::new(line, "", reason)
        }
    }

    /// Says why the file cannot be read on.
    pub(crate) fn last(line: u64, reason: impl Into<String>) -> Self {
        Self {
            is_last: true,
            ..Self::new(line, "", reason)
        }
    }

    /// The same line, with its other faults.
    pub(crate) fn with_others(self, others: Vec<(String, String)>, more: usize) -> Self {
        Self {
            others,
            more,
            ..self
        }
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        f.write_str(": ")?;
        write_fault(f, &self.field, &self.reason)?;
        for (field, reason) in &self.others {
            f.write_str("; ")?;
            write_fault(f, field, reason)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

fn write_fault(f: &mut fmt::Formatter<'_>, field: &str, reason: &str) -> fmt::Result {
    match field {
        "" => f.write_str(reason),
        field => write!(f, "{field}: {reason}"),
    }
}
