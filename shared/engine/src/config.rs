//! What an engine needs to start.

use std::fmt;
use std::sync::Arc;

use changes::SharedChangeSink;
use hot::SharedHotStore;
use kernel::Duration;
use storage::{Leases, SharedLeases};
use tokio::sync::watch;

use decision::Core;

use crate::tenure::Tenure;
use crate::{Clock, Dispatcher, Refresh, SystemClock, TimeSource, limits};

/// What an engine needs to start.
pub struct EngineConfig<C: Core> {
    /// Where states, timers and streams are.
    pub hot: SharedHotStore,
    /// Where leases are.
    pub leases: SharedLeases,
    /// The `now` of the cores.
    pub time: TimeSource,
    /// The clock of this machine. It is compared with the database's, and decides about no lease.
    pub own_clock: Arc<dyn Clock>,
    /// Names this process among those that run the service. A process has the name of one that is
    /// dead only once that one's leases have lapsed, and is refused where the other one is alive.
    pub worker: String,
    /// Tells this process from every other one that ever had its name.
    pub incarnation: String,
    /// What was published, as of now.
    pub definitions: watch::Receiver<Arc<C::Definitions>>,
    /// Learns what was published since; absent where nothing ever is.
    pub refresh: Option<Arc<dyn Refresh>>,
    /// Takes what the core dispatches; absent where it dispatches nothing.
    pub dispatcher: Option<Arc<dyn Dispatcher>>,
    /// Takes what cores say that changed, and brings it to the log of changes; absent where there
    /// is none, and then nothing of it is stored.
    pub changes: Option<SharedChangeSink>,
    /// How long a lease lasts unless renewed, and so how long a dead process holds up its
    /// partitions.
    pub lease_ttl: Duration,
    /// The longest that a timer which is due waits for what was accepted before it, where a service
    /// on the way does not go on.
    pub grace: Duration,
    /// Bytes of encoded states that are kept decoded, over all partitions that this process owns.
    pub cache_bytes: usize,
    /// Bytes that the quarantine of a partition holds before the partition waits for room in it.
    pub quarantine_bytes: u64,
    /// Bytes of a piece of a state that moves to the survivor of a merge. One part is never cut.
    pub piece_bytes: usize,
    /// The most records of a customer that wait for the states of others.
    pub parked_records: u64,
    /// The most records of a customer that waited and that one batch takes.
    pub parked_per_batch: usize,
    pub(crate) is_traced: bool,
    pub(crate) is_measured: bool,
    /// The word that this process may act as an owner.
    pub(crate) tenure: Tenure,
}

impl<C: Core> EngineConfig<C> {
    /// The configuration of a service in production; change what differs.
    pub fn new(
        hot: SharedHotStore,
        leases: impl Leases,
        time: TimeSource,
        worker: impl Into<String>,
        definitions: watch::Receiver<Arc<C::Definitions>>,
    ) -> Self {
        Self {
            hot,
            leases: Arc::new(leases),
            time,
            own_clock: Arc::new(SystemClock),
            worker: worker.into(),
            incarnation: uuid::Uuid::now_v7().to_string(),
            definitions,
            refresh: None,
            dispatcher: None,
            changes: None,
            lease_ttl: limits::LEASE_TTL,
            grace: limits::GRACE,
            cache_bytes: limits::CACHE_BYTES,
            quarantine_bytes: hot::limits::QUARANTINE_BYTES,
            piece_bytes: limits::PIECE_BYTES,
            parked_records: limits::PARKED_RECORDS,
            parked_per_batch: limits::PARKED_PER_BATCH,
            is_traced: false,
            is_measured: false,
            tenure: Tenure::unlimited(),
        }
    }

    /// Says who reads what the engine tells of itself: traces, metrics. Nobody does unless this is
    /// called, and then telling costs nothing.
    #[must_use]
    pub fn with_telemetry(mut self, is_traced: bool, is_measured: bool) -> Self {
        self.is_traced = is_traced;
        self.is_measured = is_measured;
        self
    }

    /// Sets what learns of newer definitions.
    #[must_use]
    pub fn with_refresh(mut self, refresh: Arc<dyn Refresh>) -> Self {
        self.refresh = Some(refresh);
        self
    }

    /// Sets what takes the changes for consumers outside.
    #[must_use]
    pub fn with_changes(mut self, changes: SharedChangeSink) -> Self {
        self.changes = Some(changes);
        self
    }

    /// Sets what takes the dispatched records.
    #[must_use]
    pub fn with_dispatcher(mut self, dispatcher: Arc<dyn Dispatcher>) -> Self {
        self.dispatcher = Some(dispatcher);
        self
    }
}

impl<C: Core> Clone for EngineConfig<C> {
    fn clone(&self) -> Self {
        Self {
            hot: Arc::clone(&self.hot),
            leases: Arc::clone(&self.leases),
            time: self.time.clone(),
            own_clock: Arc::clone(&self.own_clock),
            worker: self.worker.clone(),
            incarnation: self.incarnation.clone(),
            definitions: self.definitions.clone(),
            refresh: self.refresh.clone(),
            dispatcher: self.dispatcher.clone(),
            changes: self.changes.clone(),
            lease_ttl: self.lease_ttl,
            grace: self.grace,
            cache_bytes: self.cache_bytes,
            quarantine_bytes: self.quarantine_bytes,
            piece_bytes: self.piece_bytes,
            parked_records: self.parked_records,
            parked_per_batch: self.parked_per_batch,
            is_traced: self.is_traced,
            is_measured: self.is_measured,
            tenure: self.tenure.clone(),
        }
    }
}

impl<C: Core> fmt::Debug for EngineConfig<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineConfig")
            .field("service", &C::OWNER)
            .field("time", &self.time)
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}
