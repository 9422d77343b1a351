//! Looks after the ledgers of imports beside all calls: batches whose process died come to their
//! streams, records of those that are there are removed, and what is old is forgotten.

use std::error::Error;
use std::sync::Arc;

use kernel::Timestamp;
use sea_orm::DbErr;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ingest::Intake;
use crate::limits::{
    APPEND_PATIENCE, BATCH_OVERDUE, IMPORT_PRUNE_AFTER, IMPORT_RETENTION, LEDGER_INTERVAL,
    PRUNE_INTERVAL, PRUNED_AT_ONCE,
};

/// Looks after the ledgers of imports.
#[derive(Debug)]
pub struct Keeper {
    intake: Arc<Intake>,
    /// When old batches were last looked for; absent before the first time.
    pruned: Option<Timestamp>,
}

impl Keeper {
    /// Works by an intake.
    pub fn new(intake: Arc<Intake>) -> Self {
        Self {
            intake,
            pruned: None,
        }
    }

    /// Looks once. What fails is tried again by the next look.
    pub async fn tick(&mut self) {
        let intake = &self.intake;
        if let Err(error) = settle(intake).await {
            warn("records of imported batches not removed", &error);
        }
        intake.ledgers.forget_idle();
        let now = intake.own_clock.now();
        match intake.store.overdue_batches(now - BATCH_OVERDUE).await {
            Ok(overdue) => bring(intake, overdue).await,
            Err(error) => warn("overdue batches of imports not read", &error),
        }
        if self.pruned.is_none_or(|last| last < now - PRUNE_INTERVAL) {
            match prune(intake, now).await {
                Ok(()) => self.pruned = Some(now),
                Err(error) => warn("old batches of imports not removed", &error),
            }
        }
    }
}

/// Looks after the ledgers of imports until the process ends.
pub async fn keep_ledgers(intake: Arc<Intake>, shutdown: CancellationToken) {
    let mut keeper = Keeper::new(Arc::clone(&intake));
    let mut ticks = interval(LEDGER_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => keeper.tick().await,
        }
    }
    if let Err(error) = settle(&intake).await {
        warn("records of imported batches not removed", &error);
    }
}

/// Removes the records of batches that are in their streams.
async fn settle(intake: &Intake) -> Result<(), DbErr> {
    for slot in intake.ledgers.all() {
        let settled = slot.batches().take_settled();
        if settled.ids.is_empty() && settled.accept_time.is_none() {
            continue;
        }
        let done = intake.store.settle_batches(&slot.import, &settled).await;
        if done.is_err() {
            slot.batches().give_back(settled);
        }
        done?;
    }
    Ok(())
}

/// Brings batches to their streams, but for those that a call of this process brings there.
async fn bring(intake: &Intake, overdue: Vec<Uuid>) {
    let slots = intake.ledgers.all();
    let is_under_way = |id: &Uuid| slots.iter().any(|slot| slot.batches().is_under_way(*id));
    let overdue = overdue.into_iter().filter(|id| !is_under_way(id));
    for id in overdue {
        let deadline = Some(Instant::now() + APPEND_PATIENCE);
        match intake.bring_batch(id, deadline).await {
            Ok(()) => {
                tracing::info!(batch_id = %id, "an imported batch was brought to its streams");
            }
            Err(error) => warn("an imported batch did not come to its streams", &error),
        }
    }
}

async fn prune(intake: &Intake, now: Timestamp) -> Result<(), DbErr> {
    let before = now - IMPORT_RETENTION - IMPORT_PRUNE_AFTER;
    while intake.store.prune_imports(before).await? == PRUNED_AT_ONCE {}
    Ok(())
}

fn warn(what: &'static str, error: &(dyn Error + 'static)) {
    tracing::warn!(
        error,
        what,
        "the ledger of imports is behind; it is tried again"
    );
}
