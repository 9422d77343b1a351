//! A tally: how often each of very many small things was seen, in hardly more bytes than they have.
//!
//! Ten million hashes of ten bytes take 104 MB at the most; a hash table would take 180, and 280
//! while it grows.

use std::collections::HashMap;
use std::hash::Hash;

/// Things that are looked at one by one before they are put in order, at the least.
const RECENT: usize = 4_096;
/// Of those that are in order, so many make room for one that is not: that keeps the memory small,
/// and each is moved some fifty times while their number doubles, which takes a microsecond.
const SORTED_PER_RECENT: usize = 64;
/// Things in a block.
const BLOCK: usize = 8_192;

/// Counts how often each thing was seen.
#[derive(Debug, Clone)]
pub struct Tally<T> {
    /// In order; a thing that was seen twice is there twice.
    sorted: Blocks<T>,
    /// Those that are not in order yet, each with how often it was seen since.
    recent: HashMap<T, u32>,
    /// The number of them, each as often as it was seen.
    recent_len: usize,
}

/// A list in blocks of one size, so that it grows without being copied: what a list leaves behind
/// each time that it moves is too small for the next one of its kind, and stays unused.
#[derive(Debug, Clone)]
struct Blocks<T> {
    blocks: Vec<Box<[T]>>,
    len: usize,
}

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self {
            sorted: Blocks {
                blocks: Vec::new(),
                len: 0,
            },
            recent: HashMap::new(),
            recent_len: 0,
        }
    }
}

impl<T: Ord + Copy> Blocks<T> {
    fn get(&self, place: usize) -> T {
        self.blocks[place / BLOCK][place % BLOCK]
    }

    fn set(&mut self, place: usize, thing: T) {
        self.blocks[place / BLOCK][place % BLOCK] = thing;
    }

    /// Adds places, with any value in them.
    fn grow(&mut self, places: usize, any: T) {
        self.len += places;
        while self.blocks.len() * BLOCK < self.len {
            self.blocks.push(vec![any; BLOCK].into());
        }
    }

    /// Returns the first place, at or after one, of which something does not hold; it holds of all
    /// before that.
    fn first_after(&self, from: usize, holds: impl Fn(&T) -> bool) -> usize {
        let (mut low, mut high) = (from, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(&self.get(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl<T: Ord + Copy + Hash> Tally<T> {
    /// Returns how often a thing was seen.
    pub fn count(&self, thing: &T) -> usize {
        let first = self.sorted.first_after(0, |own| own < thing);
        let end = self.sorted.first_after(first, |own| own == thing);
        let recent = self.recent.get(thing).copied().unwrap_or(0);
        end - first + times_of(recent)
    }

    /// Returns whether a thing was seen.
    pub fn has(&self, thing: &T) -> bool {
        if self.recent.contains_key(thing) {
            return true;
        }
        let first = self.sorted.first_after(0, |own| own < thing);
        first < self.sorted.len && self.sorted.get(first) == *thing
    }

    /// Notes that a thing was seen.
    pub fn add(&mut self, thing: T) {
        *self.recent.entry(thing).or_default() += 1;
        self.recent_len += 1;
        if self.recent_len >= RECENT.max(self.sorted.len / SORTED_PER_RECENT) {
            self.settle();
        }
    }

    /// Returns how many things were seen, each as often as it was.
    pub fn len(&self) -> usize {
        self.sorted.len + self.recent_len
    }

    /// Returns whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes that it takes, or a few more.
    pub fn bytes(&self) -> usize {
        let recent = self.recent.capacity() * (size_of::<(T, u32)>() + 1) * 8 / 7;
        self.sorted.blocks.len() * BLOCK * size_of::<T>() + recent
    }

    /// Puts what is recent in order, from behind and in place, so that nothing is held twice.
    fn settle(&mut self) {
        let repeat = |(thing, times)| std::iter::repeat_n(thing, times_of(times));
        let mut recent: Vec<T> = self.recent.drain().flat_map(repeat).collect();
        self.recent_len = 0;
        recent.sort_unstable();
        let Some(first) = recent.first().copied() else {
            return;
        };
        let mut left = self.sorted.len;
        // Each of the new places is written below.
        self.sorted.grow(recent.len(), first);
        let mut to = self.sorted.len;
        while let Some(last) = recent.last().copied() {
            to -= 1;
            let before = left.checked_sub(1).map(|place| self.sorted.get(place));
            match before.filter(|before| *before > last) {
                Some(before) => {
                    left -= 1;
                    self.sorted.set(to, before);
                }
                None => {
                    self.sorted.set(to, last);
                    recent.pop();
                }
            }
        }
    }
}

fn times_of(times: u32) -> usize {
    usize::try_from(times).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn it_counts_as_a_map_does(things in prop::collection::vec(0_u16..3_000, 0..30_000)) {
            let (mut tally, mut naive) = (Tally::default(), BTreeMap::new());
            for (place, thing) in things.iter().enumerate() {
                if place % 7 == 0 {
                    let expected = naive.get(thing).copied().unwrap_or(0);
                    prop_assert_eq!(tally.count(thing), expected);
                    prop_assert_eq!(tally.has(thing), expected > 0);
                }
                tally.add(*thing);
                *naive.entry(*thing).or_insert(0) += 1;
            }
            prop_assert_eq!(tally.len(), things.len());
            for thing in 0..3_000 {
                let expected = naive.get(&thing).copied().unwrap_or(0);
                prop_assert_eq!(tally.count(&thing), expected);
            }
        }
    }

    #[test]
    fn it_takes_hardly_more_than_its_things() {
        let mut tally = Tally::default();
        let mut number = 1_u64;
        for _ in 0..400_000 {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let mut hash = [0; 10];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            tally.add(hash);
        }
        assert_eq!(tally.len(), 400_000);
        let bytes = tally.bytes();
        assert!(bytes < 4_500_000, "{bytes}");
        assert!(Tally::<[u8; 10]>::default().is_empty());
    }
}
