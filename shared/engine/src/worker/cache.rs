//! Decoded states that a worker keeps: it is their only writer, so they are never stale.

use hot::Timer;

use crate::head::Head;
use crate::key::{Key, KeyMap};

/// A decoded state.
#[derive(Debug, Default)]
pub(crate) struct Cached<S> {
    pub(crate) head: Head,
    pub(crate) state: S,
    /// Whether the store has it.
    pub(crate) stored: bool,
    /// Its size when encoded last.
    pub(crate) bytes: usize,
    /// The size of its parts that are kept apart and loaded.
    pub(crate) part_bytes: usize,
    /// Its timer, as the store has it.
    pub(crate) timer: Timer,
}

impl<S> Cached<S> {
    const fn size(&self) -> usize {
        self.bytes + self.part_bytes + OVERHEAD_BYTES
    }
}

/// States in two generations: what is used moves to the young one, and when that is full the old
/// one is dropped. As good as least-recently-used within a factor of two, and without a list to
/// maintain. Each stays where it is in memory while it moves.
#[derive(Debug)]
pub(crate) struct StateCache<S> {
    young: KeyMap<Box<Cached<S>>>,
    young_bytes: usize,
    old: KeyMap<Box<Cached<S>>>,
    old_bytes: usize,
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
            old_bytes: 0,
            generation_bytes: bytes / 2,
        }
    }

    /// Makes room for more or fewer bytes. Drops at once what has no room any more, since the
    /// partition may rest.
    pub(crate) fn resize(&mut self, bytes: usize) {
        self.generation_bytes = bytes / 2;
        if self.young_bytes + self.old_bytes > bytes {
            self.drop_old();
        }
        if self.young_bytes > bytes {
            self.age();
            self.drop_old();
        }
    }

    /// Takes a state out, to be changed and put back or dropped.
    pub(crate) fn take(&mut self, key: Key) -> Option<Box<Cached<S>>> {
        if let Some(cached) = self.young.remove(&key) {
            self.young_bytes -= cached.size();
            return Some(cached);
        }
        let cached = self.old.remove(&key)?;
        self.old_bytes -= cached.size();
        Some(cached)
    }

    /// Puts a state in, its loaded parts with it. One that would push out a whole generation is not
    /// kept.
    pub(crate) fn put(&mut self, key: Key, cached: Box<Cached<S>>) {
        let size = cached.size();
        if size > self.generation_bytes {
            return;
        }
        if self.young_bytes >= self.generation_bytes {
            self.age();
        }
        self.young_bytes += size;
        self.young.insert(key, cached);
    }

    /// Makes the young generation the old one. The map that was the old one keeps its room: growing
    /// anew would move every state several times.
    fn age(&mut self) {
        std::mem::swap(&mut self.old, &mut self.young);
        self.old_bytes = std::mem::take(&mut self.young_bytes);
        self.young.clear();
    }

    fn drop_old(&mut self) {
        self.old = KeyMap::default();
        self.old_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached(part_bytes: usize) -> Box<Cached<()>> {
        Box::new(Cached {
            head: Head::default(),
            state: (),
            stored: true,
            bytes: 100 - 28,
            part_bytes,
            timer: Timer::NONE,
        })
    }

    fn kept(cache: &StateCache<()>) -> usize {
        let sizes = |map: &KeyMap<Box<Cached<()>>>| map.values().map(|it| it.size()).sum::<usize>();
        assert_eq!(cache.young_bytes, sizes(&cache.young));
        assert_eq!(cache.old_bytes, sizes(&cache.old));
        cache.young.len() + cache.old.len()
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut cache = StateCache::new(2_000);
        for key in 0..100 {
            cache.put(key, cached(0));
            let used = cache.take(0).expect("the used one stays");
            cache.put(0, used);
        }
        assert!(cache.take(1).is_none());
        assert!(cache.take(99).is_some());
        assert!(kept(&cache) <= 10);
    }

    #[test]
    fn loaded_parts_take_room_and_go_with_their_customer() {
        let mut cache = StateCache::new(2_000);
        for key in 0..100 {
            cache.put(key, cached(600));
        }
        assert!(kept(&cache) <= 4, "{}", kept(&cache));
        assert!(cache.take(99).is_some());
        cache.put(7, cached(900));
        assert!(cache.take(7).is_none(), "it is larger than a generation");
    }

    #[test]
    fn a_cache_that_shrinks_drops_what_has_no_room_at_once() {
        let mut cache = StateCache::new(20_000);
        for key in 0..100 {
            cache.put(key, cached(0));
        }
        assert_eq!(kept(&cache), 100);
        cache.resize(40_000);
        assert_eq!(kept(&cache), 100, "more room drops nothing");
        cache.resize(10_000);
        assert!((1..=50).contains(&kept(&cache)), "{}", kept(&cache));
        cache.resize(1_000);
        assert_eq!(kept(&cache), 0);
        cache.put(1, cached(0));
        assert_eq!(kept(&cache), 1);
    }
}
