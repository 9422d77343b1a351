//! Lists partitions and quarantined records for operators.

use futures::{StreamExt, TryStreamExt, stream};
use hot::{Cursor, HotError, Slot, StreamId};
use prost::Message;
use proto::engine::v1::{Partition, QuarantinedRecord};
use storage::Lease;

use crate::handle::Running;
use crate::{EngineError, QuarantineEntry, QuarantinePlace, limits};

impl Running {
    pub(crate) async fn list_partitions(&self) -> Result<Vec<Partition>, EngineError> {
        let leases = self.leases.list(self.service.name()).await?;
        stream::iter(leases)
            .map(|lease| self.describe(lease))
            .buffered(limits::PARALLEL_READS)
            .try_collect()
            .await
    }

    async fn describe(&self, lease: Lease) -> Result<Partition, EngineError> {
        let slot = Slot {
            owner: self.service,
            partition: lease.partition,
        };
        let head = self.hot.head(slot).await?;
        let mut lag = 0;
        for name in &self.inputs {
            let cursor = head
                .cursors
                .iter()
                .find(|(read, _)| read == name)
                .map_or(Cursor::START, |(_, cursor)| *cursor);
            let stream = StreamId {
                name: *name,
                partition: lease.partition,
            };
            lag += self.hot.lag(stream, cursor).await?;
        }
        let is_held = lease.expire_time > self.lease_clock.now();
        Ok(Partition {
            service: self.service.name().to_owned(),
            number: u32::from(lease.partition.number()),
            owner: if is_held { lease.worker } else { String::new() },
            epoch: lease.epoch,
            commit_seq: head.commit_seq,
            lag,
            quarantined_count: self.hot.quarantined_count(slot).await?,
        })
    }

    pub(crate) async fn list_quarantined(
        &self,
        after: Option<QuarantinePlace>,
        max: usize,
    ) -> Result<Vec<QuarantineEntry>, EngineError> {
        let mut entries = Vec::new();
        for partition in self.hot.partition_count().iter() {
            let cursor = match after {
                Some(place) if place.partition > partition => continue,
                Some(place) if place.partition == partition => place.cursor,
                _ => Cursor::START,
            };
            let slot = Slot {
                owner: self.service,
                partition,
            };
            for entry in self
                .hot
                .quarantined(slot, cursor, max - entries.len())
                .await?
            {
                let record = QuarantinedRecord::decode(entry.payload)
                    .map_err(|error| HotError::Damaged(format!("a quarantined record: {error}")))?;
                let place = QuarantinePlace {
                    partition,
                    cursor: entry.cursor,
                };
                entries.push(QuarantineEntry { place, record });
            }
            if entries.len() >= max {
                break;
            }
        }
        Ok(entries)
    }
}
