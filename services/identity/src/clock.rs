//! The time of events that carry none: the wall clock's, or the virtual one's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use engine::{Clock, SystemClock, TimeSource};
use kernel::Timestamp;

use crate::limits::{EVENT_AHEAD, VIRTUAL_LEAP};

/// The word of a clock to the events of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The time of an event that carries none.
    pub now: Timestamp,
    /// True for a virtual clock's.
    pub is_virtual: bool,
    /// The latest time that an event may carry.
    pub latest: Timestamp,
}

impl ClockReading {
    /// Takes note that an event is accepted: on stream time what comes after it is compared with
    /// it.
    pub fn pass(&mut self, time: Timestamp) {
        if !self.is_virtual {
            return;
        }
        // Nothing was seen before it: the time that was told so far is the machine's.
        let is_first = self.latest == Timestamp::MAX;
        self.now = if is_first { time } else { self.now.max(time) };
        self.latest = self.now + VIRTUAL_LEAP;
    }
}

/// The clock of the way in.
#[derive(Debug)]
pub enum IngestClock {
    /// Production.
    Wall(Arc<dyn Clock>),
    /// Stream time: the highest time seen, in milliseconds.
    Virtual(AtomicI64),
}

impl IngestClock {
    /// The clock of an installation; a virtual one begins at `start`.
    pub fn new(source: &TimeSource, start: Option<Timestamp>) -> Self {
        match source {
            TimeSource::Wall(clock) => Self::Wall(Arc::clone(clock)),
            TimeSource::Stream => {
                Self::Virtual(AtomicI64::new(start.unwrap_or(Timestamp::MIN).as_millis()))
            }
        }
    }

    /// The time now. A virtual clock that has seen nothing yet tells the machine's time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Wall(clock) => clock.now(),
            Self::Virtual(millis) => match millis.load(Ordering::Acquire) {
                i64::MIN => SystemClock.now(),
                millis => Timestamp::from_millis(millis),
            },
        }
    }

    /// The time of a record that is about no event. A virtual clock that has seen nothing yet tells
    /// none: the partition has its own, and the machine's would move that by years.
    pub fn now_of_partition(&self) -> Timestamp {
        match self {
            Self::Wall(clock) => clock.now(),
            Self::Virtual(millis) => match millis.load(Ordering::Acquire) {
                i64::MIN => Timestamp::from_millis(0),
                millis => Timestamp::from_millis(millis),
            },
        }
    }

    /// Its word to the events of a request. A virtual clock that has seen nothing yet takes any
    /// time.
    pub fn read(&self) -> ClockReading {
        let now = self.now();
        let latest = match self {
            Self::Wall(_) => now + EVENT_AHEAD,
            Self::Virtual(millis) => match millis.load(Ordering::Acquire) {
                i64::MIN => Timestamp::MAX,
                millis => Timestamp::from_millis(millis) + VIRTUAL_LEAP,
            },
        };
        ClockReading {
            now,
            is_virtual: self.is_virtual(),
            latest,
        }
    }

    /// Tells a virtual clock the time of an event.
    pub fn observe(&self, time: Timestamp) {
        if let Self::Virtual(millis) = self {
            millis.fetch_max(time.as_millis(), Ordering::AcqRel);
        }
    }

    /// Returns whether it is virtual.
    pub const fn is_virtual(&self) -> bool {
        matches!(self, Self::Virtual(_))
    }

    /// Moves a virtual clock forward; the time that it shows where that is later already.
    ///
    /// # Errors
    /// The current time.
    pub fn advance(&self, time: Timestamp) -> Result<(), Timestamp> {
        match self {
            Self::Wall(clock) => Err(clock.now()),
            Self::Virtual(millis) => {
                let before = millis.fetch_max(time.as_millis(), Ordering::AcqRel);
                if before > time.as_millis() {
                    return Err(Timestamp::from_millis(before));
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_that_has_seen_nothing_moves_no_partition() {
        let clock = IngestClock::new(&TimeSource::Stream, None);
        assert_eq!(clock.now_of_partition(), Timestamp::from_millis(0));
        let seen = Timestamp::from_millis(1_240_000_000_000);
        clock.observe(seen);
        assert_eq!(clock.now_of_partition(), seen);
    }
}
