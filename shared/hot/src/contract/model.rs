//! The hot store as simply as it can be said: maps and vectors.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kernel::Timestamp;

use crate::marks::Marks;
use crate::{
    Append, Appended, Commit, Committed, CounterKey, Cursor, Head, HotError, Origin, OutboxMessage,
    QuarantineId, QuarantineSize, Slot, Standing, StateKey, Stored, StreamId, StreamName, Writer,
    limits,
};

/// The whole store.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) slots: BTreeMap<Slot, ModelSlot>,
    pub(super) streams: BTreeMap<StreamId, Vec<(Option<Origin>, Bytes)>>,
    trimmed: BTreeMap<StreamId, usize>,
    pub(super) sources: BTreeMap<(StreamId, Box<str>), u64>,
    pub(super) writers: BTreeMap<(StreamId, Writer), u64>,
    has_origins: bool,
}

/// One slot.
#[derive(Debug, Default)]
pub(super) struct ModelSlot {
    epoch: u64,
    last: Option<(u64, u64)>,
    pub(super) states: BTreeMap<StateKey, Stored>,
    entries: BTreeSet<(Timestamp, StateKey)>,
    pub(super) counters: BTreeMap<CounterKey, i64>,
    marks: BTreeMap<StreamName, Marks>,
    cursors: BTreeMap<StreamName, Cursor>,
    watermark: Option<Timestamp>,
    next_due: Option<Timestamp>,
    pub(super) outbox: BTreeMap<u64, OutboxMessage>,
    sent: u64,
    forwarded: u64,
    pub(super) quarantine: BTreeMap<QuarantineId, Bytes>,
}

impl Model {
    /// An empty store, whose commits give their entries origins or not.
    pub(super) fn new(has_origins: bool) -> Self {
        Self {
            has_origins,
            ..Self::default()
        }
    }

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
        for (key, time) in &commit.fired {
            model.entries.remove(&(*time, key.clone()));
        }
        for state in &commit.states {
            let key = state.key.clone();
            let timer = state.timer;
            if let (Some(entry), true) = (timer.entry, state.adds_entry) {
                model.entries.insert((entry, key.clone()));
            }
            match state.value.clone() {
                Some(value) => model.states.insert(key, Stored { value, timer }),
                None => model.states.remove(&key),
            };
        }
        let dropped = &commit.dropped_groups;
        model
            .counters
            .retain(|key, _| !dropped.contains(&key.group));
        for (key, change) in &commit.counters {
            *model.counters.entry(key.clone()).or_default() += change;
        }
        for (stream, moved) in &commit.marks {
            let marks = model.marks.entry(*stream).or_default();
            marks.seen.extend(&moved.seen);
            marks.part = moved.part;
        }
        model.cursors.extend(commit.cursors.iter().copied());
        model.watermark = commit.watermark.or(model.watermark);
        model.next_due = commit.next_due.or(model.next_due);
        for message in &commit.outbox {
            model.sent += 1;
            model.outbox.insert(model.sent, message.clone());
        }
        for id in &commit.released {
            model.quarantine.remove(id);
        }
        let aside = QuarantineId::number(commit.seq, commit.quarantine.iter().cloned());
        model.quarantine.extend(aside);
        for (name, payload) in &commit.outputs {
            let id = StreamId {
                name: *name,
                partition: slot.partition,
            };
            let origin = self.has_origins.then(|| Origin {
                writer: Writer::worker(slot.owner),
                seq: commit.seq,
            });
            let entry = (origin, payload.clone());
            self.streams.entry(id).or_default().push(entry);
        }
        Ok(Committed::Applied)
    }

    pub(super) fn append(&mut self, append: &Append) -> Appended {
        if let Some(origin) = append.origin {
            let key = (append.to, origin.writer);
            let mark = self.writers.get(&key).copied().unwrap_or(0);
            if origin.seq <= mark {
                return Appended::Replayed;
            }
            if origin.seq != mark + 1 {
                return Appended::Gap { mark };
            }
            self.writers.insert(key, origin.seq);
        }
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
        if append.origin.is_none() && stream.len() as u64 >= limits::STREAM_ENTRIES {
            return Appended::Full;
        }
        stream.push((append.origin, append.payload.clone()));
        if let Some(range) = &append.source {
            self.sources
                .insert((append.to, range.source.clone()), range.last);
        }
        Appended::Applied
    }

    pub(super) fn standing(&mut self, slot: Slot) -> Standing {
        self.slots.entry(slot).or_default().head().standing(slot)
    }

    pub(super) fn trim(&mut self, stream: StreamId, entries: usize) {
        self.streams.entry(stream).or_default().drain(..entries);
        *self.trimmed.entry(stream).or_default() += entries;
    }

    /// The entries that were ever removed from a stream.
    pub(super) fn trimmed(&self, stream: StreamId) -> usize {
        self.trimmed.get(&stream).copied().unwrap_or_default()
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
            next_due: self.next_due,
            marks: self.marks.clone(),
            forwarded_seq: self.forwarded,
        }
    }

    pub(super) fn quarantine_size(&self) -> QuarantineSize {
        let bytes = self.quarantine.values().map(|payload| payload.len() as u64);
        QuarantineSize {
            records: self.quarantine.len() as u64,
            bytes: bytes.sum(),
        }
    }

    /// The entries up to a time, oldest first.
    pub(super) fn due(&self, until: Timestamp) -> Vec<(StateKey, Timestamp)> {
        let due = self.entries.iter().take_while(|(time, _)| *time <= until);
        due.map(|(time, key)| (key.clone(), *time)).collect()
    }

    /// The first entry after a time.
    pub(super) fn after(&self, until: Timestamp) -> Option<Timestamp> {
        let mut after = self.entries.iter().skip_while(|(time, _)| *time <= until);
        after.next().map(|(time, _)| *time)
    }

    /// Whether an entry counts: whether it is that of its state's timer.
    pub(super) fn counts(&self, key: &StateKey, time: Timestamp) -> bool {
        let state = self.states.get(key);
        state.is_some_and(|state| state.timer.entry == Some(time))
    }
}
