//! The work on erasures until every store is clean: one batch of erasures at a time in a process,
//! and each erasure in one process at a time.
//!
//! Every round does what can be done now, notes it, and comes back later for what it waits for. A
//! step that was done by a process that died is done again, which changes nothing.

mod batch;
mod states;
mod stores;

use std::collections::HashMap;
use std::sync::Arc;

use changes::ChangeLog;
use hot::SharedHotStore;
use journal::EventLog;
use kernel::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::batch::Batch;
use self::states::Numbers;
use super::limits::{CLAIM, WORK_INTERVAL};
use super::metrics::ErasureMetrics;
use super::tables::erasure;
use crate::follow::follow_others;
use crate::ingest::Intake;

/// Erasures that one round takes on: together they read each log once.
const AT_ONCE: u64 = 50;

/// The parts of a process that erasures need.
#[derive(Debug, Clone)]
pub struct ErasureParts {
    /// The way in.
    pub intake: Arc<Intake>,
    /// The hot store.
    pub hot: SharedHotStore,
    /// The event log, where the deployment keeps one.
    pub events: Option<EventLog>,
    /// The log of changes, where there is one.
    pub changes: Option<ChangeLog>,
}

/// Works on erasures.
#[derive(Debug)]
pub(crate) struct Saga {
    parts: ErasureParts,
    metrics: ErasureMetrics,
    /// By erasure, what the files of the hot store wait for.
    tickets: HashMap<Uuid, String>,
    /// By erasure, what the record of partitions is to forget.
    numbers: HashMap<Uuid, Numbers>,
}

/// The cause for which a round came to no end. The next one tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SagaError {
    /// The database did not answer.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// It did not, or refused.
    #[error(transparent)]
    Storage(#[from] storage::StorageError),
    /// The hot store did not answer.
    #[error(transparent)]
    Hot(#[from] hot::HotError),
    /// The event log did not answer.
    #[error(transparent)]
    Log(#[from] journal::LogError),
    /// The streams did not take a word.
    #[error(transparent)]
    Append(#[from] crate::append::AppendError),
    /// The values cannot be read.
    #[error(transparent)]
    Key(#[from] super::key::KeyError),
}

impl Saga {
    pub(crate) fn new(parts: ErasureParts) -> Self {
        Self {
            parts,
            metrics: ErasureMetrics::new(),
            tickets: HashMap::new(),
            numbers: HashMap::new(),
        }
    }

    /// Does what can be done now.
    ///
    /// # Errors
    /// [`SagaError`].
    pub(crate) async fn tick(&mut self) -> Result<(), SagaError> {
        let now = self.parts.intake.own_clock.now();
        let rows = self.open(now).await?;
        let due = rows.into_iter();
        let due = due.filter(|row| row.claim_time <= now.as_millis());
        let mut claimed = Vec::new();
        for row in due {
            claimed.extend(self.claim(row, now).await?);
        }
        if claimed.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::open(claimed, &self.parts, now).await?;
        let worked = self.work(&mut batch).await;
        batch.close(&self.parts, now).await?;
        worked
    }

    /// The erasures that are not done, oldest first.
    async fn open(&self, now: Timestamp) -> Result<Vec<erasure::Model>, DbErr> {
        let orm = self.parts.intake.store.database().orm();
        let times: Vec<(i64, i64)> = erasure::Entity::find()
            .select_only()
            .column(erasure::Column::CreateTime)
            .column(erasure::Column::Deadline)
            .filter(erasure::Column::DoneTime.is_null())
            .into_tuple()
            .all(orm)
            .await?;
        let times: Vec<_> = times
            .into_iter()
            .map(|(create, deadline)| {
                (
                    Timestamp::from_millis(create),
                    Timestamp::from_millis(deadline),
                )
            })
            .collect();
        self.metrics.open(&times, now);
        if times.is_empty() {
            return Ok(Vec::new());
        }
        erasure::Entity::find()
            .filter(erasure::Column::DoneTime.is_null())
            .order_by_asc(erasure::Column::ClaimTime)
            .limit(AT_ONCE)
            .all(orm)
            .await
    }

    /// Takes an erasure for a while, unless another process was faster.
    async fn claim(
        &self,
        row: erasure::Model,
        now: Timestamp,
    ) -> Result<Option<erasure::Model>, DbErr> {
        let until = (now + CLAIM).as_millis();
        let done = erasure::Entity::update_many()
            .col_expr(erasure::Column::ClaimTime, Expr::value(until))
            .filter(erasure::Column::OperationId.eq(row.operation_id))
            .filter(erasure::Column::ClaimTime.eq(row.claim_time))
            .filter(erasure::Column::DoneTime.is_null())
            .exec(self.parts.intake.store.database().orm())
            .await?;
        let is_ours = done.rows_affected == 1;
        Ok(is_ours.then_some(erasure::Model {
            claim_time: until,
            ..row
        }))
    }
}

/// Works on erasures until the process ends, and keeps up with those of others.
pub async fn work_on_erasures(parts: ErasureParts, shutdown: CancellationToken) {
    let intake = Arc::clone(&parts.intake);
    let follower = tokio::spawn(follow_others(intake, shutdown.clone()));
    let mut saga = Saga::new(parts);
    let mut ticks = interval(WORK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => {
                if let Err(error) = saga.tick().await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "an erasure came to no end; it is tried again");
                }
            }
        }
    }
    let _ended = follower.await;
}
