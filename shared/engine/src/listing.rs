//! Lists partitions for operators.

use futures::{StreamExt, TryStreamExt, stream};
use hot::StreamName;
use messages::convert::timestamp;
use messages::engine::v1::Partition;
use storage::Lease;

use crate::handle::Running;
use crate::{EngineError, limits};

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
        let slot = self.slot(lease.partition);
        let aside = self.hot.quarantine_size(slot).await?;
        let head = self.hot.head(slot).await?;
        let waiting = self.waiting(lease.partition, &head).await?;
        let entries = |of: &dyn Fn(StreamName) -> bool| {
            waiting
                .iter()
                .filter(|waiting| of(waiting.stream))
                .map(|waiting| waiting.entries)
                .sum()
        };
        let (owner, expire_time) = match lease.owner {
            Some(owner) => (owner.worker, Some(owner.expire_time)),
            None => (String::new(), None),
        };
        Ok(Partition {
            service: self.service.name().to_owned(),
            number: u32::from(lease.partition.number()),
            owner,
            epoch: lease.epoch,
            commit_seq: head.commit_seq,
            lag: entries(&|_| true),
            quarantined_count: aside.records,
            lease_expire_time: expire_time.map(timestamp),
            bulk_lag: entries(&|stream| self.bulk_inputs.contains(&stream)),
            oldest_waiting_time: waiting
                .iter()
                .filter(|waiting| !self.bulk_inputs.contains(&waiting.stream))
                .filter_map(|waiting| waiting.since)
                .min()
                .map(timestamp),
            watermark_time: head.watermark.map(timestamp),
            quarantined_bytes: aside.bytes,
            is_quarantine_full: aside.bytes >= self.quarantine_bytes,
        })
    }
}
