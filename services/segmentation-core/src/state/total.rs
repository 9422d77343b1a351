//! The count of an event of a customer, ever: known of every name, whether anybody reads it
//! or not.

use kernel::Timestamp;

use crate::feature::Sums;

/// The count of an event, ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTotal {
    /// The name of the events.
    pub name: Box<str>,
    /// The number of them.
    pub count: u64,
    /// When the first happened.
    pub first_time: Timestamp,
    /// When the last happened.
    pub last_time: Timestamp,
}

impl EventTotal {
    /// Of one event.
    pub(crate) fn of(name: &str, at: Timestamp) -> Self {
        Self {
            name: name.into(),
            count: 1,
            first_time: at,
            last_time: at,
        }
    }

    /// Adds an event.
    pub(crate) fn add(&mut self, at: Timestamp) {
        self.join(&Self::of("", at));
    }

    /// Adds others of the same name.
    pub(crate) fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.first_time = self.first_time.min(other.first_time);
        self.last_time = self.last_time.max(other.last_time);
    }

    /// As aggregates see it.
    pub(crate) const fn sums(&self) -> Sums {
        Sums {
            count: self.count,
            first: self.first_time,
            last: self.last_time,
            ..Sums::NONE
        }
    }
}
