//! Brings batches that were taken to their streams, where whoever took them may not have done so.

use std::sync::Arc;

use sea_orm::DbErr;
use tokio::time::Instant;
use uuid::Uuid;

use super::payload::{source_of, unpack};
use super::{Import, ImportError};
use crate::ingest::Intake;
use crate::store::Settled;

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

    /// Brings a batch to its streams, and forgets its records.
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
        let groups = unpack(&batch.records, self.partitions)
            .map_err(|damaged| DbErr::Type(damaged.to_string()))?;
        let source = source_of(id);
        let took = self
            .append_groups(batch.stream, groups, Some(&source), deadline)
            .await?;
        let settled = Settled {
            ids: vec![id],
            accept_time: Some(took.newest),
        };
        self.store.settle_batches(&batch.import, &settled).await?;
        if let Some(slot) = self.ledgers.find(&batch.import) {
            slot.batches().gone(id, took.newest);
        }
        Ok(())
    }
}
