//! The hot store as simply as it can be said: maps and vectors.

use std::collections::BTreeMap;

use bytes::Bytes;
use kernel::Timestamp;

use crate::{
    Append, Appended, Commit, Committed, Cursor, Due, Head, HotError, OutboxMessage, Slot,
    StateKey, StreamId, StreamName, limits,
};

/// The whole store.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) slots: BTreeMap<Slot, ModelSlot>,
    pub(super) streams: BTreeMap<StreamId, Vec<Bytes>>,
    sources: BTreeMap<(StreamId, Box<str>), u64>,
}

/// One slot.
#[derive(Debug, Default)]
pub(super) struct ModelSlot {
    epoch: u64,
    last: Option<(u64, u64)>,
    pub(super) states: BTreeMap<StateKey, Bytes>,
    timers: BTreeMap<StateKey, Timestamp>,
    counters: BTreeMap<Box<str>, i64>,
    cursors: BTreeMap<StreamName, Cursor>,
    watermark: Option<Timestamp>,
    pub(super) outbox: BTreeMap<u64, OutboxMessage>,
    sent: u64,
    forwarded: u64,
    pub(super) quarantine: Vec<Bytes>,
}

impl Model {
    pub(super) fn open(&mut self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        let model = self.slots.entry(slot).or_default();
        if epoch < model.epoch {
            return Err(HotError::Fenced {
                partition: slot.partition,
                epoch,
                current: model.epoch,
            });
        }
        model.epoch = epoch;
        Ok(model.head())
    }

    pub(super) fn commit(&mut self, slot: Slot, commit: &Commit) -> Result<Committed, HotError> {
        let model = self.slots.entry(slot).or_default();
        if commit.epoch != model.epoch {
            return Err(HotError::Fenced {
                partition: slot.partition,
                epoch: commit.epoch,
                current: model.epoch,
            });
        }
        if model.last == Some((commit.seq, commit.batch_id)) {
            return Ok(Committed::AlreadyApplied);
        }
        let current = model.last.map_or(0, |(seq, _)| seq);
        if commit.seq != current + 1 {
            return Err(HotError::Gap {
                partition: slot.partition,
                seq: commit.seq,
                current,
            });
        }
        model.last = Some((commit.seq, commit.batch_id));
        for (key, value) in &commit.states {
            match value {
                Some(value) => model.states.insert(key.clone(), value.clone()),
                None => model.states.remove(key),
            };
        }
        for (key, due) in &commit.timers {
            match due {
                Some(due) => model.timers.insert(key.clone(), *due),
                None => model.timers.remove(key),
            };
        }
        model.counters.extend(commit.counters.iter().cloned());
        model.cursors.extend(commit.cursors.iter().copied());
        model.watermark = commit.watermark.or(model.watermark);
        for message in &commit.outbox {
            model.sent += 1;
            model.outbox.insert(model.sent, message.clone());
        }
        model.quarantine.extend(commit.quarantine.iter().cloned());
        for (name, payload) in &commit.outputs {
            let id = StreamId {
                name: *name,
                partition: slot.partition,
            };
            self.streams.entry(id).or_default().push(payload.clone());
        }
        Ok(Committed::Applied)
    }

    pub(super) fn append(&mut self, append: &Append) -> Appended {
        if let Some(range) = &append.source {
            let key = (append.to, range.source.clone());
            let mark = self.sources.get(&key).copied().unwrap_or(0);
            if range.last <= mark {
                return Appended::Replayed;
            }
            if range.first <= mark {
                return Appended::Overlaps { mark };
            }
        }
        let stream = self.streams.entry(append.to).or_default();
        if stream.len() as u64 >= limits::STREAM_ENTRIES {
            return Appended::Full;
        }
        stream.push(append.payload.clone());
        if let Some(range) = &append.source {
            self.sources
                .insert((append.to, range.source.clone()), range.last);
        }
        Appended::Applied
    }

    pub(super) fn trim(&mut self, stream: StreamId, entries: usize) {
        self.streams.entry(stream).or_default().drain(..entries);
    }

    pub(super) fn trim_outbox(&mut self, slot: Slot, seq: u64) {
        let model = self.slots.entry(slot).or_default();
        model.forwarded = model.forwarded.max(seq.min(model.sent));
        model.outbox.retain(|number, _| *number > seq);
    }
}

impl ModelSlot {
    pub(super) fn head(&self) -> Head {
        Head {
            epoch: self.epoch,
            commit_seq: self.last.map_or(0, |(seq, _)| seq),
            cursors: self.cursors.clone().into_iter().collect(),
            watermark: self.watermark,
            counters: self.counters.clone().into_iter().collect(),
            forwarded_seq: self.forwarded,
        }
    }

    pub(super) fn due(&self, until: Timestamp, max: usize) -> Due {
        let mut sorted: Vec<_> = self.timers.iter().map(|(key, due)| (*due, key)).collect();
        sorted.sort();
        let taken = sorted
            .iter()
            .take_while(|(due, _)| *due <= until)
            .count()
            .min(max);
        Due {
            timers: sorted[..taken]
                .iter()
                .map(|(due, key)| ((*key).clone(), *due))
                .collect(),
            next: sorted.get(taken).map(|(due, _)| *due),
        }
    }
}
