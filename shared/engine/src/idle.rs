//! Finds out whether everything is done.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use hot::StreamId;
use kernel::{PartitionId, Timestamp};

use crate::handle::Running;
use crate::shared::{ALL_LANES, Idle};
use crate::{EngineError, TimeSource, limits};

/// How long to trust that every change is told.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Running {
    /// Waits until nothing is left to do, and returns the commits so far.
    pub(crate) async fn await_idle(&self) -> Result<u64, EngineError> {
        let mut changes = self.shared.changes();
        loop {
            changes.borrow_and_update();
            if self.shared.stop.is_cancelled() {
                return Err(EngineError::ShutDown);
            }
            // What is in flight appends to a stream before it stops counting, so it is asked before the streams are.
            let in_flight = self.in_flight();
            if in_flight == 0
                && let Some((commits, idle)) = self.resting()
                && self.streams_are_read(&idle).await?
                && self.in_flight() == 0
                && self.resting().is_some_and(|(again, _)| again == commits)
            {
                return Ok(commits);
            }
            let wait = if in_flight > 0 {
                limits::DISPATCH_POLL
            } else {
                LOOK_AGAIN
            };
            tokio::select! {
                biased;
                // The sender lives in `shared`.
                _ = changes.changed() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.shared.stop.cancelled() => {}
            }
        }
    }

    /// Returns the instants before which no timer is due, of the partitions that have timers, if all
    /// of them rest.
    pub(crate) fn next_dues(&self) -> Option<Vec<(PartitionId, Timestamp)>> {
        let (_, resting) = self.resting()?;
        let dues = resting.into_iter();
        Some(
            dues.filter_map(|(partition, idle)| Some((partition, idle.next_due?)))
                .collect(),
        )
    }

    fn in_flight(&self) -> u64 {
        self.dispatcher
            .as_ref()
            .map_or(0, |dispatcher| dispatcher.in_flight())
    }

    /// Where every partition that this process should own stands, if all of them rest.
    fn resting(&self) -> Option<(u64, Vec<(PartitionId, Idle)>)> {
        let now = match &self.time {
            TimeSource::Wall(clock) => Some(clock.now()),
            TimeSource::Stream => None,
        };
        let mut commits = 0;
        let mut resting = Vec::new();
        for partition in self.shared.assigned()? {
            let progress = self.shared.progress(partition)?;
            let idle = progress.idle?;
            if let (Some(now), Some(due)) = (now, idle.next_due)
                && due <= now
            {
                return None;
            }
            commits += progress.commit_seq;
            resting.push((partition, idle));
        }
        Some((commits, resting))
    }

    async fn streams_are_read(&self, resting: &[(PartitionId, Idle)]) -> Result<bool, EngineError> {
        let mut cursors = Vec::new();
        for (_, idle) in resting {
            cursors.extend_from_slice(&idle.cursors);
        }
        let behind: Vec<StreamId> = stream::iter(cursors)
            .map(|(stream, cursor)| async move {
                let lag = self.hot.lag(stream, cursor).await?;
                Ok::<_, EngineError>((lag > 0).then_some(stream))
            })
            .buffer_unordered(limits::PARALLEL_READS)
            .try_filter_map(|behind| async move { Ok(behind) })
            .try_collect()
            .await?;
        for stream in &behind {
            self.shared.nudge(stream.partition, ALL_LANES);
        }
        Ok(behind.is_empty())
    }
}
