//! What an expression reads of a customer's past: an aggregate over the events of one name.
//!
//! The keeper of the history computes features; this module says which ones and what they mean.

use std::fmt;

use kernel::{Duration, Timestamp};

use crate::eval::View;
use crate::program::Test;
use crate::subject::Subject;

/// An aggregate over the events of one name, such as `events("purchase").within("30d").sum("value")`.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// The name of the events.
    pub event: Box<str>,
    /// Which of them count; absent for all.
    pub filter: Option<Filter>,
    /// Only those of the window (now − d, now]; absent for all that ever happened up to now.
    pub window: Option<Duration>,
    /// What is computed from them.
    pub aggregate: Aggregate,
}

/// What is computed from events. Events without the property, or with one that is no number, are left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// How many there are.
    Count,
    /// The sum of a property, 0 of none.
    Sum(Box<str>),
    /// The mean of a property, unknown of none.
    Average(Box<str>),
    /// The least value of a property, unknown of none.
    Min(Box<str>),
    /// The greatest value of a property, unknown of none.
    Max(Box<str>),
    /// When the first happened, unknown of none.
    FirstTime,
    /// When the last happened, unknown of none.
    LastTime,
}

/// The value of a feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// There is none: nothing to take the mean of, say.
    Unknown,
    /// Of a count, sum, average, least or greatest.
    Number(f64),
    /// Of a first or last time.
    Time(Timestamp),
}

/// A condition over the properties of one event of the past.
#[derive(Clone)]
pub struct Filter {
    pub(crate) source: Box<str>,
    pub(crate) test: Box<Test>,
    pub(crate) properties: Box<[Box<str>]>,
}

impl Feature {
    /// The properties of the event that it reads.
    pub fn properties(&self) -> impl Iterator<Item = &str> {
        let filtered = self.filter.iter().flat_map(|filter| &filter.properties);
        filtered.map(AsRef::as_ref).chain(self.aggregate.property())
    }
}

impl Aggregate {
    /// The property that it reads.
    pub fn property(&self) -> Option<&str> {
        match self {
            Self::Sum(name) | Self::Average(name) | Self::Min(name) | Self::Max(name) => Some(name),
            Self::Count | Self::FirstTime | Self::LastTime => None,
        }
    }
}

impl Filter {
    /// Its text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether an event counts; asks the subject only for [`Subject::event`].
    pub fn accepts<S: Subject + ?Sized>(&self, event: &S) -> bool {
        let view = View {
            subject: event,
            features: &[],
            now: Timestamp::MIN,
        };
        view.test(&self.test)
    }
}

impl PartialEq for Filter {
    /// The same text means the same.
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}
