//! Counters of a service: how stores name them, and their sums over all partitions.
//!
//! A core names a counter by one text, such as `journey/welcome/3/in/greet` or `segment.vip.members`. The store keeps it in
//! the group of its definition. The one place where a text becomes a group and a name is [`key_of`].

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use hot::{CounterKey, HotError, HotStore, Owner, Slot};

use crate::limits;

/// Names the counter that a core calls so. The group is:
///
/// 1. of `journey/<name>/<version>/…`, that version;
/// 2. of `map/<name>/…`, `path/<name>/…`, `segment.<name>.…` and `activation.<name>.…`, that definition;
/// 3. of `events.<name>`, `events`, which holds a counter for each name;
/// 4. of all others, the one without a name.
pub fn key_of(counter: &str) -> CounterKey {
    let separator = counter.find(['/', '.']);
    let (kind, separator) = separator.map_or(("", ""), |at| (&counter[..at], &counter[at..=at]));
    let words = match (kind, separator) {
        ("journey", "/") => 3,
        ("map" | "path", "/") | ("segment" | "activation", ".") => 2,
        ("events", ".") => 1,
        _ => return CounterKey::new("", counter),
    };
    match counter.match_indices(separator).nth(words - 1) {
        Some((end, _)) => CounterKey::new(&counter[..end], &counter[end + 1..]),
        None => CounterKey::new("", counter),
    }
}

/// Says what a core calls a counter: the other way round than [`key_of`].
pub fn name_of(key: &CounterKey) -> Box<str> {
    match &*key.group {
        "" => key.name.clone(),
        group if group.contains('/') => format!("{group}/{}", key.name).into(),
        group => format!("{group}.{}", key.name).into(),
    }
}

/// Reads the counters of a slot whose names begin with `prefix` (empty: all), as cores call them, and only the groups that
/// can have such.
///
/// # Errors
/// As the store says.
pub async fn of_slot(
    hot: &dyn HotStore,
    slot: Slot,
    prefix: &str,
) -> Result<Vec<(Box<str>, i64)>, HotError> {
    let groups = hot.counter_groups(slot).await?;
    let groups: Vec<&str> = groups
        .iter()
        .map(|group| &**group)
        .filter(|group| group.starts_with(prefix) || prefix.starts_with(group))
        .collect();
    let counters = hot.counters(slot, &groups).await?.into_iter();
    Ok(counters
        .map(|(key, value)| (name_of(&key), value))
        .filter(|(name, _)| name.starts_with(prefix))
        .collect())
}

/// Sums the counters of a service whose names begin with `prefix` (empty: all) over all partitions.
///
/// # Errors
/// As the store says.
pub async fn totals(
    hot: &dyn HotStore,
    owner: Owner,
    prefix: &str,
) -> Result<BTreeMap<Box<str>, i64>, HotError> {
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
async fn sum<K: Ord, R: Future<Output = Result<Vec<(K, i64)>, HotError>>>(
    reads: impl Iterator<Item = R>,
) -> Result<BTreeMap<K, i64>, HotError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_in_the_group_of_its_definition_and_is_called_as_before() {
        for (counter, group, name) in [
            (
                "journey/welcome/3/in/greet",
                "journey/welcome/3",
                "in/greet",
            ),
            ("journey/welcome/3", "", "journey/welcome/3"),
            ("map/m/present/two", "map/m", "present/two"),
            ("path/p/followed", "path/p", "followed"),
            ("segment.vip.members", "segment.vip", "members"),
            (
                "activation.w.log.suppressed.CAP",
                "activation.w",
                "log.suppressed.CAP",
            ),
            ("events.order/paid.v2", "events", "order/paid.v2"),
            ("events.", "events", ""),
            ("seen", "", "seen"),
            ("other/a.b", "", "other/a.b"),
            ("other.a/b", "", "other.a/b"),
            ("", "", ""),
        ] {
            let key = key_of(counter);
            assert_eq!(key, CounterKey::new(group, name), "{counter}");
            assert_eq!(&*name_of(&key), counter);
        }
    }
}
