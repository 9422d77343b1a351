//! Restores the states of one slot: from the commits that the store has not seen, or from the
//! snapshot and those after it.

use bytes::Bytes;
use hot::{
    CounterKey, Gate, HotError, Quarantined, RestorableStore, RestoredHead, Slot, StateRestore,
    StateWrite,
};

use super::failed;
use super::progress::Progress;
use super::run::Run;
use crate::packed::{Chunk, Snapshot, unpack_commit};
use crate::{Log, LogHead, Placed, limits};

/// What a slot needs.
#[derive(Debug)]
pub(super) struct Plan {
    slot: Slot,
    /// The epoch that the store has.
    epoch: u64,
    /// The last commit that the store has.
    seq: u64,
    log: LogHead,
    snapshot: Snapshot,
    from_snapshot: bool,
}

/// A slot that is restored.
#[derive(Debug)]
pub(super) struct Restored {
    pub(super) slot: Slot,
    /// The last commit that it has.
    pub(super) seq: u64,
    /// The epoch to which it is to be raised; absent where nobody ever worked on it.
    pub(super) fence: Option<u64>,
    /// The snapshot that the log has; the one before the first commit where it has none.
    pub(super) snapshot: Snapshot,
    /// How far the log goes.
    pub(super) log: LogHead,
}

/// Reads a slot's snapshot, but for its states; the empty one where there is none.
pub(crate) async fn read_snapshot(log: &dyn Log, slot: Slot) -> Result<Snapshot, HotError> {
    let failed = failed(slot.partition);
    match log.snapshot(slot).await.map_err(failed)? {
        None => Ok(Snapshot::default()),
        Some(head) => Snapshot::unpack(&head).map_err(failed),
    }
}

/// Compares a slot with the log, changing nothing.
pub(super) async fn plan(
    hot: &dyn RestorableStore,
    log: &dyn Log,
    slot: Slot,
) -> Result<Plan, HotError> {
    let head = hot.head(slot).await?;
    let known = log.head(slot).await.map_err(failed(slot.partition))?;
    let (name, partition) = (slot.owner.name(), slot.partition);
    if head.commit_seq > known.seq {
        return Err(HotError::Damaged(format!(
            "{name}, partition {partition}: the hot store has commit {}, and the journal ends with {}. It was written \
             without this journal, or the database is an older copy. Restore the right database; or empty the hot store, \
             to go back to what this journal has",
            head.commit_seq, known.seq
        )));
    }
    let next = head.commit_seq + 1;
    let reaches = head.commit_seq == known.seq || (known.first_seq > 0 && known.first_seq <= next);
    let from_snapshot = head.commit_seq == 0 && known.snapshot_seq > 0;
    if !from_snapshot && !reaches {
        return Err(HotError::Mismatch(format!(
            "{name}, partition {partition}: the hot store is an old copy that ends with commit {}, and the journal begins \
             with {}. Empty the hot store (FLUSHALL, or the keys of this installation where others share it), and it is restored from \
             snapshots; a longer journal_retention keeps the journal further back",
            head.commit_seq, known.first_seq
        )));
    }
    Ok(Plan {
        slot,
        epoch: head.epoch,
        seq: head.commit_seq,
        log: known,
        snapshot: read_snapshot(log, slot).await?,
        from_snapshot,
    })
}

/// Restores a slot.
pub(super) async fn restore(
    (hot, gate): (&dyn RestorableStore, Gate),
    log: &dyn Log,
    plan: Plan,
    progress: &mut Progress,
) -> Result<Restored, HotError> {
    let (slot, failed) = (plan.slot, failed(plan.slot.partition));
    let mut seq = plan.seq;
    let mut last_epoch = plan.snapshot.epoch;
    if plan.from_snapshot {
        restore_snapshot((hot, gate), log, slot, &plan.snapshot, progress).await?;
        seq = plan.snapshot.seq;
    }
    let mut run = Run::default();
    loop {
        let rows = log
            .commits(slot, seq, limits::READ_BYTES)
            .await
            .map_err(failed)?;
        if rows.is_empty() {
            break;
        }
        for Placed { row, .. } in rows {
            if row.seq != seq + 1 {
                return Err(HotError::Damaged(format!(
                    "{}, partition {}: the journal has no commit {}",
                    slot.owner.name(),
                    slot.partition,
                    seq + 1
                )));
            }
            last_epoch = row.epoch;
            seq = row.seq;
            progress.commits += 1;
            let commit = unpack_commit(&row).map_err(failed)?;
            if let Some(full) = run.push(commit) {
                progress.tell();
                hot.restore_commits(slot, gate, full.before, &full.commit)
                    .await?;
            }
        }
    }
    if let Some(rest) = run.take() {
        hot.restore_commits(slot, gate, rest.before, &rest.commit)
            .await?;
    }
    let known = plan.epoch.max(last_epoch);
    let fence = (known > 0).then_some(known + limits::FENCED_EPOCHS);
    Ok(Restored {
        slot,
        seq,
        fence,
        snapshot: plan.snapshot,
        log: plan.log,
    })
}

/// Writes the snapshot of an empty slot, chunk by chunk; what the slot has seen comes last.
async fn restore_snapshot(
    (hot, gate): (&dyn RestorableStore, Gate),
    log: &dyn Log,
    slot: Slot,
    snapshot: &Snapshot,
    progress: &mut Progress,
) -> Result<(), HotError> {
    let failed = failed(slot.partition);
    for number in 0..snapshot.chunks {
        let bytes = log
            .read_chunk(slot, snapshot.seq, number)
            .await
            .map_err(failed)?;
        let mut chunk = Chunk::unpack(&bytes).map_err(failed)?;
        let mut states = chunk.take_states().peekable();
        while states.peek().is_some() {
            let states: Vec<StateWrite> = part_of(&mut states);
            progress.tell();
            progress.states += states.len() as u64;
            let timers = states.iter().filter(|write| write.timer.due.is_some());
            progress.timers += timers.count() as u64;
            let part = StateRestore {
                states,
                ..StateRestore::default()
            };
            hot.restore_states(slot, gate, &part).await?;
        }
        let counters: Vec<(CounterKey, i64)> = chunk.take_counters().collect();
        let quarantine: Vec<Quarantined> = chunk.take_quarantine().collect();
        if !counters.is_empty() || !quarantine.is_empty() {
            progress.tell();
            let part = StateRestore {
                counters,
                quarantine,
                ..StateRestore::default()
            };
            hot.restore_states(slot, gate, &part).await?;
        }
    }
    let outbox = snapshot.outbox.iter();
    let part = StateRestore {
        head: Some(RestoredHead {
            commit_seq: snapshot.seq,
            batch_id: snapshot.batch_id,
            watermark: snapshot.watermark,
            marks: snapshot.marks.clone(),
            outbox_seq: snapshot.outbox_seq,
            forwarded_seq: snapshot.forwarded_seq,
            outbox: outbox
                .map(|(seq, message)| (*seq, message.clone()))
                .collect(),
        }),
        ..StateRestore::default()
    };
    hot.restore_states(slot, gate, &part).await
}

/// Takes as many states as the store takes at once, by number and by bytes.
fn part_of(states: &mut impl Iterator<Item = StateWrite>) -> Vec<StateWrite> {
    let mut part = Vec::new();
    let mut bytes = 0;
    while part.len() < limits::STATES_PER_PART && bytes < limits::READ_BYTES / 2 {
        let Some(write) = states.next() else { break };
        bytes += write.key.len() + write.value.as_ref().map_or(0, Bytes::len);
        part.push(write);
    }
    part
}
