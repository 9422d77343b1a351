//! Leases in memory, and the clocks of machines beside those of their database: all of them follow
//! the paused time of the runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use futures::future::BoxFuture;
use kernel::{PartitionCount, PartitionId, Timestamp};
use storage::{
    Acquire, Heard, Heartbeat, Lease, LeaseTally, Leases, Member, MemberId, MemoryLeases,
    StorageError,
};
use tokio::time::Instant;

use crate::Clock;

/// The time at which a test begins, by a clock that is right.
const BEGIN_MS: i64 = 1_000_000_000;

fn right_ms(started: Instant) -> i64 {
    let passed_ms = started.elapsed().as_millis();
    BEGIN_MS + i64::try_from(passed_ms).expect("a short test")
}

/// Leases in a database whose clock is right.
pub(super) fn leases_since(started: Instant) -> Arc<MemoryLeases> {
    let now = move || Timestamp::from_millis(right_ms(started));
    Arc::new(MemoryLeases::new(now))
}

/// The clock of a machine.
#[derive(Debug)]
pub(super) struct Machine {
    started: Instant,
    offset_ms: AtomicI64,
}

impl Machine {
    /// A clock that is so far from what is right.
    pub(super) fn new(started: Instant, offset_ms: i64) -> Arc<Self> {
        Arc::new(Self {
            started,
            offset_ms: AtomicI64::new(offset_ms),
        })
    }

    /// Sets it so far from what is right.
    pub(super) fn set(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for Machine {
    fn now(&self) -> Timestamp {
        let offset_ms = self.offset_ms.load(Ordering::Relaxed);
        Timestamp::from_millis(right_ms(self.started) + offset_ms)
    }

    async fn sleep_until(&self, instant: Timestamp) {
        let wait_ms = instant.since(self.now()).as_millis().unsigned_abs();
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
    }
}

/// A statement about leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Acquire,
    Other,
}

/// Comes before every statement, and may let it wait or fail.
type Before = dyn Fn(Call) -> BoxFuture<'static, Result<(), StorageError>> + Send + Sync;

/// Leases in a database that something is wrong with.
pub(super) struct Meddled {
    pub(super) inner: Arc<MemoryLeases>,
    pub(super) before: Box<Before>,
}

impl std::fmt::Debug for Meddled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl Leases for Meddled {
    async fn prepare(&self, service: &str, count: PartitionCount) -> Result<(), StorageError> {
        (self.before)(Call::Other).await?;
        self.inner.prepare(service, count).await
    }

    async fn heartbeat(&self, beat: Heartbeat<'_>) -> Result<Heard, StorageError> {
        (self.before)(Call::Other).await?;
        self.inner.heartbeat(beat).await
    }

    async fn members(&self, service: &str) -> Result<Vec<Member>, StorageError> {
        (self.before)(Call::Other).await?;
        self.inner.members(service).await
    }

    async fn leave(&self, member: MemberId<'_>) -> Result<(), StorageError> {
        (self.before)(Call::Other).await?;
        self.inner.leave(member).await
    }

    async fn evict(&self, service: &str) -> Result<(), StorageError> {
        (self.before)(Call::Other).await?;
        self.inner.evict(service).await
    }

    /// Does what it was asked for whether or not somebody still waits for the answer.
    async fn acquire(&self, acquire: Acquire<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        let member = acquire.member;
        let [service, worker, incarnation] =
            [member.service, member.worker, member.incarnation].map(str::to_owned);
        let (partitions, above) = (acquire.partitions.to_vec(), acquire.above);
        let (inner, waited) = (Arc::clone(&self.inner), (self.before)(Call::Acquire));
        let statement = tokio::spawn(async move {
            waited.await?;
            let acquire = Acquire {
                member: MemberId {
                    service: &service,
                    worker: &worker,
                    incarnation: &incarnation,
                },
                partitions: &partitions,
                above,
            };
            inner.acquire(acquire).await
        });
        statement.await.expect("no panic")
    }

    async fn held(&self, member: MemberId<'_>) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        (self.before)(Call::Other).await?;
        self.inner.held(member).await
    }

    async fn tally(&self, member: MemberId<'_>) -> Result<LeaseTally, StorageError> {
        (self.before)(Call::Other).await?;
        self.inner.tally(member).await
    }

    async fn release(
        &self,
        member: MemberId<'_>,
        partitions: &[PartitionId],
    ) -> Result<(), StorageError> {
        (self.before)(Call::Other).await?;
        self.inner.release(member, partitions).await
    }

    async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError> {
        self.inner.list(service).await
    }
}
