//! One process's link to the log: SQL, as the network shows it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hot::memory::Delivery;
use hot::{Origin, Slot, StreamId, Writer};
use journal::{
    CommitRow, Cut, EntryRow, Journaled, Log, LogError, LogHead, MemoryLog, Placed, SnapshotHead,
};
use kernel::{PartitionId, Timestamp};
use storage::MemoryLeases;

use super::link::{Link, Lost};
use super::world::Place;

/// One process's link to the log.
#[derive(Debug)]
pub(crate) struct LogLink {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) leases: Arc<MemoryLeases>,
    pub(crate) link: Arc<Link>,
}

fn lost(lost: Lost) -> LogError {
    LogError::unavailable(lost)
}

/// A call of the log on its way there and back, perhaps twice. The log in memory answers at once.
macro_rules! call {
    ($self:ident, $is_effect:expr, $call:expr) => {{
        let delivery = $self
            .link
            .enter(Place::Log, $is_effect)
            .await
            .map_err(lost)?;
        let answer = $call.await;
        if delivery == Delivery::Twice {
            drop($call.await);
        }
        if $is_effect && answer.is_ok() {
            $self.link.world.note_change();
        }
        $self.link.leave().await.map_err(lost)?;
        answer
    }};
}

#[async_trait]
impl Log for LogLink {
    async fn register(&self, worker: &str) -> Result<Writer, LogError> {
        call!(self, false, self.log.register(worker))
    }

    async fn append_commit(&self, row: CommitRow) -> Result<Journaled, LogError> {
        let (slot, seq, epoch) = (row.slot, row.seq, row.epoch);
        let answer = call!(self, true, self.log.append_commit(row.clone()));
        self.link.world.tell(format!(
            "{} logs {} {} {seq}@{epoch}: {}",
            self.link.name,
            slot.owner.name(),
            slot.partition,
            said(&answer)
        ));
        answer
    }

    async fn append_entry(&self, row: EntryRow) -> Result<(), LogError> {
        let (stream, origin) = (row.stream, row.origin);
        let answer = call!(self, true, self.log.append_entry(row.clone()));
        self.link.world.tell(format!(
            "{} logs {} {} {origin}: {}",
            self.link.name,
            stream.name.name(),
            stream.partition,
            said(&answer)
        ));
        answer
    }

    async fn fence(&self, partition: PartitionId, raise: u64) -> Result<(), LogError> {
        // The leases are in the same database.
        call!(self, true, async {
            self.leases.raise(partition, raise);
            Ok::<(), LogError>(())
        })
    }

    async fn head(&self, slot: Slot) -> Result<LogHead, LogError> {
        call!(self, false, self.log.head(slot))
    }

    async fn commits(
        &self,
        slot: Slot,
        after: u64,
        max_bytes: usize,
    ) -> Result<Vec<Placed<CommitRow>>, LogError> {
        call!(self, false, self.log.commits(slot, after, max_bytes))
    }

    async fn last_entries(&self, stream: StreamId) -> Result<Vec<Origin>, LogError> {
        call!(self, false, self.log.last_entries(stream))
    }

    async fn entries(
        &self,
        stream: StreamId,
        after: Origin,
        max_bytes: usize,
    ) -> Result<Vec<Placed<EntryRow>>, LogError> {
        call!(self, false, self.log.entries(stream, after, max_bytes))
    }

    async fn snapshot(&self, slot: Slot) -> Result<Option<SnapshotHead>, LogError> {
        call!(self, false, self.log.snapshot(slot))
    }

    async fn read_chunk(&self, slot: Slot, seq: u64, number: u32) -> Result<Bytes, LogError> {
        call!(self, false, self.log.read_chunk(slot, seq, number))
    }

    async fn write_chunk(
        &self,
        slot: Slot,
        seq: u64,
        number: u32,
        payload: Bytes,
    ) -> Result<(), LogError> {
        call!(
            self,
            false,
            self.log.write_chunk(slot, seq, number, payload.clone())
        )
    }

    async fn publish_snapshot(
        &self,
        slot: Slot,
        head: SnapshotHead,
        replaces: u64,
    ) -> Result<bool, LogError> {
        let seq = head.seq;
        let answer = call!(
            self,
            false,
            self.log.publish_snapshot(slot, head.clone(), replaces)
        );
        let name = &self.link.name;
        let (owner, partition) = (slot.owner.name(), slot.partition);
        let world = &self.link.world;
        world.tell(format!(
            "{name} folds {owner} {partition} up to {seq}: {answer:?}"
        ));
        answer
    }

    async fn cut_commits(
        &self,
        slot: Slot,
        seq: u64,
        written_before: Timestamp,
    ) -> Result<u64, LogError> {
        call!(self, false, self.log.cut_commits(slot, seq, written_before))
    }

    async fn cut_entries(
        &self,
        stream: StreamId,
        upto: Origin,
        written_before: Timestamp,
    ) -> Result<Cut, LogError> {
        call!(
            self,
            false,
            self.log.cut_entries(stream, upto, written_before)
        )
    }
}

fn said<T>(answer: &Result<T, LogError>) -> String {
    match answer {
        Ok(_) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}
