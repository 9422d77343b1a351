//! Decoded states that a worker keeps: it is their only writer, so they are never stale.

use hot::Timer;

use crate::head::Head;
use crate::key::{Key, KeyMap};

/// A decoded state.
#[derive(Debug)]
pub(crate) struct Cached<S> {
    pub(crate) head: Head,
    pub(crate) state: S,
    /// Whether the store has it.
    pub(crate) stored: bool,
    /// Its size when encoded last.
    pub(crate) bytes: usize,
    /// Its timer, as the store has it.
    pub(crate) timer: Timer,
}

/// States in two generations: what is used moves to the young one, and when that is full the old one is dropped.
/// As good as least-recently-used within a factor of two, and without a list to maintain.
#[derive(Debug)]
pub(crate) struct StateCache<S> {
    young: KeyMap<Cached<S>>,
    young_bytes: usize,
    old: KeyMap<Cached<S>>,
    generation_bytes: usize,
}

/// What a cached state takes beyond its encoded size.
const OVERHEAD_BYTES: usize = 128;

impl<S> StateCache<S> {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            young: KeyMap::default(),
            young_bytes: 0,
            old: KeyMap::default(),
            generation_bytes: bytes / 2,
        }
    }

    /// Takes a state out, to be changed and put back or dropped.
    pub(crate) fn take(&mut self, key: Key) -> Option<Cached<S>> {
        let Some(cached) = self.young.remove(&key) else {
            return self.old.remove(&key);
        };
        self.young_bytes = self
            .young_bytes
            .saturating_sub(cached.bytes + OVERHEAD_BYTES);
        Some(cached)
    }

    /// Puts a state in.
    pub(crate) fn put(&mut self, key: Key, cached: Cached<S>) {
        if self.young_bytes >= self.generation_bytes {
            // The map that was the old one keeps its room: growing anew would move every state several times.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
            self.young_bytes = 0;
        }
        self.young_bytes += cached.bytes + OVERHEAD_BYTES;
        self.young.insert(key, cached);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached(state: u32) -> Cached<u32> {
        Cached {
            head: Head::default(),
            state,
            stored: true,
            bytes: 100 - 28,
            timer: Timer::NONE,
        }
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut cache = StateCache::new(2_000);
        for key in 0..100 {
            cache.put(key, cached(7));
            let used = cache.take(0).expect("the used one stays");
            cache.put(0, used);
        }
        assert!(cache.take(1).is_none());
        assert!(cache.take(99).is_some());
        assert!(cache.young.len() + cache.old.len() <= 10);
    }
}
