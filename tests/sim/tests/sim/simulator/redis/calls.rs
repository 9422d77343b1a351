//! The calls of one process to Redis, each through its hook.

use std::sync::Arc;

use async_trait::async_trait;
use hot::memory::{Call, Content, Delivery, Hook, Operation};
use hot::{
    Append, AppendAnswer, Appended, CheckedCommit, Commit, Committed, CounterKey, Cursor, Due,
    Entry, Frontier, Gate, GateAnswer, GateClaim, Gates, Head, HotError, HotStore, Origin,
    Outgoing, Owner, PageBounds, QuarantineId, QuarantineSize, Quarantined, RedisStore,
    RestorableStore, Slot, Standing, StateKey, StateRestore, Stored, StreamId, StreamName,
    StreamRestore, Unread, Wake, WakeReceiver,
};
use kernel::{PartitionCount, PartitionId, Timestamp};

use super::Redis;

/// One process's connection.
#[derive(Debug)]
pub(crate) struct RedisLink {
    pub(super) redis: Redis,
    pub(super) store: RedisStore,
    /// Absent where nothing disturbs it.
    pub(super) hook: Option<Arc<dyn Hook>>,
}

impl RedisLink {
    /// Makes a call; twice, where the hook says so. Then the first answer counts.
    async fn call<'a, T, F>(
        &'a self,
        partition: PartitionId,
        operation: Operation,
        content: Content<'_>,
        run: impl Fn(&'a RedisStore) -> F + Send + Sync,
    ) -> Result<T, HotError>
    where
        T: Send,
        F: Future<Output = Result<T, HotError>> + Send,
    {
        let once = || self.redis.wait(run(&self.store));
        let Some(hook) = &self.hook else {
            return once();
        };
        let call = Call {
            operation,
            partition,
            content,
        };
        let delivery = hook.before(call).await?;
        if matches!(
            operation,
            Operation::CloseGate | Operation::HoldGate | Operation::Restore | Operation::OpenGate
        ) {
            self.redis.age_gates();
        }
        let answer = once();
        if delivery == Delivery::Twice {
            drop(once());
        }
        hook.after(call, answer.is_ok()).await?;
        answer
    }
}

#[async_trait]
impl HotStore for RedisLink {
    fn partition_count(&self) -> PartitionCount {
        self.store.partition_count()
    }

    async fn subscribe(&self, streams: &[StreamName]) -> Result<WakeReceiver, HotError> {
        Ok(self.redis.subscribe(streams))
    }

    async fn subscribe_commits(&self) -> Result<WakeReceiver, HotError> {
        // Hints may be late, also for ever.
        Ok(self.redis.subscribe(&[]))
    }

    async fn open(&self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        let content = Content::Epoch(slot, epoch);
        self.call(slot.partition, Operation::Open, content, |store| {
            store.open(slot, epoch)
        })
        .await
    }

    async fn apply(&self, slot: Slot, commit: CheckedCommit<'_>) -> Result<Committed, HotError> {
        self.redis.note_keys(slot, &commit);
        let content = Content::Commit(slot, &commit);
        let run = |store| self.apply_once(store, slot, commit);
        self.call(slot.partition, Operation::Commit, content, run)
            .await
    }

    async fn append_stamped(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        let content = Content::Append(append);
        let run = |store| self.append_once(store, append);
        self.call(append.to.partition, Operation::Append, content, run)
            .await
    }

    async fn load(&self, slot: Slot, keys: &[StateKey]) -> Result<Vec<Option<Stored>>, HotError> {
        self.call(slot.partition, Operation::Load, Content::None, |store| {
            store.load(slot, keys)
        })
        .await
    }

    async fn head(&self, slot: Slot) -> Result<Head, HotError> {
        self.call(slot.partition, Operation::Head, Content::None, |store| {
            store.head(slot)
        })
        .await
    }

    async fn poll(
        &self,
        stream: StreamId,
        after: Cursor,
        max: usize,
    ) -> Result<Vec<Entry>, HotError> {
        self.call(stream.partition, Operation::Poll, Content::None, |store| {
            store.poll(stream, after, max)
        })
        .await
    }

    async fn lag(&self, stream: StreamId, after: Cursor) -> Result<u64, HotError> {
        self.call(stream.partition, Operation::Lag, Content::None, |store| {
            store.lag(stream, after)
        })
        .await
    }

    async fn frontier(
        &self,
        partition: PartitionId,
        streams: &[StreamName],
    ) -> Result<Frontier, HotError> {
        self.call(partition, Operation::Frontier, Content::None, |store| {
            store.frontier(partition, streams)
        })
        .await
    }

    async fn unread(&self, slot: Slot, streams: &[StreamName]) -> Result<Unread, HotError> {
        self.call(slot.partition, Operation::Unread, Content::None, |store| {
            store.unread(slot, streams)
        })
        .await
    }

    async fn due(&self, slot: Slot, until: Timestamp, max: usize) -> Result<Due, HotError> {
        self.call(slot.partition, Operation::Due, Content::None, |store| {
            store.due(slot, until, max)
        })
        .await
    }

    async fn outbox(
        &self,
        slot: Slot,
        after_seq: u64,
        max: usize,
    ) -> Result<Vec<Outgoing>, HotError> {
        self.call(slot.partition, Operation::Outbox, Content::None, |store| {
            store.outbox(slot, after_seq, max)
        })
        .await
    }

    async fn trim_outbox(&self, at: Standing, seq: u64) -> Result<(), HotError> {
        self.call(
            at.slot.partition,
            Operation::TrimOutbox,
            Content::None,
            |store| store.trim_outbox(at, seq),
        )
        .await
    }

    async fn trim(&self, at: Standing, stream: StreamName, upto: Cursor) -> Result<(), HotError> {
        self.call(at.slot.partition, Operation::Trim, Content::None, |store| {
            store.trim(at, stream, upto)
        })
        .await
    }

    async fn counters(
        &self,
        slot: Slot,
        groups: &[&str],
    ) -> Result<Vec<(CounterKey, i64)>, HotError> {
        self.call(
            slot.partition,
            Operation::Counters,
            Content::None,
            |store| store.counters(slot, groups),
        )
        .await
    }

    async fn counter_groups(&self, slot: Slot) -> Result<Vec<Box<str>>, HotError> {
        self.call(
            slot.partition,
            Operation::Counters,
            Content::None,
            |store| store.counter_groups(slot),
        )
        .await
    }

    async fn quarantined(
        &self,
        slot: Slot,
        after: Option<QuarantineId>,
        page: PageBounds,
    ) -> Result<Vec<Quarantined>, HotError> {
        self.call(
            slot.partition,
            Operation::Quarantined,
            Content::None,
            |store| store.quarantined(slot, after, page),
        )
        .await
    }

    async fn quarantine_size(&self, slot: Slot) -> Result<QuarantineSize, HotError> {
        self.call(
            slot.partition,
            Operation::Quarantined,
            Content::None,
            |store| store.quarantine_size(slot),
        )
        .await
    }
}

#[async_trait]
impl RestorableStore for RedisLink {
    async fn check_follows(&self, slot: Slot, epoch: u64, seq: u64) -> Result<(), HotError> {
        self.call(slot.partition, Operation::Check, Content::None, |store| {
            store.check_follows(slot, epoch, seq)
        })
        .await
    }

    async fn sources(&self, stream: StreamId) -> Result<Vec<(Box<str>, u64)>, HotError> {
        self.call(
            stream.partition,
            Operation::Sources,
            Content::None,
            |store| store.sources(stream),
        )
        .await
    }

    async fn origins(&self, stream: StreamId) -> Result<Vec<Origin>, HotError> {
        self.call(
            stream.partition,
            Operation::Origins,
            Content::None,
            |store| store.origins(stream),
        )
        .await
    }

    async fn gates(&self, partition: PartitionId) -> Result<Gates, HotError> {
        self.call(partition, Operation::Gates, Content::None, |store| {
            store.gates(partition)
        })
        .await
    }

    async fn close_gate(
        &self,
        partition: PartitionId,
        claim: GateClaim,
    ) -> Result<GateAnswer, HotError> {
        self.call(partition, Operation::CloseGate, Content::None, |store| {
            store.close_gate(partition, claim)
        })
        .await
    }

    async fn hold_gate(&self, partition: PartitionId, gate: Gate) -> Result<(), HotError> {
        self.call(partition, Operation::HoldGate, Content::None, |store| {
            store.hold_gate(partition, gate)
        })
        .await
    }

    async fn restore_states(
        &self,
        slot: Slot,
        gate: Gate,
        part: &StateRestore,
    ) -> Result<(), HotError> {
        self.call(slot.partition, Operation::Restore, Content::None, |store| {
            store.restore_states(slot, gate, part)
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
        self.call(slot.partition, Operation::Restore, Content::None, |store| {
            store.restore_commits(slot, gate, before, commit)
        })
        .await
    }

    async fn restore_stream(
        &self,
        stream: StreamId,
        gate: Gate,
        part: &StreamRestore,
    ) -> Result<(), HotError> {
        self.call(
            stream.partition,
            Operation::Restore,
            Content::None,
            |store| store.restore_stream(stream, gate, part),
        )
        .await
    }

    async fn open_gate(
        &self,
        partition: PartitionId,
        gate: Gate,
        fences: &[(Owner, u64)],
    ) -> Result<(), HotError> {
        let run = |store| self.open_gate_once(store, partition, gate, fences);
        self.call(partition, Operation::OpenGate, Content::None, run)
            .await
    }
}

impl RedisLink {
    /// Tells those who listen what it appended, also where the caller never learns of it.
    async fn apply_once(
        &self,
        store: &RedisStore,
        slot: Slot,
        commit: CheckedCommit<'_>,
    ) -> Result<Committed, HotError> {
        let committed = store.apply(slot, commit).await?;
        if committed == Committed::Applied {
            for (name, _) in &commit.outputs {
                self.redis.wake(StreamId {
                    name: *name,
                    partition: slot.partition,
                });
            }
        }
        Ok(committed)
    }

    async fn append_once(
        &self,
        store: &RedisStore,
        append: &Append,
    ) -> Result<AppendAnswer, HotError> {
        let answer = store.append_stamped(append).await?;
        if answer.appended == Appended::Applied {
            self.redis.wake(append.to);
        }
        Ok(answer)
    }

    async fn open_gate_once(
        &self,
        store: &RedisStore,
        partition: PartitionId,
        gate: Gate,
        fences: &[(Owner, u64)],
    ) -> Result<(), HotError> {
        store.open_gate(partition, gate, fences).await?;
        self.redis.tell(Wake::All, |_| true);
        Ok(())
    }
}
