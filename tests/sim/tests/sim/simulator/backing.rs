//! What keeps the hot store of a simulation: memory, or a real Redis with the functions of
//! production.
//!
//! Only memory can go back to an older copy of itself. Both can forget everything.

use std::collections::BTreeSet;
use std::sync::Arc;

use hot::memory::{Hook, MemoryOptions, MemoryStore};
use hot::{SharedRestorableStore, Slot, StateKey, StoreClock, Stored};
use kernel::{PartitionCount, Timestamp};

use super::redis::{Redis, RedisHost};

/// What keeps the hot store.
#[derive(Debug)]
pub(crate) enum Backing {
    /// A store in memory.
    Memory(MemoryStore),
    /// A server.
    Redis(Redis),
}

impl Backing {
    /// An empty store: on a server, which has a clock of its own, where there is one.
    pub(crate) fn empty(
        host: Option<&Arc<RedisHost>>,
        partitions: PartitionCount,
        origins: bool,
        clock: StoreClock,
    ) -> Self {
        match host {
            None => {
                let options = MemoryOptions { origins };
                Self::Memory(MemoryStore::with_clock(partitions, options, clock))
            }
            Some(host) => Self::Redis(Redis::empty(host, partitions, origins)),
        }
    }

    /// A connection whose calls go through a hook.
    pub(crate) fn connect(&self, hook: Arc<dyn Hook>) -> SharedRestorableStore {
        match self {
            Self::Memory(store) => Arc::new(store.with_hook(hook)),
            Self::Redis(redis) => Arc::new(redis.connect(Some(hook))),
        }
    }

    /// A connection that nothing disturbs.
    pub(crate) fn direct(&self) -> SharedRestorableStore {
        match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Redis(redis) => Arc::new(redis.connect(None)),
        }
    }

    /// The store in memory, where it is one.
    pub(crate) const fn memory(&self) -> Option<&MemoryStore> {
        match self {
            Self::Memory(store) => Some(store),
            Self::Redis(_) => None,
        }
    }

    /// Copies all states of a slot, by key.
    pub(crate) fn states(&self, slot: Slot) -> Vec<(StateKey, Stored)> {
        match self {
            Self::Memory(store) => store.states(slot),
            Self::Redis(redis) => redis.states(slot),
        }
    }

    /// Copies the index of timers of a slot.
    pub(crate) fn timers(&self, slot: Slot) -> BTreeSet<(Timestamp, StateKey)> {
        match self {
            Self::Memory(store) => store.timers(slot),
            Self::Redis(redis) => redis.timers(slot),
        }
    }

    /// Forgets everything, and tells whoever is connected.
    pub(crate) fn forget(&self) {
        match self {
            Self::Memory(store) => store.clear(),
            Self::Redis(redis) => redis.forget(),
        }
    }
}
