//! The commit: one atomic write, then the same in memory, then hints.

use std::collections::BTreeSet;

use byteview::ByteView;
use kernel::Timestamp;

use super::append::trim_entries;
use super::disk::failure;
use super::head::SlotHead;
use super::memory::Tail;
use super::{Inner, keys, marks as encoding};
use crate::{
    Commit, Committed, Head, HotError, QuarantineId, Slot, StateKey, StreamId, check, marks, stored,
};

impl Inner {
    /// Raises the epoch of a slot.
    pub(super) fn open(&self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        let mut partition = self.partition(slot.partition)?;
        let head = &mut partition.slots[slot.owner.index()].head;
        if epoch < head.epoch {
            return Err(HotError::Fenced {
                partition: slot.partition,
                epoch,
                current: head.epoch,
            });
        }
        if epoch > head.epoch {
            let raised = SlotHead { epoch, ..*head };
            let mut batch = self.disk.batch();
            batch.insert(&self.disk.meta, keys::head(slot), raised.encode());
            self.disk.write(batch)?;
            *head = raised;
        }
        drop(partition);
        self.head(slot)
    }

    /// Applies a commit that was checked.
    pub(super) fn commit(&self, slot: Slot, commit: &Commit) -> Result<Committed, HotError> {
        let mut partition = self.partition(slot.partition)?;
        let head = partition.slots[slot.owner.index()].head;
        let last = (head.epoch, head.commit_seq, head.batch_id);
        if let Some(before) = check::next(slot, last, commit)? {
            return Ok(before);
        }

        let disk = &self.disk;
        let mut batch = disk.batch();
        let mut header = Vec::new();
        for state in &commit.states {
            let key = keys::of_slot(slot, &state.key);
            match &state.value {
                Some(bytes) => {
                    header.clear();
                    stored::encode_header(&mut header, state.timer);
                    batch.insert(&disk.states, key, ByteView::fused(&header, bytes));
                }
                None => batch.remove(&disk.states, key),
            }
        }
        let (added, fired) = entries(commit);
        for (time_ms, key) in &fired {
            batch.remove(&disk.timers, keys::timer(slot, *time_ms, key));
        }
        for (time_ms, key) in &added {
            batch.insert(&disk.timers, keys::timer(slot, *time_ms, key), []);
        }
        let memory = &partition.slots[slot.owner.index()];
        let groups = self.count(&mut batch, slot, commit, &memory.groups)?;
        let streams = commit.marks.iter().map(|(name, _)| *name);
        let known = streams.filter_map(|name| Some((name, memory.marks.get(&name)?.clone())));
        let mut marks = known.collect();
        marks::merge(&mut marks, &commit.marks);
        for (name, marks) in &marks {
            let value = encoding::encode(marks);
            batch.insert(&disk.meta, keys::marks(slot, *name), value);
        }
        let mut next = moved(head, commit);
        for message in &commit.outbox {
            next.outbox += 1;
            let value = encode_outgoing(message.to, &message.payload);
            batch.insert(&disk.logs, keys::outgoing(slot, next.outbox), value);
        }
        for (id, bytes) in self.released(slot, commit)? {
            next.quarantine.remove(bytes);
            batch.remove(&disk.logs, keys::quarantined(slot, id));
        }
        for (id, payload) in QuarantineId::number(commit.seq, &commit.quarantine) {
            next.quarantine.add(payload.len());
            batch.insert(&disk.logs, keys::quarantined(slot, id), &**payload);
        }
        let mut tails = partition.streams.each_ref().map(|stream| stream.tail);
        let now = self.clock.now();
        for (name, payload) in &commit.outputs {
            let stream = stream_of(slot, *name);
            let accept_time = partition.streams[name.index()].accept_time.max(now);
            let tail = &mut tails[name.index()];
            tail.last += 1;
            let value = encode_entry(accept_time, payload);
            batch.insert(&disk.logs, keys::entry(stream, tail.last), value);
            batch.insert(&disk.meta, keys::tail(stream), encode_tail(*tail));
        }
        for (name, cursor) in &commit.cursors {
            let tail = &mut tails[name.index()];
            trim_entries(disk, &mut batch, (stream_of(slot, *name), tail), *cursor);
        }
        batch.insert(&disk.meta, keys::head(slot), next.encode());
        disk.write(batch)?;

        let memory = &mut partition.slots[slot.owner.index()];
        memory.head = next;
        groups.apply(&mut memory.groups);
        memory.marks.extend(marks);
        for (time_ms, key) in fired {
            memory.timers.remove(time_ms, key);
        }
        for (time_ms, key) in added {
            memory.timers.add(time_ms, key);
        }
        for (stream, tail) in partition.streams.iter_mut().zip(tails) {
            if tail.last > stream.tail.last {
                stream.accept_time = stream.accept_time.max(now);
            }
            stream.tail = tail;
        }
        drop(partition);
        for (name, _) in &commit.outputs {
            self.hints.wake(stream_of(slot, *name));
        }
        self.hints.committed(slot);
        Ok(Committed::Applied)
    }

    /// The entries that a commit releases and that are there, each once, with their bytes.
    fn released(
        &self,
        slot: Slot,
        commit: &Commit,
    ) -> Result<Vec<(QuarantineId, usize)>, HotError> {
        let mut released = Vec::with_capacity(commit.released.len());
        for id in commit.released.iter().copied().collect::<BTreeSet<_>>() {
            let key = keys::quarantined(slot, id);
            if let Some(bytes) = self.disk.logs.size_of(key).map_err(failure)? {
                released.push((id, bytes as usize));
            }
        }
        Ok(released)
    }
}

/// Entries of the index of timers: times and keys.
type Entries<'a> = BTreeSet<(i64, &'a StateKey)>;

/// The entries of the index of timers that a commit adds and takes away; none is in both.
fn entries(commit: &Commit) -> (Entries<'_>, Entries<'_>) {
    let added: BTreeSet<_> = commit
        .states
        .iter()
        .filter(|state| state.adds_entry)
        .filter_map(|state| Some((state.timer.entry?.as_millis(), &state.key)))
        .collect();
    let fired = commit
        .fired
        .iter()
        .map(|(key, time)| (time.as_millis(), key));
    let fired = fired.filter(|entry| !added.contains(entry)).collect();
    (added, fired)
}

/// The head after a commit, its logs not counted yet.
fn moved(head: SlotHead, commit: &Commit) -> SlotHead {
    let mut next = SlotHead {
        commit_seq: commit.seq,
        batch_id: commit.batch_id,
        watermark: commit.watermark.or(head.watermark),
        next_due: commit.next_due.or(head.next_due),
        ..head
    };
    for (name, cursor) in &commit.cursors {
        next.cursors[name.index()] = Some(*cursor);
    }
    next
}

const fn stream_of(slot: Slot, name: crate::StreamName) -> StreamId {
    StreamId {
        name,
        partition: slot.partition,
    }
}

/// The value of a stream's tail.
pub(super) fn encode_tail(tail: Tail) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&tail.first.to_be_bytes());
    bytes[8..].copy_from_slice(&tail.last.to_be_bytes());
    bytes
}

/// The value of an entry: when it was accepted, then the payload.
pub(super) fn encode_entry(accept_time: Timestamp, payload: &[u8]) -> ByteView {
    ByteView::fused(&accept_time.as_millis().to_be_bytes(), payload)
}

/// The value of an outbox message: partition, place of the stream, payload.
fn encode_outgoing(to: StreamId, payload: &[u8]) -> ByteView {
    let [high, low] = to.partition.number().to_be_bytes();
    let name = u8::try_from(to.name.index()).expect("streams are few");
    ByteView::fused(&[high, low, name], payload)
}
