//! The leases as an engine needs them: one trait, in SQL for deployments and in memory for
//! simulations.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Duration, PartitionCount, PartitionId, Timestamp};

use crate::{Acquire, Lease, LeaseStore, StorageError, limits};

/// The leases and the live members of all services.
///
/// # Contract
/// - The epoch of a lease only grows, and grows each time it is given.
/// - Time is the caller's clock, and only decides when somebody may try.
/// - A call ends within seconds, whatever became of the database. One that failed may have
///   happened.
#[async_trait]
pub trait Leases: Send + Sync + fmt::Debug + 'static {
    /// As [`LeaseStore::prepare`].
    async fn prepare(&self, service: &str, count: PartitionCount) -> Result<(), StorageError>;

    /// As [`LeaseStore::acquire`].
    async fn acquire(&self, acquire: Acquire<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError>;

    /// As [`LeaseStore::renew`].
    async fn renew(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<(PartitionId, u64)>, StorageError>;

    /// As [`LeaseStore::release`].
    async fn release(
        &self,
        service: &str,
        partitions: &[PartitionId],
        worker: &str,
    ) -> Result<(), StorageError>;

    /// As [`LeaseStore::list`].
    async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError>;

    /// As [`LeaseStore::heartbeat`].
    async fn heartbeat(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<(), StorageError>;

    /// As [`LeaseStore::members`].
    async fn members(&self, service: &str, now: Timestamp) -> Result<Vec<String>, StorageError>;

    /// As [`LeaseStore::leave`].
    async fn leave(&self, service: &str, worker: &str, now: Timestamp) -> Result<(), StorageError>;
}

/// Shared leases.
pub type SharedLeases = Arc<dyn Leases>;

/// Waits for the database, but not for ever: a server that went without a word neither answers nor
/// refuses, and a worker that waits for it loses all its partitions.
async fn timely<T>(
    call: impl Future<Output = Result<T, StorageError>> + Send,
) -> Result<T, StorageError> {
    let late = |_| StorageError::Late(limits::LEASE_CALL);
    tokio::time::timeout(limits::LEASE_CALL, call)
        .await
        .map_err(late)?
}

#[async_trait]
impl Leases for LeaseStore {
    async fn prepare(&self, service: &str, count: PartitionCount) -> Result<(), StorageError> {
        timely(self.prepare(service, count)).await
    }

    async fn acquire(&self, acquire: Acquire<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        timely(self.acquire(acquire)).await
    }

    async fn renew(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        timely(self.renew(service, worker, ttl, now)).await
    }

    async fn release(
        &self,
        service: &str,
        partitions: &[PartitionId],
        worker: &str,
    ) -> Result<(), StorageError> {
        timely(self.release(service, partitions, worker)).await
    }

    async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError> {
        timely(self.list(service)).await
    }

    async fn heartbeat(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        timely(self.heartbeat(service, worker, ttl, now)).await
    }

    async fn members(&self, service: &str, now: Timestamp) -> Result<Vec<String>, StorageError> {
        timely(self.members(service, now)).await
    }

    async fn leave(&self, service: &str, worker: &str, now: Timestamp) -> Result<(), StorageError> {
        timely(self.leave(service, worker, now)).await
    }
}
