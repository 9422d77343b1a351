//! Features: what an expression reads of a customer's past, aggregates over the events of one name.
//!
//! The keeper of the history computes features; this module says which ones and what they mean.

use std::fmt;

use kernel::{Duration, StableHash, Timestamp};

use crate::canon::{FORM, canonical};
use crate::eval::View;
use crate::program::Test;
use crate::subject::Subject;

/// An aggregate over the events of one name, such as
/// `events("purchase").within("30d").sum("value")`.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// The name of the events.
    pub event: Box<str>,
    /// The filter of those that count; absent for all.
    pub filter: Option<Filter>,
    /// Only those of the window (now − d, now]; absent for all that ever happened up to now.
    pub window: Option<Duration>,
    /// The aggregate that is computed from them.
    pub aggregate: Aggregate,
}

/// Names the history that features are computed from: the events of one name that pass one filter,
/// with one of their properties or none. Aggregates and windows over it share it.
///
/// It is a hash of the canonical form, the same on every machine and in every version of the
/// program that writes the form alike: stored states hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeatureId(u64);

/// A computation over events. Events without the property, or with one that is no number, are
/// left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// Their number.
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
    canonical: Box<str>,
    pub(crate) test: Box<Test>,
    pub(crate) properties: Box<[Box<str>]>,
}

impl FeatureId {
    /// Reads the number of an id.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl Feature {
    /// The history that it is computed from.
    pub fn id(&self) -> FeatureId {
        let filter = self.filter.as_ref().map_or("", Filter::canonical);
        let property = self.aggregate.property();
        let hash = StableHash::new()
            .with(&[FORM])
            .with(self.event.as_bytes())
            .with(filter.as_bytes())
            .with(&[u8::from(property.is_some())])
            .with(property.unwrap_or_default().as_bytes());
        FeatureId(hash.finish())
    }

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
    pub(crate) fn new(test: Test, properties: Box<[Box<str>]>) -> Self {
        Self {
            canonical: canonical(&test, &[]),
            test: Box::new(test),
            properties,
        }
    }

    /// Its text in canonical form: filters that only spell the same otherwise have one.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Returns whether an event counts; asks the subject only for [`Subject::event`].
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
    /// The same canonical text means the same.
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.canonical.fmt(f)
    }
}
