//! A hot store in memory, for simulations: exactly what the Redis store does, and what only a simulation needs.
//!
//! It can go back to an older copy of itself, forget everything, and do to single calls what networks do: refuse them, lose
//! their answers, delay and repeat them. It keeps nothing when the process ends, and is not built into production.

mod change;
mod data;
mod hook;
mod restore;
mod store;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{PartitionCount, PartitionId, Timestamp};
use tokio::time::Instant;

use self::data::Data;
pub use self::hook::{Call, Content, Delivery, Hook, Operation};
use crate::hints::Hints;
use crate::{HotError, Slot, StateKey, StoreClock, Stored, Wake, check};

/// How a store in memory behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryOptions {
    /// Whether the outputs of commits carry their origin, as at level `journal`.
    pub origins: bool,
}

/// A hot store in memory. A clone is another connection to the same store.
#[derive(Clone)]
pub struct MemoryStore {
    server: Arc<Server>,
    hook: Option<Arc<dyn Hook>>,
}

/// What all connections share.
struct Server {
    count: PartitionCount,
    options: MemoryOptions,
    clock: StoreClock,
    data: Mutex<Data>,
    hints: Hints,
}

/// A copy of a whole store.
#[derive(Debug, Clone)]
pub struct Snapshot(Data);

impl MemoryStore {
    /// An empty store, whose time begins with it: virtual where tokio's is.
    pub fn new(partitions: PartitionCount, options: MemoryOptions) -> Self {
        let started = Instant::now();
        let clock = StoreClock::new(move || {
            let elapsed = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
            Timestamp::from_millis(elapsed.saturating_add(1))
        });
        Self::with_clock(partitions, options, clock)
    }

    /// An empty store that goes by a clock.
    pub fn with_clock(
        partitions: PartitionCount,
        options: MemoryOptions,
        clock: StoreClock,
    ) -> Self {
        let server = Server {
            count: partitions,
            options,
            clock,
            data: Mutex::new(Data::empty(partitions)),
            hints: Hints::default(),
        };
        Self {
            server: Arc::new(server),
            hook: None,
        }
    }

    /// Another connection to the same store, whose calls go through a hook.
    #[must_use]
    pub fn with_hook(&self, hook: Arc<dyn Hook>) -> Self {
        Self {
            server: Arc::clone(&self.server),
            hook: Some(hook),
        }
    }

    /// Copies the whole store.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.server.data().clone())
    }

    /// Goes back to an older copy, as after a lost tail, a fail-over to a replica that was behind, or a stale copy. Whoever
    /// is connected is told to open everything again, as by a watcher that finds another server.
    pub fn roll_back(&self, snapshot: Snapshot) {
        *self.server.data() = snapshot.0;
        self.server.hints.tell(Wake::Reopen);
    }

    /// Goes back to an older copy without anybody being told yet: see [`Self::tell_reopen`].
    pub fn roll_back_silently(&self, snapshot: Snapshot) {
        *self.server.data() = snapshot.0;
    }

    /// Tells whoever is connected to open everything again.
    pub fn tell_reopen(&self) {
        self.server.hints.tell(Wake::Reopen);
    }

    /// Forgets everything, and tells whoever is connected, like [`Self::roll_back`].
    pub fn clear(&self) {
        *self.server.data() = Data::empty(self.server.count);
        self.server.hints.tell(Wake::Reopen);
    }

    /// Copies all states of a slot, by key.
    pub fn states(&self, slot: Slot) -> Vec<(StateKey, Stored)> {
        let data = self.server.data();
        let states = &data.partition(slot.partition).slot(slot.owner).states;
        let states = states.iter();
        states.map(|(key, it)| (key.clone(), it.clone())).collect()
    }

    /// Copies the index of timers of a slot.
    pub fn timers(&self, slot: Slot) -> BTreeSet<(Timestamp, StateKey)> {
        let data = self.server.data();
        data.partition(slot.partition)
            .slot(slot.owner)
            .entries
            .clone()
    }

    /// Makes a call: through the hook, where there is one.
    async fn call<T>(
        &self,
        partition: PartitionId,
        operation: Operation,
        run: impl Fn(&Server, &mut Data) -> Result<T, HotError> + Send + Sync,
    ) -> Result<T, HotError> {
        self.call_with(partition, operation, Content::None, run)
            .await
    }

    /// Makes a call that brings something.
    async fn call_with<T>(
        &self,
        partition: PartitionId,
        operation: Operation,
        content: Content<'_>,
        run: impl Fn(&Server, &mut Data) -> Result<T, HotError> + Send + Sync,
    ) -> Result<T, HotError> {
        check::partition(self.server.count, partition)?;
        let once = || run(&self.server, &mut self.server.data());
        let Some(hook) = &self.hook else {
            return once();
        };
        let call = Call {
            operation,
            partition,
            content,
        };
        let first = match hook.before(call).await? {
            Delivery::Once => once(),
            // The answer of the first is the one that counts: the second only must not harm.
            Delivery::Twice => {
                let first = once();
                drop(once());
                first
            }
            Delivery::Late => {
                // The caller is told at once that nobody answered; the call arrives all the same.
                drop(once());
                return Err(HotError::unavailable("the answer was lost"));
            }
        };
        hook.after(call, first.is_ok()).await?;
        first
    }
}

impl Server {
    /// Locks the data. Never held across an await.
    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock of the server, in milliseconds.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.now().as_millis()).unwrap_or(0)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("partitions", &self.server.count)
            .field("options", &self.server.options)
            .finish_non_exhaustive()
    }
}
