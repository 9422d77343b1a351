//! The task of one partition: ticks while there is something to do, waits otherwise.

use std::sync::Arc;
use std::time::Duration;

use hot::HotError;
use kernel::PartitionId;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::shared::{ALL_LANES, Idle, Progress, Shared};
use crate::worker::{TickOutcome, Worker};
use crate::{Core, EngineConfig, TimeSource, limits};

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
        let mut backoff = Backoff::new();
        while !self.stop.is_cancelled() {
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
        let mut backoff = Backoff::new();
        self.report(&worker, None);
        while !self.stop.is_cancelled() {
            worker.hint(self.shared.take_news(self.partition));
            let outcome = {
                // Closed never: the semaphore lives as long as the tasks.
                let _permit = self.permits.acquire().await;
                worker.tick().await
            };
            if !matches!(outcome, TickOutcome::Unavailable(_)) {
                backoff = Backoff::new();
            }
            match outcome {
                TickOutcome::Worked => {}
                TickOutcome::Held => self.pause(limits::HELD_RETRY).await,
                TickOutcome::Idle { next_due } => {
                    let idle = Idle {
                        cursors: worker.cursors(),
                        next_due,
                    };
                    self.report(&worker, Some(idle));
                    if self.rest(next_due).await {
                        worker.hint(ALL_LANES);
                    }
                    self.shared.report_busy(self.partition);
                }
                TickOutcome::Unavailable(error) => {
                    self.unavailable(&error);
                    self.pause(backoff.next()).await;
                }
                TickOutcome::Lost(error) => return Ended::Lost(error),
            }
        }
        Ended::Stopped
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
            () = self.shared.woken(self.partition) => false,
            () = due => false,
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(limits::SAFETY_POLL) => true,
        }
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
            () = tokio::time::sleep(wait) => {}
            () = self.stop.cancelled() => {}
        }
    }

    fn unavailable(&self, error: &HotError) {
        tracing::warn!(
            service = C::OWNER.name(),
            partition = self.partition.number(),
            error = error as &dyn std::error::Error,
            "the hot store does not answer; retrying"
        );
    }
}

/// Waits that double.
#[derive(Debug)]
struct Backoff(Duration);

impl Backoff {
    const fn new() -> Self {
        Self(limits::RETRY_MIN)
    }

    fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(limits::RETRY_MAX);
        wait
    }
}
