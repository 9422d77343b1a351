//! The task that decides which partitions this process works on: members, leases, and a task for
//! each partition. Its rounds follow time that nobody sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hot::HotError;
use kernel::PartitionId;
use storage::{Acquire, LeaseTally, StorageError, timely};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::membership::{Membership, Standing};
use crate::metrics::LeaseChange;
use crate::partition::{Ended, PartitionTask};
use crate::shared::Shared;
use crate::{EngineConfig, limits, metrics, placement};
use decision::Core;

/// Decides which partitions this process works on.
pub(crate) struct Ownership<C: Core> {
    config: EngineConfig<C>,
    shared: Arc<Shared>,
    membership: Membership,
    permits: Arc<Semaphore>,
    running: BTreeMap<PartitionId, Running>,
    tasks: JoinSet<(PartitionId, Ended)>,
    /// The highest epoch that the hot store refused us with: new ones must be above it.
    above: u64,
    /// The leases of this process, with their epochs, as far as is known.
    held: BTreeMap<PartitionId, u64>,
    /// Those who took part when it was looked last, and what was this process's share then.
    members: Vec<String>,
    share: BTreeSet<PartitionId>,
    /// Partitions that could not be worked on, and when to try again.
    resting: BTreeMap<PartitionId, Instant>,
    /// When the store refused a partition last.
    lost: BTreeMap<PartitionId, Instant>,
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
        let permits = Arc::new(Semaphore::new(limits::PARALLEL_TICKS));
        Self {
            membership: Membership::new(&config, Arc::clone(&shared)),
            config,
            shared,
            permits,
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            above: 0,
            held: BTreeMap::new(),
            members: Vec::new(),
            share: BTreeSet::new(),
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
                self.membership.is_unanswered();
                tracing::warn!(
                    service = C::OWNER.name(),
                    error = &error as &dyn std::error::Error,
                    "the database does not answer; leases are not renewed"
                );
                true
            });
            let next = self.next_round(Instant::now(), is_complete);
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = sleep_until(next) => {}
                Some(joined) = self.tasks.join_next() => self.ended(joined).await,
            }
        }
        self.hand_over().await;
        self.shared.stopped.cancel();
    }

    /// When to look at members and leases again, unless a partition's task ends before.
    fn next_round(&self, now: Instant, is_complete: bool) -> Instant {
        let wait = if is_complete {
            self.membership.interval().min(limits::PLACEMENT_ROUND)
        } else {
            limits::ACQUIRE_RETRY
        };
        let rested = self.resting.values().copied().filter(|until| *until > now);
        rested.fold(now + wait, Instant::min)
    }

    /// Says that this process is alive, looks at the members, and starts and stops partitions.
    /// False where some could not be had yet.
    async fn round(&mut self) -> Result<bool, StorageError> {
        if self.membership.renew().await? {
            self.look_at_leases().await?;
        }
        let wanted = self.wanted().await?;
        for (partition, running) in &self.running {
            if !wanted.contains(partition) {
                running.stop.cancel();
            }
        }
        self.give_back_strays(&wanted).await?;
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let missing: Vec<_> = wanted
            .iter()
            .filter(|partition| {
                !self.running.contains_key(partition) && !self.resting.contains_key(partition)
            })
            .copied()
            .collect();
        let acquire = Acquire {
            member: self.membership.id(),
            partitions: &missing,
            above: self.above,
        };
        let acquired = self.config.leases.acquire(acquire).await?;
        let complete = acquired.len() == missing.len();
        metrics::leases_changed(C::OWNER, LeaseChange::Acquired, acquired.len());
        for (partition, epoch) in acquired {
            self.held.insert(partition, epoch);
            self.start(partition, epoch);
        }
        // A process that waits for its name does not know its share yet.
        if self.membership.standing() != Standing::AwaitsNamesake {
            self.shared.assign(wanted);
        }
        Ok(complete)
    }

    /// The partitions that this process should work on.
    async fn wanted(&mut self) -> Result<BTreeSet<PartitionId>, StorageError> {
        if self.membership.standing() != Standing::TakesPart {
            return Ok(BTreeSet::new());
        }
        let service = C::OWNER.name();
        let members = self.config.leases.members(service);
        let members = timely(self.membership.patience(), members).await?;
        let names: Vec<String> = members
            .into_iter()
            .filter(|member| member.takes_part)
            .map(|member| member.worker)
            .collect();
        if names != self.members {
            let count = self.config.hot.partition_count();
            let owners = placement::owners(service, count, &names);
            let owned = count.iter().zip(owners);
            self.share = owned
                .filter(|(_, owner)| *owner == self.config.worker)
                .map(|(partition, _)| partition)
                .collect();
            self.members = names;
        }
        Ok(self.share.clone())
    }

    /// Gives back the leases of partitions that were lost here and are another's share since: they
    /// would last as long as this process.
    async fn give_back_strays(
        &mut self,
        wanted: &BTreeSet<PartitionId>,
    ) -> Result<(), StorageError> {
        let is_stray = |partition: &&PartitionId| {
            !wanted.contains(partition) && !self.running.contains_key(partition)
        };
        let strays: Vec<_> = self.held.keys().filter(is_stray).copied().collect();
        let given_back = self.config.leases.release(self.membership.id(), &strays);
        given_back.await?;
        self.held.retain(|partition, _| !strays.contains(partition));
        Ok(())
    }

    /// Stops what is not this process's any more.
    async fn look_at_leases(&mut self) -> Result<(), StorageError> {
        let patience = self.membership.patience();
        let tally = self.config.leases.tally(self.membership.id());
        if timely(patience, tally).await? == LeaseTally::of(self.held.values().copied()) {
            return Ok(());
        }
        let held = self.config.leases.held(self.membership.id());
        let held = timely(patience, held).await?;
        let held: BTreeMap<_, _> = held.into_iter().collect();
        for (partition, running) in &self.running {
            if held.get(partition) != Some(&running.epoch) && !running.stop.is_cancelled() {
                let (service, partition) = (C::OWNER.name(), partition.number());
                tracing::warn!(service, partition, "a lease was lost");
                metrics::leases_changed(C::OWNER, LeaseChange::Lost, 1);
                running.stop.cancel();
            }
        }
        self.held = held;
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
        let released = self.config.leases.release(self.membership.id(), &stopped);
        match released.await {
            Ok(()) => self
                .held
                .retain(|partition, _| !stopped.contains(partition)),
            Err(error) => tracing::warn!(
                service = C::OWNER.name(),
                error = &error as &dyn std::error::Error,
                "leases were not given back; trying again"
            ),
        }
    }

    /// The store refused a partition.
    fn lost(&mut self, partition: PartitionId, error: &HotError) {
        let (service, number) = (C::OWNER.name(), partition.number());
        let now = Instant::now();
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
        let now = Instant::now();
        let died = |running: &Running| running.task == error.id();
        let found = self.running.iter().find(|(_, running)| died(running));
        if let Some(partition) = found.map(|(partition, _)| *partition) {
            self.running.remove(&partition);
            self.shared.report(partition, None);
            self.resting.insert(partition, now + limits::LOST_RETRY);
        }
    }

    /// Says that this process wants no partitions any more, so that others ask for them; waits for
    /// the commits in flight, and gives everything back.
    async fn hand_over(&mut self) {
        let withdrawn = within_time(self.membership.withdraw()).await;
        while self.tasks.join_next().await.is_some() {}
        let left = within_time(self.config.leases.leave(self.membership.id())).await;
        if let Err(error) = withdrawn.and(left) {
            tracing::warn!(
                service = C::OWNER.name(),
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
