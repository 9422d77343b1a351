//! Chance that follows from the seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use identity::Chance;
use kernel::{FragmentId, Timestamp};
use uuid::{Builder, Uuid};

use crate::simulator::world::World;

/// Chance that follows from the seed, for all processes together.
#[derive(Debug)]
pub(crate) struct SeededChance {
    world: Arc<World>,
    drawn: AtomicU64,
    /// The time when SQL was asked last, in milliseconds: its thread has another clock.
    asked_ms: AtomicI64,
}

impl SeededChance {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self {
            world,
            drawn: AtomicU64::new(0),
            asked_ms: AtomicI64::new(0),
        }
    }

    /// Takes note of the time before SQL is asked.
    pub(super) fn look_at_clock(&self) {
        let now_ms = self.world.now().as_millis();
        self.asked_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Draws an id of a time. Within a millisecond they are in order: a run draws fewer than the
    /// twelve bits for that hold.
    fn id(&self, time: Timestamp) -> Uuid {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let random = self.world.draw(|rng| rng.below(u64::MAX));
        let mut bytes = [0; 10];
        bytes[..2].copy_from_slice(&number.to_be_bytes()[6..]);
        bytes[2..].copy_from_slice(&random.to_be_bytes());
        let millis = u64::try_from(time.as_millis()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}

impl Chance for SeededChance {
    fn fragment(&self, time: Timestamp) -> FragmentId {
        FragmentId::new(self.id(time))
    }

    fn merge(&self) -> Uuid {
        let asked_ms = self.asked_ms.load(Ordering::Relaxed);
        self.id(Timestamp::from_millis(asked_ms))
    }

    fn permille(&self) -> u32 {
        u32::try_from(self.world.draw(|rng| rng.below(1_000))).unwrap_or(0)
    }
}
