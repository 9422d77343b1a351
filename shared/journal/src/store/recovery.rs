//! Finds what the store has lost, and has it recovered: once at a time for each partition.

use std::sync::atomic::Ordering;

use hot::{Gate, Head, HotError, Slot, StreamId};
use kernel::PartitionId;

use super::JournaledStore;
use crate::readers::inputs_of;
use crate::recover::{failed, pause};
use crate::{Recovered, limits, metrics, recover};

impl JournaledStore {
    /// Opens a slot once the store has all that the log has of it and of the streams that it reads.
    pub(super) async fn open_compared(&self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        match self.shared.hot.open(slot, epoch).await {
            Ok(head) => {
                if self.is_whole(slot, &head).await? {
                    self.shared.folds.open(slot);
                    return Ok(head);
                }
            }
            // Where the store answers otherwise, a gate is closed; perhaps by a process that died.
            Err(error @ HotError::Unavailable(_)) => {
                if self.shared.hot.head(slot).await.is_err() {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        self.recover_once(slot.partition).await?;
        let head = self.shared.hot.open(slot, epoch).await?;
        self.shared.folds.open(slot);
        Ok(head)
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

    /// Whether a stream has taken every entry that is in the log now, or takes it within a moment.
    pub(super) async fn has_all_entries(&self, stream: StreamId) -> Result<bool, HotError> {
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

    /// Recovers a partition, whatever the store says. See [`recover`].
    ///
    /// # Errors
    /// As [`recover`].
    pub async fn recover(&self, partition: PartitionId) -> Result<Recovered, HotError> {
        let mut gate = self.shared.recoveries[usize::from(partition.number())]
            .lock()
            .await;
        self.recover_behind(partition, &mut gate).await
    }

    /// Recovers a partition, or waits until somebody else in this process has.
    pub(super) async fn recover_once(&self, partition: PartitionId) -> Result<(), HotError> {
        let number = usize::from(partition.number());
        let recovered = &self.shared.recovered[number];
        let before = recovered.load(Ordering::Acquire);
        let mut gate = self.shared.recoveries[number].lock().await;
        if recovered.load(Ordering::Acquire) == before {
            self.recover_behind(partition, &mut gate).await?;
        }
        Ok(())
    }

    /// Recovers behind the gate that an attempt which failed left closed, or a new one.
    async fn recover_behind(
        &self,
        partition: PartitionId,
        gate: &mut Option<Gate>,
    ) -> Result<Recovered, HotError> {
        let (hot, log) = (self.shared.hot.as_ref(), self.shared.log.as_ref());
        let closed = *gate.get_or_insert_with(|| self.next_gate());
        let recovered = Box::pin(recover(hot, log, partition, closed)).await?;
        *gate = None;
        self.shared.recovered[usize::from(partition.number())].fetch_add(1, Ordering::AcqRel);
        tracing::warn!(
            partition = partition.number(),
            commits = recovered.commits,
            states = recovered.states,
            timers = recovered.timers,
            entries = recovered.entries,
            took_ms = u64::try_from(recovered.took.as_millis()).unwrap_or(u64::MAX),
            "recovered a partition from the journal"
        );
        metrics::recovered();
        Ok(recovered)
    }
}
