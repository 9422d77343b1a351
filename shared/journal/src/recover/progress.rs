//! How far a recovery is: what it counts, what it logs, and the sign of life that keeps its gate closed.

use hot::{Gate, HotError, RestorableStore};
use kernel::PartitionId;
use tokio::time::Instant;

use super::Recovered;
use crate::limits;

/// How far a recovery is.
pub(super) struct Progress<'a> {
    hot: &'a dyn RestorableStore,
    partition: PartitionId,
    gate: Gate,
    started: Instant,
    heard: Instant,
    pub(super) commits: u64,
    pub(super) states: u64,
    pub(super) timers: u64,
    pub(super) entries: u64,
}

impl<'a> Progress<'a> {
    pub(super) fn new(hot: &'a dyn RestorableStore, partition: PartitionId, gate: Gate) -> Self {
        let now = Instant::now();
        Self {
            hot,
            partition,
            gate,
            started: now,
            heard: now,
            commits: 0,
            states: 0,
            timers: 0,
            entries: 0,
        }
    }

    pub(super) const fn gate(&self) -> Gate {
        self.gate
    }

    /// Says that the recovery is alive, where it has not for a while.
    pub(super) async fn alive(&mut self) -> Result<(), HotError> {
        if self.heard.elapsed() < limits::GATE_RENEWAL {
            return Ok(());
        }
        self.hot.close_gate(self.partition, self.gate).await?;
        self.heard = Instant::now();
        tracing::info!(
            partition = self.partition.number(),
            commits = self.commits,
            states = self.states,
            entries = self.entries,
            "recovering a partition"
        );
        Ok(())
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
