//! Brings batches that were taken to their streams, where whoever took them may not have done so.

use std::sync::Arc;

use sea_orm::DbErr;
use tokio::time::Instant;
use uuid::Uuid;

use super::payload::{place_in_call, source_of, unpack};
use super::{Import, ImportError};
use crate::ingest::Intake;
use crate::store::{PendingBatch, Settled};

impl Intake {
    /// Brings batches of an import to their streams. Those that are there already change nothing.
    ///
    /// # Errors
    /// [`ImportError::Append`] and [`ImportError::Database`]: retry.
    pub(super) async fn bring(
        &self,
        import: &Arc<Import>,
        batches: Vec<Uuid>,
        deadline: Option<Instant>,
    ) -> Result<(), ImportError> {
        for id in batches {
            self.bring_batch(id, deadline).await?;
            // The records were gone already where somebody else was faster.
            let mut batches = import.slot.batches();
            let time = batches.accept_time();
            batches.gone(id, time);
        }
        Ok(())
    }

    /// Brings a batch to its streams, behind those that its call took before it, and forgets their
    /// records.
    ///
    /// # Errors
    /// [`ImportError::Append`] and [`ImportError::Database`]: retry.
    pub(super) async fn bring_batch(
        &self,
        id: Uuid,
        deadline: Option<Instant>,
    ) -> Result<(), ImportError> {
        let Some(batch) = self.store.pending_batch(id).await? else {
            return Ok(());
        };
        // A stream that has the last one of a call takes those before it for replays.
        for before in self.store.pending_before(&batch).await? {
            if let Some(before) = self.store.pending_batch(before).await? {
                self.append_batch(before, deadline).await?;
            }
        }
        self.append_batch(batch, deadline).await
    }

    async fn append_batch(
        &self,
        batch: PendingBatch,
        deadline: Option<Instant>,
    ) -> Result<(), ImportError> {
        let mut groups = unpack(&batch.records, self.partitions)
            .map_err(|damaged| DbErr::Type(damaged.to_string()))?;
        place_in_call(&mut groups, batch.number);
        let source = source_of(batch.call);
        let took = self
            .append_groups(batch.stream, groups, Some(&source), deadline)
            .await?;
        let settled = Settled {
            ids: vec![batch.id],
            accept_time: Some(took.newest),
        };
        self.store.settle_batches(&batch.import, &settled).await?;
        if let Some(slot) = self.ledgers.find(&batch.import) {
            slot.batches().gone(batch.id, took.newest);
        }
        Ok(())
    }
}
