//! Lists partitions and quarantined records for operators.

use futures::{StreamExt, TryStreamExt, stream};
use hot::{HotError, Slot, StreamName};
use messages::convert::timestamp;
use messages::engine::v1::{Partition, QuarantinedRecord};
use prost::Message;
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
        let waiting = self.waiting(lease.partition, &head).await?;
        let entries = |of: &dyn Fn(StreamName) -> bool| {
            waiting
                .iter()
                .filter(|waiting| of(waiting.stream))
                .map(|waiting| waiting.entries)
                .sum()
        };
        let is_held = lease.expire_time > self.lease_clock.now();
        Ok(Partition {
            service: self.service.name().to_owned(),
            number: u32::from(lease.partition.number()),
            owner: if is_held { lease.worker } else { String::new() },
            epoch: lease.epoch,
            commit_seq: head.commit_seq,
            lag: entries(&|_| true),
            quarantined_count: self.hot.quarantine_size(slot).await?.records,
            lease_expire_time: is_held.then(|| timestamp(lease.expire_time)),
            bulk_lag: entries(&|stream| self.bulk_inputs.contains(&stream)),
            oldest_waiting_time: waiting
                .iter()
                .filter(|waiting| !self.bulk_inputs.contains(&waiting.stream))
                .filter_map(|waiting| waiting.since)
                .min()
                .map(timestamp),
            watermark_time: head.watermark.map(timestamp),
        })
    }

    pub(crate) async fn list_quarantined(
        &self,
        after: Option<QuarantinePlace>,
        max: usize,
    ) -> Result<Vec<QuarantineEntry>, EngineError> {
        let mut entries = Vec::new();
        for partition in self.hot.partition_count().iter() {
            let after = match after {
                Some(place) if place.partition > partition => continue,
                Some(place) if place.partition == partition => Some(place.id),
                _ => None,
            };
            let slot = Slot {
                owner: self.service,
                partition,
            };
            for entry in self
                .hot
                .quarantined(slot, after, max - entries.len())
                .await?
            {
                let record = QuarantinedRecord::decode(entry.payload)
                    .map_err(|error| HotError::Damaged(format!("a quarantined record: {error}")))?;
                let place = QuarantinePlace {
                    partition,
                    id: entry.id,
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
