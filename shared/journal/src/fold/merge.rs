//! Merges a snapshot with the commits after it: both are in the order of keys, so one chunk of each
//! is in memory.

use std::collections::btree_map::IntoIter;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use bytes::Bytes;
use hot::{
    Commit, CounterKey, QuarantineId, Quarantined, RestorableStore, Slot, StateKey, StateWrite,
    marks,
};

use super::FoldError;
use super::inputs::Inputs;
use crate::packed::{Chunk, Filling, Snapshot, unpack_commit};
use crate::{Log, LogError, Placed, limits};

/// What commits changed: the last word on each key.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    states: BTreeMap<StateKey, StateWrite>,
    /// Changes of counters since their group was dropped where it was.
    pub(crate) counters: BTreeMap<CounterKey, i64>,
    /// Groups of counters of the old snapshot that were dropped.
    dropped: BTreeSet<Box<str>>,
    pub(crate) quarantine: BTreeMap<QuarantineId, Bytes>,
    /// Entries of the old snapshot that left the quarantine.
    released: BTreeSet<QuarantineId>,
}

/// Takes the states and the quarantine of a slot, merged.
pub(crate) trait TakeMerged {
    /// Takes a state, in the order of keys, or the word that it was removed.
    fn take_state(
        &mut self,
        write: &StateWrite,
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Takes an entry of the quarantine of the old snapshot.
    fn take_quarantined(
        &mut self,
        entry: Quarantined,
    ) -> impl Future<Output = Result<(), LogError>> + Send;
}

/// Makes the new snapshot, and the one that counts. Returns it, with the number of its states; the
/// old one, without that, where there is nothing new.
pub(super) async fn merge(
    hot: &dyn RestorableStore,
    log: &dyn Log,
    slot: Slot,
    inputs: &Inputs,
) -> Result<(Snapshot, u64), FoldError> {
    let old = match log.snapshot(slot).await? {
        Some(head) => Snapshot::unpack(&head)?,
        None => Snapshot::default(),
    };
    let mut new = old.clone();
    let mut changes = Changes::default();
    let upto = (inputs.commit_seq, limits::FOLD_MOST_BYTES);
    read_commits(log, slot, upto, &mut new, &mut changes).await?;
    if new.seq == old.seq {
        return Ok((old, 0));
    }
    let mut chunks = Chunks::new(log, slot, new.seq);
    write_states(log, slot, &old, &mut changes, &mut chunks).await?;
    for (key, value) in &changes.counters {
        chunks.filling.current.push_counter(key, *value);
        chunks.flush_if_full().await?;
    }
    for (id, payload) in std::mem::take(&mut changes.quarantine) {
        chunks.take_quarantined(Quarantined { id, payload }).await?;
    }
    chunks.flush().await?;

    new.chunks = chunks.filling.number;
    new.bytes = chunks.filling.bytes;
    add_inputs(&mut new, inputs);
    if hot.head(slot).await?.commit_seq < new.seq {
        return Ok((old, 0));
    }
    if log.publish_snapshot(slot, new.pack(), old.seq).await? {
        return Ok((new, chunks.states));
    }
    // Another process was faster, and its snapshot is as good.
    match log.snapshot(slot).await? {
        Some(head) => Ok((Snapshot::unpack(&head)?, 0)),
        None => Ok((old, 0)),
    }
}

/// Reads commits after a snapshot and up to a number, and up to about so many bytes: they are in
/// memory.
pub(crate) async fn read_commits(
    log: &dyn Log,
    slot: Slot,
    (upto, most_bytes): (u64, u64),
    new: &mut Snapshot,
    changes: &mut Changes,
) -> Result<(), LogError> {
    let mut bytes = 0;
    while bytes < most_bytes && new.seq < upto {
        let rows = log.commits(slot, new.seq, limits::READ_BYTES).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for Placed { row, .. } in rows {
            if row.seq != new.seq + 1 {
                return Err(LogError::Damaged(format!(
                    "{}, partition {}: there is no commit {}",
                    slot.owner.name(),
                    slot.partition,
                    new.seq + 1
                )));
            }
            if row.seq > upto {
                return Ok(());
            }
            bytes += row.payload.len() as u64;
            add_commit(new, changes, unpack_commit(&row)?);
        }
    }
    Ok(())
}

/// Moves what a snapshot says beside its states on by a commit.
pub(crate) fn advance(new: &mut Snapshot, commit: &mut Commit) {
    new.seq = commit.seq;
    new.batch_id = commit.batch_id;
    new.epoch = commit.epoch;
    new.watermark = commit.watermark.or(new.watermark);
    marks::merge(&mut new.marks, &commit.marks);
    for message in commit.outbox.drain(..) {
        new.outbox_seq += 1;
        new.outbox.insert(new.outbox_seq, message);
    }
    for (name, _) in &commit.outputs {
        new.last_outputs.insert(*name, commit.seq);
    }
}

fn add_commit(new: &mut Snapshot, changes: &mut Changes, mut commit: Commit) {
    advance(new, &mut commit);
    for write in commit.states {
        changes.states.insert(write.key.clone(), write);
    }
    if !commit.dropped_groups.is_empty() {
        let dropped: BTreeSet<Box<str>> = commit.dropped_groups.into_iter().collect();
        changes
            .counters
            .retain(|key, _| !dropped.contains(&key.group));
        changes.dropped.extend(dropped);
    }
    for (key, change) in commit.counters {
        let sum = changes.counters.entry(key).or_default();
        *sum = sum.saturating_add(change);
    }
    for id in commit.released {
        if changes.quarantine.remove(&id).is_none() {
            changes.released.insert(id);
        }
    }
    let aside = QuarantineId::number(commit.seq, commit.quarantine);
    changes.quarantine.extend(aside);
}

/// Writes the states of the old snapshot and of the changes, by key, and gathers the rest of the
/// old one.
pub(crate) async fn write_states(
    log: &dyn Log,
    slot: Slot,
    old: &Snapshot,
    changes: &mut Changes,
    chunks: &mut impl TakeMerged,
) -> Result<(), LogError> {
    let mut changed = std::mem::take(&mut changes.states).into_iter().peekable();
    for number in 0..old.chunks {
        let mut chunk = Chunk::unpack(&log.read_chunk(slot, old.seq, number).await?)?;
        for state in chunk.take_states() {
            while let Some(write) = next_below(&mut changed, &state.key) {
                chunks.take_state(&write).await?;
            }
            match changed.next_if(|(key, _)| *key == state.key) {
                Some((_, write)) => chunks.take_state(&write).await?,
                None => chunks.take_state(&state).await?,
            }
        }
        for (key, value) in chunk.take_counters() {
            if !changes.dropped.contains(&key.group) {
                let sum = changes.counters.entry(key).or_default();
                *sum = value.saturating_add(*sum);
            }
        }
        for entry in chunk.take_quarantine() {
            if !changes.released.contains(&entry.id) {
                chunks.take_quarantined(entry).await?;
            }
        }
    }
    for (_, write) in changed {
        chunks.take_state(&write).await?;
    }
    Ok(())
}

fn next_below(
    changed: &mut Peekable<IntoIter<StateKey, StateWrite>>,
    key: &StateKey,
) -> Option<StateWrite> {
    changed
        .next_if(|(own, _)| own < key)
        .map(|(_, write)| write)
}

/// Adds what the hot store said.
fn add_inputs(new: &mut Snapshot, inputs: &Inputs) {
    let forwarded = inputs.forwarded_seq.min(new.outbox_seq);
    new.forwarded_seq = new.forwarded_seq.max(forwarded);
    new.outbox = new.outbox.split_off(&(new.forwarded_seq + 1));
    for (name, input) in &inputs.streams {
        let known = new.inputs.entry(*name).or_default();
        // The store forgets the sources that were used longest ago; so does the snapshot. One that
        // has lost its newest knows less than the snapshot.
        for (source, mark) in &input.sources {
            let seq = known.sources.entry(source.clone()).or_default();
            *seq = (*seq).max(*mark);
        }
        if known.sources.len() > hot::limits::SOURCES_PER_STREAM {
            known
                .sources
                .retain(|source, _| input.sources.contains_key(source));
        }
        if inputs.commit_seq <= new.seq {
            for (writer, seq) in &input.settled {
                let settled = known.settled.entry(*writer).or_default();
                *settled = (*settled).max(*seq);
            }
        }
    }
}

/// The chunks of a snapshot to come.
struct Chunks<'a> {
    log: &'a dyn Log,
    slot: Slot,
    seq: u64,
    filling: Filling,
    states: u64,
}

impl<'a> Chunks<'a> {
    fn new(log: &'a dyn Log, slot: Slot, seq: u64) -> Self {
        Self {
            log,
            slot,
            seq,
            filling: Filling::default(),
            states: 0,
        }
    }

    async fn flush_if_full(&mut self) -> Result<(), LogError> {
        let full = self.filling.take_full();
        self.write(full).await
    }

    async fn flush(&mut self) -> Result<(), LogError> {
        let rest = self.filling.take();
        self.write(rest).await
    }

    async fn write(&self, taken: Option<(u32, Bytes)>) -> Result<(), LogError> {
        let Some((number, payload)) = taken else {
            return Ok(());
        };
        let written = self.log.write_chunk(self.slot, self.seq, number, payload);
        written.await
    }
}

impl TakeMerged for Chunks<'_> {
    async fn take_state(&mut self, write: &StateWrite) -> Result<(), LogError> {
        self.states += u64::from(write.value.is_some());
        self.filling.current.push_state(write);
        self.flush_if_full().await
    }

    async fn take_quarantined(&mut self, entry: Quarantined) -> Result<(), LogError> {
        self.filling.current.push_quarantined(entry);
        self.flush_if_full().await
    }
}
