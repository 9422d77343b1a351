//! Definitions as a core compiles them: stored versions in, what a core reads or every mistake out.
//!
//! It does not read files or SQL, and does not say which request a mistake belongs to:
//! `definitions` does.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use messages::definition::v1::definition::Kind;

/// One stored version of a definition.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The definition. A core passes over kinds that it does not own.
    pub kind: &'a Kind,
    /// Its version, from 1.
    pub version: u32,
    /// Whether it is the version in force. Older ones serve what began under them, and are not
    /// judged again.
    pub is_current: bool,
}

impl<'a> Source<'a> {
    /// The first version of a definition, in force: for what is not stored, such as simulations and
    /// tests.
    pub const fn current(kind: &'a Kind) -> Self {
        Self {
            kind,
            version: 1,
            is_current: true,
        }
    }
}

/// The names that definitions of other services have. An absent set accepts any name.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The segments.
    pub segments: Option<Arc<BTreeSet<String>>>,
    /// The channels.
    pub channels: Option<Arc<BTreeSet<String>>>,
    /// The templates.
    pub templates: Option<Arc<BTreeSet<String>>>,
    /// The journeys.
    pub journeys: Option<Arc<BTreeSet<String>>>,
}

/// A mistake in a definition: where it is, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The place of the definition among the sources.
    pub source: usize,
    /// The path of the field within the definition, such as `steps[2].wait.duration`; empty for the
    /// whole.
    pub path: String,
    /// What is wrong, with the value where it helps, and what would be right.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Collects the mistakes of one definition.
#[derive(Debug)]
pub struct Mistakes {
    source: usize,
    found: Vec<Mistake>,
}

impl Mistakes {
    /// Collects the mistakes of the definition at a place among the sources.
    pub const fn new(source: usize) -> Self {
        Self {
            source,
            found: Vec::new(),
        }
    }

    /// Adds a mistake.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.found.push(Mistake {
            source: self.source,
            path: path.into(),
            message: message.into(),
        });
    }

    /// Returns whether there are none so far.
    pub const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns the mistakes, in the order in which they were found.
    pub fn into_vec(self) -> Vec<Mistake> {
        self.found
    }
}
