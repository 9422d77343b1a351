//! A running engine.

use std::sync::Arc;

use async_trait::async_trait;
use hot::{Owner, SharedHotStore, StreamName};
use kernel::{PartitionId, Timestamp};
use messages::engine::v1::Partition;
use storage::{Member, SharedLeases};
use tokio::sync::watch;

use crate::hints::pass_hints;
use crate::idle::Extent;
use crate::metrics;
use crate::ownership::Ownership;
use crate::preview::{Preview, what_stays};
use crate::shared::Shared;
use crate::tenure::Tenure;
use crate::worker::Worker;
use crate::{
    Clock, Dispatcher, EngineConfig, EngineError, FindError, PlannedSplit, QuarantineFilter,
    QuarantineOrder, QuarantinePage, QuarantinePlace, QuarantineSelection, QuarantineTaken,
    Standing, Status, TimeSource,
};
use decision::Core;

/// A running engine. Cheap to clone; the engine runs until [`EngineHandle::shutdown`].
#[derive(Debug, Clone)]
pub struct EngineHandle {
    running: Arc<Running>,
}

/// What questions about a running engine need.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) service: Owner,
    pub(crate) worker: String,
    pub(crate) inputs: Vec<StreamName>,
    /// Those of them that are of low priority.
    pub(crate) bulk_inputs: Vec<StreamName>,
    pub(crate) hot: SharedHotStore,
    pub(crate) leases: SharedLeases,
    pub(crate) own_clock: Arc<dyn Clock>,
    pub(crate) time: TimeSource,
    pub(crate) dispatcher: Option<Arc<dyn Dispatcher>>,
    /// Bytes from which on the quarantine of a partition is full.
    pub(crate) quarantine_bytes: u64,
    pub(crate) shared: Arc<Shared>,
    pub(crate) preview: Preview,
}

pub(crate) async fn start<C: Core>(
    mut config: EngineConfig<C>,
) -> Result<EngineHandle, EngineError> {
    let count = config.hot.partition_count();
    config.leases.prepare(C::OWNER.name(), count).await?;
    if config.hot.is_exclusive() {
        // Whoever had it open is dead, and so are its leases.
        config.leases.evict(C::OWNER.name()).await?;
    }
    config.tenure = Tenure::ended();
    let inputs = Worker::<C>::input_streams();
    let shared = Arc::new(Shared::new(count, inputs.clone()));
    let hints = config.hot.subscribe(&inputs).await?;
    let running = Running {
        service: Worker::<C>::owner(),
        worker: config.worker.clone(),
        inputs: inputs.clone(),
        bulk_inputs: C::INPUTS.iter().filter_map(|(_, low)| *low).collect(),
        hot: Arc::clone(&config.hot),
        leases: Arc::clone(&config.leases),
        own_clock: Arc::clone(&config.own_clock),
        time: config.time.clone(),
        dispatcher: config.dispatcher.clone(),
        quarantine_bytes: config.quarantine_bytes,
        shared: Arc::clone(&shared),
        preview: |hot, plan| Box::pin(what_stays::<C>(hot, plan)),
    };
    let hot = Arc::clone(&config.hot);
    let hinted = Arc::clone(&shared);
    tokio::spawn(pass_hints(
        hints,
        shared.stop.clone(),
        move |wake| hinted.hint(wake),
        move || {
            let (hot, inputs) = (Arc::clone(&hot), inputs.clone());
            async move { hot.subscribe(&inputs).await }
        },
    ));
    let definitions = config.definitions.clone();
    tokio::spawn(pass_definitions(definitions, Arc::clone(&shared)));
    let running = Arc::new(running);
    if config.is_measured {
        metrics::begin(C::OWNER);
        tokio::spawn(Arc::clone(&running).measure());
    }
    tokio::spawn(Ownership::new(config, shared).run());
    Ok(EngineHandle { running })
}

/// Wakes all partitions, one after another, whenever other definitions come into force, until the
/// engine stops: counters may be of what is gone by then.
async fn pass_definitions<D>(mut definitions: watch::Receiver<D>, shared: Arc<Shared>) {
    loop {
        let is_told = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            told = definitions.changed() => told.is_ok(),
        };
        if !is_told {
            // Nobody changes them any more.
            return;
        }
        shared.wake_all();
    }
}

impl EngineHandle {
    /// Stops: finishes the commits in flight, gives the leases back, and returns when everything
    /// has ended.
    pub async fn shutdown(&self) {
        self.running.shared.stop.cancel();
        self.running.shared.stopped.cancelled().await;
    }

    /// Returns the number of partitions that share the cache.
    #[cfg(test)]
    pub(crate) fn owned(&self) -> usize {
        self.running.shared.owned()
    }
}

#[async_trait]
impl Status for EngineHandle {
    fn service(&self) -> Owner {
        self.running.service
    }

    fn standing(&self) -> Standing {
        self.running.shared.standing()
    }

    async fn refused(&self) -> EngineError {
        self.running.shared.refused.cancelled().await;
        EngineError::NameInUse {
            worker: self.running.worker.clone(),
        }
    }

    async fn list_members(&self) -> Result<Vec<Member>, EngineError> {
        let service = self.running.service.name();
        Ok(self.running.leases.members(service).await?)
    }

    async fn list_partitions(&self) -> Result<Vec<Partition>, EngineError> {
        self.running.list_partitions().await
    }

    async fn list_quarantined(
        &self,
        filter: &QuarantineFilter,
        after: Option<QuarantinePlace>,
        max: usize,
    ) -> Result<QuarantinePage, EngineError> {
        self.running.list_quarantined(filter, after, max).await
    }

    async fn order_quarantined(
        &self,
        selection: &QuarantineSelection,
        order: &QuarantineOrder,
    ) -> Result<QuarantineTaken, EngineError> {
        self.running.order_quarantined(selection, order).await
    }

    async fn what_stays(&self, plan: &PlannedSplit) -> Result<Vec<String>, FindError> {
        (self.running.preview)(self.running.hot.as_ref(), plan).await
    }

    async fn await_idle(&self) -> Result<u64, EngineError> {
        self.running.await_idle(Extent::Share).await
    }

    async fn await_all_idle(&self) -> Result<u64, EngineError> {
        self.running.await_idle(Extent::All).await
    }

    fn next_dues(&self) -> Option<Vec<(PartitionId, Timestamp)>> {
        self.running.next_dues()
    }
}
