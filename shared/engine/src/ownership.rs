//! The task that decides which partitions this process works on: members, leases, and a task for each partition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hot::HotError;
use kernel::{PartitionId, Timestamp};
use storage::{Acquire, StorageError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::partition::{Ended, PartitionTask};
use crate::shared::Shared;
use crate::{Core, EngineConfig, limits, placement};

/// Decides which partitions this process works on.
pub(crate) struct Ownership<C: Core> {
    config: EngineConfig<C>,
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    running: BTreeMap<PartitionId, Running>,
    tasks: JoinSet<(PartitionId, Ended)>,
    /// The highest epoch that the hot store refused us with: new ones must be above it.
    above: u64,
    renewed: Option<Timestamp>,
    /// Partitions that could not be worked on, and when to try again.
    resting: BTreeMap<PartitionId, Timestamp>,
}

#[derive(Debug)]
struct Running {
    epoch: u64,
    task: tokio::task::Id,
    stop: CancellationToken,
}

impl<C: Core> Ownership<C> {
    pub(crate) fn new(config: EngineConfig<C>, shared: Arc<Shared>) -> Self {
        let permits = Arc::new(Semaphore::new(config.parallel_ticks.max(1)));
        Self {
            config,
            shared,
            permits,
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            above: 0,
            renewed: None,
            resting: BTreeMap::new(),
        }
    }

    /// Works until the engine is stopped, then hands everything over.
    pub(crate) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        while !stop.is_cancelled() {
            let complete = match self.round().await {
                Ok(complete) => complete,
                Err(error) => {
                    // Nobody can take over without the database either, so what runs goes on.
                    tracing::warn!(
                        service = C::OWNER.name(),
                        error = &error as &dyn std::error::Error,
                        "the database does not answer; leases are not renewed"
                    );
                    true
                }
            };
            let wait = if complete {
                self.round_length()
            } else {
                limits::ACQUIRE_RETRY
            };
            let clock = Arc::clone(&self.config.lease_clock);
            let next = clock.now() + wait;
            tokio::select! {
                () = stop.cancelled() => {}
                () = clock.sleep_until(next) => {}
                Some(joined) = self.tasks.join_next() => self.ended(joined).await,
            }
        }
        self.hand_over().await;
        self.shared.stopped.cancel();
    }

    fn round_length(&self) -> kernel::Duration {
        self.renewal().min(limits::PLACEMENT_ROUND)
    }

    fn renewal(&self) -> kernel::Duration {
        kernel::Duration::from_millis(self.config.lease_ttl.as_millis() / 3)
    }

    /// Renews, looks at the members, and starts and stops partitions. False where some could not be had yet.
    async fn round(&mut self) -> Result<bool, StorageError> {
        let service = C::OWNER.name();
        let now = self.config.lease_clock.now();
        if self.renewed.is_none_or(|at| now >= at + self.renewal()) {
            self.renew(now).await?;
            self.renewed = Some(now);
        }
        let leases = &self.config.leases;
        let members = leases.members(service, now).await?;
        let wanted: BTreeSet<_> = self
            .config
            .hot
            .partition_count()
            .iter()
            .filter(|partition| {
                placement::owner(service, *partition, &members) == Some(&self.config.worker)
            })
            .collect();
        for (partition, running) in &self.running {
            if !wanted.contains(partition) {
                running.stop.cancel();
            }
        }
        self.resting.retain(|_, until| *until > now);
        let missing: Vec<_> = wanted
            .iter()
            .filter(|partition| {
                !self.running.contains_key(partition) && !self.resting.contains_key(partition)
            })
            .copied()
            .collect();
        let acquired = leases
            .acquire(Acquire {
                service,
                partitions: &missing,
                worker: &self.config.worker,
                ttl: self.config.lease_ttl,
                now,
                above: self.above,
            })
            .await?;
        let complete = acquired.len() == missing.len();
        for (partition, epoch) in acquired {
            self.start(partition, epoch);
        }
        self.shared.assign(wanted);
        Ok(complete)
    }

    async fn renew(&mut self, now: Timestamp) -> Result<(), StorageError> {
        let (service, worker, ttl) = (C::OWNER.name(), &self.config.worker, self.config.lease_ttl);
        let leases = &self.config.leases;
        leases.heartbeat(service, worker, ttl, now).await?;
        let kept: BTreeMap<_, _> = leases
            .renew(service, worker, ttl, now)
            .await?
            .into_iter()
            .collect();
        for (partition, running) in &self.running {
            if kept.get(partition) != Some(&running.epoch) && !running.stop.is_cancelled() {
                tracing::warn!(service, partition = partition.number(), "a lease was lost");
                running.stop.cancel();
            }
        }
        Ok(())
    }

    fn start(&mut self, partition: PartitionId, epoch: u64) {
        let stop = self.shared.stop.child_token();
        let task = PartitionTask {
            config: self.config.clone(),
            shared: Arc::clone(&self.shared),
            permits: Arc::clone(&self.permits),
            partition,
            epoch,
            stop: stop.clone(),
        };
        let task = self
            .tasks
            .spawn(async move { (partition, task.run().await) })
            .id();
        self.running
            .insert(partition, Running { epoch, task, stop });
    }

    /// A partition's task ended: its lease is given back where that was wanted, and had again otherwise.
    async fn ended(&mut self, joined: Result<(PartitionId, Ended), tokio::task::JoinError>) {
        let service = C::OWNER.name();
        let (partition, ended) = match joined {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(
                    service,
                    error = &error as &dyn std::error::Error,
                    "a worker died"
                );
                self.running.retain(|partition, running| {
                    let died = running.task == error.id();
                    if died {
                        self.shared.report(*partition, None);
                    }
                    !died
                });
                return;
            }
        };
        self.running.remove(&partition);
        match ended {
            Ended::Stopped => {
                let released = self
                    .config
                    .leases
                    .release(service, &[partition], &self.config.worker)
                    .await;
                if let Err(error) = released {
                    tracing::warn!(
                        service,
                        error = &error as &dyn std::error::Error,
                        "a lease was not given back, and lapses"
                    );
                }
            }
            Ended::Lost(HotError::Fenced { current, .. }) => {
                tracing::warn!(
                    service,
                    partition = partition.number(),
                    epoch = current,
                    "fenced"
                );
                self.above = self.above.max(current);
            }
            Ended::Lost(error @ HotError::Gap { .. }) => {
                tracing::warn!(
                    service,
                    error = &error as &dyn std::error::Error,
                    "opened again"
                );
            }
            Ended::Lost(error) => {
                tracing::error!(
                    service,
                    partition = partition.number(),
                    error = &error as &dyn std::error::Error,
                    "the partition cannot be worked on; trying again"
                );
                // A store that is damaged stays so: looking again soon would only fill the log.
                let until = self.config.lease_clock.now() + limits::LOST_RETRY;
                self.resting.insert(partition, until);
            }
        }
    }

    /// Waits for the commits in flight, then gives everything back.
    async fn hand_over(&mut self) {
        while self.tasks.join_next().await.is_some() {}
        let partitions: Vec<_> = self.running.keys().copied().collect();
        let (service, worker) = (C::OWNER.name(), &self.config.worker);
        let leases = &self.config.leases;
        let given_back = async {
            leases.release(service, &partitions, worker).await?;
            leases
                .leave(service, worker, self.config.lease_clock.now())
                .await
        };
        if let Err(error) = given_back.await {
            tracing::warn!(
                service,
                error = &error as &dyn std::error::Error,
                "leases were not given back, and lapse"
            );
        }
    }
}
