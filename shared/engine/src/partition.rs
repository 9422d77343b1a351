//! The task of one partition: ticks while there is something to do, waits otherwise.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hot::HotError;
use kernel::PartitionId;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::shared::{ALL_LANES, Idle, Progress, REOPEN, Shared};
use crate::worker::{TickOutcome, Worker};
use crate::{EngineConfig, TimeSource, limits, metrics};
use decision::Core;

/// Why a partition's task ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was asked to.
    Stopped,
    /// The store refused it.
    Lost(HotError),
}

/// What one partition's task needs.
pub(crate) struct PartitionTask<C: Core> {
    pub(crate) config: EngineConfig<C>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) partition: PartitionId,
    pub(crate) epoch: u64,
    pub(crate) stop: CancellationToken,
}

impl<C: Core> PartitionTask<C> {
    /// Works until it is stopped, or refused by the store.
    pub(crate) async fn run(self) -> Ended {
        let ended = match self.open().await {
            Ok(Some(worker)) => self.work(worker).await,
            Ok(None) => Ended::Stopped,
            Err(error) => Ended::Lost(error),
        };
        self.shared.report(self.partition, None);
        ended
    }

    /// Opens the partition; absent where it was stopped meanwhile.
    async fn open(&self) -> Result<Option<Worker<C>>, HotError> {
        let mut backoff = Backoff::unavailable();
        while !self.stop.is_cancelled() {
            // Opening looks at everything, so older news are none.
            self.shared.take_news(self.partition);
            match Worker::open(self.config.clone(), self.partition, self.epoch).await {
                Ok(worker) => return Ok(Some(worker)),
                Err(error @ HotError::Unavailable(_)) => {
                    self.unavailable(&error);
                    self.pause(backoff.next()).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn work(&self, mut worker: Worker<C>) -> Ended {
        let (mut unavailable, mut held) = (Backoff::unavailable(), Backoff::held());
        let mut behind = Backoff::behind();
        self.report(&worker, None);
        let (tenure, clock) = (self.config.tenure.clone(), self.config.own_clock.clone());
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ended::Stopped,
                () = tenure.await_hold(clock.as_ref()) => {}
            }
            // Closed never: the semaphore lives as long as the tasks.
            let permit = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ended::Stopped,
                permit = self.permits.acquire() => permit,
            };
            worker.share_cache(self.config.cache_bytes / self.shared.owned());
            let news = self.shared.take_news(self.partition);
            worker.hint(news);
            if news & REOPEN != 0 {
                worker.doubt();
            }
            let outcome = worker.tick().await;
            drop(permit);
            if !matches!(outcome, TickOutcome::Unavailable(_)) {
                unavailable = Backoff::unavailable();
            }
            if !matches!(outcome, TickOutcome::Held) {
                held = Backoff::held();
            }
            if !matches!(outcome, TickOutcome::Behind) {
                behind = Backoff::behind();
            }
            match outcome {
                TickOutcome::Worked => {}
                TickOutcome::Held => {
                    let wait = held.next();
                    metrics::held(C::OWNER, wait);
                    self.pause(wait).await;
                }
                TickOutcome::Behind => {
                    self.await_others(behind.next()).await;
                }
                TickOutcome::Full => {
                    if self.await_room().await {
                        worker.hint(ALL_LANES);
                    }
                }
                TickOutcome::Idle { next_due } => {
                    let idle = Idle {
                        cursors: worker.cursors(),
                        next_due: next_due.or_else(|| worker.next_timer()),
                    };
                    self.report(&worker, Some(idle));
                    if self.rest(next_due).await {
                        worker.hint(ALL_LANES);
                    }
                    self.shared.report_busy(self.partition);
                }
                TickOutcome::Unavailable(error) => {
                    self.unavailable(&error);
                    self.pause(unavailable.next()).await;
                }
                TickOutcome::Lost(error) => return Ended::Lost(error),
            }
        }
    }

    /// Waits for a hint, a timer, or a while. True after a while: hints may have been missed.
    async fn rest(&self, next_due: Option<kernel::Timestamp>) -> bool {
        let due = async {
            match (&self.config.time, next_due) {
                (TimeSource::Wall(clock), Some(instant)) => clock.sleep_until(instant).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.shared.woken(self.partition) => false,
            () = due => false,
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(safety_poll(self.shared.owned())) => true,
        }
    }

    /// Waits for news, or a while: the services before this one may be there by then.
    async fn await_others(&self, wait: Duration) {
        metrics::behind(C::OWNER, wait);
        tokio::select! {
            biased;
            () = self.shared.woken(self.partition) => {}
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Waits for news, which may be what makes room in the quarantine, or a while: newer
    /// definitions may help as well. True after a while: hints may have been missed.
    async fn await_room(&self) -> bool {
        let begun = Instant::now();
        tokio::select! {
            biased;
            () = self.shared.woken(self.partition) => {}
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(limits::FULL_RETRY) => {}
        }
        let waited = begun.elapsed();
        metrics::held(C::OWNER, waited);
        waited >= limits::FULL_RETRY
    }

    fn report(&self, worker: &Worker<C>, idle: Option<Idle>) {
        let progress = Progress {
            commit_seq: worker.commit_seq(),
            idle,
        };
        self.shared.report(self.partition, Some(progress));
    }

    async fn pause(&self, wait: Duration) {
        tokio::select! {
            biased;
            () = tokio::time::sleep(wait) => {}
            () = self.stop.cancelled() => {}
        }
    }

    fn unavailable(&self, error: &HotError) {
        metrics::unavailable(C::OWNER);
        tracing::warn!(
            service = C::OWNER.name(),
            partition = self.partition.number(),
            error = error as &dyn std::error::Error,
            "the hot store does not answer; retrying"
        );
    }
}

/// Returns how long a waiting worker trusts its hints, in a process of so many partitions.
fn safety_poll(owned: usize) -> Duration {
    let share = u32::try_from(owned.div_ceil(limits::SAFETY_POLL_PARTITIONS)).unwrap_or(u32::MAX);
    limits::SAFETY_POLL.saturating_mul(share.max(1))
}

/// Waits that double.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    /// For a store that does not answer.
    const fn unavailable() -> Self {
        Self {
            next: limits::RETRY_MIN,
            max: limits::RETRY_MAX,
        }
    }

    /// For a reader that is behind.
    const fn held() -> Self {
        Self {
            next: limits::HELD_RETRY_MIN,
            max: limits::HELD_RETRY_MAX,
        }
    }

    /// For a read that waits for commits.
    pub(crate) const fn reading() -> Self {
        Self {
            next: limits::READ_RETRY_MIN,
            max: limits::READ_RETRY_MAX,
        }
    }

    /// For services before this one that are behind.
    const fn behind() -> Self {
        Self {
            next: limits::BEHIND_RETRY_MIN,
            max: limits::BEHIND_RETRY_MAX,
        }
    }

    /// Returns the next wait.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.max);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_partitions_are_looked_at_as_often_together_however_many_they_are() {
        for (owned, seconds) in [(1, 10), (64, 10), (65, 20), (256, 40), (1_024, 160)] {
            assert_eq!(safety_poll(owned), Duration::from_secs(seconds), "{owned}");
        }
    }
}
