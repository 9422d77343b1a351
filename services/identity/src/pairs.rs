//! Memberships that this process knows to be on record, so that events of known members need no
//! SQL.
//!
//! A membership is one of fragments, so that no merge and no unmerge makes what is known wrong. Who
//! ends one here has it forgotten; what another replica ended is forgotten by the next look at what
//! others changed, and until then events do not revive it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kernel::{FragmentId, Timestamp};
use quick_cache::sync::Cache;

use crate::limits::{CACHE_TTL, CACHED_MEMBERSHIPS, PAIRS_LOOKED_UP};

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

    /// Forgets the memberships both of whose fragments are among some that others changed.
    pub(crate) fn part(&self, fragments: &HashSet<FragmentId>) {
        let all = fragments.iter().copied();
        let (accounts, customers): (Vec<FragmentId>, Vec<FragmentId>) =
            all.partition(|it| it.is_account());
        if accounts.is_empty() || customers.is_empty() {
            return;
        }
        self.endings.fetch_add(1, Ordering::SeqCst);
        if accounts.len().saturating_mul(customers.len()) > PAIRS_LOOKED_UP {
            let is_other = |(customer, account): &Pair| {
                !fragments.contains(customer) || !fragments.contains(account)
            };
            self.pairs.retain(|pair, _| is_other(pair));
            return;
        }
        for account in accounts {
            for customer in &customers {
                self.pairs.remove(&(*customer, account));
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.endings.fetch_add(1, Ordering::SeqCst);
        self.pairs.clear();
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

    #[test]
    fn what_others_ended_is_not_known_and_all_else_is() {
        let id = |number| FragmentId::new(Uuid::from_u128(number));
        let account = |number| id(number).into_account();
        let pairs = KnownPairs::new();
        let at = Timestamp::from_millis(5);
        for many in [0, 200] {
            let all = [(1, 9), (2, 9), (1, 8)].map(|(one, two)| (id(one), account(two)));
            pairs.hold(all.into_iter().map(|it| (it, at)), pairs.endings());
            let before = pairs.endings();
            let more = (0..many).flat_map(|it| [id(100 + it), account(100 + it)]);
            pairs.part(&more.chain([id(1), account(9)]).collect());
            let known = all.map(|it| pairs.since(&it).is_some());
            assert_eq!(known, [false, true, true]);
            pairs.hold([(all[0], at)].into_iter(), before);
            assert_eq!(pairs.since(&all[0]), None);
        }
        let before = pairs.endings();
        pairs.part(&[id(2), id(1)].into());
        assert_eq!(pairs.endings(), before, "nobody left an account");
        pairs.clear();
        assert_eq!(pairs.since(&(id(2), account(9))), None);
    }
}
