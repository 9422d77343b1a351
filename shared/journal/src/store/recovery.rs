//! Finds what the store has lost, and has it recovered: once for each loss, whoever notices.
//!
//! Whoever looks whether anything is lost asks first which gate was opened last. It closes the next
//! gate only if that is still so; otherwise somebody has recovered the partition meanwhile, and it
//! looks again. While another process holds the gate it waits.

use futures::future::BoxFuture;
use std::sync::atomic::Ordering;

use hot::{Commit, Gate, GateClaim, Gates, Head, HotError, Slot, StateWrite, StreamId};
use kernel::{PartitionId, Timestamp};
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::JournaledStore;
use crate::packed::unpack_commit;
use crate::readers::inputs_of;
use crate::recover::{Attempt, failed, pause, recover};
use crate::{Recovered, limits, metrics};

impl JournaledStore {
    /// Opens a slot once the store has all that the log has of it and of the streams that it reads.
    pub(super) async fn open_compared(&self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        for _ in 0..limits::LOOKS {
            let seen = self.shared.hot.gates(slot.partition).await?;
            if seen.closed.is_none() {
                let head = self.open_caught_up(slot, epoch).await?;
                if self.is_whole(slot, &head).await? {
                    self.shared.folds.open(slot);
                    return Ok(head);
                }
            }
            self.recover_unless_done(slot.partition, seen).await?;
        }
        Err(keeps_losing())
    }

    /// Opens a slot; where it lacks nothing but the last commit of the log, applies that.
    ///
    /// The process that logged it died before the store had it, or logged it when the slot had a
    /// new owner already. The store is where that commit was decided, so it is applied as it would
    /// have been, under the epoch of the new owner: nobody else is fenced for it. An empty slot has
    /// lost what it had.
    ///
    /// # Errors
    /// [`HotError::Fenced`] where the commit has a higher epoch: the caller was overtaken, and the
    /// store is a copy from before its successor opened the slot. Otherwise as the two stores.
    async fn open_caught_up(&self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        let (hot, log) = (&self.shared.hot, &self.shared.log);
        let failed = failed(slot.partition);
        let head = hot.open(slot, epoch).await?;
        let next = head.commit_seq + 1;
        if head.commit_seq == 0 || log.head(slot).await.map_err(failed)?.seq != next {
            return Ok(head);
        }
        let rows = log
            .commits(slot, head.commit_seq, 1)
            .await
            .map_err(failed)?;
        let row = rows.first().map(|placed| &placed.row);
        let Some(row) = row.filter(|row| row.seq == next) else {
            return Ok(head);
        };
        // A worker with a higher epoch has the slot already. The store knew of it when that worker
        // logged this commit, and went back since.
        if row.epoch > epoch {
            return Err(HotError::Fenced {
                partition: slot.partition,
                epoch,
                current: row.epoch,
            });
        }
        let logged = unpack_commit(row).map_err(failed)?;
        let commit = Commit {
            epoch,
            states: logged.states.iter().map(StateWrite::with_entry).collect(),
            // They may be of streams that were made anew since.
            cursors: Vec::new(),
            // It may set a timer that is due before all that are known.
            next_due: Some(Timestamp::MIN),
            ..logged
        };
        hot.commit(slot, &commit).await?;
        tracing::info!(
            service = slot.owner.name(),
            partition = slot.partition.number(),
            seq = next,
            "applied a commit that had not reached the hot store"
        );
        hot.open(slot, epoch).await
    }

    /// Whether the store has every commit of a slot, and every entry of its streams.
    async fn is_whole(&self, slot: Slot, head: &Head) -> Result<bool, HotError> {
        let known = self
            .shared
            .log
            .head(slot)
            .await
            .map_err(failed(slot.partition))?;
        if known.seq != head.commit_seq {
            tracing::warn!(
                service = slot.owner.name(),
                partition = slot.partition.number(),
                hot = head.commit_seq,
                journal = known.seq,
                "the hot store does not have what the journal has"
            );
            return Ok(false);
        }
        for name in inputs_of(slot.owner) {
            let stream = StreamId {
                name,
                partition: slot.partition,
            };
            if !self.has_all_entries(stream).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has a stream recovered unless it has taken every entry that is in the log now.
    pub(super) async fn complete(&self, stream: StreamId) -> Result<(), HotError> {
        for _ in 0..limits::LOOKS {
            let seen = self.shared.hot.gates(stream.partition).await?;
            if seen.closed.is_none() && self.has_all_entries(stream).await? {
                return Ok(());
            }
            self.recover_unless_done(stream.partition, seen).await?;
        }
        Err(keeps_losing())
    }

    /// Whether a stream has taken every entry that is in the log now, or takes it within a moment.
    async fn has_all_entries(&self, stream: StreamId) -> Result<bool, HotError> {
        let (hot, log) = (&self.shared.hot, &self.shared.log);
        let mut missing = log
            .last_entries(stream)
            .await
            .map_err(failed(stream.partition))?;
        let mut wait = limits::ENTRY_FIRST_WAIT;
        // Those of workers are outputs of commits, which are compared by their numbers.
        missing.retain(|entry| entry.writer.owner().is_none());
        loop {
            let taken = hot.origins(stream).await?;
            missing.retain(|entry| {
                !taken
                    .iter()
                    .any(|it| it.writer == entry.writer && it.seq >= entry.seq)
            });
            if missing.is_empty() {
                return Ok(true);
            }
            if wait > limits::ENTRY_ON_ITS_WAY {
                tracing::warn!(
                    stream = stream.name.name(),
                    partition = stream.partition.number(),
                    writers = missing.len(),
                    "the hot store does not have entries that the journal has"
                );
                return Ok(false);
            }
            pause(&mut wait).await;
        }
    }

    /// Recovers a partition, whatever the store says. Workers of the partition are fenced, in this
    /// process and in others: they acquire their leases again.
    ///
    /// # Errors
    /// [`HotError::Unavailable`] where a store does not answer: try again.
    /// [`HotError::Mismatch`] where the hot store is a copy from before what the log still has,
    /// [`HotError::Damaged`] where it is ahead of the log.
    pub fn recover(&self, partition: PartitionId) -> BoxFuture<'_, Result<Recovered, HotError>> {
        Box::pin(async move {
            for _ in 0..limits::LOOKS {
                let seen = self.shared.hot.gates(partition).await?;
                if let Some(recovered) = self.recover_after(partition, seen).await? {
                    return Ok(recovered);
                }
            }
            Err(keeps_losing())
        })
    }

    /// Recovers a partition, unless anybody has since these were its gates. Then the caller looks
    /// again.
    ///
    /// # Errors
    /// As [`recover`]; [`HotError::Unavailable`] where another process takes long to recover it.
    pub(super) async fn recover_unless_done(
        &self,
        partition: PartitionId,
        seen: Gates,
    ) -> Result<(), HotError> {
        self.recover_after(partition, seen).await.map(drop)
    }

    /// Recovers a partition in a task of its own: a caller that gives up, as at the deadline of a
    /// call, leaves no gate closed. Absent where somebody else was faster.
    async fn recover_after(
        &self,
        partition: PartitionId,
        seen: Gates,
    ) -> Result<Option<Recovered>, HotError> {
        let store = self.clone();
        let task = tokio::spawn(async move { store.recover_in_turn(partition, seen).await });
        // Where the process ends meanwhile, another one takes the gate over.
        task.await.map_err(HotError::unavailable)?
    }

    /// Recovers a partition when it is its turn, or waits until another process has.
    async fn recover_in_turn(
        &self,
        partition: PartitionId,
        seen: Gates,
    ) -> Result<Option<Recovered>, HotError> {
        // From the call on: who waits for another call of this process has waited that long.
        let patience = Instant::now() + self.shared.options.gate_ttl;
        let mut left = self.shared.recoveries[usize::from(partition.number())]
            .lock()
            .await;
        loop {
            let Some(turn) = self.await_turn(partition, seen).await? else {
                return Ok(None);
            };
            match self.attempt(partition, seen, &mut left).await? {
                Attempt::Recovered(recovered) => {
                    self.tell(recovered);
                    return Ok(Some(recovered));
                }
                Attempt::Passed => return Ok(None),
                Attempt::Held if Instant::now() < patience => {}
                Attempt::Held => return Err(held_elsewhere()),
            }
            // Others of this process may have the turn meanwhile.
            drop(turn);
            tokio::time::sleep(limits::TURN_LOOK).await;
        }
    }

    /// Waits until this process may recover one partition more; absent where somebody has recovered
    /// this one by then.
    async fn await_turn(
        &self,
        partition: PartitionId,
        seen: Gates,
    ) -> Result<Option<SemaphorePermit<'_>>, HotError> {
        let turn = self.shared.permits.acquire();
        tokio::pin!(turn);
        loop {
            let gates = self.shared.hot.gates(partition).await?;
            if gates.closed.is_none() && gates.opened != seen.opened {
                return Ok(None);
            }
            tokio::select! {
                biased;
                turn = &mut turn => return Ok(turn.ok()),
                () = tokio::time::sleep(limits::TURN_LOOK) => {}
            }
        }
    }

    /// Recovers a partition behind the gate that an attempt which failed left closed, or a new one.
    async fn attempt(
        &self,
        partition: PartitionId,
        seen: Gates,
        left: &mut Option<Gate>,
    ) -> Result<Attempt, HotError> {
        let (hot, log) = (self.shared.hot.as_ref(), self.shared.log.as_ref());
        let gates = hot.gates(partition).await?;
        let own = left.filter(|gate| gates.closed == Some(*gate));
        let claim = GateClaim {
            gate: own.unwrap_or_else(|| self.next_gate()),
            ttl: self.shared.options.gate_ttl,
            opened: seen.opened,
        };
        *left = Some(claim.gate);
        let attempt = Box::pin(recover(hot, log, partition, claim, gates)).await?;
        *left = None;
        Ok(attempt)
    }

    /// Takes note of a recovery of this process.
    fn tell(&self, recovered: Recovered) {
        let partition = recovered.partition.number();
        self.shared.recovered[usize::from(partition)].fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            partition,
            commits = recovered.commits,
            states = recovered.states,
            timers = recovered.timers,
            entries = recovered.entries,
            took_ms = u64::try_from(recovered.took.as_millis()).unwrap_or(u64::MAX),
            "recovered a partition from the journal"
        );
        metrics::recovered();
    }
}

/// Another process recovers the partition, and takes longer than its callers wait.
fn held_elsewhere() -> HotError {
    HotError::unavailable("another process restores the partition from the journal")
}

/// Whatever is put right is lost again: the caller tries again later.
fn keeps_losing() -> HotError {
    HotError::unavailable("the hot store keeps losing what the journal has")
}
