//! The clock of one simulated machine: virtual, and set by hand now and then, as clocks of machines
//! are.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::Clock;
use kernel::Timestamp;
use tokio::time::Instant;

use super::world::World;

/// When every simulation begins: 2026-01-01.
pub(crate) const BEGIN: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// As the system's clock, one that was set while somebody sleeps is noticed after this: a sixth of
/// what it is there, and less than a run waits in the end for everybody to come back.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// The clock of one machine.
#[derive(Debug)]
pub(crate) struct MachineClock {
    world: Arc<World>,
    wrong_by_ms: AtomicI64,
    wrong_since: Mutex<Option<Instant>>,
}

impl MachineClock {
    /// A clock that is right.
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self {
            world,
            wrong_by_ms: AtomicI64::new(0),
            wrong_since: Mutex::default(),
        }
    }

    /// Sets it so far from what is right.
    pub(crate) fn go_wrong_by(&self, offset_ms: i64) {
        self.wrong_by_ms.store(offset_ms, Ordering::Relaxed);
        let mut since = self
            .wrong_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let begun = since.unwrap_or_else(Instant::now);
        *since = (offset_ms != 0).then_some(begun);
    }

    /// Returns for how long it has been wrong all the time.
    pub(crate) fn wrong_for(&self) -> Duration {
        let since = self
            .wrong_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

#[async_trait]
impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let wrong_by_ms = self.wrong_by_ms.load(Ordering::Relaxed);
        Timestamp::from_millis(self.world.now().as_millis() + wrong_by_ms)
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
