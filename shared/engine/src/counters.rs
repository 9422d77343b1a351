//! Counters of a service: those of one partition, and their sums over all partitions.
//!
//! Whoever reads names the groups, or what their names begin with: nobody reads all of them. What a
//! key means is the business of the core that made it.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use hot::{CounterKey, HotError, HotStore, Owner, Slot};

use crate::limits;

/// Reads the counters of a slot whose groups begin with `prefix` (empty: all).
///
/// # Errors
/// As the store says.
pub async fn of_slot(
    hot: &dyn HotStore,
    slot: Slot,
    prefix: &str,
) -> Result<Vec<(CounterKey, i64)>, HotError> {
    let groups = hot.counter_groups(slot).await?;
    let groups = groups.iter().map(|group| &**group);
    let groups: Vec<&str> = groups.filter(|group| group.starts_with(prefix)).collect();
    hot.counters(slot, &groups).await
}

/// Sums the counters of a service whose groups begin with `prefix` (empty: all) over all
/// partitions.
///
/// # Errors
/// As the store says.
pub async fn totals(
    hot: &dyn HotStore,
    owner: Owner,
    prefix: &str,
) -> Result<BTreeMap<CounterKey, i64>, HotError> {
    let partitions = hot.partition_count().iter();
    let reads = partitions.map(|partition| of_slot(hot, Slot { owner, partition }, prefix));
    sum(reads).await
}

/// Sums the counters of these groups over all partitions of a service.
///
/// # Errors
/// As the store says.
pub async fn totals_of(
    hot: &dyn HotStore,
    owner: Owner,
    groups: &[&str],
) -> Result<BTreeMap<CounterKey, i64>, HotError> {
    let partitions = hot.partition_count().iter();
    let reads = partitions.map(|partition| hot.counters(Slot { owner, partition }, groups));
    sum(reads).await
}

/// Sums what is read of each partition, some at a time.
async fn sum<R: Future<Output = Result<Vec<(CounterKey, i64)>, HotError>>>(
    reads: impl Iterator<Item = R>,
) -> Result<BTreeMap<CounterKey, i64>, HotError> {
    let reads: Vec<R> = reads.collect();
    stream::iter(reads)
        .buffer_unordered(limits::PARALLEL_READS)
        .try_fold(BTreeMap::new(), |mut sums, counters| async {
            for (key, value) in counters {
                let sum: &mut i64 = sums.entry(key).or_default();
                *sum = sum.saturating_add(value);
            }
            Ok(sums)
        })
        .await
}
