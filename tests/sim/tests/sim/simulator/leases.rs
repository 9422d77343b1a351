//! One process's link to the leases: SQL, as the network shows it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hot::memory::Delivery;
use kernel::{PartitionCount, PartitionId};
use storage::{
    Acquire, Heard, Heartbeat, Lease, LeaseTally, Leases, Member, MemberId, MemoryLeases,
    StorageError,
};

use super::link::{Link, Lost};
use super::world::Place;

/// One process's link to the leases.
#[derive(Debug)]
pub(crate) struct LeasesLink {
    pub(crate) leases: Arc<MemoryLeases>,
    pub(crate) link: Arc<Link>,
}

fn lost(_: Lost) -> StorageError {
    StorageError::Database(sea_orm::DbErr::Custom(Lost.to_string()))
}

/// A statement on its way there and back, perhaps twice. The leases in memory answer at once.
macro_rules! call {
    ($self:ident, $call:expr) => {{
        let delivery = $self.link.enter(Place::Leases, false).await.map_err(lost)?;
        let mut answer = $call.await?;
        if delivery == Delivery::Twice {
            answer = $call.await?;
        }
        $self.link.leave().await.map_err(lost)?;
        Ok(answer)
    }};
}

#[async_trait]
impl Leases for LeasesLink {
    async fn prepare(&self, service: &str, count: PartitionCount) -> Result<(), StorageError> {
        call!(self, self.leases.prepare(service, count))
    }

    async fn heartbeat(&self, beat: Heartbeat<'_>) -> Result<Heard, StorageError> {
        call!(self, self.leases.heartbeat(beat))
    }

    async fn members(&self, service: &str) -> Result<Vec<Member>, StorageError> {
        call!(self, self.leases.members(service))
    }

    async fn leave(&self, member: MemberId<'_>) -> Result<(), StorageError> {
        call!(self, self.leases.leave(member))
    }

    async fn evict(&self, service: &str) -> Result<(), StorageError> {
        call!(self, self.leases.evict(service))
    }

    async fn acquire(&self, acquire: Acquire<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        let acquired: Result<_, StorageError> = call!(self, self.acquire_watched(acquire));
        let taken = acquired?;
        if !taken.is_empty() {
            let (name, service) = (&self.link.name, acquire.member.service);
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

    async fn held(&self, member: MemberId<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        call!(self, self.leases.held(member))
    }

    async fn tally(&self, member: MemberId<'_>) -> Result<LeaseTally, StorageError> {
        call!(self, self.leases.tally(member))
    }

    async fn release(
        &self,
        member: MemberId<'_>,
        partitions: &[PartitionId],
    ) -> Result<(), StorageError> {
        call!(self, self.leases.release(member, partitions))
    }

    async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError> {
        call!(self, self.leases.list(service))
    }
}

impl LeasesLink {
    /// A process whose clock is wrong is given nothing. It has looked at its clock since its last
    /// heartbeat, and that is no older than a lease lasts, or else nothing is given to anybody.
    async fn acquire_watched(
        &self,
        acquire: Acquire<'_>,
    ) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        let taken = self.leases.acquire(acquire).await?;
        let lease_ms = engine::limits::LEASE_TTL.as_millis().unsigned_abs();
        let wrong_for = self.link.clock.wrong_for();
        if !taken.is_empty() && wrong_for >= Duration::from_millis(lease_ms) {
            let (name, service) = (&self.link.name, acquire.member.service);
            self.link.world.violate(format!(
                "{name} is given {service} {taken:?}, and its clock is wrong for {wrong_for:?}"
            ));
        }
        Ok(taken)
    }
}
