//! Memberships that this process knows to be on record, so that events of known members need no
//! SQL.
//!
//! A membership is one of fragments, so that no merge and no unmerge makes what is known wrong. Who
//! ends one here has it forgotten; what another replica ended is seen once the time of what is
//! known is over, and until then events do not revive it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kernel::{FragmentId, Timestamp};
use quick_cache::sync::Cache;

use crate::limits::{CACHE_TTL, CACHED_MEMBERSHIPS};

/// The fragment of a customer, and that of an account.
pub(crate) type Pair = (FragmentId, FragmentId);

/// A bounded memory of memberships by event.
#[derive(Debug)]
pub(crate) struct KnownPairs {
    pairs: Cache<Pair, Entry>,
    /// Counts how often some were forgotten.
    endings: AtomicU64,
    start: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The time of the earliest event that was taken for it.
    since: Timestamp,
    second: u64,
}

/// The endings that were known when something was read from the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Endings(u64);

/// The number of memberships that it expects at first; it grows from there.
const FIRST_ENTRIES: usize = 1_000;

impl KnownPairs {
    /// Nothing is known.
    pub(crate) fn new() -> Self {
        Self {
            pairs: Cache::with_weighter(
                FIRST_ENTRIES,
                CACHED_MEMBERSHIPS,
                quick_cache::UnitWeighter,
            ),
            endings: AtomicU64::new(0),
            start: Instant::now(),
        }
    }

    /// Returns the time since which a membership is known to be on record; absent where it is not.
    pub(crate) fn since(&self, pair: &Pair) -> Option<Timestamp> {
        let entry = self.pairs.get(pair)?;
        let age = self.second().saturating_sub(entry.second);
        (age <= CACHE_TTL.as_secs()).then_some(entry.since)
    }

    /// The endings so far: read before the tables are written.
    pub(crate) fn endings(&self) -> Endings {
        Endings(self.endings.load(Ordering::SeqCst))
    }

    /// Notes that memberships are on record since some time, unless any was ended meanwhile.
    pub(crate) fn hold(&self, held: impl Iterator<Item = (Pair, Timestamp)>, endings: Endings) {
        let second = self.second();
        let mut own = Vec::new();
        for (pair, since) in held {
            self.pairs.insert(pair, Entry { since, second });
            own.push(pair);
        }
        // Looked at last: whoever ends one counts before it forgets.
        if self.endings() != endings {
            own.iter().for_each(|pair| {
                self.pairs.remove(pair);
            });
        }
    }

    /// Forgets a membership that was ended, so that a later event revives it.
    pub(crate) fn forget(&self, customer: FragmentId, account: FragmentId) {
        self.endings.fetch_add(1, Ordering::SeqCst);
        self.pairs.remove(&(customer, account));
    }

    fn second(&self) -> u64 {
        self.start.elapsed().as_secs()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_was_ended_while_it_was_written_is_not_known() {
        let pairs = KnownPairs::new();
        let id = |number| FragmentId::new(Uuid::from_u128(number));
        let (one, other) = ((id(1), id(9)), (id(2), id(9)));
        let at = Timestamp::from_millis;
        let before = pairs.endings();
        pairs.hold([(one, at(5))].into_iter(), before);
        assert_eq!(
            (pairs.since(&one), pairs.since(&other)),
            (Some(at(5)), None)
        );
        pairs.forget(one.0, one.1);
        assert_eq!(pairs.since(&one), None);
        pairs.hold([(one, at(5)), (other, at(6))].into_iter(), before);
        assert_eq!((pairs.since(&one), pairs.since(&other)), (None, None));
        pairs.hold([(one, at(5))].into_iter(), pairs.endings());
        assert_eq!(pairs.since(&one), Some(at(5)));
    }
}
