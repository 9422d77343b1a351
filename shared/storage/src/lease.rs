//! Leases: who owns a partition of a service. The epoch of a lease only grows, and the hot store
//! refuses commits of an older one.
//!
//! A lease has no time of its own: it lasts as long as the process that it names is alive, by the
//! last heartbeat of that and by the database's clock. So a process renews one row, however many
//! partitions it owns, and no machine's clock decides when a lease lapses. Time only decides when
//! somebody may try; the epoch decides who commits.

use kernel::{PartitionCount, PartitionId, Timestamp};
use sea_orm::QueryResult;

use crate::member::time;
use crate::{Database, MemberId, StorageError};

/// A lease of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The partition.
    pub partition: PartitionId,
    /// Its epoch.
    pub epoch: u64,
    /// The worker that owns it; absent for nobody.
    pub owner: Option<LeaseOwner>,
}

/// The owner of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseOwner {
    /// The name of the worker.
    pub worker: String,
    /// When its leases lapse unless it is heard before.
    pub expire_time: Timestamp,
}

/// Sums the leases of one process up, to tell at a low price whether they are as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeaseTally {
    /// The number of leases.
    pub count: u64,
    /// The sum of their epochs, which only grow.
    pub epochs: u64,
}

impl LeaseTally {
    /// Sums epochs up.
    pub fn of(epochs: impl IntoIterator<Item = u64>) -> Self {
        let add = |sum: Self, epoch: u64| Self {
            count: sum.count + 1,
            epochs: sum.epochs.saturating_add(epoch),
        };
        epochs.into_iter().fold(Self::default(), add)
    }
}

/// A request for leases.
#[derive(Debug, Clone, Copy)]
pub struct Acquire<'a> {
    /// The process that wants them.
    pub member: MemberId<'a>,
    /// The partitions wanted.
    pub partitions: &'a [PartitionId],
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
        let rows: Vec<String> = count
            .iter()
            .map(|partition| format!("($1, {}, '', '', 0)", partition.number()))
            .collect();
        let sql = format!(
            "INSERT INTO partition_lease (service, partition, worker, incarnation, epoch) \
             VALUES {} ON CONFLICT (service, partition) DO NOTHING",
            rows.join(", ")
        );
        self.database.execute(&sql, [service.into()]).await
    }

    /// Takes the leases that are nobody's or the process's own; each with an epoch that nobody had
    /// before. Returns those that it got, by partition and epoch: none, unless the process is alive
    /// and takes part.
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
        let sql = format!(
            "UPDATE partition_lease SET worker = $2, incarnation = $3, \
             epoch = CASE WHEN epoch < $4 THEN $4 ELSE epoch END + 1 \
             WHERE service = $1 AND partition IN ({}) AND EXISTS (SELECT 1 FROM worker own \
             WHERE own.service = $1 AND own.worker = $2 AND own.incarnation = $3 \
             AND own.takes_part AND {}) AND (worker = $2 AND incarnation = $3 OR NOT EXISTS (\
             SELECT 1 FROM worker holder WHERE holder.service = $1 \
             AND holder.worker = partition_lease.worker \
             AND holder.incarnation = partition_lease.incarnation AND {})) \
             RETURNING partition, epoch",
            numbers(acquire.partitions),
            self.alive("own"),
            self.alive("holder"),
        );
        let above = i64::try_from(acquire.above).unwrap_or(i64::MAX - 1);
        let member = acquire.member;
        let values = [
            member.service.into(),
            member.worker.into(),
            member.incarnation.into(),
            above.into(),
        ];
        epochs(&self.database.rows(&sql, values).await?)
    }

    /// Returns the partitions whose leases name the process, with their epochs: stop working on any
    /// other at once.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn held(
        &self,
        member: MemberId<'_>,
    ) -> Result<Vec<(PartitionId, u64)>, StorageError> {
        let sql = "SELECT partition, epoch FROM partition_lease \
                   WHERE service = $1 AND worker = $2 AND incarnation = $3";
        let values = [
            member.service.into(),
            member.worker.into(),
            member.incarnation.into(),
        ];
        epochs(&self.database.rows(sql, values).await?)
    }

    /// Sums up what [`Self::held`] lists.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn tally(&self, member: MemberId<'_>) -> Result<LeaseTally, StorageError> {
        let sql = "SELECT count(*), CAST(coalesce(sum(epoch), 0) AS bigint) FROM partition_lease \
                   WHERE service = $1 AND worker = $2 AND incarnation = $3";
        let values = [
            member.service.into(),
            member.worker.into(),
            member.incarnation.into(),
        ];
        let row = self.database.row(sql, values).await?;
        let (count, epochs): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        Ok(LeaseTally {
            count: count.cast_unsigned(),
            epochs: epochs.cast_unsigned(),
        })
    }

    /// Gives leases back, so that others need not wait until the process is dead. Those of other
    /// processes stay.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn release(
        &self,
        member: MemberId<'_>,
        partitions: &[PartitionId],
    ) -> Result<(), StorageError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "UPDATE partition_lease SET worker = '', incarnation = '' \
             WHERE service = $1 AND worker = $2 AND incarnation = $3 AND partition IN ({})",
            numbers(partitions)
        );
        let values = [
            member.service.into(),
            member.worker.into(),
            member.incarnation.into(),
        ];
        self.database.execute(&sql, values).await
    }

    /// All leases of a service, by partition.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn list(&self, service: &str) -> Result<Vec<Lease>, StorageError> {
        let sql = format!(
            "SELECT lease.partition, lease.epoch, holder.worker, holder.beat_time + holder.ttl_ms \
             FROM partition_lease lease LEFT JOIN worker holder \
             ON holder.service = lease.service AND holder.worker = lease.worker \
             AND holder.incarnation = lease.incarnation AND {} \
             WHERE lease.service = $1 ORDER BY lease.partition",
            self.alive("holder")
        );
        let rows = self.database.rows(&sql, [service.into()]).await?;
        let leases = rows.iter().map(|row| {
            let (partition, epoch) = epoch(row)?;
            let worker: Option<String> = row.try_get_by_index(2)?;
            let owner = match worker {
                Some(worker) => Some(LeaseOwner {
                    worker,
                    expire_time: time(row, 3)?,
                }),
                None => None,
            };
            Ok(Lease {
                partition,
                epoch,
                owner,
            })
        });
        leases.collect()
    }
}

/// Lists partitions as SQL does.
fn numbers(partitions: &[PartitionId]) -> String {
    let numbers: Vec<String> = partitions
        .iter()
        .map(|partition| partition.number().to_string())
        .collect();
    numbers.join(", ")
}

/// Reads rows of partitions and epochs, by partition.
fn epochs(rows: &[QueryResult]) -> Result<Vec<(PartitionId, u64)>, StorageError> {
    let mut epochs: Vec<_> = rows.iter().map(epoch).collect::<Result<_, _>>()?;
    epochs.sort_unstable();
    Ok(epochs)
}

fn epoch(row: &QueryResult) -> Result<(PartitionId, u64), StorageError> {
    let partition: i32 = row.try_get_by_index(0)?;
    let epoch: i64 = row.try_get_by_index(1)?;
    let partition = u16::try_from(partition).expect("rows are written from partition ids");
    Ok((PartitionId::new(partition), epoch.cast_unsigned()))
}
