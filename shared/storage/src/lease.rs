//! Leases: who owns a partition of a service. The epoch of a lease only grows, and the hot store
//! refuses commits of an older one.
//!
//! Time is an argument everywhere, the caller's clock: one code path for both databases that a
//! virtual clock can drive. This is safe, because time only decides when somebody may try; the
//! epoch decides who commits. Clocks of workers that differ by less than two thirds of the time to
//! live cost nothing at all; by more, partitions change hands too early, and still no commit is
//! lost or applied twice.

use kernel::{Duration, PartitionCount, PartitionId, Timestamp};
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::entity::lease;
use crate::{Database, StorageError};

/// A lease of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The partition.
    pub partition: PartitionId,
    /// Its owner; empty for nobody.
    pub worker: String,
    /// Its epoch.
    pub epoch: u64,
    /// When it lapses unless it is renewed.
    pub expire_time: Timestamp,
}

/// A request for leases.
#[derive(Debug, Clone, Copy)]
pub struct Acquire<'a> {
    /// The service.
    pub service: &'a str,
    /// The partitions wanted.
    pub partitions: &'a [PartitionId],
    /// The worker that wants them.
    pub worker: &'a str,
    /// The time that they last unless renewed.
    pub ttl: Duration,
    /// The caller's clock.
    pub now: Timestamp,
    /// The new epochs are above this one: what the hot store said where it knows a higher epoch
    /// than the database, which may have been restored. Otherwise 0.
    pub above: u64,
}

/// The leases and the live members of all services.
#[derive(Debug, Clone)]
pub struct LeaseStore {
    pub(crate) database: Database,
}

impl LeaseStore {
    /// The leases in a migrated database.
    pub const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Creates the rows of a service's partitions where they are missing. Call once before
    /// [`Self::acquire`].
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn prepare(&self, service: &str, count: PartitionCount) -> Result<(), StorageError> {
        let mut insert = Query::insert();
        insert.into_table(lease::Entity).columns([
            lease::Column::Service,
            lease::Column::Partition,
            lease::Column::Worker,
            lease::Column::Epoch,
            lease::Column::ExpireTime,
        ]);
        for partition in count.iter() {
            insert.values_panic([
                service.into(),
                i32::from(partition.number()).into(),
                "".into(),
                0_i64.into(),
                0_i64.into(),
            ]);
        }
        insert.on_conflict(
            OnConflict::columns([lease::Column::Service, lease::Column::Partition])
                .do_nothing()
                .to_owned(),
        );
        self.database.orm().execute(&insert).await?;
        Ok(())
    }

    /// Takes the leases that are free, lapsed, or the worker's own; each with an epoch that nobody
    /// had before. Returns those that it got, by partition and epoch.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn acquire(
        &self,
        acquire: Acquire<'_>,
    ) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        if acquire.partitions.is_empty() {
            return Ok(Vec::new());
        }
        let above = i64::try_from(acquire.above).unwrap_or(i64::MAX - 1);
        let floor = CaseStatement::new()
            .case(lease::Column::Epoch.lt(above), above)
            .finally(Expr::col(lease::Column::Epoch));
        let update = Query::update()
            .table(lease::Entity)
            .value(lease::Column::Worker, acquire.worker)
            .value(lease::Column::Epoch, Expr::expr(floor).add(1_i64))
            .value(
                lease::Column::ExpireTime,
                (acquire.now + acquire.ttl).as_millis(),
            )
            .and_where(lease::Column::Service.eq(acquire.service))
            .and_where(lease::Column::Partition.is_in(numbers(acquire.partitions)))
            .and_where(
                lease::Column::ExpireTime
                    .lte(acquire.now.as_millis())
                    .or(lease::Column::Worker.eq(acquire.worker)),
            )
            .returning(Query::returning().columns([lease::Column::Partition, lease::Column::Epoch]))
            .to_owned();
        let rows = self.database.orm().query_all(&update).await?;
        let mut taken = Vec::with_capacity(rows.len());
        for row in rows {
            let partition: i32 = row.try_get_by_index(0)?;
            let epoch: i64 = row.try_get_by_index(1)?;
            taken.push((id(partition), epoch.cast_unsigned()));
        }
        taken.sort_unstable();
        Ok(taken)
    }

    /// Renews all leases of a worker in one statement. Returns the partitions that are still its
    /// own, with their epochs: stop working on any other at once.
    ///
    /// # Errors
    /// [`StorageError::Database`]: go on working, since nobody can take over without the database
    /// either.
    pub async fn renew(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        let update = Query::update()
            .table(lease::Entity)
            .value(lease::Column::ExpireTime, (now + ttl).as_millis())
            .and_where(lease::Column::Service.eq(service))
            .and_where(lease::Column::Worker.eq(worker))
            .returning(Query::returning().columns([lease::Column::Partition, lease::Column::Epoch]))
            .to_owned();
        let rows = self.database.orm().query_all(&update).await?;
        let mut kept = Vec::with_capacity(rows.len());
        for row in rows {
            let partition: i32 = row.try_get_by_index(0)?;
            let epoch: i64 = row.try_get_by_index(1)?;
            kept.push((id(partition), epoch.cast_unsigned()));
        }
        kept.sort_unstable();
        Ok(kept)
    }

    /// Gives leases back, so that others need not wait until they lapse. Those of other workers
    /// stay.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn release(
        &self,
        service: &str,
        partitions: &[PartitionId],
        worker: &str,
    ) -> Result<(), StorageError> {
        if partitions.is_empty() {
            return Ok(());
        }
        lease::Entity::update_many()
            .col_expr(lease::Column::Worker, "".into())
            .col_expr(lease::Column::ExpireTime, 0_i64.into())
            .filter(lease::Column::Service.eq(service))
            .filter(lease::Column::Worker.eq(worker))
            .filter(lease::Column::Partition.is_in(numbers(partitions)))
            .exec(self.database.orm())
            .await?;
        Ok(())
    }

    /// All leases of a service, by partition.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError> {
        let mut leases: Vec<_> = lease::Entity::find()
            .filter(lease::Column::Service.eq(service))
            .all(self.database.orm())
            .await?
            .into_iter()
            .map(|row| Lease {
                partition: id(row.partition),
                worker: row.worker,
                epoch: row.epoch.cast_unsigned(),
                expire_time: Timestamp::from_millis(row.expire_time),
            })
            .collect();
        leases.sort_unstable_by_key(|lease| lease.partition);
        Ok(leases)
    }
}

fn numbers(partitions: &[PartitionId]) -> impl Iterator<Item = i32> {
    partitions
        .iter()
        .map(|partition| i32::from(partition.number()))
}

fn id(partition: i32) -> PartitionId {
    PartitionId::new(u16::try_from(partition).expect("rows are written from partition ids"))
}
