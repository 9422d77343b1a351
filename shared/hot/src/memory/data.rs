//! What the store in memory keeps: maps and vectors, copied as a whole for a snapshot.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use kernel::{PartitionCount, PartitionId, Timestamp};

use crate::marks::Marks;
use crate::{
    CounterKey, Cursor, Due, Entry, Frontier, Gate, Head, Origin, OutboxMessage, Outgoing, Owner,
    PageBounds, QuarantineId, QuarantineSize, Quarantined, Slot, StateKey, Stored, StreamId,
    StreamName, Unread, Writer,
};

/// Everything.
#[derive(Debug, Clone)]
pub(super) struct Data(Vec<PartitionData>);

/// One partition of all services.
#[derive(Debug, Clone, Default)]
pub(super) struct PartitionData {
    slots: [SlotData; Owner::ALL.len()],
    pub(super) streams: [StreamData; StreamName::ALL.len()],
    /// The gate that is closed.
    pub(super) gate: Option<ClosedGate>,
    /// The gate that was opened last.
    pub(super) opened: Option<Gate>,
}

/// A gate that is closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClosedGate {
    pub(super) gate: Gate,
    /// When its holder was last heard of, in milliseconds of the store's clock.
    pub(super) heard_ms: u64,
    /// The time that it is respected after that.
    pub(super) ttl_ms: u64,
}

/// One slot.
#[derive(Debug, Clone, Default)]
pub(super) struct SlotData {
    pub(super) epoch: u64,
    pub(super) commit_seq: u64,
    pub(super) batch_id: u64,
    pub(super) states: BTreeMap<StateKey, Stored>,
    /// The index of timers.
    pub(super) entries: BTreeSet<(Timestamp, StateKey)>,
    /// By group, then by name.
    pub(super) counters: BTreeMap<Box<str>, BTreeMap<Box<str>, i64>>,
    pub(super) marks: BTreeMap<StreamName, Marks>,
    pub(super) cursors: BTreeMap<StreamName, Cursor>,
    pub(super) watermark: Option<Timestamp>,
    pub(super) next_due: Option<Timestamp>,
    pub(super) outbox: BTreeMap<u64, OutboxMessage>,
    /// The number of the last message put into the outbox.
    pub(super) outbox_seq: u64,
    /// The number of the last message removed from it.
    pub(super) forwarded_seq: u64,
    quarantine: BTreeMap<QuarantineId, Bytes>,
    /// The size of it.
    pub(super) aside: QuarantineSize,
}

/// One stream.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamData {
    pub(super) entries: VecDeque<Entry>,
    /// The id of the last entry that it ever had.
    pub(super) tail: Cursor,
    /// The highest sequence of each source, and the number of the entry that took it.
    pub(super) marks: BTreeMap<Box<str>, (u64, u64)>,
    /// The last entry of each writer.
    pub(super) writers: BTreeMap<Writer, u64>,
}

impl Data {
    pub(super) fn empty(count: PartitionCount) -> Self {
        Self(count.iter().map(|_| PartitionData::default()).collect())
    }

    pub(super) fn partition(&self, partition: PartitionId) -> &PartitionData {
        &self.0[usize::from(partition.number())]
    }

    pub(super) fn partition_mut(&mut self, partition: PartitionId) -> &mut PartitionData {
        &mut self.0[usize::from(partition.number())]
    }

    pub(super) fn slot_mut(&mut self, slot: Slot) -> &mut SlotData {
        &mut self.partition_mut(slot.partition).slots[slot.owner.index()]
    }

    pub(super) fn stream(&self, stream: StreamId) -> &StreamData {
        &self.partition(stream.partition).streams[stream.name.index()]
    }

    pub(super) fn stream_mut(&mut self, stream: StreamId) -> &mut StreamData {
        &mut self.partition_mut(stream.partition).streams[stream.name.index()]
    }
}

impl PartitionData {
    pub(super) fn slot(&self, owner: Owner) -> &SlotData {
        &self.slots[owner.index()]
    }

    /// Tells how far the readers of some streams are.
    pub(super) fn frontier(&self, streams: &[StreamName], now: Timestamp) -> Frontier {
        let oldest = streams.iter().flat_map(|name| {
            let next_due = self.slot(name.reader()).next_due;
            [self.oldest_unread(*name), next_due].into_iter().flatten()
        });
        let time = oldest.fold(now, Timestamp::min);
        Frontier { time, now }
    }

    /// Tells what the reader of some streams has still to take.
    pub(super) fn unread(&self, streams: &[StreamName], now: Timestamp) -> Unread {
        let oldest = streams.iter().filter_map(|name| self.oldest_unread(*name));
        let newest = self.streams.iter().map(StreamData::newest);
        Unread {
            oldest: oldest.min(),
            newest: newest.fold(now, Timestamp::max),
        }
    }

    /// Returns when the oldest entry of a stream was accepted that its reader has not committed.
    fn oldest_unread(&self, name: StreamName) -> Option<Timestamp> {
        let cursors = &self.slot(name.reader()).cursors;
        let after = cursors.get(&name).copied().unwrap_or(Cursor::START);
        let entry = self.streams[name.index()].poll(after, 1).pop()?;
        Some(entry.accept_time.unwrap_or(Timestamp::MIN))
    }

    pub(super) fn slot_mut(&mut self, owner: Owner) -> &mut SlotData {
        &mut self.slots[owner.index()]
    }

    pub(super) fn slots_mut(&mut self) -> impl Iterator<Item = &mut SlotData> {
        self.slots.iter_mut()
    }
}

impl SlotData {
    pub(super) fn head(&self) -> Head {
        Head {
            epoch: self.epoch,
            commit_seq: self.commit_seq,
            cursors: self.cursors.clone().into_iter().collect(),
            watermark: self.watermark,
            next_due: self.next_due,
            marks: self.marks.clone(),
            forwarded_seq: self.forwarded_seq,
        }
    }

    pub(super) fn counters(&self, groups: &[&str]) -> Vec<(CounterKey, i64)> {
        let mut counters = Vec::new();
        for group in groups.iter().collect::<BTreeSet<_>>() {
            for (name, value) in self.counters.get(*group).into_iter().flatten() {
                counters.push((CounterKey::new(*group, name.clone()), *value));
            }
        }
        counters
    }

    pub(super) fn counter_mut(&mut self, key: &CounterKey) -> &mut i64 {
        let group = self.counters.entry(key.group.clone()).or_default();
        group.entry(key.name.clone()).or_default()
    }

    pub(super) fn due(&self, until: Timestamp, max: usize) -> Due {
        let mut entries = self.entries.iter().peekable();
        let mut due = Due::default();
        while due.timers.len() < max
            && let Some((at, key)) = entries.next_if(|(at, _)| *at <= until)
        {
            due.timers.push((key.clone(), *at));
        }
        due.next = entries.next().map(|(at, _)| *at);
        due
    }

    pub(super) fn outgoing(&self, after_seq: u64, max: usize) -> Vec<Outgoing> {
        let after = self.outbox.range(after_seq.saturating_add(1)..).take(max);
        after
            .map(|(seq, message)| Outgoing {
                seq: *seq,
                message: message.clone(),
            })
            .collect()
    }

    pub(super) fn quarantined(
        &self,
        after: Option<QuarantineId>,
        page: PageBounds,
    ) -> Vec<Quarantined> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = Vec::new();
        let mut bytes = 0;
        for (id, payload) in self.quarantine.range((after, Bound::Unbounded)) {
            if !page.has_room(found.len(), bytes, payload.len()) {
                break;
            }
            bytes += payload.len();
            found.push(Quarantined {
                id: *id,
                payload: payload.clone(),
            });
        }
        found
    }

    /// Sets an entry aside; again changes nothing.
    pub(super) fn set_aside(&mut self, id: QuarantineId, payload: &Bytes) {
        if self.quarantine.insert(id, payload.clone()).is_none() {
            self.aside.add(payload.len());
        }
    }

    /// Takes an entry out of the quarantine, where it is there.
    pub(super) fn release(&mut self, id: QuarantineId) {
        if let Some(payload) = self.quarantine.remove(&id) {
            self.aside.remove(payload.len());
        }
    }
}

impl StreamData {
    /// Adds an entry under the next id: the time, which never falls, and a number without gaps.
    pub(super) fn push(&mut self, payload: Bytes, origin: Option<Origin>, now_ms: u64) {
        self.restore(payload, origin, now_ms);
        let time = self.newest();
        if let Some(entry) = self.entries.back_mut() {
            entry.accept_time = Some(time);
        }
    }

    /// Returns when the newest entry was accepted.
    pub(super) fn newest(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.tail.major).unwrap_or(i64::MAX))
    }

    /// Adds an entry of which it is not known when it was accepted.
    pub(super) fn restore(&mut self, payload: Bytes, origin: Option<Origin>, now_ms: u64) {
        self.tail = Cursor {
            major: self.tail.major.max(now_ms),
            minor: self.tail.minor + 1,
        };
        self.entries.push_back(Entry {
            cursor: self.tail,
            payload,
            origin,
            accept_time: None,
        });
    }

    pub(super) fn poll(&self, after: Cursor, max: usize) -> Vec<Entry> {
        let from = self.entries.partition_point(|entry| entry.cursor <= after);
        self.entries.range(from..).take(max).cloned().collect()
    }

    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn lag(&self, after: Cursor) -> u64 {
        self.tail.minor.saturating_sub(after.minor).min(self.len())
    }

    pub(super) fn sources(&self) -> Vec<(Box<str>, u64)> {
        let marks = self.marks.iter();
        marks
            .map(|(name, (mark, _))| (name.clone(), *mark))
            .collect()
    }

    pub(super) fn origins(&self) -> Vec<Origin> {
        let writers = self.writers.iter();
        writers
            .map(|(writer, seq)| Origin {
                writer: *writer,
                seq: *seq,
            })
            .collect()
    }
}
