//! How the partitions of a service are doing: what operators ask.

use async_trait::async_trait;
use hot::{HotError, Owner};
use kernel::{PartitionId, Timestamp};
use messages::engine::v1::Partition;
use storage::{Member, StorageError};

use crate::{
    FindError, PlannedSplit, QuarantineFilter, QuarantineOrder, QuarantinePage, QuarantinePlace,
    QuarantineSelection, QuarantineTaken, Standing,
};

/// Tells how the partitions of one service are doing.
#[async_trait]
pub trait Status: Send + Sync + 'static {
    /// Which service.
    fn service(&self) -> Owner;

    /// Returns whether this process takes part in the work of the service.
    fn standing(&self) -> Standing;

    /// Completes once this process cannot go on, with the reason: another live one has its name.
    async fn refused(&self) -> EngineError;

    /// The processes of the service that are alive, by name.
    ///
    /// # Errors
    /// [`EngineError`] where the database does not answer.
    async fn list_members(&self) -> Result<Vec<Member>, EngineError>;

    /// All partitions, by number.
    ///
    /// # Errors
    /// [`EngineError`] where a store does not answer.
    async fn list_partitions(&self) -> Result<Vec<Partition>, EngineError>;

    /// Up to `max` quarantined records that match, after a place: by partition, oldest first. A
    /// page also ends where it has grown to [`crate::limits::QUARANTINED_PAGE_BYTES`].
    ///
    /// # Errors
    /// [`EngineError`] where a store does not answer.
    async fn list_quarantined(
        &self,
        filter: &QuarantineFilter,
        after: Option<QuarantinePlace>,
        max: usize,
    ) -> Result<QuarantinePage, EngineError>;

    /// Passes an order about quarantined records on to the owners of their partitions, and does not
    /// wait for what comes of it.
    ///
    /// # Errors
    /// [`EngineError`]; part of the order may have been passed on, and the same one again passes on
    /// the rest.
    async fn order_quarantined(
        &self,
        selection: &QuarantineSelection,
        order: &QuarantineOrder,
    ) -> Result<QuarantineTaken, EngineError>;

    /// Says what would stay joined if fragments left a customer, each in a sentence for people.
    /// Nothing where all of it comes apart, or nothing is known of those who would leave.
    ///
    /// # Errors
    /// [`FindError`] where the store does not answer, or what is there is damaged.
    async fn what_stays(&self, plan: &PlannedSplit) -> Result<Vec<String>, FindError>;

    /// Waits until the partitions that this process should own have nothing left to do now: streams
    /// read to their end, no due timer, outboxes empty, nothing dispatched under way. Returns the
    /// commits of these partitions so far.
    ///
    /// # Errors
    /// [`EngineError`] where a store does not answer, or the engine was shut down.
    async fn await_idle(&self) -> Result<u64, EngineError>;

    /// Waits as [`Self::await_idle`] does, for all partitions of the service: those of other
    /// processes too, deliveries that these have under way aside, and those that nobody owns since
    /// their process died. Returns the commits of all of them so far.
    ///
    /// # Errors
    /// As there.
    async fn await_all_idle(&self) -> Result<u64, EngineError>;

    /// Returns an instant for each of these partitions that has timers: none of them is due before
    /// it. Absent while any of the partitions has something to do.
    fn next_dues(&self) -> Option<Vec<(PartitionId, Timestamp)>>;
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
    /// As many commands wait in a partition as may wait: try again later.
    #[error("as many commands about the quarantine wait as may wait")]
    CommandsFull,
    /// Another live process has the name of this one: give each a name of its own.
    #[error(
        "another live process has the worker name `{worker}`: give each process a name of its own with --worker, or leave \
         it out"
    )]
    NameInUse {
        /// The name.
        worker: String,
    },
    /// The engine was shut down.
    #[error("the engine was shut down")]
    ShutDown,
}
