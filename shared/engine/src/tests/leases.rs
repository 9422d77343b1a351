//! Leases and members in memory, so that whole engines can run on paused time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use kernel::{Duration, PartitionCount, PartitionId, Timestamp};
use storage::{Acquire, Lease, Leases, StorageError};

#[derive(Debug, Default)]
pub(super) struct MemoryLeases(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    leases: BTreeMap<PartitionId, Lease>,
    members: BTreeMap<String, Timestamp>,
}

impl MemoryLeases {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().expect("no panic under the lock")
    }
}

#[async_trait]
impl Leases for MemoryLeases {
    async fn prepare(&self, _service: &str, count: PartitionCount) -> Result<(), StorageError> {
        let mut table = self.table();
        for partition in count.iter() {
            table.leases.entry(partition).or_insert(Lease {
                partition,
                worker: String::new(),
                epoch: 0,
                expire_time: Timestamp::MIN,
            });
        }
        Ok(())
    }

    async fn acquire(&self, acquire: Acquire<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        let mut table = self.table();
        let mut taken = Vec::new();
        for partition in acquire.partitions {
            let lease = table.leases.get_mut(partition).expect("it was prepared");
            if lease.expire_time <= acquire.now || lease.worker == acquire.worker {
                acquire.worker.clone_into(&mut lease.worker);
                lease.epoch = lease.epoch.max(acquire.above) + 1;
                lease.expire_time = acquire.now + acquire.ttl;
                taken.push((*partition, lease.epoch));
            }
        }
        Ok(taken)
    }

    async fn renew(
        &self,
        _service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        let mut table = self.table();
        let own = table.leases.values_mut().filter(|it| it.worker == worker);
        Ok(own
            .map(|lease| {
                lease.expire_time = now + ttl;
                (lease.partition, lease.epoch)
            })
            .collect())
    }

    async fn release(
        &self,
        _service: &str,
        partitions: &[PartitionId],
        worker: &str,
    ) -> Result<(), StorageError> {
        let mut table = self.table();
        for lease in table.leases.values_mut() {
            if lease.worker == worker && partitions.contains(&lease.partition) {
                lease.worker.clear();
                lease.expire_time = Timestamp::MIN;
            }
        }
        Ok(())
    }

    async fn list(&self, _service: &str) -> Result<Vec<Lease>, StorageError> {
        Ok(self.table().leases.values().cloned().collect())
    }

    async fn heartbeat(
        &self,
        _service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.table().members.insert(worker.to_owned(), now + ttl);
        Ok(())
    }

    async fn members(&self, _service: &str, now: Timestamp) -> Result<Vec<String>, StorageError> {
        let table = self.table();
        let alive = table.members.iter().filter(|(_, until)| **until > now);
        Ok(alive.map(|(worker, _)| worker.clone()).collect())
    }

    async fn leave(
        &self,
        _service: &str,
        worker: &str,
        _now: Timestamp,
    ) -> Result<(), StorageError> {
        self.table().members.remove(worker);
        Ok(())
    }
}
