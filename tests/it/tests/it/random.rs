//! Random moments that can be had again: the seed is in the environment, or drawn and told.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

/// The variable that holds a seed to run again.
const VARIABLE: &str = "HAPPYPATH_SEED";

/// `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// Draws a seed, or takes the one in the environment, and tells it to whoever reads why a test
    /// failed.
    #[expect(
        clippy::print_stderr,
        reason = "the seed belongs to the output of a test that fails"
    )]
    pub(crate) fn new() -> Self {
        let given = std::env::var(VARIABLE)
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(VARIABLE));
        eprintln!("{VARIABLE}={seed}");
        Self::from_seed(seed)
    }

    /// Begins with a seed.
    pub(crate) const fn from_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number in a range.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// Puts things in a random order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = self.within(0..last as u64 + 1);
            things.swap(last, usize::try_from(other).expect("a place"));
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}
