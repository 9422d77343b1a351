//! The sums that answer any aggregate over events: of one, of a run, of a block, or of all.

use kernel::Timestamp;

use super::Twofold;

/// Everything that any aggregate can ask of events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sums {
    /// The number of events.
    pub(crate) count: u64,
    /// The number of those that have the property as a number.
    pub(crate) number_count: u64,
    pub(crate) sum: Twofold,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// When the first happened.
    pub(crate) first: Timestamp,
    /// When the last happened.
    pub(crate) last: Timestamp,
}

impl Sums {
    /// Of no event.
    pub(crate) const NONE: Self = Self {
        count: 0,
        number_count: 0,
        sum: Twofold::of(0.0),
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        first: Timestamp::MAX,
        last: Timestamp::MIN,
    };

    /// Of one event, with its number if it has one.
    pub(crate) fn one(at: Timestamp, number: Option<f64>) -> Self {
        let numbers = number.map_or(Self::NONE, |number| Self {
            number_count: 1,
            sum: Twofold::of(number),
            min: number,
            max: number,
            ..Self::NONE
        });
        Self {
            count: 1,
            first: at,
            last: at,
            ..numbers
        }
    }

    /// Adds others.
    pub(crate) fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        if other.number_count > 0 {
            self.number_count += other.number_count;
            self.sum = self.sum.add(other.sum);
            self.min = self.min.min(other.min);
            self.max = self.max.max(other.max);
        }
    }

    /// Returns the length of time over which the events stretch.
    pub(crate) fn width_ms(&self) -> i64 {
        self.last.since(self.first).as_millis()
    }
}
