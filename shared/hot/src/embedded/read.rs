//! Everything that only reads.

use std::ops::Bound;

use bytes::Bytes;
use fjall::{KvPair, UserValue};
use kernel::{PartitionId, Timestamp};

use super::disk::{Disk, failure};
use super::memory::{Partition, SlotMemory};
use super::{Inner, keys};
use crate::{
    Cursor, Due, Entry, Frontier, Head, HotError, OutboxMessage, Outgoing, PageBounds,
    QuarantineId, Quarantined, Slot, StateKey, Stored, StreamId, StreamName, Unread, check, stored,
};

/// Bytes from which on a value is handed out as the database has it. It keeps a block of 4 KiB of
/// neighbours in memory for as long as it is used, which is no more than itself; a smaller one is
/// copied.
const SHARED_BYTES: usize = 4_096;

impl Inner {
    /// What a slot has seen.
    pub(super) fn head(&self, slot: Slot) -> Result<Head, HotError> {
        let partition = self.partition(slot.partition)?;
        let SlotMemory { head, marks, .. } = &partition.slots[slot.owner.index()];
        let cursors = StreamName::ALL.into_iter().zip(head.cursors);
        Ok(Head {
            epoch: head.epoch,
            commit_seq: head.commit_seq,
            cursors: cursors
                .filter_map(|(name, cursor)| Some((name, cursor?)))
                .collect(),
            watermark: head.watermark,
            next_due: head.next_due,
            marks: marks.clone(),
            forwarded_seq: head.forwarded,
        })
    }

    /// States, in the order of the keys.
    pub(super) fn load(
        &self,
        slot: Slot,
        keys: &[StateKey],
    ) -> Result<Vec<Option<Stored>>, HotError> {
        // No commit in between: states that are asked for together belong together.
        let _partition = match keys {
            [_] => None,
            _ => Some(self.partition(slot.partition)?),
        };
        keys.iter()
            .map(|key| {
                let state = self.disk.states.get(keys::of_slot(slot, key));
                let state = state.map_err(failure)?;
                state.map(|it| stored::decode(to_bytes(it))).transpose()
            })
            .collect()
    }

    /// Entries of a stream after a cursor.
    pub(super) fn poll(
        &self,
        stream: StreamId,
        after: Cursor,
        max: usize,
    ) -> Result<Vec<Entry>, HotError> {
        let tail = self.partition(stream.partition)?.streams[stream.name.index()].tail;
        self.numbered(
            after.minor.saturating_add(1).max(tail.first),
            tail.last,
            max,
            |number| keys::entry(stream, number),
            |cursor, value| {
                let (accept_time, payload) = decode_entry(&value)?;
                Ok(Entry {
                    cursor,
                    payload: value.slice_ref(payload),
                    origin: None,
                    accept_time: Some(accept_time),
                })
            },
        )
    }

    /// Messages of an outbox after a number.
    pub(super) fn outbox(
        &self,
        slot: Slot,
        after_seq: u64,
        max: usize,
    ) -> Result<Vec<Outgoing>, HotError> {
        let head = self.partition(slot.partition)?.slots[slot.owner.index()].head;
        self.numbered(
            after_seq.max(head.forwarded).saturating_add(1),
            head.outbox,
            max,
            |number| keys::outgoing(slot, number),
            |cursor, value| {
                Ok(Outgoing {
                    seq: cursor.minor,
                    message: decode_outgoing(&value)
                        .ok_or_else(|| HotError::Damaged("an outbox message is cut".into()))?,
                })
            },
        )
    }

    /// Quarantined entries after one.
    pub(super) fn quarantined(
        &self,
        slot: Slot,
        after: Option<QuarantineId>,
        page: PageBounds,
    ) -> Result<Vec<Quarantined>, HotError> {
        check::partition(self.count, slot.partition)?;
        let key = |id| keys::quarantined(slot, id);
        let first = after.map_or(Bound::Included(QuarantineId::FIRST), Bound::Excluded);
        let last = Bound::Included(key(QuarantineId::LAST));
        let mut found = Vec::new();
        let mut bytes = 0;
        for pair in self.disk.logs.range((first.map(key), last)) {
            let (key, payload): KvPair = pair.into_inner().map_err(failure)?;
            if !page.has_room(found.len(), bytes, payload.len()) {
                break;
            }
            bytes += payload.len();
            let id = keys::parse_quarantined(&key)
                .ok_or_else(|| HotError::Damaged(format!("the key {key:?} is cut")))?;
            found.push(Quarantined {
                id,
                payload: to_bytes(payload),
            });
        }
        Ok(found)
    }

    /// Reads a log. Its numbers are known, so that the database never searches among what was
    /// trimmed.
    fn numbered<T, const N: usize>(
        &self,
        first: u64,
        last: u64,
        max: usize,
        key: impl Fn(u64) -> [u8; N],
        read: impl Fn(Cursor, Bytes) -> Result<T, HotError>,
    ) -> Result<Vec<T>, HotError> {
        if first > last || max == 0 {
            return Ok(Vec::new());
        }
        let length = u64::try_from(max).unwrap_or(u64::MAX);
        let last = last.min(first.saturating_add(length - 1));
        self.disk
            .logs
            .range(key(first)..=key(last))
            .map(|pair| {
                let (key, value): KvPair = pair.into_inner().map_err(failure)?;
                let minor = keys::parse_number(&key)
                    .ok_or_else(|| HotError::Damaged(format!("the key {key:?} is cut")))?;
                read(Cursor { major: 0, minor }, to_bytes(value))
            })
            .collect()
    }

    /// Tells how far the readers of some streams are.
    pub(super) fn frontier(
        &self,
        partition: PartitionId,
        streams: &[StreamName],
    ) -> Result<Frontier, HotError> {
        let memory = self.partition(partition)?;
        let now = self.clock.now();
        let mut time = now;
        for name in streams {
            let reader = memory.slots[name.reader().index()].head;
            let oldest = self.oldest_unread(&memory, partition, *name)?;
            let both = reader.next_due.into_iter().chain(oldest);
            time = both.fold(time, Timestamp::min);
        }
        Ok(Frontier { time, now })
    }

    /// Tells what the reader of some streams has still to take.
    pub(super) fn unread(&self, slot: Slot, streams: &[StreamName]) -> Result<Unread, HotError> {
        let memory = self.partition(slot.partition)?;
        let mut oldest = Vec::new();
        for name in streams {
            oldest.extend(self.oldest_unread(&memory, slot.partition, *name)?);
        }
        let newest = memory.streams.iter().map(|stream| stream.accept_time);
        Ok(Unread {
            oldest: oldest.into_iter().min(),
            newest: newest.fold(self.clock.now(), Timestamp::max),
        })
    }

    /// Returns when the oldest entry of a stream was accepted that its reader has not committed.
    fn oldest_unread(
        &self,
        memory: &Partition,
        partition: PartitionId,
        name: StreamName,
    ) -> Result<Option<Timestamp>, HotError> {
        let cursor = memory.slots[name.reader().index()].head.cursors[name.index()];
        let tail = memory.streams[name.index()].tail;
        let next = cursor.map_or(0, |cursor| cursor.minor).saturating_add(1);
        let next = next.max(tail.first);
        if next > tail.last {
            return Ok(None);
        }
        let stream = StreamId { name, partition };
        accept_time(&self.disk, stream, next).map(Some)
    }

    /// The first entries of the index of timers.
    pub(super) fn due(&self, slot: Slot, until: Timestamp, max: usize) -> Result<Due, HotError> {
        let partition = self.partition(slot.partition)?;
        let mut timers = partition.slots[slot.owner.index()].timers.iter().peekable();
        let mut due = Due::default();
        while due.timers.len() < max
            && let Some((at, key)) = timers.next_if(|(at, _)| *at <= until.as_millis())
        {
            due.timers.push((key.clone(), Timestamp::from_millis(at)));
        }
        due.next = timers.next().map(|(at, _)| Timestamp::from_millis(at));
        Ok(due)
    }
}

fn to_bytes(value: UserValue) -> Bytes {
    if value.len() < SHARED_BYTES {
        return Bytes::copy_from_slice(&value);
    }
    Bytes::from_owner(value)
}

/// Reads when an entry was accepted.
pub(super) fn accept_time(
    disk: &Disk,
    stream: StreamId,
    number: u64,
) -> Result<Timestamp, HotError> {
    let value = disk.logs.get(keys::entry(stream, number));
    let value = value.map_err(failure)?.ok_or_else(cut)?;
    Ok(decode_entry(&value)?.0)
}

fn decode_entry(value: &[u8]) -> Result<(Timestamp, &[u8]), HotError> {
    let (millis, payload) = value.split_first_chunk().ok_or_else(cut)?;
    Ok((Timestamp::from_millis(i64::from_be_bytes(*millis)), payload))
}

fn cut() -> HotError {
    HotError::Damaged("an entry is cut".into())
}

fn decode_outgoing(value: &Bytes) -> Option<OutboxMessage> {
    let ([high, low, name], payload) = value.split_first_chunk()?;
    Some(OutboxMessage {
        to: StreamId {
            name: *StreamName::ALL.get(usize::from(*name))?,
            partition: PartitionId::new(u16::from_be_bytes([*high, *low])),
        },
        payload: value.slice_ref(payload),
    })
}
