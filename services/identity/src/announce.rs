//! Announces merges whose process died between writing them and telling the streams.

use std::sync::Arc;

use engine::{Clock, SystemClock};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::ingest::Intake;
use crate::limits::{ANNOUNCE_INTERVAL, APPEND_PATIENCE};

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
    let merges = match intake
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
    if merges.is_empty() {
        return;
    }
    tracing::info!(count = merges.len(), "announcing overdue merges");
    let deadline = Some(Instant::now() + APPEND_PATIENCE);
    if let Err(error) = intake.announce(&merges, deadline).await {
        tracing::warn!(%error, "overdue merges not announced; they are tried again");
    }
}
