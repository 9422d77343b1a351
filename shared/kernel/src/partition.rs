//! Partitions: slices of all customers.

use std::fmt;

use crate::{FragmentId, split_mix};

/// The number of one partition, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(u16);

impl PartitionId {
    /// Names a partition.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

/// The number of partitions of an installation, 1 to 1,024; fixed when its stores are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionCount(u16);

/// A number is no partition count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{count} partitions are not possible: choose 1 to 1024")]
pub struct PartitionCountError {
    count: u64,
}

impl PartitionCount {
    /// The number where an installation names none.
    pub const DEFAULT: Self = Self(64);

    /// Reads a count.
    ///
    /// # Errors
    /// [`PartitionCountError`] outside 1 to 1,024.
    pub fn try_new(count: u64) -> Result<Self, PartitionCountError> {
        match u16::try_from(count) {
            Ok(small @ 1..=1024) => Ok(Self(small)),
            _ => Err(PartitionCountError { count }),
        }
    }

    /// The count.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// All partitions, in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = PartitionId> + Clone {
        (0..self.0).map(PartitionId)
    }

    /// The partition of a customer, by the fragment that gives it its id.
    ///
    /// The same in every service, for ever: SplitMix64 (Steele, Lea, Flood 2014) over the folded
    /// UUID, modulo the count.
    pub fn partition_of(self, fragment: FragmentId) -> PartitionId {
        let (high, low) = fragment.uuid().as_u64_pair();
        let x = split_mix(high ^ low.rotate_left(32));
        PartitionId(u16::try_from(x % u64::from(self.0)).expect("below a u16 count"))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_fragment_stays_in_its_partition() {
        let fragment = FragmentId::new(Uuid::from_u128(0x0192_4f7e_1c5b_7a3e_9d2c_5f0b_8a6c_1d23));
        assert_eq!(
            PartitionCount::DEFAULT.partition_of(fragment),
            PartitionId::new(PINNED)
        );
    }

    /// Changing this number moves every customer of every installation.
    const PINNED: u16 = 54;

    #[test]
    fn fragments_spread_evenly() {
        let count = PartitionCount::try_new(16).expect("a count");
        let mut sizes = [0_u32; 16];
        for n in 0..16_000_u128 {
            let fragment = FragmentId::new(Uuid::from_u128(n << 64 | 7));
            sizes[usize::from(count.partition_of(fragment).number())] += 1;
        }
        assert!(
            sizes.iter().all(|size| (850..1150).contains(size)),
            "{sizes:?}"
        );
    }

    #[test]
    fn counts_outside_the_range_are_refused() {
        assert!(PartitionCount::try_new(0).is_err());
        assert!(PartitionCount::try_new(1025).is_err());
    }
}
