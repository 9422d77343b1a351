//! The leases as an engine needs them: one trait, in SQL for deployments and in memory for
//! simulations.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::{PartitionCount, PartitionId};

use crate::{
    Acquire, Heard, Heartbeat, Lease, LeaseStore, LeaseTally, Member, MemberId, StorageError,
    limits,
};

/// The leases and the live members of all services.
///
/// # Contract
/// - The epoch of a lease only grows, and grows each time it is given.
/// - Time is the database's, and only decides when somebody may try.
/// - A lease is given to a process that is alive and takes part, and to nobody while its owner is
///   alive.
/// - A call ends within seconds, whatever became of the database. One that failed may have
///   happened.
#[async_trait]
pub trait Leases: Send + Sync + fmt::Debug + 'static {
    /// As [`LeaseStore::prepare`].
    async fn prepare(&self, service: &str, count: PartitionCount) -> Result<(), StorageError>;

    /// As [`LeaseStore::heartbeat`].
    async fn heartbeat(&self, beat: Heartbeat<'_>) -> Result<Heard, StorageError>;

    /// As [`LeaseStore::members`].
    async fn members(&self, service: &str) -> Result<Vec<Member>, StorageError>;

    /// As [`LeaseStore::leave`].
    async fn leave(&self, member: MemberId<'_>) -> Result<(), StorageError>;

    /// As [`LeaseStore::evict`].
    async fn evict(&self, service: &str) -> Result<(), StorageError>;

    /// As [`LeaseStore::acquire`].
    async fn acquire(&self, acquire: Acquire<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError>;

    /// As [`LeaseStore::held`].
    async fn held(&self, member: MemberId<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError>;

    /// As [`LeaseStore::tally`].
    async fn tally(&self, member: MemberId<'_>) -> Result<LeaseTally, StorageError>;

    /// As [`LeaseStore::release`].
    async fn release(
        &self,
        member: MemberId<'_>,
        partitions: &[PartitionId],
    ) -> Result<(), StorageError>;

    /// As [`LeaseStore::list`].
    async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError>;
}

/// Shared leases.
pub type SharedLeases = Arc<dyn Leases>;

/// Waits for a call of the database, but not for ever: a server that went without a word neither
/// answers nor refuses, and a worker that waits for it loses all its partitions.
///
/// # Errors
/// [`StorageError::Late`] after `patience`; those of the call.
pub async fn timely<T, E: From<StorageError>>(
    patience: Duration,
    call: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, E> {
    tokio::time::timeout(patience, call)
        .await
        .map_err(|_| StorageError::Late(patience))?
}

#[async_trait]
impl Leases for LeaseStore {
    async fn prepare(&self, service: &str, count: PartitionCount) -> Result<(), StorageError> {
        timely(limits::LEASE_CALL, self.prepare(service, count)).await
    }

    async fn heartbeat(&self, beat: Heartbeat<'_>) -> Result<Heard, StorageError> {
        timely(limits::LEASE_CALL, self.heartbeat(beat)).await
    }

    async fn members(&self, service: &str) -> Result<Vec<Member>, StorageError> {
        timely(limits::LEASE_CALL, self.members(service)).await
    }

    async fn leave(&self, member: MemberId<'_>) -> Result<(), StorageError> {
        timely(limits::LEASE_CALL, self.leave(member)).await
    }

    async fn evict(&self, service: &str) -> Result<(), StorageError> {
        timely(limits::LEASE_CALL, self.evict(service)).await
    }

    async fn acquire(&self, acquire: Acquire<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        timely(limits::LEASE_CALL, self.acquire(acquire)).await
    }

    async fn held(&self, member: MemberId<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        timely(limits::LEASE_CALL, self.held(member)).await
    }

    async fn tally(&self, member: MemberId<'_>) -> Result<LeaseTally, StorageError> {
        timely(limits::LEASE_CALL, self.tally(member)).await
    }

    async fn release(
        &self,
        member: MemberId<'_>,
        partitions: &[PartitionId],
    ) -> Result<(), StorageError> {
        timely(limits::LEASE_CALL, self.release(member, partitions)).await
    }

    async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError> {
        timely(limits::LEASE_CALL, self.list(service)).await
    }
}
