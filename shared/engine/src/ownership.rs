//! The task that decides which partitions this process works on: members, leases, and a task for
//! each partition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hot::HotError;
use kernel::{PartitionId, Timestamp};
use storage::{Acquire, StorageError};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::metrics::LeaseChange;
use crate::partition::{Ended, PartitionTask};
use crate::shared::Shared;
use crate::{EngineConfig, limits, metrics, placement};
use decision::Core;

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
    /// The partitions whose leases were this worker's when they were renewed last.
    held: Vec<PartitionId>,
    /// Partitions that could not be worked on, and when to try again.
    resting: BTreeMap<PartitionId, Timestamp>,
    /// When the store refused a partition last.
    lost: BTreeMap<PartitionId, Timestamp>,
}

/// What the end of a partition's task looks like.
type Joined = Result<(PartitionId, Ended), JoinError>;

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
            held: Vec::new(),
            resting: BTreeMap::new(),
            lost: BTreeMap::new(),
        }
    }

    /// Works until the engine is stopped, then hands everything over.
    pub(crate) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        while !stop.is_cancelled() {
            // A round that began goes on: a statement whose answer nobody waits for could still
            // take effect, after everything was given back.
            let late = async {
                stop.cancelled().await;
                tokio::time::sleep(limits::LAST_ROUND).await;
            };
            let round = tokio::select! {
                biased;
                round = self.round() => round,
                () = late => break,
            };
            let is_complete = round.unwrap_or_else(|error| {
                // Nobody can take over without the database either, so what runs goes on.
                tracing::warn!(
                    service = C::OWNER.name(),
                    error = &error as &dyn std::error::Error,
                    "the database does not answer; leases are not renewed"
                );
                true
            });
            let clock = Arc::clone(&self.config.lease_clock);
            let next = self.next_round(clock.now(), is_complete);
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = clock.sleep_until(next) => {}
                Some(joined) = self.tasks.join_next() => self.ended(joined).await,
            }
        }
        self.hand_over().await;
        self.shared.stopped.cancel();
    }

    /// When to look at members and leases again, unless a partition's task ends before.
    fn next_round(&self, now: Timestamp, is_complete: bool) -> Timestamp {
        let wait = if is_complete {
            self.renewal().min(limits::PLACEMENT_ROUND)
        } else {
            limits::ACQUIRE_RETRY
        };
        let rested = self.resting.values().copied().filter(|until| *until > now);
        rested.fold(now + wait, Timestamp::min)
    }

    fn renewal(&self) -> kernel::Duration {
        kernel::Duration::from_millis(self.config.lease_ttl.as_millis() / 3)
    }

    /// Renews, looks at the members, and starts and stops partitions. False where some could not be
    /// had yet.
    async fn round(&mut self) -> Result<bool, StorageError> {
        let service = C::OWNER.name();
        let now = self.config.lease_clock.now();
        if self.renewed.is_none_or(|at| now >= at + self.renewal()) {
            self.held = self.renew(now).await?;
            self.renewed = Some(now);
        }
        let leases = Arc::clone(&self.config.leases);
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
        self.give_back_strays(&wanted).await?;
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
        metrics::leases_changed(C::OWNER, LeaseChange::Acquired, acquired.len());
        for (partition, epoch) in acquired {
            self.start(partition, epoch);
        }
        self.shared.assign(wanted);
        Ok(complete)
    }

    /// Gives back the leases of partitions that were lost here and are another's share since:
    /// renewed with the others, they would never lapse.
    async fn give_back_strays(
        &mut self,
        wanted: &BTreeSet<PartitionId>,
    ) -> Result<(), StorageError> {
        let is_stray = |partition: &&PartitionId| {
            !wanted.contains(partition) && !self.running.contains_key(partition)
        };
        let strays: Vec<_> = self.held.iter().filter(is_stray).copied().collect();
        let (service, worker) = (C::OWNER.name(), &self.config.worker);
        self.config.leases.release(service, &strays, worker).await?;
        self.held.retain(|partition| !strays.contains(partition));
        Ok(())
    }

    /// Says that the worker is alive, and renews its leases. Returns the partitions of those.
    async fn renew(&self, now: Timestamp) -> Result<Vec<PartitionId>, StorageError> {
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
                metrics::leases_changed(C::OWNER, LeaseChange::Lost, 1);
                running.stop.cancel();
            }
        }
        Ok(kept.into_keys().collect())
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
        self.shared.set_owned(self.running.len());
    }

    /// Tasks ended, this one and maybe more: their leases are given back where that was wanted, and
    /// had again otherwise.
    async fn ended(&mut self, first: Joined) {
        let mut joined = Some(first);
        let mut stopped = Vec::new();
        while let Some(ended) = joined {
            match ended {
                Ok((partition, ended)) => {
                    self.running.remove(&partition);
                    match ended {
                        Ended::Stopped => stopped.push(partition),
                        Ended::Lost(error) => self.lost(partition, &error),
                    }
                }
                Err(error) => self.died(&error),
            }
            joined = self.tasks.try_join_next();
        }
        self.shared.set_owned(self.running.len());
        metrics::leases_changed(C::OWNER, LeaseChange::Released, stopped.len());
        let (service, worker) = (C::OWNER.name(), &self.config.worker);
        let released = self.config.leases.release(service, &stopped, worker);
        if let Err(error) = released.await {
            tracing::warn!(
                service,
                error = &error as &dyn std::error::Error,
                "leases were not given back, and lapse"
            );
        }
    }

    /// The store refused a partition.
    fn lost(&mut self, partition: PartitionId, error: &HotError) {
        let (service, number) = (C::OWNER.name(), partition.number());
        let now = self.config.lease_clock.now();
        let before = self.lost.insert(partition, now);
        // Once it is had again at once, so that no record waits.
        let mut rest = before
            .is_some_and(|before| now < before + limits::LOST_OFTEN)
            .then_some(limits::LOST_AGAIN_RETRY);
        let cause = error as &dyn std::error::Error;
        match error {
            HotError::Fenced { current, .. } => {
                self.above = self.above.max(*current);
                tracing::warn!(service, partition = number, error = cause, "fenced");
                metrics::leases_changed(C::OWNER, LeaseChange::Lost, 1);
            }
            HotError::Gap { .. } => {
                tracing::warn!(service, partition = number, error = cause, "opened again");
            }
            _ => {
                // A store that is damaged stays so: looking again soon would only fill the log.
                rest = Some(limits::LOST_RETRY);
                tracing::error!(
                    service,
                    partition = number,
                    error = cause,
                    "the partition cannot be worked on; trying again"
                );
            }
        }
        if let Some(rest) = rest {
            self.resting.insert(partition, now + rest);
        }
    }

    /// A task panicked.
    fn died(&mut self, error: &JoinError) {
        tracing::error!(
            service = C::OWNER.name(),
            error = error as &dyn std::error::Error,
            "a worker died; starting it again"
        );
        let now = self.config.lease_clock.now();
        let died = |running: &Running| running.task == error.id();
        let found = self.running.iter().find(|(_, running)| died(running));
        if let Some(partition) = found.map(|(partition, _)| *partition) {
            self.running.remove(&partition);
            self.shared.report(partition, None);
            self.resting.insert(partition, now + limits::LOST_RETRY);
        }
    }

    /// Says that this worker leaves, so that others ask for its partitions; waits for the commits
    /// in flight, and gives everything back.
    async fn hand_over(&mut self) {
        let (service, worker) = (C::OWNER.name(), self.config.worker.clone());
        let leases = Arc::clone(&self.config.leases);
        let now = self.config.lease_clock.now();
        let left = within_time(leases.leave(service, &worker, now)).await;
        while self.tasks.join_next().await.is_some() {}
        let all: Vec<_> = self.config.hot.partition_count().iter().collect();
        let released = within_time(leases.release(service, &all, &worker)).await;
        if let Err(error) = left.and(released) {
            tracing::warn!(
                service,
                error = &*error as &dyn std::error::Error,
                "leases were not given back, and lapse"
            );
        }
    }
}

/// A process that ends does not wait for a database that does not answer.
async fn within_time(
    call: impl Future<Output = Result<(), StorageError>>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    tokio::time::timeout(limits::HAND_OVER, call).await??;
    Ok(())
}
