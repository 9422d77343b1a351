//! Announces merges whose process died, or whose call ended, between writing them and telling the
//! streams.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Clock, SystemClock};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ingest::Intake;
use crate::limits::{ANNOUNCE_INTERVAL, APPEND_PATIENCE};
use crate::store::MergeRecord;

/// The merges whose announcement is under way in this process: they are not overdue, however long a
/// full stream or the events before them take. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnderWay(Arc<Mutex<HashSet<Uuid>>>);

/// An announcement under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Announcing {
    under_way: UnderWay,
    ids: Vec<Uuid>,
}

impl UnderWay {
    /// Begins the announcement of merges.
    pub(crate) fn begin(&self, merges: &[MergeRecord]) -> Announcing {
        let ids: Vec<Uuid> = merges.iter().map(|merge| merge.id).collect();
        if !ids.is_empty() {
            self.lock().extend(&ids);
        }
        Announcing {
            under_way: self.clone(),
            ids,
        }
    }

    fn has(&self, merge: &MergeRecord) -> bool {
        self.lock().contains(&merge.id)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Announcing {
    fn drop(&mut self) {
        if !self.ids.is_empty() {
            let mut under_way = self.under_way.lock();
            self.ids.iter().for_each(|id| {
                under_way.remove(id);
            });
        }
    }
}

/// Looks for overdue announcements until the process ends.
pub(crate) async fn announce_overdue(intake: Arc<Intake>, shutdown: CancellationToken) {
    let mut ticks = interval(ANNOUNCE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => tick(&intake).await,
        }
    }
}

async fn tick(intake: &Intake) {
    let mut merges = match intake
        .resolver
        .store()
        .claim_unannounced(SystemClock.now())
        .await
    {
        Ok(merges) => merges,
        Err(error) => {
            tracing::warn!(%error, "overdue merges not read");
            return;
        }
    };
    merges.retain(|merge| !intake.under_way.has(merge));
    if merges.is_empty() {
        return;
    }
    tracing::info!(count = merges.len(), "announcing overdue merges");
    let deadline = Some(Instant::now() + APPEND_PATIENCE);
    if let Err(error) = intake.announce(&merges, deadline).await {
        tracing::warn!(%error, "overdue merges not announced; they are tried again");
    }
}
