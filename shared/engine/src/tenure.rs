//! The right of this process to act as an owner between two answers of the database, by time that
//! nobody sets.
//!
//! The database's time goes on with the monotonic clock from the last answer, and this machine's
//! clock is held against it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::{Clock, limits};

/// A reading of the database's clock at some instant between a question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) time: Timestamp,
    pub(crate) sent: Instant,
    pub(crate) received: Instant,
}

impl Reading {
    /// Returns how far a clock is ahead of the database's, or behind where that is negative, as far
    /// as the time that the answer took does not explain it. In milliseconds.
    pub(crate) fn skew_ms(&self, shown: Timestamp, at: Instant) -> i64 {
        let database_ms = |since: Instant| {
            let passed = at.saturating_duration_since(since).as_millis();
            let passed_ms = i64::try_from(passed).unwrap_or(i64::MAX);
            self.time.as_millis().saturating_add(passed_ms)
        };
        let (earliest, latest) = (database_ms(self.received), database_ms(self.sent));
        let shown_ms = shown.as_millis();
        shown_ms - shown_ms.clamp(earliest, latest)
    }
}

/// Returns whether a clock is too far from the database's for a process that owns partitions.
pub const fn is_clock_off(skew_ms: i64) -> bool {
    skew_ms.unsigned_abs() > limits::CLOCK_SKEW.as_millis().unsigned_abs()
}

/// The word that this process may act as an owner, for a time. Cheap to clone.
///
/// Those who wait for it are woken in the order of waiting, so that a simulation is determined by
/// its seed: a `watch` channel wakes in any order.
#[derive(Debug, Clone)]
pub(crate) struct Tenure(Arc<Told>);

#[derive(Debug)]
struct Told {
    term: Mutex<Term>,
    changed: Notify,
}

#[derive(Debug, Clone, Copy)]
enum Term {
    /// Nobody decides about it.
    Unlimited,
    Until {
        reading: Reading,
        end: Instant,
    },
    Ended,
}

impl Tenure {
    /// The tenure of a worker that nobody gives leases to.
    pub(crate) fn unlimited() -> Self {
        Self::new(Term::Unlimited)
    }

    /// The tenure of a process that has no leases yet.
    pub(crate) fn ended() -> Self {
        Self::new(Term::Ended)
    }

    fn new(term: Term) -> Self {
        Self(Arc::new(Told {
            term: Mutex::new(term),
            changed: Notify::new(),
        }))
    }

    fn term(&self) -> MutexGuard<'_, Term> {
        self.0.term.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the process act until an instant.
    pub(crate) fn set(&self, reading: Reading, end: Instant) {
        *self.term() = Term::Until { reading, end };
        self.0.changed.notify_waiters();
    }

    /// Lets the process act for longer, where it may at all.
    pub(crate) fn extend(&self, until: Instant) {
        if let Term::Until { end, .. } = &mut *self.term() {
            *end = until.max(*end);
        }
        self.0.changed.notify_waiters();
    }

    /// Lets the process act no more.
    pub(crate) fn end(&self) {
        *self.term() = Term::Ended;
    }

    /// Returns whether the process may act, by its clock as it is now.
    pub(crate) fn holds(&self, clock: &dyn Clock) -> bool {
        let term = *self.term();
        match term {
            Term::Unlimited => true,
            Term::Ended => false,
            Term::Until { reading, end } => {
                let at = Instant::now();
                at < end && !is_clock_off(reading.skew_ms(clock.now(), at))
            }
        }
    }

    /// Waits until the process may act.
    pub(crate) async fn await_hold(&self, clock: &dyn Clock) {
        loop {
            let changed = self.0.changed.notified();
            if self.holds(clock) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A reading of 1,000,000 whose answer took 400 ms, looked at 600 ms after that.
    fn skew_ms(shown_ms: i64) -> i64 {
        let sent = Instant::now();
        let received = sent + Duration::from_millis(400);
        let reading = Reading {
            time: Timestamp::from_millis(1_000_000),
            sent,
            received,
        };
        let at = received + Duration::from_millis(600);
        reading.skew_ms(Timestamp::from_millis(shown_ms), at)
    }

    #[test]
    fn a_skew_is_what_the_time_of_the_answer_does_not_explain() {
        for (shown_ms, skew) in [
            (1_000_600, 0),
            (1_001_000, 0),
            (1_000_599, -1),
            (1_001_001, 1),
            (4_601_000, 3_600_000),
            (-2_599_400, -3_600_000),
        ] {
            assert_eq!(skew_ms(shown_ms), skew, "{shown_ms}");
        }
    }

    #[test]
    fn a_clock_is_off_beyond_the_limit_in_either_direction() {
        for (skew_ms, off) in [
            (0, false),
            (5_000, false),
            (-5_000, false),
            (5_001, true),
            (-5_001, true),
            (i64::MIN, true),
        ] {
            assert_eq!(is_clock_off(skew_ms), off, "{skew_ms}");
        }
    }
}
