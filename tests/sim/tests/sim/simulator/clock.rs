//! The clock of one simulated machine: virtual, and set by hand now and then, as clocks of machines
//! are.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use engine::Clock;
use kernel::Timestamp;
use tokio::time::Instant;

/// When every simulation begins: 2026-01-01.
pub(crate) const BEGIN: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// As the system's clock, one that was set while somebody sleeps is noticed after this: a sixth of
/// what it is there, and less than a run waits in the end for everybody to come back.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// The clock of one machine.
#[derive(Debug)]
pub(crate) struct MachineClock {
    started: Instant,
    offset_ms: AtomicI64,
    /// The latest instant that it ever showed.
    highest_ms: AtomicI64,
}

impl MachineClock {
    /// A clock that was right, but for an offset, when the simulation started.
    pub(crate) fn new(started: Instant, offset_ms: i64) -> Self {
        Self {
            started,
            offset_ms: AtomicI64::new(offset_ms),
            highest_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// Sets it so far from what is right.
    pub(crate) fn set_offset(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    /// The latest instant that it ever showed.
    pub(crate) fn highest(&self) -> Timestamp {
        Timestamp::from_millis(self.highest_ms.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let offset = self.offset_ms.load(Ordering::Relaxed);
        let now = BEGIN.as_millis() + elapsed + offset;
        self.highest_ms.fetch_max(now, Ordering::Relaxed);
        Timestamp::from_millis(now)
    }

    async fn sleep_until(&self, instant: Timestamp) {
        loop {
            let wait = instant.since(self.now()).as_millis();
            let Ok(millis @ 1..) = u64::try_from(wait) else {
                return;
            };
            tokio::time::sleep(Duration::from_millis(millis).min(LONGEST_SLEEP)).await;
        }
    }
}
