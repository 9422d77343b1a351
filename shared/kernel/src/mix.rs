//! SplitMix64: numbers whose every bit depends on every bit of what they are made from (Steele,
//! Lea, Flood 2014).
//!
//! The answers are the same on every machine and in every version: partitions, indexes and
//! hashes rest on them.

/// The odd integer nearest to 2^64 divided by the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns the first number that a SplitMix64 generator with this seed draws.
pub const fn split_mix(seed: u64) -> u64 {
    mix_bits(seed.wrapping_add(GOLDEN_GAMMA))
}

/// Returns a number mixed by the finalizer of SplitMix64 alone, for what ends a hash of another
/// kind.
pub(crate) const fn mix_bits(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference_implementation() {
        // The first three of the generator with the seed 1234567, by Vigna's splitmix64.c.
        let seeds = [0, 1, 2].map(|step| GOLDEN_GAMMA.wrapping_mul(step).wrapping_add(1_234_567));
        assert_eq!(
            seeds.map(split_mix),
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
        assert_eq!(mix_bits(0), 0);
    }
}
