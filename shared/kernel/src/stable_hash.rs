//! A stable hash: the same on every machine and in every version, since what is stored holds it.

use crate::mix::mix_bits;

/// FNV-1a, 64 bits (Fowler, Noll, Vo), with a final mix so that short texts differ in all bits.
#[derive(Debug, Clone, Copy)]
pub struct StableHash(u64);

impl StableHash {
    /// The hash of nothing.
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds bytes, and their number, so that the parts of a sequence are told apart.
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Self {
        let length = (bytes.len() as u64).to_le_bytes();
        for byte in bytes.iter().chain(&length) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self
    }

    /// Returns the hash of all that was added.
    pub const fn finish(self) -> u64 {
        mix_bits(self.0)
    }
}

impl Default for StableHash {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(StableHash::new().with(b"e-1").finish(), PINNED);
    }

    /// Changing this number makes every customer forget which events were seen, and what was kept
    /// of them.
    const PINNED: u64 = 0x743b_7bd1_9030_0f19;
}
