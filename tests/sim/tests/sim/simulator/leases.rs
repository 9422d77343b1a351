//! The leases in memory: what SQL does with them, one statement at a time, and one process's link
//! to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hot::Slot;
use hot::memory::Delivery;
use kernel::{Duration, PartitionCount, PartitionId, Timestamp};
use storage::{Acquire, Lease, Leases, StorageError};

use super::link::{Link, Lost};
use super::world::Place;

/// All leases and members.
#[derive(Debug, Default)]
pub(crate) struct MemoryLeases(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    leases: BTreeMap<(String, PartitionId), Lease>,
    members: BTreeMap<(String, String), Timestamp>,
}

impl MemoryLeases {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The epoch of the lease of a slot, for the log.
    pub(crate) fn epoch(&self, slot: Slot) -> u64 {
        let key = (slot.owner.name().to_owned(), slot.partition);
        self.tables()
            .leases
            .get(&key)
            .map_or(0, |lease| lease.epoch)
    }
}

impl MemoryLeases {
    /// Raises the epochs of all leases of a partition.
    pub(crate) fn raise(&self, partition: PartitionId, raise: u64) {
        for lease in self.tables().leases.values_mut() {
            if lease.partition == partition {
                lease.epoch += raise;
            }
        }
    }
}

impl Tables {
    fn leases_of(&mut self, service: &str) -> impl Iterator<Item = &mut Lease> {
        self.leases
            .iter_mut()
            .filter(move |((of, _), _)| of == service)
            .map(|(_, lease)| lease)
    }

    fn acquire(&mut self, acquire: Acquire<'_>) -> Vec<(PartitionId, u64)> {
        let mut taken = Vec::new();
        for lease in self.leases_of(acquire.service) {
            let is_free = lease.expire_time <= acquire.now || lease.worker == acquire.worker;
            if is_free && acquire.partitions.contains(&lease.partition) {
                acquire.worker.clone_into(&mut lease.worker);
                lease.epoch = lease.epoch.max(acquire.above) + 1;
                lease.expire_time = acquire.now + acquire.ttl;
                taken.push((lease.partition, lease.epoch));
            }
        }
        taken
    }
}

/// One process's link to the leases.
#[derive(Debug)]
pub(crate) struct LeasesLink {
    pub(crate) leases: Arc<MemoryLeases>,
    pub(crate) link: Arc<Link>,
}

impl LeasesLink {
    async fn call<T>(
        &self,
        run: impl Fn(&mut Tables) -> T + Send + Sync,
    ) -> Result<T, StorageError> {
        let delivery = self.link.enter(Place::Leases, false).await.map_err(lost)?;
        let mut answer = run(&mut self.leases.tables());
        if delivery == Delivery::Twice {
            answer = run(&mut self.leases.tables());
        }
        self.link.leave().await.map_err(lost)?;
        Ok(answer)
    }
}

fn lost(_: Lost) -> StorageError {
    StorageError::Database(sea_orm::DbErr::Custom(Lost.to_string()))
}

#[async_trait]
impl Leases for LeasesLink {
    async fn prepare(&self, service: &str, count: PartitionCount) -> Result<(), StorageError> {
        self.call(|tables| {
            for partition in count.iter() {
                let lease = Lease {
                    partition,
                    worker: String::new(),
                    epoch: 0,
                    expire_time: Timestamp::from_millis(0),
                };
                let key = (service.to_owned(), partition);
                tables.leases.entry(key).or_insert(lease);
            }
        })
        .await
    }

    async fn acquire(&self, acquire: Acquire<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        let taken = self.call(|tables| tables.acquire(acquire)).await?;
        if !taken.is_empty() {
            let (name, service) = (&self.link.name, acquire.service);
            let taken: Vec<_> = taken
                .iter()
                .map(|(id, epoch)| (id.number(), *epoch))
                .collect();
            self.link
                .world
                .tell(format!("{name} acquires {service} {taken:?}"));
        }
        Ok(taken)
    }

    async fn renew(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        self.call(|tables| {
            let mut kept = Vec::new();
            for lease in tables.leases_of(service) {
                if lease.worker == worker {
                    lease.expire_time = now + ttl;
                    kept.push((lease.partition, lease.epoch));
                }
            }
            kept
        })
        .await
    }

    async fn release(
        &self,
        service: &str,
        partitions: &[PartitionId],
        worker: &str,
    ) -> Result<(), StorageError> {
        self.call(|tables| {
            for lease in tables.leases_of(service) {
                if lease.worker == worker && partitions.contains(&lease.partition) {
                    lease.worker.clear();
                    lease.expire_time = Timestamp::from_millis(0);
                }
            }
        })
        .await
    }

    async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError> {
        self.call(|tables| {
            tables
                .leases_of(service)
                .map(|lease| lease.clone())
                .collect()
        })
        .await
    }

    async fn heartbeat(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.call(|tables| {
            let key = (service.to_owned(), worker.to_owned());
            tables.members.insert(key, now + ttl);
        })
        .await
    }

    async fn members(&self, service: &str, now: Timestamp) -> Result<Vec<String>, StorageError> {
        self.call(|tables| {
            let alive = tables.members.iter();
            alive
                .filter(|((of, _), expire_time)| of == service && **expire_time > now)
                .map(|((_, worker), _)| worker.clone())
                .collect()
        })
        .await
    }

    async fn leave(&self, service: &str, worker: &str, now: Timestamp) -> Result<(), StorageError> {
        self.call(|tables| {
            let oldest = now - Duration::from_days(1);
            tables.members.retain(|(of, name), expire_time| {
                of != service || (name != worker && *expire_time >= oldest)
            });
        })
        .await
    }
}
