//! Counters on disk, and which groups there are.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use fjall::{KvPair, OwnedWriteBatch};

use super::disk::failure;
use super::{Inner, keys};
use crate::{Commit, CounterKey, HotError, Slot, check};

/// The groups that a commit makes and removes.
#[derive(Debug, Default)]
pub(super) struct GroupChanges {
    added: Vec<Box<str>>,
    removed: Vec<Box<str>>,
}

impl GroupChanges {
    /// Changes the groups that there are.
    pub(super) fn apply(self, groups: &mut BTreeSet<Box<str>>) {
        for group in &self.removed {
            groups.remove(group);
        }
        groups.extend(self.added);
    }
}

impl Inner {
    /// Adds to a batch what a commit does to counters, where there are these groups.
    pub(super) fn count(
        &self,
        batch: &mut OwnedWriteBatch,
        slot: Slot,
        commit: &Commit,
        groups: &BTreeSet<Box<str>>,
    ) -> Result<GroupChanges, HotError> {
        let meta = &self.disk.meta;
        let dropped: BTreeSet<&str> = commit.dropped_groups.iter().map(|it| &**it).collect();
        let mut sums: BTreeMap<&CounterKey, i64> = BTreeMap::new();
        for (key, change) in &commit.counters {
            let sum = match sums.entry(key) {
                Entry::Occupied(sum) => sum.into_mut(),
                Entry::Vacant(sum) if dropped.contains(&*key.group) => sum.insert(0),
                Entry::Vacant(sum) => sum.insert(self.counter(slot, key)?),
            };
            *sum = sum.saturating_add(*change);
        }
        let written: BTreeSet<&str> = sums.keys().map(|key| &*key.group).collect();
        let mut changes = GroupChanges::default();
        for group in dropped {
            // A batch has one word for each key, so what is written again is not removed.
            for pair in meta.prefix(keys::counter(slot, group, "")) {
                let (key, _) = pair.into_inner().map_err(failure)?;
                let name = name_of(&key, slot, group)?;
                if !sums.contains_key(&CounterKey::new(group, name)) {
                    batch.remove(meta, key);
                }
            }
            if groups.contains(group) && !written.contains(group) {
                changes.removed.push(group.into());
                batch.remove(meta, keys::group(slot, group));
            }
        }
        for (key, sum) in sums {
            let at = keys::counter(slot, &key.group, &key.name);
            batch.insert(meta, at, sum.to_be_bytes());
        }
        for group in written {
            if !groups.contains(group) {
                changes.added.push(group.into());
                batch.insert(meta, keys::group(slot, group), []);
            }
        }
        Ok(changes)
    }

    /// A counter as it is; 0 where it is not there.
    fn counter(&self, slot: Slot, key: &CounterKey) -> Result<i64, HotError> {
        let at = keys::counter(slot, &key.group, &key.name);
        match self.disk.meta.get(&at).map_err(failure)? {
            None => Ok(0),
            Some(value) => decode(&value).ok_or_else(|| cut(&at)),
        }
    }

    /// The counters of groups, by group and name.
    pub(super) fn counters(
        &self,
        slot: Slot,
        groups: &[&str],
    ) -> Result<Vec<(CounterKey, i64)>, HotError> {
        check::partition(self.count, slot.partition)?;
        let mut counters = Vec::new();
        for group in groups.iter().copied().collect::<BTreeSet<_>>() {
            for pair in self.disk.meta.prefix(keys::counter(slot, group, "")) {
                let (key, value): KvPair = pair.into_inner().map_err(failure)?;
                let name = name_of(&key, slot, group)?;
                let value = decode(&value).ok_or_else(|| cut(&key))?;
                counters.push((CounterKey::new(group, name), value));
            }
        }
        Ok(counters)
    }

    /// The groups that have counters, by name.
    pub(super) fn counter_groups(&self, slot: Slot) -> Result<Vec<Box<str>>, HotError> {
        let partition = self.partition(slot.partition)?;
        let groups = &partition.slots[slot.owner.index()].groups;
        Ok(groups.iter().cloned().collect())
    }
}

/// The name of a counter of a group, by its key.
fn name_of<'a>(key: &'a [u8], slot: Slot, group: &str) -> Result<&'a str, HotError> {
    let prefix = keys::counter(slot, group, "").len();
    let name = key
        .get(prefix..)
        .and_then(|it| std::str::from_utf8(it).ok());
    name.ok_or_else(|| cut(key))
}

fn decode(value: &[u8]) -> Option<i64> {
    value.try_into().ok().map(i64::from_be_bytes)
}

fn cut(key: &[u8]) -> HotError {
    HotError::Damaged(format!("the counter {key:?} is cut"))
}
