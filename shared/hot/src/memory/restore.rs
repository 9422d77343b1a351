//! Restoring a partition of the store in memory, behind its gate.

use async_trait::async_trait;
use kernel::{PartitionId, Timestamp};

use super::data::{ClosedGate, Data, PartitionData};
use super::{MemoryStore, Operation};
use crate::{
    Commit, Gate, GateAnswer, GateClaim, Gates, HotError, Origin, Owner, RestorableStore, Slot,
    StateRestore, Stored, StreamId, StreamRestore, Timer, Wake,
};

impl PartitionData {
    /// Refuses while the gate is closed.
    pub(super) fn no_gate(&self) -> Result<(), HotError> {
        if self.gate.is_some() {
            return Err(HotError::unavailable("the partition is being restored"));
        }
        Ok(())
    }

    /// Refuses who has not closed the gate; notes that who has is alive.
    fn behind(&mut self, gate: Gate, now_ms: u64) -> Result<(), HotError> {
        match &mut self.gate {
            Some(closed) if closed.gate == gate => {
                closed.heard_ms = now_ms;
                Ok(())
            }
            _ => Err(HotError::unavailable(
                "the gate is not closed by this process any more",
            )),
        }
    }

    /// Closes the gate.
    fn close_gate(&mut self, claim: GateClaim, now_ms: u64) -> GateAnswer {
        match self.gate {
            Some(closed)
                if closed.gate != claim.gate
                    && now_ms < closed.heard_ms.saturating_add(closed.ttl_ms) =>
            {
                return GateAnswer::Held;
            }
            None if self.opened != claim.opened => return GateAnswer::Passed,
            _ => {}
        }
        self.gate = Some(ClosedGate {
            gate: claim.gate,
            heard_ms: now_ms,
            ttl_ms: u64::try_from(claim.ttl.as_millis()).unwrap_or(u64::MAX),
        });
        GateAnswer::Closed
    }

    /// Opens it again; once more changes nothing.
    fn open_gate(&mut self, gate: Gate, fences: &[(Owner, u64)]) -> Result<(), HotError> {
        match self.gate {
            None if self.opened == Some(gate) => return Ok(()),
            Some(closed) if closed.gate == gate => {}
            _ => {
                return Err(HotError::unavailable(
                    "another process is restoring the partition",
                ));
            }
        }
        self.gate = None;
        self.opened = Some(gate);
        for (owner, epoch) in fences {
            let slot = self.slot_mut(*owner);
            slot.epoch = slot.epoch.max(*epoch);
        }
        Ok(())
    }
}

impl Data {
    /// Writes a part of a snapshot.
    pub(super) fn restore_states(
        &mut self,
        slot: Slot,
        gate: Gate,
        part: &StateRestore,
        now_ms: u64,
    ) -> Result<(), HotError> {
        self.partition_mut(slot.partition).behind(gate, now_ms)?;
        let data = self.slot_mut(slot);
        for write in &part.states {
            let Some(value) = &write.value else {
                data.states.remove(&write.key);
                continue;
            };
            let due = write.timer.due;
            let stored = Stored {
                value: value.clone(),
                timer: Timer { due, entry: due },
            };
            data.states.insert(write.key.clone(), stored);
            data.entries.extend(due.map(|due| (due, write.key.clone())));
        }
        for (key, value) in &part.counters {
            *data.counter_mut(key) = *value;
        }
        for entry in &part.quarantine {
            data.set_aside(entry.id, &entry.payload);
        }
        if let Some(head) = &part.head {
            data.commit_seq = head.commit_seq;
            data.batch_id = head.batch_id;
            data.watermark = head.watermark;
            data.next_due = Some(Timestamp::MIN);
            data.marks = head.marks.clone();
            data.outbox_seq = head.outbox_seq;
            data.forwarded_seq = head.forwarded_seq;
            data.outbox = head.outbox.iter().cloned().collect();
        }
        Ok(())
    }

    /// Applies journaled commits to their slot, as one.
    pub(super) fn restore_commits(
        &mut self,
        (slot, gate): (Slot, Gate),
        before: u64,
        commit: &Commit,
        now_ms: u64,
    ) -> Result<(), HotError> {
        self.partition_mut(slot.partition).behind(gate, now_ms)?;
        let data = self.slot_mut(slot);
        if commit.seq <= data.commit_seq {
            return Ok(());
        }
        if before != data.commit_seq {
            return Err(HotError::Gap {
                partition: slot.partition,
                seq: commit.seq,
                current: data.commit_seq,
            });
        }
        data.apply(commit);
        data.next_due = Some(Timestamp::MIN);
        for write in &commit.states {
            // The entry may have been in the index long before this commit, and so not in what was
            // restored.
            if let (Some(entry), true) = (write.timer.entry, write.value.is_some()) {
                data.entries.insert((entry, write.key.clone()));
            }
        }
        Ok(())
    }

    /// Makes a stream anew.
    pub(super) fn restore_stream(
        &mut self,
        id: StreamId,
        gate: Gate,
        part: &StreamRestore,
        now_ms: u64,
    ) -> Result<(), HotError> {
        let partition = self.partition_mut(id.partition);
        partition.behind(gate, now_ms)?;
        if part.is_first {
            for slot in partition.slots_mut() {
                slot.cursors.remove(&id.name);
            }
            let stream = self.stream_mut(id);
            stream.entries.clear();
            stream.writers.clear();
        }
        let stream = self.stream_mut(id);
        for (origin, payload) in &part.entries {
            // The part may be here for the second time.
            if stream.entries.iter().all(|it| it.origin != Some(*origin)) {
                stream.restore(payload.clone(), Some(*origin), now_ms);
            }
        }
        for origin in &part.origins {
            stream.writers.insert(origin.writer, origin.seq);
        }
        for (source, mark) in &part.sources {
            let (known, entry) = stream.marks.get(source).copied().unwrap_or_default();
            let entry = entry.max(stream.tail.minor);
            stream.take_source(source, known.max(*mark), entry);
        }
        Ok(())
    }
}

#[async_trait]
impl RestorableStore for MemoryStore {
    async fn check_follows(&self, slot: Slot, epoch: u64, seq: u64) -> Result<(), HotError> {
        self.call(slot.partition, Operation::Check, |_, data| {
            data.check_follows(slot, epoch, seq)
        })
        .await
    }

    async fn sources(&self, stream: StreamId) -> Result<Vec<(Box<str>, u64)>, HotError> {
        self.call(stream.partition, Operation::Sources, |_, data| {
            Ok(data.stream(stream).sources())
        })
        .await
    }

    async fn origins(&self, stream: StreamId) -> Result<Vec<Origin>, HotError> {
        self.call(stream.partition, Operation::Origins, |_, data| {
            Ok(data.stream(stream).origins())
        })
        .await
    }

    async fn gates(&self, partition: PartitionId) -> Result<Gates, HotError> {
        self.call(partition, Operation::Gates, |_, data| {
            let data = data.partition(partition);
            Ok(Gates {
                closed: data.gate.map(|closed| closed.gate),
                opened: data.opened,
            })
        })
        .await
    }

    async fn close_gate(
        &self,
        partition: PartitionId,
        claim: GateClaim,
    ) -> Result<GateAnswer, HotError> {
        self.call(partition, Operation::CloseGate, |server, data| {
            let data = data.partition_mut(partition);
            Ok(data.close_gate(claim, server.now_ms()))
        })
        .await
    }

    async fn hold_gate(&self, partition: PartitionId, gate: Gate) -> Result<(), HotError> {
        self.call(partition, Operation::HoldGate, |server, data| {
            data.partition_mut(partition).behind(gate, server.now_ms())
        })
        .await
    }

    async fn restore_states(
        &self,
        slot: Slot,
        gate: Gate,
        part: &StateRestore,
    ) -> Result<(), HotError> {
        self.call(slot.partition, Operation::Restore, |server, data| {
            data.restore_states(slot, gate, part, server.now_ms())
        })
        .await
    }

    async fn restore_commits(
        &self,
        slot: Slot,
        gate: Gate,
        before: u64,
        commit: &Commit,
    ) -> Result<(), HotError> {
        self.call(slot.partition, Operation::Restore, |server, data| {
            data.restore_commits((slot, gate), before, commit, server.now_ms())
        })
        .await
    }

    async fn restore_stream(
        &self,
        stream: StreamId,
        gate: Gate,
        part: &StreamRestore,
    ) -> Result<(), HotError> {
        self.call(stream.partition, Operation::Restore, |server, data| {
            data.restore_stream(stream, gate, part, server.now_ms())
        })
        .await
    }

    async fn open_gate(
        &self,
        partition: PartitionId,
        gate: Gate,
        fences: &[(Owner, u64)],
    ) -> Result<(), HotError> {
        self.call(partition, Operation::OpenGate, |server, data| {
            data.partition_mut(partition).open_gate(gate, fences)?;
            server.hints.tell(Wake::All);
            Ok(())
        })
        .await
    }
}
