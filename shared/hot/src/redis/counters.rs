//! Reading counters: a hash for each group, and a set of the groups.

use std::collections::BTreeSet;

use redis::{Value, cmd, pipe};

use super::RedisStore;
use super::reply::{failure, items, number, pairs, text};
use crate::{CounterKey, HotError, Slot, check, limits};

impl RedisStore {
    /// The counters of groups, by group and name.
    pub(super) async fn read_counters(
        &self,
        slot: Slot,
        groups: &[&str],
    ) -> Result<Vec<(CounterKey, i64)>, HotError> {
        check::partition(self.count, slot.partition)?;
        let groups: BTreeSet<&str> = groups.iter().copied().collect();
        let groups: Vec<&str> = groups.into_iter().collect();
        let mut lane = self.lane(slot.partition);
        let mut counters = Vec::new();
        for groups in groups.chunks(limits::GROUPS_PER_READ) {
            let mut reads = pipe();
            for group in groups {
                reads.cmd("HGETALL").arg(self.keys.counters(slot, group));
            }
            let found: Vec<Value> = reads.query_async(&mut lane).await.map_err(failure)?;
            for (group, found) in groups.iter().zip(found) {
                let begin = counters.len();
                for (name, value) in pairs(found)? {
                    let key = CounterKey::new(*group, text(name)?);
                    counters.push((key, number(value)?));
                }
                counters[begin..].sort_unstable();
            }
        }
        Ok(counters)
    }

    /// The groups that have counters, by name.
    pub(super) async fn read_groups(&self, slot: Slot) -> Result<Vec<Box<str>>, HotError> {
        let mut all = cmd("SMEMBERS");
        all.arg(self.keys.groups(slot));
        let mut groups = items(self.ask(slot.partition, &all).await?)?
            .into_iter()
            .map(|group| Ok(text(group)?.into()))
            .collect::<Result<Vec<Box<str>>, HotError>>()?;
        groups.sort_unstable();
        Ok(groups)
    }
}
