//! Identifiers that this process resolved lately, so that known customers need no SQL.
//!
//! A stale hit of a merged customer is harmless: its state forwards its records. Of fragments that
//! went to somebody else the cache is told, see `follow.rs`. What decides changes is always SQL.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use identity_core::Identifier;
use kernel::{CustomerId, FragmentId};
use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::limits::{CACHE_TTL, CACHED_IDENTIFIERS, CACHED_REDIRECTS, TOLD_DEMOTIONS};
use crate::store::{FoundIdentifier, SentAs};

/// The holder of an identifier, as seen some time ago.
#[derive(Debug, Clone, Copy)]
struct Entry {
    customer: CustomerId,
    fragment: FragmentId,
    load_second: u64,
    sent: Option<SentAs>,
}

/// The one customer that holds all identifiers of an event.
#[derive(Debug)]
pub(crate) struct Holder {
    pub(crate) customer: CustomerId,
    /// The fragments that hold them, in the order of the identifiers, each with the event that
    /// attached it there; absent where that has no name.
    pub(crate) fragments: Vec<(FragmentId, Option<SentAs>)>,
}

/// The cache of one process, bounded.
#[derive(Debug)]
pub(crate) struct IdentityCache {
    holders: Cache<Identifier, Entry>,
    redirects: Cache<CustomerId, CustomerId>,
    has_redirects: AtomicBool,
    /// Identifiers that were left out of events, as evidence that is on record names them.
    demotions: Cache<Uuid, ()>,
    start: Instant,
    /// Counts how often fragments went to somebody else, or values left them.
    partings: AtomicU64,
    /// The second, from 1, when all that other processes changed was known here; 0 for never.
    follow_second: AtomicU64,
}

/// The partings that a cache knew of when something was read from the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partings(u64);

impl Partings {
    /// The partings once there was one more, of whoever counts, where there was.
    pub(crate) fn with(self, is_own: bool) -> Self {
        Self(self.0 + u64::from(is_own))
    }
}

/// Entries that a cache expects to hold at first; it grows from there.
const FIRST_ENTRIES: usize = 1_000;

impl IdentityCache {
    pub(crate) fn new() -> Self {
        Self {
            holders: Cache::with_weighter(
                FIRST_ENTRIES,
                CACHED_IDENTIFIERS,
                quick_cache::UnitWeighter,
            ),
            redirects: Cache::with_weighter(
                FIRST_ENTRIES,
                CACHED_REDIRECTS,
                quick_cache::UnitWeighter,
            ),
            has_redirects: AtomicBool::new(false),
            demotions: Cache::with_weighter(
                FIRST_ENTRIES,
                TOLD_DEMOTIONS,
                quick_cache::UnitWeighter,
            ),
            start: Instant::now(),
            partings: AtomicU64::new(0),
            follow_second: AtomicU64::new(0),
        }
    }

    /// Seconds since the start: read once for a batch.
    pub(crate) fn second(&self) -> u64 {
        self.start.elapsed().as_secs()
    }

    /// The same for whom what is older than a shorter time than usual is too old.
    pub(crate) fn second_within(&self, ttl: Duration) -> u64 {
        self.second() + CACHE_TTL.saturating_sub(ttl).as_secs()
    }

    /// The one customer that holds all identifiers, with the fragment of each.
    pub(crate) fn only_holder(
        &self,
        identifiers: &[(usize, Identifier)],
        second: u64,
    ) -> Option<Holder> {
        let mut only: Option<CustomerId> = None;
        let mut fragments = Vec::with_capacity(identifiers.len());
        for (_, identifier) in identifiers {
            let entry = self.holders.get(identifier)?;
            if second.saturating_sub(entry.load_second) > CACHE_TTL.as_secs() {
                return None;
            }
            let customer = self.root(entry.customer);
            if only.is_some_and(|first| first != customer) {
                return None;
            }
            only = Some(customer);
            fragments.push((entry.fragment, entry.sent));
        }
        only.map(|customer| Holder {
            customer,
            fragments,
        })
    }

    pub(crate) fn hold(&self, found: FoundIdentifier) {
        let entry = Entry {
            customer: found.customer,
            fragment: found.fragment,
            load_second: self.second(),
            sent: found.sent,
        };
        self.holders.insert(found.identifier, entry);
    }

    pub(crate) fn redirect(&self, from: CustomerId, into: CustomerId) {
        self.redirects.insert(from, into);
        self.has_redirects.store(true, Ordering::Release);
    }

    /// Forgets all that fragments hold, that is known of customers of their ids, and into whom
    /// these were joined.
    pub(crate) fn part(&self, gone: &HashSet<FragmentId>) {
        // Counted first: whoever wrote down meanwhile what they had read before sees that, or what
        // they wrote is forgotten here.
        self.partings.fetch_add(1, Ordering::SeqCst);
        for fragment in gone {
            self.redirects.remove(&CustomerId::from(*fragment));
        }
        self.holders.retain(|_, entry| {
            !gone.contains(&entry.fragment) && !gone.contains(&entry.customer.fragment())
        });
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.partings.fetch_add(1, Ordering::SeqCst);
        self.redirects.clear();
        self.holders.clear();
    }

    /// The partings so far: read before the tables are.
    pub(crate) fn partings(&self) -> Partings {
        Partings(self.partings.load(Ordering::SeqCst))
    }

    /// Notes that all is known that other processes had changed by a second.
    pub(crate) fn follow(&self, second: u64) {
        self.follow_second.store(second + 1, Ordering::Release);
    }

    /// Returns whether that was so within a time.
    pub(crate) fn is_following(&self, within: Duration) -> bool {
        let followed = self.follow_second.load(Ordering::Acquire);
        followed > 0 && (self.second() + 1).saturating_sub(followed) <= within.as_secs()
    }

    /// Forgets that a customer was joined into another: they are one of their own again.
    pub(crate) fn stand_alone(&self, customer: CustomerId) {
        self.redirects.remove(&customer);
    }

    /// Notes that evidence of an identifier that was left out is on record. Returns whether that is
    /// new.
    pub(crate) fn tell_demotion(&self, id: Uuid) -> bool {
        if self.demotions.get(&id).is_some() {
            return false;
        }
        self.demotions.insert(id, ());
        true
    }

    /// Forgets that, since it was not written.
    pub(crate) fn forget_demotion(&self, id: Uuid) {
        self.demotions.remove(&id);
    }

    pub(crate) fn forget(&self, identifier: &Identifier) {
        self.holders.remove(identifier);
    }

    fn root(&self, mut customer: CustomerId) -> CustomerId {
        if !self.has_redirects.load(Ordering::Acquire) {
            return customer;
        }
        // Each redirect leads to an older customer, so that this ends.
        while let Some(into) = self.redirects.get(&customer) {
            customer = into;
        }
        customer
    }
}

#[cfg(test)]
mod tests {
    use identity_core::{FanOut, HolderState};

    use super::*;

    fn fragment(number: u128) -> FragmentId {
        FragmentId::new(Uuid::from_u128(number))
    }

    fn identifier(value: &str) -> Identifier {
        Identifier {
            namespace: "any".to_owned(),
            value: value.to_owned(),
        }
    }

    fn hold(cache: &IdentityCache, value: &str, of: u128, customer: u128) {
        cache.hold(FoundIdentifier {
            identifier: identifier(value),
            fragment: fragment(of),
            customer: fragment(customer).into(),
            sent: None,
            state: HolderState::Live,
            fan_out: FanOut::default(),
        });
    }

    fn holder(cache: &IdentityCache, value: &str) -> Option<CustomerId> {
        let kept = [(0, identifier(value))];
        let holder = cache.only_holder(&kept, cache.second());
        holder.map(|it| it.customer)
    }

    #[test]
    fn who_parted_is_forgotten_with_their_redirects_and_nobody_else() {
        let cache = IdentityCache::new();
        // Fragments 2 and 3 were one customer before that was joined into 1.
        hold(&cache, "a", 1, 1);
        hold(&cache, "b", 2, 2);
        hold(&cache, "c", 3, 2);
        hold(&cache, "d", 4, 4);
        cache.redirect(fragment(2).into(), fragment(1).into());
        assert_eq!(holder(&cache, "c"), Some(fragment(1).into()));
        let before = cache.partings();
        cache.part(&HashSet::from([fragment(2)]));
        assert_eq!(holder(&cache, "b"), None);
        assert_eq!(holder(&cache, "c"), None, "its customer is another one now");
        assert_eq!(holder(&cache, "a"), Some(fragment(1).into()));
        assert_eq!(holder(&cache, "d"), Some(fragment(4).into()));
        assert_ne!(cache.partings(), before);
        assert_eq!(cache.partings(), before.with(true));
        cache.clear();
        assert_eq!(holder(&cache, "a"), None);
    }

    #[test]
    fn a_process_that_does_not_look_follows_nobody() {
        let cache = IdentityCache::new();
        assert!(!cache.is_following(Duration::from_secs(5)));
        cache.follow(cache.second());
        assert!(cache.is_following(Duration::from_secs(5)));
    }
}
