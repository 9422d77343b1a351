//! What partitions have before them: how many entries wait in their input streams, and since when.
//!
//! It is asked for by operators, and every few seconds where metrics are read; otherwise never.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use hot::{Cursor, Head, Slot, StreamId, StreamName};
use kernel::{PartitionId, Timestamp};

use crate::handle::Running;
use crate::metrics::{self, Backlog};
use crate::{EngineError, limits};

/// What waits in one input stream of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) stream: StreamName,
    pub(crate) entries: u64,
    /// Since when the first of them waits; absent where nothing does.
    pub(crate) since: Option<Timestamp>,
}

impl Running {
    /// What waits in the input streams of a partition.
    pub(crate) async fn waiting(
        &self,
        partition: PartitionId,
        head: &Head,
    ) -> Result<Vec<Waiting>, EngineError> {
        let mut waiting = Vec::with_capacity(self.inputs.len());
        for name in &self.inputs {
            let cursor = head
                .cursors
                .iter()
                .find(|(read, _)| read == name)
                .map_or(Cursor::START, |(_, cursor)| *cursor);
            let stream = StreamId {
                name: *name,
                partition,
            };
            let entries = self.hot.lag(stream, cursor).await?;
            let since = match entries {
                0 => None,
                _ => self
                    .hot
                    .poll(stream, cursor, 1)
                    .await?
                    .first()
                    .and_then(|entry| entry.accept_time),
            };
            waiting.push(Waiting {
                stream: *name,
                entries,
                since,
            });
        }
        Ok(waiting)
    }

    /// Measures what the partitions owned by this worker have before them, until the engine stops.
    pub(crate) async fn measure(self: std::sync::Arc<Self>) {
        while !self.shared.stop.is_cancelled() {
            match self.backlog().await {
                Ok(backlog) => metrics::backlog(self.service, &backlog),
                Err(error) => {
                    tracing::debug!(
                        service = self.service.name(),
                        error = &error as &dyn std::error::Error,
                        "what waits was not measured"
                    );
                }
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep(limits::BACKLOG_INTERVAL) => {}
                () = self.shared.stop.cancelled() => {}
            }
        }
    }

    async fn backlog(&self) -> Result<Backlog, EngineError> {
        let now = self.own_clock.now();
        let leases = self.leases.list(self.service.name()).await?;
        let own: Vec<PartitionId> = leases
            .into_iter()
            .filter(|lease| {
                let owner = lease.owner.as_ref();
                owner.is_some_and(|owner| owner.worker == self.worker)
            })
            .map(|lease| lease.partition)
            .collect();
        let mut backlog = Backlog {
            partitions: u64::from(self.hot.partition_count().get()),
            leases: own.len() as u64,
            entries: self.inputs.iter().map(|name| (*name, 0)).collect(),
            ..Backlog::default()
        };
        let mut partitions = stream::iter(own)
            .map(|partition| async move {
                let slot = Slot {
                    owner: self.service,
                    partition,
                };
                let head = self.hot.head(slot).await?;
                let quarantined = self.hot.quarantine_size(slot).await?.records;
                Ok::<_, EngineError>((self.waiting(partition, &head).await?, quarantined))
            })
            .buffer_unordered(limits::PARALLEL_READS);
        let mut oldest: BTreeMap<&str, Timestamp> =
            self.inputs.iter().map(|name| (name.lane(), now)).collect();
        while let Some((waiting, quarantined)) = partitions.try_next().await? {
            backlog.quarantined += quarantined;
            for (sum, waiting) in backlog.entries.iter_mut().zip(waiting) {
                sum.1 += waiting.entries;
                if let Some(since) = waiting.since {
                    let oldest = oldest.entry(waiting.stream.lane()).or_insert(now);
                    *oldest = since.min(*oldest);
                }
            }
        }
        let waits = oldest.into_iter().map(|(lane, since)| {
            let waited = now.since(since).as_millis().unsigned_abs();
            (lane, std::time::Duration::from_millis(waited))
        });
        backlog.oldest_waits = waits.collect();
        Ok(backlog)
    }
}
