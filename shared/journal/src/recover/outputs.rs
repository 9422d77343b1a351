//! What the commits of workers put on streams, and their readers have not consumed.

use std::collections::BTreeMap;

use bytes::Bytes;
use hot::marks::Marks;
use hot::{HotError, Origin, Slot, StreamName, StreamRestore, Writer};

use super::slot::Restored;
use super::{Recovery, failed};
use crate::packed::{origin, unpack_commit};
use crate::{Log, limits};

/// Reads the output of one commit to a stream; absent where there is no such commit any more.
pub(super) async fn read_output(
    log: &dyn Log,
    slot: Slot,
    seq: u64,
    stream: StreamName,
) -> Result<Option<Bytes>, HotError> {
    let failed = failed(slot.partition);
    let rows = log
        .commits(slot, seq.saturating_sub(1), 1)
        .await
        .map_err(failed)?;
    let Some(row) = rows.into_iter().next().filter(|row| row.seq == seq) else {
        return Ok(None);
    };
    let commit = unpack_commit(&row).map_err(failed)?;
    let mut outputs = commit.outputs.into_iter();
    Ok(outputs
        .find(|(name, _)| *name == stream)
        .map(|(_, payload)| payload))
}

/// The last commit of a writer whose outputs to all streams are consumed: everything needed comes after it.
pub(crate) fn consumed_upto(
    restored_seq: u64,
    writer: Writer,
    last_outputs: &BTreeMap<StreamName, u64>,
    snapshot_seq: u64,
    marks: &BTreeMap<StreamName, Marks>,
) -> u64 {
    marks
        .iter()
        .map(|(name, marks)| {
            let seen = marks.seen.get(&writer).copied().unwrap_or(0);
            let last = last_outputs.get(name).copied().unwrap_or(0);
            // Where all outputs up to the snapshot are consumed, only commits after it can have more.
            if last <= seen {
                seen.max(snapshot_seq)
            } else {
                seen
            }
        })
        .min()
        .unwrap_or(restored_seq)
        .min(restored_seq)
}

impl Recovery<'_> {
    /// Puts the outputs of all slots back on their streams.
    pub(super) async fn restore_outputs(
        &mut self,
        restored: &[Restored],
        marks: &BTreeMap<StreamName, Marks>,
    ) -> Result<(), HotError> {
        for slot in restored {
            self.restore_outputs_of(slot, marks).await?;
        }
        Ok(())
    }

    async fn restore_outputs_of(
        &mut self,
        restored: &Restored,
        marks: &BTreeMap<StreamName, Marks>,
    ) -> Result<(), HotError> {
        let (slot, snapshot) = (restored.slot, &restored.snapshot);
        let writer = Writer::worker(slot.owner);
        let mut seq = consumed_upto(
            restored.seq,
            writer,
            &snapshot.last_outputs,
            snapshot.seq,
            marks,
        );
        if seq < restored.seq && restored.log.first_seq > seq + 1 {
            return Err(HotError::Damaged(format!(
                "{}, partition {}: outputs after commit {seq} are needed, and the journal begins with {}",
                slot.owner.name(),
                slot.partition,
                restored.log.first_seq
            )));
        }
        let mut parts: BTreeMap<StreamName, Part> = BTreeMap::new();
        while seq < restored.seq {
            let rows = self
                .log
                .commits(slot, seq, limits::READ_BYTES)
                .await
                .map_err(failed(slot.partition))?;
            if rows.is_empty() {
                break;
            }
            // Commits that came later are of another recovery.
            for row in rows.into_iter().filter(|row| row.seq <= restored.seq) {
                seq = row.seq;
                let commit = unpack_commit(&row).map_err(failed(slot.partition))?;
                let entry = origin(writer, seq);
                for (name, payload) in commit.outputs {
                    let part = parts.entry(name).or_default();
                    if is_needed(&marks[&name], entry) && part.push(entry, payload) {
                        let full = part.take();
                        self.write_stream(name, &full).await?;
                    }
                }
            }
        }
        for (name, mut part) in parts {
            if !part.entries.is_empty() {
                self.write_stream(name, &part.take()).await?;
            }
        }
        Ok(())
    }
}

/// Whether an entry is neither consumed nor at the head of the stream already.
pub(super) fn is_needed(marks: &Marks, entry: Origin) -> bool {
    !marks.has_seen(entry) && marks.part.and_then(|part| part.origin) != Some(entry)
}

/// Entries on their way to a stream.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) entries: Vec<(Origin, Bytes)>,
    bytes: usize,
}

impl Part {
    /// Adds an entry. True where it is time to write.
    pub(super) fn push(&mut self, entry: Origin, payload: Bytes) -> bool {
        self.bytes += payload.len();
        self.entries.push((entry, payload));
        self.bytes >= limits::READ_BYTES / 2 || self.entries.len() >= limits::STATES_PER_PART
    }

    /// What is to be written; the part is empty then.
    pub(super) fn take(&mut self) -> StreamRestore {
        self.bytes = 0;
        StreamRestore {
            entries: std::mem::take(&mut self.entries),
            ..StreamRestore::default()
        }
    }
}
