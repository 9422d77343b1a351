//! Clocks: the real one, and one that tests move by hand.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use kernel::Timestamp;
use tokio::sync::watch;

/// Tells the time, and waits for it.
///
/// # Contract
/// `sleep_until` returns once `now` is at or after the instant, and at once where it already is.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Waits until an instant.
    async fn sleep_until(&self, instant: Timestamp);
}

/// Where the `now` of a partition comes from.
#[derive(Debug, Clone)]
pub enum TimeSource {
    /// From a clock: production.
    Wall(Arc<dyn Clock>),
    /// From the records: the highest record time seen. Before each record all timers due at or before its time fire, in
    /// order. For demos, backtests and tests.
    Stream,
}

impl TimeSource {
    /// The wall clock of the machine.
    pub fn system() -> Self {
        Self::Wall(Arc::new(SystemClock))
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The longest single sleep: a clock that was set while we slept is noticed after this.
const LONGEST_SLEEP: std::time::Duration = std::time::Duration::from_secs(60);

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    async fn sleep_until(&self, instant: Timestamp) {
        loop {
            let wait = instant.since(self.now()).as_millis();
            let Ok(millis @ 1..) = u64::try_from(wait) else {
                return;
            };
            tokio::time::sleep(std::time::Duration::from_millis(millis).min(LONGEST_SLEEP)).await;
        }
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct VirtualClock {
    now: watch::Sender<Timestamp>,
}

impl VirtualClock {
    /// A clock that shows an instant.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now: watch::Sender::new(now),
        }
    }

    /// Moves it forward and wakes who waits; an instant in its past changes nothing.
    pub fn advance_to(&self, instant: Timestamp) {
        self.now.send_if_modified(|now| {
            let moves = instant > *now;
            *now = instant.max(*now);
            moves
        });
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, instant: Timestamp) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.now.subscribe().wait_for(|now| *now >= instant).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_virtual_clock_wakes_sleepers_when_their_time_has_come() {
        let clock = VirtualClock::new(Timestamp::from_millis(10));
        clock.sleep_until(Timestamp::from_millis(10)).await;
        let sleep = clock.sleep_until(Timestamp::from_millis(20));
        tokio::pin!(sleep);
        clock.advance_to(Timestamp::from_millis(19));
        assert!(futures::poll!(&mut sleep).is_pending());
        clock.advance_to(Timestamp::from_millis(21));
        assert!(futures::poll!(&mut sleep).is_ready());
        clock.advance_to(Timestamp::from_millis(5));
        assert_eq!(clock.now(), Timestamp::from_millis(21));
    }
}
