//! Appends from outside, and trimming what was read.

use fjall::OwnedWriteBatch;

use super::commit::{encode_entry, encode_tail};
use super::disk::Disk;
use super::head::SlotHead;
use super::memory::{Mark, Partition, Tail};
use super::{Inner, keys};
use crate::{
    Append, AppendAnswer, Appended, Cursor, HotError, Standing, StreamId, StreamName, check, limits,
};

impl Inner {
    /// Appends to a stream, unless its source was taken before or it is full.
    pub(super) fn append(&self, append: &Append) -> Result<AppendAnswer, HotError> {
        check::append(self.count, append)?;
        if append.origin.is_some() {
            return Err(HotError::Invalid(
                "the embedded store is its own journal, and takes no appends with an origin",
            ));
        }
        let disk = &self.disk;
        let mut partition = self.partition(append.to.partition)?;
        let stream = &mut partition.streams[append.to.name.index()];
        let accept_time = stream.accept_time.max(self.clock.now());
        let answer = |appended| AppendAnswer {
            appended,
            newest: accept_time,
        };
        if let Some(range) = &append.source {
            let mark = stream.sources.sequence(&range.source);
            if range.last <= mark {
                return Ok(answer(Appended::Replayed));
            }
            if range.first <= mark {
                return Ok(answer(Appended::Overlaps { mark }));
            }
        }
        if stream.tail.len() >= limits::STREAM_ENTRIES {
            return Ok(AppendAnswer::refused(Appended::Full));
        }

        let tail = Tail {
            last: stream.tail.last + 1,
            ..stream.tail
        };
        let mut batch = disk.batch();
        batch.insert(
            &disk.logs,
            keys::entry(append.to, tail.last),
            encode_entry(accept_time, &append.payload),
        );
        batch.insert(&disk.meta, keys::tail(append.to), encode_tail(tail));
        let mut remember = None;
        if let Some(range) = &append.source {
            let mark = Mark {
                sequence: range.last,
                entry: tail.last,
            };
            let victim = stream
                .sources
                .victim(&range.source, limits::SOURCES_PER_STREAM);
            if let Some(victim) = &victim {
                batch.remove(&disk.meta, keys::source(append.to, victim));
            }
            let mut value = [0; 16];
            value[..8].copy_from_slice(&mark.sequence.to_be_bytes());
            value[8..].copy_from_slice(&mark.entry.to_be_bytes());
            batch.insert(&disk.meta, keys::source(append.to, &range.source), value);
            remember = Some((&range.source, mark, victim));
        }
        disk.write(batch)?;

        stream.tail = tail;
        stream.accept_time = accept_time;
        if let Some((source, mark, victim)) = remember {
            if let Some(victim) = victim {
                stream.sources.forget(&victim);
            }
            stream.sources.set(source, mark);
        }
        drop(partition);
        self.hints.wake(append.to);
        Ok(answer(Appended::Applied))
    }

    /// Removes the entries of a stream up to a cursor.
    pub(super) fn trim(
        &self,
        at: Standing,
        stream: StreamName,
        upto: Cursor,
    ) -> Result<(), HotError> {
        let disk = &self.disk;
        let mut partition = self.partition(at.slot.partition)?;
        check_stands(&partition, at)?;
        let stream = at.stream(stream);
        let tail = &mut partition.streams[stream.name.index()].tail;
        let mut batch = disk.batch();
        let mut trimmed = *tail;
        trim_entries(disk, &mut batch, (stream, &mut trimmed), upto);
        disk.write(batch)?;
        *tail = trimmed;
        Ok(())
    }

    /// Removes the messages of an outbox up to a number.
    pub(super) fn trim_outbox(&self, at: Standing, seq: u64) -> Result<(), HotError> {
        let disk = &self.disk;
        let slot = at.slot;
        let mut partition = self.partition(slot.partition)?;
        check_stands(&partition, at)?;
        let head = &mut partition.slots[slot.owner.index()].head;
        let seq = seq.min(head.outbox);
        if seq <= head.forwarded {
            return Ok(());
        }
        let mut batch = disk.batch();
        for number in head.forwarded + 1..=seq {
            batch.remove(&disk.logs, keys::outgoing(slot, number));
        }
        let trimmed = SlotHead {
            forwarded: seq,
            ..*head
        };
        batch.insert(&disk.meta, keys::head(slot), trimmed.encode());
        disk.write(batch)?;
        *head = trimmed;
        Ok(())
    }
}

/// Checks that a slot is where its worker believes it to be.
fn check_stands(partition: &Partition, at: Standing) -> Result<(), HotError> {
    let head = &partition.slots[at.slot.owner.index()].head;
    check::stands(at, (head.epoch, head.commit_seq))
}

/// Removes the entries of a stream up to a cursor, and moves its tail.
pub(super) fn trim_entries(
    disk: &Disk,
    batch: &mut OwnedWriteBatch,
    (stream, tail): (StreamId, &mut Tail),
    upto: Cursor,
) {
    let upto = upto.minor.min(tail.last);
    if upto < tail.first {
        return;
    }
    for number in tail.first..=upto {
        batch.remove(&disk.logs, keys::entry(stream, number));
    }
    tail.first = upto + 1;
    batch.insert(&disk.meta, keys::tail(stream), encode_tail(*tail));
}
