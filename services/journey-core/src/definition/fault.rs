//! Mistakes in definitions, collected so that all are told at once.

use std::fmt;

/// A mistake in a definition: where, what is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place of the definition among those that were compiled.
    pub source: usize,
    /// The path within the definition, such as `steps[2].wait.duration`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Collects the mistakes of one definition.
#[derive(Debug)]
pub(crate) struct Faults {
    source: usize,
    found: Vec<Fault>,
}

impl Faults {
    /// Collects the mistakes of the definition at a place.
    pub(crate) const fn new(source: usize) -> Self {
        Self {
            source,
            found: Vec::new(),
        }
    }

    /// Adds a mistake.
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.found.push(Fault {
            source: self.source,
            path: path.into(),
            message: message.into(),
        });
    }

    /// Whether there are none so far.
    pub(crate) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The mistakes, in the order in which they were found.
    pub(crate) fn into_vec(self) -> Vec<Fault> {
        self.found
    }
}
