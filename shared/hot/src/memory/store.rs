//! The calls of the store in memory, each through its hook.

use async_trait::async_trait;
use kernel::{PartitionCount, PartitionId, Timestamp};

use super::{Content, MemoryStore, Operation};
use crate::hints::Topics;
use crate::{
    Append, AppendAnswer, Appended, CheckedCommit, Committed, CounterKey, Cursor, Due, Entry,
    Frontier, Head, HotError, HotStore, Outgoing, PageBounds, QuarantineId, QuarantineSize,
    Quarantined, Slot, Standing, StateKey, Stored, StreamId, StreamName, Unread, WakeReceiver,
    check,
};

#[async_trait]
impl HotStore for MemoryStore {
    fn partition_count(&self) -> PartitionCount {
        self.server.count
    }

    async fn open(&self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        let content = Content::Epoch(slot, epoch);
        self.call_with(slot.partition, Operation::Open, content, |_, data| {
            data.open(slot, epoch)
        })
        .await
    }

    async fn head(&self, slot: Slot) -> Result<Head, HotError> {
        self.call(slot.partition, Operation::Head, |_, data| {
            Ok(data.partition(slot.partition).slot(slot.owner).head())
        })
        .await
    }

    async fn load(&self, slot: Slot, keys: &[StateKey]) -> Result<Vec<Option<Stored>>, HotError> {
        self.call(slot.partition, Operation::Load, |_, data| {
            let states = &data.partition(slot.partition).slot(slot.owner).states;
            Ok(keys.iter().map(|key| states.get(key).cloned()).collect())
        })
        .await
    }

    async fn poll(
        &self,
        stream: StreamId,
        after: Cursor,
        max: usize,
    ) -> Result<Vec<Entry>, HotError> {
        self.call(stream.partition, Operation::Poll, |_, data| {
            Ok(data.stream(stream).poll(after, max))
        })
        .await
    }

    async fn lag(&self, stream: StreamId, after: Cursor) -> Result<u64, HotError> {
        self.call(stream.partition, Operation::Lag, |_, data| {
            Ok(data.stream(stream).lag(after))
        })
        .await
    }

    async fn frontier(
        &self,
        partition: PartitionId,
        streams: &[StreamName],
    ) -> Result<Frontier, HotError> {
        self.call(partition, Operation::Frontier, |server, data| {
            let now = server.clock.now();
            Ok(data.partition(partition).frontier(streams, now))
        })
        .await
    }

    async fn unread(&self, slot: Slot, streams: &[StreamName]) -> Result<Unread, HotError> {
        self.call(slot.partition, Operation::Unread, |server, data| {
            let now = server.clock.now();
            Ok(data.partition(slot.partition).unread(streams, now))
        })
        .await
    }

    async fn due(&self, slot: Slot, until: Timestamp, max: usize) -> Result<Due, HotError> {
        self.call(slot.partition, Operation::Due, |_, data| {
            let slot = data.partition(slot.partition).slot(slot.owner);
            Ok(slot.due(until, max))
        })
        .await
    }

    async fn apply(&self, slot: Slot, commit: CheckedCommit<'_>) -> Result<Committed, HotError> {
        let content = Content::Commit(slot, &commit);
        self.call_with(
            slot.partition,
            Operation::Commit,
            content,
            |server, data| {
                let origins = server.options.origins;
                let committed = data.commit(slot, &commit, origins, server.now_ms())?;
                if committed == Committed::Applied {
                    for (name, _) in &commit.outputs {
                        server.hints.wake(StreamId {
                            name: *name,
                            partition: slot.partition,
                        });
                    }
                    server.hints.committed(slot);
                }
                Ok(committed)
            },
        )
        .await
    }

    async fn append_stamped(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        check::append(self.server.count, append)?;
        let content = Content::Append(append);
        let partition = append.to.partition;
        self.call_with(partition, Operation::Append, content, |server, data| {
            let answer = data.append(append, server.now_ms())?;
            if answer.appended == Appended::Applied {
                server.hints.wake(append.to);
            }
            Ok(answer)
        })
        .await
    }

    async fn outbox(
        &self,
        slot: Slot,
        after_seq: u64,
        max: usize,
    ) -> Result<Vec<Outgoing>, HotError> {
        self.call(slot.partition, Operation::Outbox, |_, data| {
            let slot = data.partition(slot.partition).slot(slot.owner);
            Ok(slot.outgoing(after_seq, max))
        })
        .await
    }

    async fn trim_outbox(&self, at: Standing, seq: u64) -> Result<(), HotError> {
        self.call(at.slot.partition, Operation::TrimOutbox, |_, data| {
            data.trim_outbox(at, seq)
        })
        .await
    }

    async fn trim(&self, at: Standing, stream: StreamName, upto: Cursor) -> Result<(), HotError> {
        self.call(at.slot.partition, Operation::Trim, |_, data| {
            data.trim(at, stream, upto)
        })
        .await
    }

    async fn counters(
        &self,
        slot: Slot,
        groups: &[&str],
    ) -> Result<Vec<(CounterKey, i64)>, HotError> {
        self.call(slot.partition, Operation::Counters, |_, data| {
            let slot = data.partition(slot.partition).slot(slot.owner);
            Ok(slot.counters(groups))
        })
        .await
    }

    async fn counter_groups(&self, slot: Slot) -> Result<Vec<Box<str>>, HotError> {
        self.call(slot.partition, Operation::Counters, |_, data| {
            let slot = data.partition(slot.partition).slot(slot.owner);
            Ok(slot.counters.keys().cloned().collect())
        })
        .await
    }

    async fn quarantined(
        &self,
        slot: Slot,
        after: Option<QuarantineId>,
        page: PageBounds,
    ) -> Result<Vec<Quarantined>, HotError> {
        self.call(slot.partition, Operation::Quarantined, |_, data| {
            let slot = data.partition(slot.partition).slot(slot.owner);
            Ok(slot.quarantined(after, page))
        })
        .await
    }

    async fn quarantine_size(&self, slot: Slot) -> Result<QuarantineSize, HotError> {
        self.call(slot.partition, Operation::Quarantined, |_, data| {
            Ok(data.partition(slot.partition).slot(slot.owner).aside)
        })
        .await
    }

    async fn subscribe(&self, streams: &[StreamName]) -> Result<WakeReceiver, HotError> {
        let topics = Topics::Streams(streams.to_vec());
        Ok(self.server.hints.subscribe(topics))
    }

    async fn subscribe_commits(&self) -> Result<WakeReceiver, HotError> {
        Ok(self.server.hints.subscribe(Topics::Commits))
    }
}
