//! How the partitions of a service are doing: what operators ask.

use async_trait::async_trait;
use hot::{HotError, Owner, QuarantineId};
use kernel::PartitionId;
use messages::engine::v1::{Partition, QuarantinedRecord};
use storage::StorageError;

/// A place in the quarantine of a service: by partition, then by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuarantinePlace {
    /// The partition.
    pub partition: PartitionId,
    /// The entry.
    pub id: QuarantineId,
}

/// A quarantined record and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct QuarantineEntry {
    /// Its place; the next page begins after it.
    pub place: QuarantinePlace,
    /// The record.
    pub record: QuarantinedRecord,
}

/// Tells how the partitions of one service are doing.
#[async_trait]
pub trait Status: Send + Sync + 'static {
    /// Which service.
    fn service(&self) -> Owner;

    /// All partitions, by number.
    ///
    /// # Errors
    /// [`EngineError`] where a store does not answer.
    async fn list_partitions(&self) -> Result<Vec<Partition>, EngineError>;

    /// Up to `max` quarantined records after a place, by partition, oldest first.
    ///
    /// # Errors
    /// [`EngineError`] where a store does not answer.
    async fn list_quarantined(
        &self,
        after: Option<QuarantinePlace>,
        max: usize,
    ) -> Result<Vec<QuarantineEntry>, EngineError>;

    /// Waits until the partitions that this process should own have nothing left to do now: streams read to their end,
    /// no due timer, outboxes empty, nothing dispatched under way. Returns the commits of these partitions so far.
    ///
    /// # Errors
    /// [`EngineError`] where a store does not answer, or the engine was shut down.
    async fn await_idle(&self) -> Result<u64, EngineError>;
}

/// Why the engine cannot tell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The hot store failed.
    #[error("the hot store failed")]
    Hot(#[from] HotError),
    /// The database failed.
    #[error("the database failed")]
    Storage(#[from] StorageError),
    /// The engine was shut down.
    #[error("the engine was shut down")]
    ShutDown,
}
