//! Counters of a service, summed over its partitions.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use hot::{HotError, HotStore, Owner, Slot, marks};

use crate::limits;

/// Sums the counters of a service whose names begin with `prefix` (empty: all) over all partitions.
///
/// # Errors
/// As the store says.
pub async fn totals(
    hot: &dyn HotStore,
    owner: Owner,
    prefix: &str,
) -> Result<BTreeMap<Box<str>, i64>, HotError> {
    let mut reads = Vec::new();
    for partition in hot.partition_count().iter() {
        reads.push(hot.counters(Slot { owner, partition }));
    }
    stream::iter(reads)
        .buffer_unordered(limits::PARALLEL_READS)
        .try_fold(
            BTreeMap::<Box<str>, i64>::new(),
            |mut sums, counters| async {
                for (name, value) in counters {
                    // Those of the engine itself are no business of services.
                    if name.starts_with(prefix) && !name.starts_with(marks::PREFIX) {
                        let sum = sums.entry(name).or_default();
                        *sum = sum.saturating_add(value);
                    }
                }
                Ok(sums)
            },
        )
        .await
}
