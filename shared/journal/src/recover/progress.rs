//! The progress of a recovery: what it counts, and what it logs on its way.

use kernel::PartitionId;
use tokio::time::Instant;

use super::Recovered;
use crate::limits;

/// How far a recovery is.
pub(crate) struct Progress {
    partition: PartitionId,
    started: Instant,
    told: Instant,
    pub(super) commits: u64,
    pub(super) states: u64,
    pub(super) timers: u64,
    pub(super) entries: u64,
}

impl Progress {
    pub(crate) fn new(partition: PartitionId) -> Self {
        let now = Instant::now();
        Self {
            partition,
            started: now,
            told: now,
            commits: 0,
            states: 0,
            timers: 0,
            entries: 0,
        }
    }

    /// Says how far the recovery is, where it has not for a while.
    pub(super) fn tell(&mut self) {
        if self.told.elapsed() < limits::PROGRESS_INTERVAL {
            return;
        }
        self.told = Instant::now();
        tracing::info!(
            partition = self.partition.number(),
            commits = self.commits,
            states = self.states,
            entries = self.entries,
            "recovering a partition"
        );
    }

    /// What was done.
    pub(super) fn done(&self) -> Recovered {
        Recovered {
            partition: self.partition,
            commits: self.commits,
            states: self.states,
            timers: self.timers,
            entries: self.entries,
            took: self.started.elapsed(),
        }
    }
}
