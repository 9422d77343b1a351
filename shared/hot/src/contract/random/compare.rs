//! Compares a store with the model after random operations: everything that can be seen.

use kernel::Timestamp;

use super::KEYS;
use crate::contract::model::{Model, ModelSlot};
use crate::contract::{at, text};
use crate::{Cursor, HotError, Origin, PageBounds, SharedHotStore, SharedRestorableStore, Slot};

/// Compares everything that can be seen.
pub(super) async fn compare(store: &SharedHotStore, model: &Model) -> Result<(), String> {
    let keys = KEYS.map(text);
    for (slot, expected) in &model.slots {
        let slot = *slot;
        same("head", store.head(slot).await, Ok(expected.head()))?;
        let states = keys.iter().map(|key| expected.states.get(key).cloned());
        same(
            "states",
            store.load(slot, &keys).await,
            Ok(states.collect()),
        )?;
        for until in [i64::MIN, -1, 0, 1 << 21, i64::MAX] {
            compare_due(store, slot, expected, at(until)).await?;
        }
        compare_counters(store, slot, expected).await?;
        let found = store.outbox(slot, 0, 99).await;
        let found = found.map(|all| all.into_iter().map(|it| (it.seq, it.message)).collect());
        same("outbox", found, Ok(expected.outbox.clone()))?;
        let found = store.quarantined(slot, None, PageBounds::entries(99)).await;
        let found = found.map(|all| all.into_iter().map(|it| (it.id, it.payload)).collect());
        let aside: Vec<_> = expected.quarantine.clone().into_iter().collect();
        same("quarantine", found, Ok(aside))?;
        let size = Ok(expected.quarantine_size());
        same("quarantine", store.quarantine_size(slot).await, size)?;
    }
    for (stream, expected) in &model.streams {
        let entries = store.poll(*stream, Cursor::START, 99).await;
        let entries = entries.map_err(|error| error.to_string())?;
        let found = entries.iter();
        let found = found.map(|entry| (entry.origin, entry.payload.clone()));
        same("stream", Ok(found.collect()), Ok(expected.clone()))?;
        let mut left = expected.len() as u64;
        same("lag", store.lag(*stream, Cursor::START).await, Ok(left))?;
        for entry in entries {
            left -= 1;
            same("lag", store.lag(*stream, entry.cursor).await, Ok(left))?;
        }
    }
    Ok(())
}

/// Compares what the streams remember of their sources and writers.
pub(super) async fn compare_writers(
    store: &SharedRestorableStore,
    model: &Model,
) -> Result<(), String> {
    for stream in model.streams.keys() {
        let sources = model.sources.iter().filter(|((of, _), _)| of == stream);
        let sources = sources.map(|((_, source), mark)| (source.clone(), *mark));
        same(
            "sources",
            store.sources(*stream).await,
            Ok(sources.collect()),
        )?;
        let writers = model.writers.iter().filter(|((of, _), _)| of == stream);
        let origins = writers.map(|((_, writer), seq)| Origin {
            writer: *writer,
            seq: *seq,
        });
        same(
            "origins",
            store.origins(*stream).await,
            Ok(origins.collect()),
        )?;
    }
    Ok(())
}

/// Compares the groups of counters, and what is in each.
async fn compare_counters(
    store: &SharedHotStore,
    slot: Slot,
    expected: &ModelSlot,
) -> Result<(), String> {
    let mut groups: Vec<Box<str>> = expected
        .counters
        .keys()
        .map(|it| it.group.clone())
        .collect();
    groups.dedup();
    same(
        "groups",
        store.counter_groups(slot).await,
        Ok(groups.clone()),
    )?;
    for group in groups.into_iter().chain(["never".into()]) {
        let counters = expected.counters.clone().into_iter();
        let counters = counters.filter(|(key, _)| key.group == group);
        let found = store.counters(slot, &[&*group]).await;
        same("counters", found, Ok(counters.collect()))?;
    }
    Ok(())
}

/// Compares what is due. Entries that fired before may come back, but they do not count.
async fn compare_due(
    store: &SharedHotStore,
    slot: Slot,
    expected: &ModelSlot,
    until: Timestamp,
) -> Result<(), String> {
    let found = store.due(slot, until, 99).await;
    let found = found.map_err(|error| error.to_string())?;
    let wrong = || {
        Err(format!(
            "due until {until:?}: found {found:?}, expected {expected:?}"
        ))
    };
    let first = store.due(slot, until, 2).await;
    let first = first.map_err(|error| error.to_string())?;
    if first.timers[..] != found.timers[..found.timers.len().min(2)] {
        return wrong();
    }
    let sorted = found.timers.iter().map(|(key, time)| (time, key));
    if !sorted.is_sorted() || found.timers.iter().any(|(_, time)| *time > until) {
        return wrong();
    }
    let due = expected.due(until);
    let old = found.timers.iter().filter(|entry| !due.contains(entry));
    let counting = old.filter(|(key, time)| expected.counts(key, *time));
    if counting.count() > 0 || !due.iter().all(|entry| found.timers.contains(entry)) {
        return wrong();
    }
    let is_next_right = match (found.next, expected.after(until)) {
        (None, next) => next.is_none(),
        (Some(announced), next) => announced > until && next.is_none_or(|next| announced <= next),
    };
    if is_next_right { Ok(()) } else { wrong() }
}

/// Compares two answers, errors by what they say.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: Result<T, HotError>,
    expected: Result<T, HotError>,
) -> Result<(), String> {
    let (found, expected) = (
        found.map_err(|error| error.to_string()),
        expected.map_err(|error| error.to_string()),
    );
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: found {found:?}, expected {expected:?}"))
}
