//! What changes the store in memory: each decides first, and writes then.

use super::data::{Data, SlotData, StreamData};
use crate::{
    Append, AppendAnswer, Appended, Commit, Committed, Cursor, Head, HotError, Origin,
    QuarantineId, Slot, Standing, StreamId, StreamName, Writer, check, limits, marks,
};

impl Data {
    /// Raises the epoch of a slot.
    pub(super) fn open(&mut self, slot: Slot, epoch: u64) -> Result<Head, HotError> {
        self.partition(slot.partition).no_gate()?;
        let data = self.slot_mut(slot);
        if epoch < data.epoch {
            return Err(HotError::Fenced {
                partition: slot.partition,
                epoch,
                current: data.epoch,
            });
        }
        data.epoch = epoch;
        Ok(data.head())
    }

    /// Applies a commit.
    pub(super) fn commit(
        &mut self,
        slot: Slot,
        commit: &Commit,
        origins: bool,
        now_ms: u64,
    ) -> Result<Committed, HotError> {
        let is_closed = self.partition(slot.partition).gate.is_some();
        let data = self.slot_mut(slot);
        if is_closed {
            return Err(HotError::Fenced {
                partition: slot.partition,
                epoch: commit.epoch,
                current: data.epoch,
            });
        }
        let last = (data.epoch, data.commit_seq, data.batch_id);
        if let Some(before) = check::next(slot, last, commit)? {
            return Ok(before);
        }

        data.apply(commit);
        for write in &commit.states {
            let entry = write.timer.entry.filter(|_| write.adds_entry);
            if let (Some(entry), true) = (entry, write.value.is_some()) {
                data.entries.insert((entry, write.key.clone()));
            }
        }
        data.cursors.extend(commit.cursors.iter().copied());
        for (name, payload) in &commit.outputs {
            let to = StreamId {
                name: *name,
                partition: slot.partition,
            };
            let origin = origins.then_some(Origin {
                writer: Writer::worker(slot.owner),
                seq: commit.seq,
            });
            self.stream_mut(to).push(payload.clone(), origin, now_ms);
        }
        for (name, cursor) in &commit.cursors {
            let read = StreamId {
                name: *name,
                partition: slot.partition,
            };
            self.stream_mut(read).trim(*cursor);
        }
        Ok(Committed::Applied)
    }

    /// Appends to a stream, unless its origin or its source was taken before, or it is full.
    pub(super) fn append(
        &mut self,
        append: &Append,
        now_ms: u64,
    ) -> Result<AppendAnswer, HotError> {
        if append.origin.is_some() {
            self.partition(append.to.partition).no_gate()?;
        }
        let stream = self.stream_mut(append.to);
        let appended = stream.append(append, now_ms);
        Ok(match appended {
            Appended::Full | Appended::Gap { .. } => AppendAnswer::refused(appended),
            _ => AppendAnswer {
                appended,
                newest: stream.newest(),
            },
        })
    }
    /// Checks where a slot is.
    pub(super) fn check_follows(&self, slot: Slot, epoch: u64, seq: u64) -> Result<(), HotError> {
        let data = self.partition(slot.partition).slot(slot.owner);
        check::follows(slot, (data.epoch, data.commit_seq), (epoch, seq))
    }

    /// Checks that a slot is where its worker believes it to be.
    fn check_stands(&self, at: Standing) -> Result<(), HotError> {
        let partition = self.partition(at.slot.partition);
        partition.no_gate()?;
        let data = partition.slot(at.slot.owner);
        check::stands(at, (data.epoch, data.commit_seq))
    }

    /// Removes the entries of a stream up to a cursor.
    pub(super) fn trim(
        &mut self,
        at: Standing,
        stream: StreamName,
        upto: Cursor,
    ) -> Result<(), HotError> {
        self.check_stands(at)?;
        self.stream_mut(at.stream(stream)).trim(upto);
        Ok(())
    }

    /// Removes the messages of an outbox up to a number.
    pub(super) fn trim_outbox(&mut self, at: Standing, seq: u64) -> Result<(), HotError> {
        self.check_stands(at)?;
        let data = self.slot_mut(at.slot);
        let seq = seq.min(data.outbox_seq);
        if seq > data.forwarded_seq {
            data.forwarded_seq = seq;
            data.outbox.retain(|number, _| *number > seq);
        }
        Ok(())
    }
}

impl SlotData {
    /// What a commit changes in its own slot, but for new entries of the index of timers and
    /// cursors.
    pub(super) fn apply(&mut self, commit: &Commit) {
        self.commit_seq = commit.seq;
        self.batch_id = commit.batch_id;
        for (key, at) in &commit.fired {
            self.entries.remove(&(*at, key.clone()));
        }
        for write in &commit.states {
            match &write.value {
                Some(value) => {
                    let stored = crate::Stored {
                        value: value.clone(),
                        timer: write.timer,
                    };
                    self.states.insert(write.key.clone(), stored);
                }
                None => {
                    self.states.remove(&write.key);
                }
            }
        }
        for group in &commit.dropped_groups {
            self.counters.remove(group);
        }
        for (key, change) in &commit.counters {
            let counter = self.counter_mut(key);
            *counter = counter.saturating_add(*change);
        }
        marks::merge(&mut self.marks, &commit.marks);
        self.watermark = commit.watermark.or(self.watermark);
        self.next_due = commit.next_due.or(self.next_due);
        for message in &commit.outbox {
            self.outbox_seq += 1;
            self.outbox.insert(self.outbox_seq, message.clone());
        }
        for id in &commit.released {
            self.release(*id);
        }
        for (id, payload) in QuarantineId::number(commit.seq, &commit.quarantine) {
            self.set_aside(id, payload);
        }
    }
}

impl StreamData {
    /// Removes the entries up to a cursor.
    fn trim(&mut self, upto: Cursor) {
        let read = self.entries.partition_point(|entry| entry.cursor <= upto);
        self.entries.drain(..read);
    }

    /// Adds what a writer appends, unless it was taken before, or there is no room.
    fn append(&mut self, append: &Append, now_ms: u64) -> Appended {
        if let Some(origin) = append.origin {
            let mark = self.writers.get(&origin.writer).copied().unwrap_or(0);
            if origin.seq <= mark {
                return Appended::Replayed;
            }
            if origin.seq != mark + 1 {
                return Appended::Gap { mark };
            }
        }
        let taken = self.look_up(append);
        if let Some(taken) = taken {
            // The writer has counted it all the same.
            self.take_origin(append.origin);
            return taken;
        }
        if append.origin.is_none() && self.len() >= limits::STREAM_ENTRIES {
            return Appended::Full;
        }
        self.push(append.payload.clone(), append.origin, now_ms);
        self.take_origin(append.origin);
        if let Some(range) = &append.source {
            let entry = self.tail.minor;
            self.take_source(&range.source, range.last, entry);
        }
        Appended::Applied
    }

    /// Whether the source of an append was taken before.
    fn look_up(&self, append: &Append) -> Option<Appended> {
        let range = append.source.as_ref()?;
        let (mark, _) = *self.marks.get(&range.source)?;
        if range.last <= mark {
            return Some(Appended::Replayed);
        }
        (range.first <= mark).then_some(Appended::Overlaps { mark })
    }

    fn take_origin(&mut self, origin: Option<Origin>) {
        if let Some(origin) = origin {
            self.writers.insert(origin.writer, origin.seq);
        }
    }

    /// Remembers a source, and forgets the one used longest ago where there are too many.
    pub(super) fn take_source(&mut self, source: &str, mark: u64, entry: u64) {
        self.marks.insert(source.into(), (mark, entry));
        if self.marks.len() > limits::SOURCES_PER_STREAM {
            let oldest = self.marks.iter().min_by_key(|(_, (_, entry))| *entry);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.marks.remove(&oldest);
            }
        }
    }
}
