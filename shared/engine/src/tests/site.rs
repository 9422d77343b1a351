//! Engines of several processes over one store and one database, on the paused time of the runtime.

use std::sync::Arc;
use std::time::Duration;

use hot::{HotStore as _, MemoryStore, SharedHotStore};
use kernel::PartitionCount;
use storage::{Leases as _, MemoryLeases};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::counting::Counting;
use super::driver::memory;
use super::leases::{Machine, leases_since};
use crate::{Engine, EngineConfig, EngineHandle, TimeSource, limits, placement};

pub(super) const SERVICE: &str = "segmentation";
/// Enough for one round of placement and what follows from it.
pub(super) const ROUND: Duration = limits::PLACEMENT_ROUND.saturating_mul(2);

/// A store of two partitions, and the leases on them.
pub(super) struct Site {
    pub(super) hot: MemoryStore,
    pub(super) leases: Arc<MemoryLeases>,
    pub(super) started: Instant,
}

impl Site {
    pub(super) fn new() -> Self {
        let started = Instant::now();
        Self {
            hot: memory(),
            leases: leases_since(started),
            started,
        }
    }

    /// The clock of a machine, so far from what is right.
    pub(super) fn machine(&self, offset_ms: i64) -> Arc<Machine> {
        Machine::new(self.started, offset_ms)
    }

    /// The settings of a process on a machine.
    pub(super) fn config(&self, worker: &str, machine: &Arc<Machine>) -> EngineConfig<Counting> {
        let (sender, definitions) = watch::channel(Arc::new(0));
        drop(sender);
        let hot: SharedHotStore = Arc::new(self.hot.clone());
        let time = TimeSource::Wall(machine.clone());
        let unused = MemoryLeases::new(kernel::Timestamp::default);
        let mut config = EngineConfig::new(hot, unused, time, worker, definitions);
        config.leases = self.leases.clone();
        config.own_clock = machine.clone();
        config
    }

    pub(super) async fn start(&self, worker: &str, machine: &Arc<Machine>) -> EngineHandle {
        let config = self.config(worker, machine);
        Engine::start(config).await.expect("it starts")
    }

    /// The owner and the epoch of each partition; an empty name for nobody.
    pub(super) async fn owners(&self) -> Vec<(String, u64)> {
        let leases = self.leases.list(SERVICE).await.expect("a list");
        let owner = |lease: storage::Lease| {
            let owner = lease.owner.map(|owner| owner.worker);
            (owner.unwrap_or_default(), lease.epoch)
        };
        leases.into_iter().map(owner).collect()
    }

    /// Waits until each partition is owned by the worker of that name.
    pub(super) async fn until_owned_by(&self, names: [&str; 2]) {
        for _ in 0..200 {
            let owners = self.owners().await;
            if owners.iter().map(|(name, _)| name).eq(names) {
                return;
            }
            sleep(ROUND / 10).await;
        }
        panic!("{:?}, and not {names:?}", self.owners().await);
    }

    pub(super) fn partitions(&self) -> usize {
        usize::from(self.hot.partition_count().get())
    }
}

/// The owner of each partition where these two take part.
pub(super) fn shares(names: [&'static str; 2]) -> [&'static str; 2] {
    let members = names.map(str::to_owned);
    let count = PartitionCount::try_new(2).expect("a count");
    let owners = placement::owners(SERVICE, count, &members);
    [0, 1].map(|place| {
        let name = names.into_iter().find(|name| *name == owners[place]);
        name.expect("somebody owns it")
    })
}
