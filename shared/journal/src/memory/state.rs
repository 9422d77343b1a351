//! What a log in memory holds, and the rules of the log over it.

use std::collections::BTreeMap;

use bytes::Bytes;
use hot::{Origin, Slot, StreamId, Writer};
use kernel::Timestamp;

use super::MemoryLog;
use crate::{CommitRow, EntryRow, Journaled, LogError, LogHead, Placed, SnapshotHead};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) writers: u32,
    /// Commits of a slot under lower epochs are refused, whatever its lease says.
    pub(super) fences: BTreeMap<Slot, u64>,
    /// The last place that was given.
    pub(super) place: u64,
    pub(super) commits: BTreeMap<(Slot, u64), (Placed<CommitRow>, Timestamp)>,
    pub(super) entries: BTreeMap<(StreamId, Writer, u64), (Placed<EntryRow>, Timestamp)>,
    pub(super) snapshots: BTreeMap<Slot, SnapshotHead>,
    pub(super) chunks: BTreeMap<(Slot, u64, u32), Bytes>,
}

impl State {
    /// Gives a row the next place.
    pub(super) const fn placed<R>(&mut self, row: R) -> Placed<R> {
        self.place += 1;
        Placed {
            place: self.place,
            row,
        }
    }

    pub(super) fn append_commit(
        &mut self,
        mut row: CommitRow,
        log: &MemoryLog,
    ) -> Result<Journaled, LogError> {
        let (slot, seq, epoch) = (row.slot, row.seq, row.epoch);
        let present = self.commits.get(&(slot, seq));
        if present.is_some_and(|(there, _)| there.row.batch_id == row.batch_id) {
            return Ok(Journaled::AlreadyWritten);
        }
        let partition = slot.partition;
        let fence = self.fences.get(&slot).copied().unwrap_or(0);
        if log.epoch(slot) != epoch || epoch < fence {
            return Err(LogError::Fenced { partition, epoch });
        }
        let follows = match seq {
            1 => !self.snapshots.contains_key(&slot),
            _ => self
                .commits
                .get(&(slot, seq.saturating_sub(1)))
                .is_some_and(|(before, _)| before.row.epoch <= epoch),
        };
        if present.is_some() || !follows {
            return Err(LogError::Gap { partition, seq });
        }
        for (name, payload) in std::mem::take(&mut row.events) {
            let writer = Writer::worker(slot.owner);
            let entry = self.placed(EntryRow {
                stream: StreamId { name, partition },
                origin: Origin { writer, seq },
                source: None,
                payload,
            });
            let key = (entry.row.stream, writer, seq);
            self.entries.insert(key, (entry, (log.clock)(())));
        }
        let placed = self.placed(row);
        self.commits.insert((slot, seq), (placed, (log.clock)(())));
        Ok(Journaled::Written)
    }

    pub(super) fn head(&self, slot: Slot) -> LogHead {
        let snapshot = self.snapshots.get(&slot);
        let snapshot_seq = snapshot.map_or(0, |head| head.seq);
        let last = self.commits_of(slot).last().map(|(placed, _)| &placed.row);
        let (seq, batch_id) = match (last, snapshot) {
            (Some(row), _) if row.seq >= snapshot_seq => (row.seq, row.batch_id),
            (_, Some(head)) => (head.seq, head.batch_id),
            _ => (0, 0),
        };
        LogHead {
            seq,
            batch_id,
            snapshot_seq,
            first_seq: self
                .commits_of(slot)
                .next()
                .map_or(0, |(placed, _)| placed.row.seq),
            backlog_bytes: self
                .commits_of(slot)
                .filter(|(placed, _)| placed.row.seq > snapshot_seq)
                .map(|(placed, _)| placed.row.payload.len() as u64)
                .sum(),
        }
    }

    pub(super) fn publish(&mut self, slot: Slot, head: SnapshotHead, replaces: u64) -> bool {
        let counts = self.snapshots.get(&slot);
        if counts == Some(&head) {
            return true;
        }
        let seq = head.seq;
        let is_whole =
            (0..head.chunks).all(|number| self.chunks.contains_key(&(slot, seq, number)));
        if counts.map_or(0, |head| head.seq) != replaces || !is_whole {
            return false;
        }
        let chunks = head.chunks;
        self.chunks
            .retain(|(of, at, number), _| *of != slot || (*at == seq && *number < chunks));
        self.snapshots.insert(slot, head);
        true
    }

    pub(super) fn commits_of(
        &self,
        slot: Slot,
    ) -> impl DoubleEndedIterator<Item = &(Placed<CommitRow>, Timestamp)> {
        self.commits
            .range((slot, 0)..=(slot, u64::MAX))
            .map(|(_, row)| row)
    }

    pub(super) fn entries_of(
        &self,
        stream: StreamId,
        writer: Writer,
    ) -> impl DoubleEndedIterator<Item = &(Placed<EntryRow>, Timestamp)> {
        self.entries
            .range((stream, writer, 0)..=(stream, writer, u64::MAX))
            .map(|(_, row)| row)
    }
}

/// The first rows that are at most so many bytes together, and the first in any case.
pub(super) fn within<'a, T: Clone + 'a>(
    rows: impl Iterator<Item = &'a T>,
    max_bytes: usize,
    bytes: impl Fn(&T) -> usize,
) -> Vec<T> {
    let mut taken = Vec::new();
    let mut total = 0;
    for row in rows {
        total += bytes(row);
        if !taken.is_empty() && total > max_bytes {
            break;
        }
        taken.push(row.clone());
    }
    taken
}
