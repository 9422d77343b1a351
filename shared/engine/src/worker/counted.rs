//! What a worker knows of the counters of its partition: which groups are of definitions that are
//! gone, and which names a bounded group has.
//!
//! It does not count: batches do.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use decision::{BoundedCounters, Core, gone_groups};
use hot::{CounterKey, HotError};

use super::Worker;

/// What is known of the counters of a partition.
pub(super) struct Counted<D> {
    /// Whether the definitions of this process are at least as new as those that anybody counted by
    /// in the partition. Only then is what they do not have gone, and not yet to come. It stays so
    /// under one lease, because nobody else counts meanwhile.
    pub(super) knows_past: bool,
    /// The definitions that the groups were last looked at with.
    judged_by: Option<Weak<D>>,
    /// Groups for the next commit to drop.
    gone: Vec<Box<str>>,
    /// The names of the bounded group. A batch that came to nothing may have left some too many.
    names: HashSet<Box<str>>,
}

impl<D> Counted<D> {
    /// Nothing is known.
    pub(super) fn new() -> Self {
        Self {
            knows_past: false,
            judged_by: None,
            gone: Vec::new(),
            names: HashSet::new(),
        }
    }

    /// Counts a name beyond the bound of its group as one of the others.
    pub(super) fn within_bound(
        &mut self,
        bounded: Option<BoundedCounters>,
        mut key: CounterKey,
    ) -> CounterKey {
        let bounded = bounded.filter(|bounded| *key.group == *bounded.group);
        if let Some(bounded) = bounded
            && !self.names.contains(&key.name)
        {
            if self.names.len() < bounded.names {
                self.names.insert(key.name.clone());
            } else {
                key.name = bounded.other.into();
            }
        }
        key
    }

    /// Returns whether there are groups for the next commit to drop.
    pub(super) const fn has_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// The groups that a commit drops beside so many others.
    pub(super) fn gone_beside(&self, others: usize) -> impl Iterator<Item = Box<str>> + '_ {
        let room = hot::limits::DROPPED_PER_COMMIT.saturating_sub(others);
        self.gone.iter().take(room).cloned()
    }

    /// Takes note that a commit took effect, which dropped these groups. Those that found no room
    /// in it may be counted in meanwhile, and so are looked at anew.
    pub(super) fn settle(&mut self, dropped: &[Box<str>]) {
        if self.gone.iter().any(|group| !dropped.contains(group)) {
            self.judged_by = None;
        }
        self.gone.clear();
    }

    fn is_judged_by(&self, definitions: &Arc<D>) -> bool {
        let judged_by = self.judged_by.as_ref();
        judged_by.is_some_and(|last| Weak::ptr_eq(last, &Arc::downgrade(definitions)))
    }
}

impl<C: Core> Worker<C> {
    /// Forgets what was known of counters, and reads the names of the bounded group.
    pub(super) async fn open_counted(&mut self) -> Result<(), HotError> {
        let knows_past = self.counted.knows_past;
        self.counted = Counted {
            knows_past,
            ..Counted::new()
        };
        if let Some(bounded) = C::BOUNDED_COUNTERS {
            let slot = self.position.slot;
            let counters = self.hot().counters(slot, &[bounded.group]).await?;
            let names = counters.into_iter().map(|(key, _)| key.name);
            self.counted.names = names.filter(|name| **name != *bounded.other).collect();
        }
        Ok(())
    }

    /// Finds the groups of counters of definitions that are gone, once for each set of definitions:
    /// the next commit drops them, which is one of its own where there is nothing else to do.
    /// Nothing is pending, and so the store has all that was counted.
    pub(super) async fn find_gone(
        &mut self,
        definitions: &Arc<C::Definitions>,
    ) -> Result<(), HotError> {
        if !self.counted.knows_past || self.counted.is_judged_by(definitions) {
            return Ok(());
        }
        let slot = self.position.slot;
        let groups = self.hot().counter_groups(slot).await?;
        let gone: Vec<&str> = groups
            .iter()
            .map(|group| &**group)
            .filter(|group| C::is_gone(definitions, group))
            .collect();
        let counters = if gone.is_empty() {
            Vec::new()
        } else {
            self.hot().counters(slot, &gone).await?
        };
        let counters = counters.iter().map(|(key, value)| (key, *value));
        self.counted.gone = gone_groups::<C>(definitions, counters);
        self.counted.judged_by = Some(Arc::downgrade(definitions));
        Ok(())
    }
}
