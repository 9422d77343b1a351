//! One transaction that brings commits to the log, each once.
//!
//! Under the lock of the head it reads how far the log is with each partition, and leaves out what
//! is there: what another process has written, or this one before its answer was lost. A process
//! that owns a partition no longer finds the mark of its successor above all that it has.

use std::collections::BTreeMap;

use kernel::Owner;
use storage::Database;

use super::slots::{Gathered, Slot};
use crate::mark::Marks;
use crate::rows::{Filling, NewRow, append};
use crate::{Place, WriteError, head, mark};

/// The commits that a transaction found or brought to the log.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The last commit that the log has of each partition that was gathered.
    pub(super) marks: Vec<(Slot, Place)>,
    /// Rows that were added.
    pub(super) rows: usize,
    /// Changes that were added, by service.
    pub(super) changes: BTreeMap<Owner, u64>,
}

/// Rows to be added, made before anything is locked.
struct Prepared {
    rows: Vec<NewRow>,
    /// The last commit of each partition that is in them.
    last: Vec<(Slot, Place)>,
    changes: BTreeMap<Owner, u64>,
}

/// Brings commits to the log.
pub(super) async fn write(
    database: &Database,
    gathered: &[Gathered],
) -> Result<Written, WriteError> {
    // Nothing of it is in the log, as far as is known. Where that is wrong, it is made anew.
    let mut prepared = prepare(gathered, &BTreeMap::new());
    let transaction = database.begin_write().await?;
    let (mut head, now) = head::lock(database, &transaction).await?;
    let mut marks = mark::read(&transaction).await?;
    if gathered.iter().any(|one| is_partly_logged(one, &marks)) {
        prepared = prepare(gathered, &marks);
    }
    if prepared.last.is_empty() {
        transaction.rollback().await?;
        return Ok(Written {
            marks: marks_of(gathered, &marks),
            ..Written::default()
        });
    }
    let rows = prepared.rows.len();
    append(&transaction, &mut head, now, prepared.rows).await?;
    let mut owners: Vec<Owner> = Vec::new();
    for ((owner, partition), place) in prepared.last {
        marks.entry(owner).or_default().raise(partition, place);
        if !owners.contains(&owner) {
            owners.push(owner);
        }
    }
    for owner in owners {
        mark::write(&transaction, owner, &marks[&owner]).await?;
    }
    if rows > 0 {
        head::write(&transaction, &head).await?;
    }
    transaction.commit().await?;
    Ok(Written {
        marks: marks_of(gathered, &marks),
        rows,
        changes: prepared.changes,
    })
}

fn mark_of(slot: Slot, marks: &BTreeMap<Owner, Marks>) -> Place {
    let (owner, partition) = slot;
    let marks = marks.get(&owner).map(|marks| marks.of(partition));
    marks.unwrap_or_default()
}

fn marks_of(gathered: &[Gathered], marks: &BTreeMap<Owner, Marks>) -> Vec<(Slot, Place)> {
    let slots = gathered.iter().map(|one| one.slot);
    slots.map(|slot| (slot, mark_of(slot, marks))).collect()
}

fn is_partly_logged(one: &Gathered, marks: &BTreeMap<Owner, Marks>) -> bool {
    let mark = mark_of(one.slot, marks);
    one.pending.iter().any(|commit| commit.place <= mark)
}

/// Makes rows of the commits that the log lacks.
fn prepare(gathered: &[Gathered], marks: &BTreeMap<Owner, Marks>) -> Prepared {
    let mut filling = Filling::default();
    let (mut last, mut changes) = (Vec::new(), BTreeMap::new());
    for Gathered { slot, pending } in gathered {
        let mark = mark_of(*slot, marks);
        for commit in pending.iter().filter(|commit| commit.place > mark) {
            match filling.add(&commit.changes) {
                Ok(added) => *changes.entry(slot.0).or_default() += u64::from(added),
                // The next try would find the same: it must not hold up all that follow.
                Err(error) => tracing::error!(
                    service = slot.0.name(),
                    partition = slot.1.number(),
                    epoch = commit.place.epoch,
                    seq = commit.place.seq,
                    error,
                    "changes of a commit cannot be read, and are left out"
                ),
            }
        }
        let newest = pending.iter().map(|commit| commit.place).max();
        last.extend(newest.filter(|newest| *newest > mark).map(|it| (*slot, it)));
    }
    Prepared {
        rows: filling.finish(),
        last,
        changes,
    }
}
