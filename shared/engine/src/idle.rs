//! Finds out whether everything is done.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use hot::{Slot, StreamId};
use kernel::{PartitionId, Timestamp};

use crate::handle::Running;
use crate::shared::{ALL_LANES, Idle};
use crate::{EngineError, TimeSource, limits};

/// The partitions that a question whether all is done is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The share of this process.
    Share,
    /// Those of all processes, and those that nobody owns.
    All,
}

/// How long to trust that every change is told.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Running {
    /// Waits until nothing is left to do, and returns the commits so far.
    pub(crate) async fn await_idle(&self, extent: Extent) -> Result<u64, EngineError> {
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
                && let Some(others) = self.others_rest(extent, &idle).await?
                && self.streams_are_read(&idle).await?
                // Two with a share each send to one another: neither may have committed meanwhile.
                && self.others_rest(extent, &idle).await? == Some(others)
                && self.in_flight() == 0
                && self.resting().is_some_and(|(again, _)| again == commits)
            {
                return Ok(commits + others);
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

    /// Returns the commits of the partitions beside the own share, if nothing is left to do in any
    /// of them and each has an owner who is alive. Whoever died shortly ago counts as alive, but
    /// then what it left undone shows in the store.
    async fn others_rest(
        &self,
        extent: Extent,
        share: &[(PartitionId, Idle)],
    ) -> Result<Option<u64>, EngineError> {
        let all = usize::from(self.hot.partition_count().get());
        if extent == Extent::Share || share.len() == all {
            return Ok(Some(0));
        }
        let mut others = self.leases.list(self.service.name()).await?;
        others.retain(|lease| !share.iter().any(|(own, _)| *own == lease.partition));
        if others.iter().any(|lease| lease.owner.is_none()) {
            return Ok(None);
        }
        let commits: Vec<Option<u64>> = stream::iter(others)
            .map(|lease| self.commits_at_rest(self.slot(lease.partition)))
            .buffered(limits::PARALLEL_READS)
            .try_collect()
            .await?;
        Ok(commits.into_iter().sum())
    }

    /// Returns the commits of a slot of whatever owner, if nothing is left to do there.
    async fn commits_at_rest(&self, slot: Slot) -> Result<Option<u64>, EngineError> {
        let unread = self.hot.unread(slot, &self.inputs).await?;
        if unread.oldest.is_some() || !self.hot.outbox(slot, 0, 1).await?.is_empty() {
            return Ok(None);
        }
        let head = self.hot.head(slot).await?;
        // On stream time no commit says when the next timer is due.
        let due_until = match &self.time {
            TimeSource::Wall(clock) => {
                let now = clock.now();
                head.next_due.filter(|due| *due <= now).map(|_| now)
            }
            TimeSource::Stream => head.watermark,
        };
        if let Some(until) = due_until
            && !self.hot.due(slot, until, 1).await?.timers.is_empty()
        {
            return Ok(None);
        }
        Ok(Some(head.commit_seq))
    }
}
