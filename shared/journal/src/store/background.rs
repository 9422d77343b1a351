//! What a journaled store does beside its calls: brings accepted appends through, folds commits into snapshots, and cuts
//! what is too old.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hot::{Owner, Slot, StreamId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::JournaledStore;
use crate::readers::inputs_of;
use crate::{FoldError, Folded, fold, limits};

/// The slots that were opened here, and what is known of their backlogs without asking.
#[derive(Debug, Default)]
pub(super) struct FoldWatch {
    slots: Mutex<BTreeMap<Slot, Backlog>>,
}

#[derive(Debug, Clone, Copy)]
struct Backlog {
    /// Bytes committed here since it was looked at.
    bytes: u64,
    /// At how many of them it is looked at.
    next: u64,
    since: Instant,
    /// When its events are to be cut.
    cut_at: Instant,
}

impl FoldWatch {
    /// A slot was opened: whatever its last owner left is looked at soon.
    pub(super) fn open(&self, slot: Slot) {
        self.slots().entry(slot).or_insert_with(|| Backlog {
            bytes: 0,
            next: 0,
            since: Instant::now(),
            cut_at: Instant::now(),
        });
    }

    /// A commit was logged.
    pub(super) fn count(&self, slot: Slot, bytes: u64) {
        if let Some(backlog) = self.slots().get_mut(&slot) {
            backlog.bytes += bytes;
        }
    }

    /// The slots that are worth a look, and whether that is because of their age.
    fn take(&self) -> Vec<(Slot, bool)> {
        let mut slots = self.slots();
        let mut taken = Vec::new();
        for (slot, backlog) in slots.iter_mut() {
            let is_old = backlog.bytes > 0 && backlog.since.elapsed() >= limits::FOLD_AGE;
            if is_old || backlog.bytes >= backlog.next {
                backlog.bytes = 0;
                taken.push((*slot, is_old));
            }
        }
        taken
    }

    /// Says how many more bytes a slot may get before it is looked at again.
    fn looked_at(&self, slot: Slot, next: u64, is_done: bool) {
        if let Some(backlog) = self.slots().get_mut(&slot) {
            backlog.next = next;
            if is_done {
                backlog.since = Instant::now();
            }
        }
    }

    /// The slots whose events are to be cut now, and whether their snapshots are old; they are asked for again after so long.
    pub(super) fn take_cuts(&self, owner: Owner, next: Duration) -> Vec<(Slot, bool)> {
        let now = Instant::now();
        let mut slots = self.slots();
        let due = slots.iter_mut();
        let due = due.filter(|(slot, backlog)| slot.owner == owner && backlog.cut_at <= now);
        due.map(|(slot, backlog)| {
            backlog.cut_at = now + next;
            (*slot, backlog.since.elapsed() >= limits::EVENT_FOLD_AGE)
        })
        .collect()
    }

    /// There are more events to cut in a slot.
    pub(super) fn cut_again(&self, slot: Slot) {
        if let Some(backlog) = self.slots().get_mut(&slot) {
            backlog.cut_at = Instant::now();
        }
    }

    /// A slot has a new snapshot.
    pub(super) fn folded(&self, slot: Slot) {
        if let Some(backlog) = self.slots().get_mut(&slot) {
            backlog.since = Instant::now();
        }
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<Slot, Backlog>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JournaledStore {
    pub(super) fn spawn_tasks(&self, stop: CancellationToken) {
        let (store, stopped) = (self.clone(), stop.clone());
        tokio::spawn(async move {
            let work = async {
                loop {
                    tokio::time::sleep(limits::REDELIVERY_INTERVAL).await;
                    store.redeliver().await;
                }
            };
            stopped.run_until_cancelled(work).await
        });
        let store = self.clone();
        tokio::spawn(async move {
            let work = async {
                loop {
                    tokio::time::sleep(limits::FOLD_INTERVAL).await;
                    Box::pin(store.fold_due()).await;
                    Box::pin(store.cut_events_due()).await;
                }
            };
            stop.run_until_cancelled(work).await
        });
    }

    /// Makes the snapshot of a slot anew, whatever its backlog. See [`fold`].
    ///
    /// What processes logged before they died, and nobody has brought to the streams of the slot, goes there first: a
    /// recovery tells that its client asked another process instead by what was taken since the last snapshot, and later
    /// no more.
    ///
    /// # Errors
    /// As [`fold`].
    pub async fn fold(&self, slot: Slot) -> Result<Folded, FoldError> {
        for name in inputs_of(slot.owner) {
            let partition = slot.partition;
            self.complete(StreamId { name, partition }).await?;
        }
        let (hot, log) = (self.shared.hot.as_ref(), self.shared.log.as_ref());
        fold(hot, log, slot, &self.shared.options.fold).await
    }

    /// Folds the slots whose backlogs are large or old, one after the other: snapshots are not urgent.
    async fn fold_due(&self) {
        for (slot, is_old) in self.shared.folds.take() {
            if let Err(error) = self.fold_if_due(slot, is_old).await {
                // The next round tries again.
                self.shared.folds.looked_at(slot, 0, false);
                tracing::warn!(
                    service = slot.owner.name(),
                    partition = slot.partition.number(),
                    error = &error as &dyn std::error::Error,
                    "a snapshot was not made; trying again"
                );
            }
        }
    }

    async fn fold_if_due(&self, slot: Slot, is_old: bool) -> Result<(), FoldError> {
        let head = self.shared.log.head(slot).await?;
        let snapshot = self.shared.log.snapshot(slot).await?;
        let size = snapshot.map_or(0, |snapshot| snapshot.bytes);
        let limit = size.clamp(limits::FOLD_LEAST_BYTES, limits::FOLD_MOST_BYTES);
        let is_cheap = head.backlog_bytes.saturating_mul(limits::FOLD_AGE_RATIO) >= size;
        if head.backlog_bytes < limit && !(is_old && is_cheap) {
            let next = limit - head.backlog_bytes;
            self.shared.folds.looked_at(slot, next, is_old);
            return Ok(());
        }
        let folded = self.fold(slot).await?;
        self.shared.folds.looked_at(slot, limit, true);
        tracing::debug!(
            service = slot.owner.name(),
            partition = slot.partition.number(),
            seq = folded.seq,
            states = folded.states,
            bytes = folded.bytes,
            cut = folded.cut,
            "made a snapshot"
        );
        Ok(())
    }
}
