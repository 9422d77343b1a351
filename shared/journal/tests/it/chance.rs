//! What goes wrong with the calls of a store, by a seed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use hot::HotError;
use hot::memory::{Call, Delivery, Hook};

/// Where chance comes from, and whether calls fail.
#[derive(Debug)]
pub(crate) struct Chance {
    pub(crate) state: AtomicU64,
    pub(crate) fault_percent: u64,
    pub(crate) is_calm: AtomicBool,
}

impl Chance {
    pub(crate) fn next(&self) -> u64 {
        let state = self
            .state
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut x = state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(crate) fn fails(&self) -> bool {
        !self.is_calm.load(Ordering::Relaxed) && self.next() % 100 < self.fault_percent
    }
}

#[async_trait]
impl Hook for Chance {
    async fn before(&self, _call: Call<'_>) -> Result<Delivery, HotError> {
        if !self.fails() {
            return Ok(Delivery::Once);
        }
        match self.next() % 3 {
            0 => Ok(Delivery::Twice),
            1 => Ok(Delivery::Late),
            _ => Err(HotError::unavailable("it was told to refuse")),
        }
    }

    async fn after(&self, _call: Call<'_>, _done: bool) -> Result<(), HotError> {
        Ok(())
    }
}
