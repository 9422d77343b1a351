//! What the commits of workers put on streams, and their readers have not consumed.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use hot::marks::Marks;
use hot::{HotError, Origin, Slot, StreamName, StreamRestore, Writer};

use super::entries::Refill;
use super::slot::Restored;
use super::{Recovery, failed};
use crate::packed::{origin, unpack_commit};
use crate::{CommitRow, Log, Placed, limits};

/// Reads the output of one commit to a stream; absent where there is no such commit any more.
pub(crate) async fn read_output(
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
    let row = rows.into_iter().next().map(|placed| placed.row);
    let Some(row) = row.filter(|row| row.seq == seq) else {
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

/// The commits of a slot that are still to be read, in order.
#[derive(Debug)]
struct Commits {
    slot: Slot,
    /// The last one that was read.
    seq: u64,
    /// The last one that is to be read: what came later is of another recovery.
    last: u64,
    rows: VecDeque<Placed<CommitRow>>,
}

impl Recovery<'_> {
    /// Puts the outputs of all slots back on their streams, in the order of their commits' places.
    pub(super) async fn restore_outputs(
        &mut self,
        restored: &[Restored],
        marks: &BTreeMap<StreamName, Marks>,
        refills: &mut BTreeMap<StreamName, Refill>,
    ) -> Result<(), HotError> {
        let mut slots = Vec::with_capacity(restored.len());
        for slot in restored {
            slots.push(first_commits(slot, marks)?);
        }
        while let Some(Placed { place, row }) = self.next_commit(&mut slots).await? {
            let entry = origin(Writer::worker(row.slot.owner), row.seq);
            let commit = unpack_commit(&row).map_err(failed(row.slot.partition))?;
            for (name, payload) in commit.outputs {
                if is_needed(&marks[&name], entry)
                    && let Some(refill) = refills.get_mut(&name)
                {
                    self.put_back(refill, place, entry, payload).await?;
                }
            }
        }
        Ok(())
    }

    /// Takes the commit with the lowest place among the next ones of all slots.
    async fn next_commit(
        &self,
        slots: &mut Vec<Commits>,
    ) -> Result<Option<Placed<CommitRow>>, HotError> {
        for commits in slots.iter_mut() {
            if commits.rows.is_empty() && commits.seq < commits.last {
                self.read_commits(commits).await?;
            }
        }
        slots.retain(|commits| !commits.rows.is_empty());
        let next = slots
            .iter_mut()
            .min_by_key(|commits| commits.rows.front().map(|placed| placed.place));
        Ok(next.and_then(|commits| commits.rows.pop_front()))
    }

    async fn read_commits(&self, commits: &mut Commits) -> Result<(), HotError> {
        let rows = self
            .log
            .commits(commits.slot, commits.seq, limits::READ_BYTES)
            .await
            .map_err(failed(commits.slot.partition))?;
        let last = commits.last;
        let rows = rows.into_iter().filter(|placed| placed.row.seq <= last);
        commits.rows.extend(rows);
        commits.seq = commits.rows.back().map_or(last, |placed| placed.row.seq);
        Ok(())
    }
}

/// Finds the first commit of a slot whose outputs are not all consumed.
fn first_commits(
    restored: &Restored,
    marks: &BTreeMap<StreamName, Marks>,
) -> Result<Commits, HotError> {
    let (slot, snapshot) = (restored.slot, &restored.snapshot);
    let seq = consumed_upto(
        restored.seq,
        Writer::worker(slot.owner),
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
    Ok(Commits {
        slot,
        seq,
        last: restored.seq,
        rows: VecDeque::new(),
    })
}

/// Whether an entry is neither consumed nor at the head of the stream already.
pub(crate) fn is_needed(marks: &Marks, entry: Origin) -> bool {
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
