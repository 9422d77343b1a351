//! A process that is told to end while the database is slow: nothing that it asked for takes effect after its end.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Duration, PartitionCount, PartitionId, Timestamp};
use storage::{Acquire, Lease, Leases, StorageError};
use tokio::sync::Semaphore;

use super::driver::Bench;
use super::leases::MemoryLeases;
use crate::{Engine, TimeSource, limits};

/// Leases in a database that does what it was asked for, whether or not somebody still waits for the answer, once it is
/// let.
#[derive(Debug)]
struct Late {
    inner: Arc<MemoryLeases>,
    /// Acquisitions that were asked for.
    asked: Semaphore,
    /// Those that may take effect.
    let_through: Arc<Semaphore>,
}

#[async_trait]
impl Leases for Late {
    async fn prepare(&self, service: &str, count: PartitionCount) -> Result<(), StorageError> {
        self.inner.prepare(service, count).await
    }

    async fn acquire(&self, acquire: Acquire<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        let (service, worker) = (acquire.service.to_owned(), acquire.worker.to_owned());
        let partitions = acquire.partitions.to_vec();
        let (ttl, now, above) = (acquire.ttl, acquire.now, acquire.above);
        let (inner, let_through) = (Arc::clone(&self.inner), Arc::clone(&self.let_through));
        self.asked.add_permits(1);
        let statement = tokio::spawn(async move {
            let_through.acquire().await.expect("never closed").forget();
            let acquire = Acquire {
                service: &service,
                partitions: &partitions,
                worker: &worker,
                ttl,
                now,
                above,
            };
            inner.acquire(acquire).await
        });
        statement.await.expect("no panic")
    }

    async fn renew(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        self.inner.renew(service, worker, ttl, now).await
    }

    async fn release(
        &self,
        service: &str,
        partitions: &[PartitionId],
        worker: &str,
    ) -> Result<(), StorageError> {
        self.inner.release(service, partitions, worker).await
    }

    async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError> {
        self.inner.list(service).await
    }

    async fn heartbeat(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.inner.heartbeat(service, worker, ttl, now).await
    }

    async fn members(&self, service: &str, now: Timestamp) -> Result<Vec<String>, StorageError> {
        self.inner.members(service, now).await
    }

    async fn leave(&self, service: &str, worker: &str, now: Timestamp) -> Result<(), StorageError> {
        self.inner.leave(service, worker, now).await
    }
}

#[tokio::test]
async fn leases_that_were_asked_for_are_given_back_though_the_answer_comes_after_the_word_to_end() {
    let bench = Bench::new().await;
    tokio::time::pause();
    let leases = Arc::new(Late {
        inner: Arc::default(),
        asked: Semaphore::new(0),
        let_through: Arc::new(Semaphore::new(0)),
    });
    let mut config = bench.config(Arc::clone(&bench.hot), TimeSource::Stream);
    config.leases = leases.clone();
    let engine = Engine::start(config).await.expect("it starts");
    leases.asked.acquire().await.expect("never closed").forget();
    let end = tokio::spawn(async move { engine.shutdown().await });
    tokio::time::sleep(limits::LAST_ROUND / 2).await;
    leases.let_through.add_permits(1);
    end.await.expect("no panic");
    // Whatever was still under way has its time.
    tokio::time::sleep(limits::LAST_ROUND).await;
    for lease in leases.list("segmentation").await.expect("a list") {
        assert_eq!(lease.worker, "", "partition {}", lease.partition);
    }
}
