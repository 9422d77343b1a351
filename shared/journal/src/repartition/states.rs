//! Moves the states, timers and counters of one service.
//!
//! Each old partition is read once, in the order of keys, and divided into runs: what of it goes to
//! each new partition. Then each new partition is made of its runs, again in the order of keys. In
//! memory are the commits after one snapshot, and a chunk of each run.

use std::collections::BTreeMap;

use bytes::Bytes;
use hot::{Commit, Quarantined, Slot, StateWrite};
use kernel::PartitionId;

use super::changes::PendingChanges;
use super::split::{InOrder, Sums, is_head, partition_of_state};
use super::survey::Survey;
use super::{Left, RepartitionError, Target};
use crate::fold::{Changes, TakeMerged, read_commits, write_states};
use crate::packed::{Chunk, Filling, Snapshot, pack_commit};
use crate::sql::Rewrite;
use crate::{Log, LogError, limits};

/// The states that were moved.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Moved {
    pub(super) states: u64,
    pub(super) timers: u64,
    pub(super) customers: u64,
}

/// The chunks of each run, by new partition.
pub(super) type Runs = BTreeMap<PartitionId, Vec<(u64, u32)>>;

/// Divides all old partitions of a service into runs, and sums their counters up. What is set aside
/// anywhere is told.
pub(super) async fn scatter(
    log: &dyn Log,
    rewrite: &Rewrite<'_>,
    target: Target,
    survey: &Survey,
    (left, pending): (&mut Vec<Left>, &mut PendingChanges),
) -> Result<(Runs, Sums), RepartitionError> {
    let (mut runs, mut sums) = (Runs::new(), Sums::default());
    let of_owner = survey
        .slots
        .iter()
        .filter(|(slot, _)| slot.owner == target.owner);
    for (slot, old) in of_owner {
        let (mut end, mut changes) = (old.snapshot.clone(), Changes::default());
        read_commits(log, *slot, (u64::MAX, u64::MAX), &mut end, &mut changes).await?;
        let run = u64::from(slot.partition.number()) + 1;
        let mut scatter = Scatter {
            rewrite,
            target,
            from: *slot,
            run,
            open: BTreeMap::new(),
            quarantined: 0,
            pending,
        };
        write_states(log, *slot, &old.snapshot, &mut changes, &mut scatter).await?;
        let records = scatter.quarantined + changes.quarantine.len() as u64;
        for (partition, chunks) in scatter.close().await? {
            runs.entry(partition).or_default().push((run, chunks));
        }
        sums.add(changes.counters);
        if records > 0 {
            left.push(Left::Quarantine {
                slot: *slot,
                records,
            });
        }
    }
    Ok((runs, sums))
}

/// Divides the states of an old partition.
struct Scatter<'a> {
    rewrite: &'a Rewrite<'a>,
    target: Target,
    from: Slot,
    run: u64,
    /// By new partition: the chunk that is being filled, and its number.
    open: BTreeMap<PartitionId, (Chunk, u32)>,
    quarantined: u64,
    pending: &'a mut PendingChanges,
}

impl Scatter<'_> {
    async fn write(&self, to: PartitionId, chunk: &Chunk, number: u32) -> Result<(), LogError> {
        let slot = self.target.slot(to);
        let packed = chunk.pack();
        self.rewrite
            .write_chunk(slot, self.run, number, packed)
            .await
    }

    /// Writes what is left, and returns the number of chunks of each run.
    async fn close(mut self) -> Result<BTreeMap<PartitionId, u32>, LogError> {
        let mut chunks = BTreeMap::new();
        for (to, (chunk, number)) in std::mem::take(&mut self.open) {
            self.write(to, &chunk, number).await?;
            chunks.insert(to, number + 1);
        }
        Ok(chunks)
    }
}

impl TakeMerged for Scatter<'_> {
    async fn take_state(&mut self, write: &StateWrite) -> Result<(), LogError> {
        // A note about an entry of the quarantine is forgotten with that.
        if write.key.starts_with(hot::QUARANTINE_NOTES.as_bytes()) {
            return Ok(());
        }
        if write.key.starts_with(hot::PENDING_CHANGES.as_bytes()) {
            return self.pending.take(self.from, write);
        }
        let to = partition_of_state(self.target.to, &write.key);
        let to = to.ok_or_else(|| {
            let (service, partition) = (self.from.owner.name(), self.from.partition);
            LogError::Damaged(format!(
                "a state in partition {partition} of {service} is of no customer: its key is {:?}",
                write.key
            ))
        })?;
        let (chunk, number) = self.open.entry(to).or_default();
        chunk.push_state(write);
        if chunk.bytes() >= limits::RUN_BYTES {
            let (chunk, number) = (std::mem::take(chunk), *number);
            self.write(to, &chunk, number).await?;
            self.open.insert(to, (Chunk::default(), number + 1));
        }
        Ok(())
    }

    async fn take_quarantined(&mut self, _entry: Quarantined) -> Result<(), LogError> {
        self.quarantined += 1;
        Ok(())
    }
}

/// Makes a new partition of its runs and its counters: `head` becomes its snapshot.
pub(super) async fn gather(
    rewrite: &Rewrite<'_>,
    target: Target,
    partition: PartitionId,
    (runs, sums): (&[(u64, u32)], &Sums),
    mut head: Snapshot,
) -> Result<Moved, RepartitionError> {
    let slot = target.slot(partition);
    let mut moved = Moved::default();
    let mut chunks = Written::new(rewrite, slot, head.seq);
    let mut readers: Vec<RunReader> = Vec::with_capacity(runs.len());
    let mut in_order = InOrder::default();
    for (at, (run, chunks)) in runs.iter().enumerate() {
        readers.push(RunReader::new(*run, *chunks));
        offer_next(rewrite, slot, &mut in_order, &mut readers, at).await?;
    }
    while let Some((at, state)) = in_order.take() {
        moved.states += 1;
        moved.timers += u64::from(state.timer.due.is_some());
        moved.customers += u64::from(is_head(&state.key));
        chunks.filling.current.push_state(&state);
        chunks.flush_if_full().await?;
        offer_next(rewrite, slot, &mut in_order, &mut readers, at).await?;
    }
    for (key, value) in sums.of(target.to, partition) {
        chunks.filling.current.push_counter(key, value);
        chunks.flush_if_full().await?;
    }
    chunks.flush().await?;
    (head.chunks, head.bytes) = (chunks.filling.number, chunks.filling.bytes);
    let commit = pack_commit(&Commit::default());
    rewrite
        .write_slot(slot, &head.pack(), head.epoch, &commit)
        .await?;
    Ok(moved)
}

/// Offers the next state of a run, where there is one.
async fn offer_next(
    rewrite: &Rewrite<'_>,
    slot: Slot,
    in_order: &mut InOrder,
    readers: &mut [RunReader],
    at: usize,
) -> Result<(), LogError> {
    let Some(state) = readers[at].next(rewrite, slot).await? else {
        return Ok(());
    };
    let key = state.key.clone();
    if in_order.offer(at, state) {
        return Ok(());
    }
    Err(LogError::Damaged(format!(
        "{} has the state {key:?} in two partitions",
        slot.owner.name()
    )))
}

/// Reads the states of a run, chunk by chunk.
struct RunReader {
    run: u64,
    chunks: u32,
    number: u32,
    states: std::vec::IntoIter<StateWrite>,
}

impl RunReader {
    fn new(run: u64, chunks: u32) -> Self {
        Self {
            run,
            chunks,
            number: 0,
            states: Vec::new().into_iter(),
        }
    }

    async fn next(
        &mut self,
        rewrite: &Rewrite<'_>,
        slot: Slot,
    ) -> Result<Option<StateWrite>, LogError> {
        loop {
            if let Some(state) = self.states.next() {
                return Ok(Some(state));
            }
            if self.number == self.chunks {
                return Ok(None);
            }
            let bytes = rewrite.read_chunk(slot, self.run, self.number).await?;
            self.number += 1;
            let states: Vec<StateWrite> = Chunk::unpack(&bytes)?.take_states().collect();
            self.states = states.into_iter();
        }
    }
}

/// The chunks of a new snapshot.
struct Written<'a> {
    rewrite: &'a Rewrite<'a>,
    slot: Slot,
    seq: u64,
    filling: Filling,
}

impl<'a> Written<'a> {
    fn new(rewrite: &'a Rewrite<'a>, slot: Slot, seq: u64) -> Self {
        Self {
            rewrite,
            slot,
            seq,
            filling: Filling::default(),
        }
    }

    async fn flush_if_full(&mut self) -> Result<(), LogError> {
        let full = self.filling.take_full();
        self.write(full).await
    }

    async fn flush(&mut self) -> Result<(), LogError> {
        let rest = self.filling.take();
        self.write(rest).await
    }

    async fn write(&self, taken: Option<(u32, Bytes)>) -> Result<(), LogError> {
        let Some((number, payload)) = taken else {
            return Ok(());
        };
        let written = self
            .rewrite
            .write_chunk(self.slot, self.seq, number, payload);
        written.await
    }
}
