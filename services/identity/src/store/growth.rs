//! Has PostgreSQL look at tables that grow fast.
//!
//! It plans a statement by what it knows of the tables, keeps the plan, and looks at a table by
//! itself a minute or more after that grew. Until then, while the first customers of an
//! installation are imported, a look-up with many identifiers would read all of them: identifiers
//! begin with few namespaces, and of tables that were never looked at, the server takes it that
//! any namespace has a few values only. So whoever fills them has it look, each time they doubled.

use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::{ConnectionTrait as _, DbBackend};

use super::IdentityStore;
use crate::limits::{FIRST_ANALYSIS, LAST_ANALYSIS};

/// Reads a part of each table, a fraction of a second, and locks no row.
const ANALYZE: &str = "ANALYZE identity_fragment, identity_customer, identity_identifier";

/// The fragments that this process made.
#[derive(Debug, Default)]
pub(super) struct Growth(AtomicU64);

impl Growth {
    /// Adds some; returns whether the tables are to be looked at: by one caller for each doubling.
    fn add(&self, count: u64) -> bool {
        let before = self.0.fetch_add(count, Ordering::Relaxed);
        doublings(before + count) > doublings(before)
    }
}

/// The number of doublings since the first analysis, that one included.
fn doublings(count: u64) -> u32 {
    (count.min(LAST_ANALYSIS) / FIRST_ANALYSIS)
        .checked_ilog2()
        .map_or(0, |it| it + 1)
}

impl IdentityStore {
    /// Notes fragments that were made. Where that fails, statements are slower for a while.
    pub(super) async fn tell_growth(&self, count: usize) {
        let orm = self.database.orm();
        let is_due = count > 0 && self.growth.add(count as u64);
        if !is_due || orm.get_database_backend() != DbBackend::Postgres {
            return;
        }
        if let Err(error) = orm.execute_unprepared(ANALYZE).await {
            tracing::warn!(%error, "PostgreSQL did not analyse the tables of identity");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_looked_at_each_time_they_doubled() {
        let growth = Growth::default();
        let batches = (1..=20_000_u64).map(|it| it * 128);
        let looked: Vec<u64> = batches.filter(|_| growth.add(128)).collect();
        let expected = [
            1_024, 2_048, 4_096, 8_064, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000,
            1_024_000,
        ];
        assert_eq!(looked, expected);
    }

    #[test]
    fn one_batch_may_double_them_more_than_once() {
        let growth = Growth::default();
        assert!(growth.add(50_000));
        assert!(!growth.add(10_000));
        assert!(growth.add(10_000));
    }
}
