//! The leases as an engine needs them: one trait, in SQL for deployments and in memory for simulations.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Duration, PartitionCount, PartitionId, Timestamp};

use crate::{Acquire, Lease, LeaseStore, StorageError};

/// The leases and the live members of all services.
///
/// # Contract
/// - The epoch of a lease only grows, and grows each time it is given.
/// - Time is the caller's clock, and only decides when somebody may try.
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

#[async_trait]
impl Leases for LeaseStore {
    async fn prepare(&self, service: &str, count: PartitionCount) -> Result<(), StorageError> {
        self.prepare(service, count).await
    }

    async fn acquire(&self, acquire: Acquire<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        self.acquire(acquire).await
    }

    async fn renew(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        self.renew(service, worker, ttl, now).await
    }

    async fn release(
        &self,
        service: &str,
        partitions: &[PartitionId],
        worker: &str,
    ) -> Result<(), StorageError> {
        self.release(service, partitions, worker).await
    }

    async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError> {
        self.list(service).await
    }

    async fn heartbeat(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.heartbeat(service, worker, ttl, now).await
    }

    async fn members(&self, service: &str, now: Timestamp) -> Result<Vec<String>, StorageError> {
        self.members(service, now).await
    }

    async fn leave(&self, service: &str, worker: &str, now: Timestamp) -> Result<(), StorageError> {
        self.leave(service, worker, now).await
    }
}
