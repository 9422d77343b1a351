//! What time events get that carry none: the wall clock's, or the virtual one's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use engine::{Clock, SystemClock, TimeSource};
use kernel::Timestamp;

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

    /// What time it is. A virtual clock that has seen nothing yet tells the machine's time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Wall(clock) => clock.now(),
            Self::Virtual(millis) => match millis.load(Ordering::Acquire) {
                i64::MIN => SystemClock.now(),
                millis => Timestamp::from_millis(millis),
            },
        }
    }

    /// Tells a virtual clock the time of an event.
    pub fn observe(&self, time: Timestamp) {
        if let Self::Virtual(millis) = self {
            millis.fetch_max(time.as_millis(), Ordering::AcqRel);
        }
    }

    /// Whether it is virtual.
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
