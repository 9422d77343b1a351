//! Ids for customers who are seen for the first time.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::{FragmentId, Timestamp};
use uuid::{ClockSequence, Uuid};

/// Bits of the number that orders ids of one millisecond. The other 34 of an id are random.
const NUMBER_BITS: usize = 40;
/// The latest time that the 48 bits of a UUIDv7 hold.
const LATEST_MILLIS: i64 = (1 << 48) - 1;

/// Draws ids that sort by the time at which their customers were first seen, and within a
/// millisecond by the order in which they are drawn.
///
/// So the older of two customers, who survives a merge, is the one with the smaller id, and
/// services tell them apart by that alone. The clock of the machine would not do: on stream time an
/// event of the past comes late.
#[derive(Debug)]
pub(crate) struct Fragments {
    numbers: Numbers,
}

/// Numbers that count up from a random one in the lower half, so that no process reaches the end.
#[derive(Debug)]
struct Numbers(AtomicU64);

impl ClockSequence for Numbers {
    type Output = u64;

    fn generate_sequence(&self, _seconds: u64, _subsec_nanos: u32) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) & ((1 << NUMBER_BITS) - 1)
    }

    fn usable_bits(&self) -> usize {
        NUMBER_BITS
    }
}

impl Fragments {
    /// Draws from a random number on.
    pub(crate) fn new() -> Self {
        let random = RandomState::new().hash_one(NUMBER_BITS);
        let first = random >> (u64::BITS as usize - NUMBER_BITS + 1);
        Self {
            numbers: Numbers(AtomicU64::new(first)),
        }
    }

    /// Draws the id of a customer who is first seen at a time. Times before 1970 count as its
    /// beginning.
    pub(crate) fn draw(&self, time: Timestamp) -> FragmentId {
        let millis = time.as_millis().clamp(0, LATEST_MILLIS).unsigned_abs();
        let nanos = u32::try_from(millis % 1_000).expect("below a thousand") * 1_000_000;
        let stamp = uuid::Timestamp::from_unix(&self.numbers, millis / 1_000, nanos);
        FragmentId::new(Uuid::new_v7(stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_within_a_millisecond_as_they_are_drawn() {
        let fragments = Fragments::new();
        let mut drawn = Vec::new();
        // Drawn latest first, as imports of the past may be.
        for millis in [
            i64::MAX,
            1_764_302_400_124,
            1_764_302_400_123,
            1_000,
            999,
            1,
            0,
        ] {
            let at = Timestamp::from_millis(millis);
            let same: Vec<_> = (0..1_000).map(|_| fragments.draw(at)).collect();
            assert!(same.is_sorted_by(|one, next| one < next), "at {millis}");
            drawn.push(same);
        }
        drawn.reverse();
        let all = drawn.concat();
        assert!(all.is_sorted_by(|one, next| one < next));
        let before = fragments.draw(Timestamp::from_millis(i64::MIN));
        assert!(before < drawn[1][0]);
    }
}
