//! Remembers which customers are known, as seen some time ago: most answers need no SQL.

use std::time::Instant;

use kernel::CustomerId;
use quick_cache::sync::Cache;

use crate::limits::{CACHE_TTL, CACHED_IDENTIFIERS, UNKNOWN_TTL};

/// A bounded memory of which customers are known.
#[derive(Debug)]
pub(super) struct KnownCustomers {
    customers: Cache<CustomerId, (bool, u64)>,
    start: Instant,
}

/// The number of customers that it expects at first; it grows from there.
const FIRST_ENTRIES: usize = 1_000;

impl KnownCustomers {
    /// Nothing is remembered.
    pub(super) fn new() -> Self {
        Self {
            customers: Cache::with_weighter(
                FIRST_ENTRIES,
                CACHED_IDENTIFIERS,
                quick_cache::UnitWeighter,
            ),
            start: Instant::now(),
        }
    }

    /// Returns whether a customer is known, where that was seen lately.
    pub(super) fn recall(&self, customer: CustomerId) -> Option<bool> {
        let (is_known, second) = self.customers.get(&customer)?;
        let age = self.second().saturating_sub(second);
        let kept = if is_known { CACHE_TTL } else { UNKNOWN_TTL };
        (age <= kept.as_secs()).then_some(is_known)
    }

    /// Remembers whether a customer is known.
    pub(super) fn remember(&self, customer: CustomerId, is_known: bool) {
        self.customers.insert(customer, (is_known, self.second()));
    }

    fn second(&self) -> u64 {
        self.start.elapsed().as_secs()
    }
}
