//! Leases in memory, for tests and simulations: what SQL does with them, one statement at a time.
//!
//! It fails never and waits for nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kernel::{PartitionCount, PartitionId, Timestamp};

use crate::{
    Acquire, Heard, Heartbeat, Lease, LeaseOwner, LeaseTally, Leases, Member, MemberId, Namesake,
    StorageError,
};

/// Tells the time of the database that this stands for.
type Now = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// All leases and members.
pub struct MemoryLeases {
    now: Now,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    leases: BTreeMap<(String, PartitionId), Row>,
    /// By service and name.
    members: BTreeMap<(String, String), Word>,
}

/// A lease, whoever it names.
#[derive(Debug, Default)]
struct Row {
    worker: String,
    incarnation: String,
    epoch: u64,
}

/// The last word of a process.
#[derive(Debug)]
struct Word {
    incarnation: String,
    beat_time: Timestamp,
    ttl_ms: i64,
    takes_part: bool,
    clock_skew_ms: Option<i64>,
}

impl Word {
    fn is_alive(&self, now: Timestamp) -> bool {
        let apart = now.as_millis() - self.beat_time.as_millis();
        apart.abs() < self.ttl_ms
    }

    fn expire_time(&self) -> Timestamp {
        Timestamp::from_millis(self.beat_time.as_millis() + self.ttl_ms)
    }
}

impl Row {
    fn is_of(&self, member: MemberId<'_>) -> bool {
        self.worker == member.worker && self.incarnation == member.incarnation
    }
}

impl Tables {
    /// The word of a process that a lease names, where it is alive.
    fn holder(&self, service: &str, lease: &Row, now: Timestamp) -> Option<&Word> {
        let word = self
            .members
            .get(&(service.to_owned(), lease.worker.clone()))?;
        (word.incarnation == lease.incarnation && word.is_alive(now)).then_some(word)
    }

    fn acquire(&mut self, acquire: Acquire<'_>, now: Timestamp) -> Vec<(PartitionId, u64)> {
        let member = acquire.member;
        let own = (member.service.to_owned(), member.worker.to_owned());
        let takes_part = self.members.get(&own).is_some_and(|own| {
            own.incarnation == member.incarnation && own.takes_part && own.is_alive(now)
        });
        if !takes_part {
            return Vec::new();
        }
        let mut taken = Vec::new();
        for partition in acquire.partitions {
            let key = (member.service.to_owned(), *partition);
            let is_free = self.leases.get(&key).is_some_and(|lease| {
                lease.is_of(member) || self.holder(member.service, lease, now).is_none()
            });
            let Some(lease) = self.leases.get_mut(&key).filter(|_| is_free) else {
                continue;
            };
            member.worker.clone_into(&mut lease.worker);
            member.incarnation.clone_into(&mut lease.incarnation);
            lease.epoch = lease.epoch.max(acquire.above) + 1;
            taken.push((*partition, lease.epoch));
        }
        taken.sort_unstable();
        taken
    }

    fn heartbeat(&mut self, beat: Heartbeat<'_>, now: Timestamp) -> Heard {
        let member = beat.member;
        let key = (member.service.to_owned(), member.worker.to_owned());
        let known = self.members.get(&key);
        let namesake = known
            .filter(|known| known.incarnation != member.incarnation && known.is_alive(now))
            .map(|known| Namesake {
                incarnation: known.incarnation.clone(),
                beat_time: known.beat_time,
            });
        if namesake.is_none() {
            let word = Word {
                incarnation: member.incarnation.to_owned(),
                beat_time: now,
                ttl_ms: beat.ttl.as_millis(),
                takes_part: beat.takes_part,
                clock_skew_ms: beat.clock_skew_ms,
            };
            self.members.insert(key, word);
        }
        Heard { now, namesake }
    }
}

impl fmt::Debug for MemoryLeases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLeases")
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

impl MemoryLeases {
    /// No leases, in a database that tells this time.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self {
            now: Box::new(now),
            tables: Mutex::default(),
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the epoch of a lease; 0 where it was never given.
    pub fn epoch(&self, service: &str, partition: PartitionId) -> u64 {
        let key = (service.to_owned(), partition);
        self.tables()
            .leases
            .get(&key)
            .map_or(0, |lease| lease.epoch)
    }

    /// Raises the epochs of all leases of a partition.
    pub fn raise(&self, partition: PartitionId, raise: u64) {
        for ((_, of), lease) in &mut self.tables().leases {
            if *of == partition {
                lease.epoch += raise;
            }
        }
    }
}

#[async_trait]
impl Leases for MemoryLeases {
    async fn prepare(&self, service: &str, count: PartitionCount) -> Result<(), StorageError> {
        let mut tables = self.tables();
        for partition in count.iter() {
            let key = (service.to_owned(), partition);
            tables.leases.entry(key).or_default();
        }
        Ok(())
    }

    async fn heartbeat(&self, beat: Heartbeat<'_>) -> Result<Heard, StorageError> {
        Ok(self.tables().heartbeat(beat, (self.now)()))
    }

    async fn members(&self, service: &str) -> Result<Vec<Member>, StorageError> {
        let now = (self.now)();
        let tables = self.tables();
        let alive = tables
            .members
            .iter()
            .filter(|((of, _), word)| of == service && word.is_alive(now));
        let members = alive.map(|((_, worker), word)| Member {
            worker: worker.clone(),
            takes_part: word.takes_part,
            clock_skew_ms: word.clock_skew_ms,
            expire_time: word.expire_time(),
        });
        Ok(members.collect())
    }

    async fn leave(&self, member: MemberId<'_>) -> Result<(), StorageError> {
        let key = (member.service.to_owned(), member.worker.to_owned());
        let mut tables = self.tables();
        let own = tables.members.get(&key);
        if own.is_some_and(|own| own.incarnation == member.incarnation) {
            tables.members.remove(&key);
        }
        Ok(())
    }

    async fn evict(&self, service: &str) -> Result<(), StorageError> {
        self.tables().members.retain(|(of, _), _| of != service);
        Ok(())
    }

    async fn acquire(&self, acquire: Acquire<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        Ok(self.tables().acquire(acquire, (self.now)()))
    }

    async fn held(&self, member: MemberId<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        let tables = self.tables();
        let own = tables
            .leases
            .iter()
            .filter(|((of, _), lease)| of == member.service && lease.is_of(member));
        Ok(own
            .map(|((_, partition), lease)| (*partition, lease.epoch))
            .collect())
    }

    async fn tally(&self, member: MemberId<'_>) -> Result<LeaseTally, StorageError> {
        let held = self.held(member).await?;
        Ok(LeaseTally::of(held.into_iter().map(|(_, epoch)| epoch)))
    }

    async fn release(
        &self,
        member: MemberId<'_>,
        partitions: &[PartitionId],
    ) -> Result<(), StorageError> {
        for ((of, partition), lease) in &mut self.tables().leases {
            if of == member.service && lease.is_of(member) && partitions.contains(partition) {
                lease.worker.clear();
                lease.incarnation.clear();
            }
        }
        Ok(())
    }

    async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError> {
        let now = (self.now)();
        let tables = self.tables();
        let own = tables.leases.iter().filter(|((of, _), _)| of == service);
        let leases = own.map(|((_, partition), lease)| Lease {
            partition: *partition,
            epoch: lease.epoch,
            owner: tables.holder(service, lease, now).map(|holder| LeaseOwner {
                worker: lease.worker.clone(),
                expire_time: holder.expire_time(),
            }),
        });
        Ok(leases.collect())
    }
}
