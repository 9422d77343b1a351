//! The numbers of events and calls by day, source and outcome: counted in memory, and added to SQL
//! every few seconds.
//!
//! A process that dies loses what it counted in the last seconds: these are figures for people, and
//! nothing is decided by them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use gateway_core::Reason;
use kernel::Timestamp;
use rpc::Failure;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
};
use storage::{Database, StorageError};
use tokio_util::sync::CancellationToken;

use crate::MIGRATIONS;
use crate::entity::intake_count;
use crate::limits::{COUNTED_SOURCES, STATEMENT_ROWS, STATISTICS_KEPT_DAYS, STATISTICS_PAUSE};
use crate::metrics::IntakeMetrics;

/// The number of reasons.
const REASONS: usize = Reason::ALL.len();
/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;

/// Counts what comes in. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Statistics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    metrics: IntakeMetrics,
    /// The numbers that are not in the database yet.
    sources: RwLock<HashMap<Box<str>, Arc<Counts>>>,
    /// Held by whoever writes them there.
    turn: tokio::sync::Mutex<()>,
}

/// The numbers of a source, by the place of their reason in the list.
#[derive(Debug)]
struct Counts([AtomicU64; REASONS]);

impl Default for Counts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// The number of one outcome of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The source; empty for nobody's.
    pub(crate) source: String,
    /// The outcome, by name: one of a newer version is kept as it is.
    pub(crate) reason: String,
    /// The number of events, or of calls.
    pub(crate) number: u64,
    /// When that was last counted, to a few seconds.
    pub(crate) last_time: Timestamp,
}

impl Statistics {
    /// Brings the tables up to date.
    ///
    /// # Errors
    /// As [`Database::migrate`].
    pub(crate) async fn open(database: Database) -> Result<Self, StorageError> {
        database.migrate("gateway", MIGRATIONS).await?;
        Ok(Self(Arc::new(Inner {
            database,
            metrics: IntakeMetrics::new(),
            sources: RwLock::default(),
            turn: tokio::sync::Mutex::default(),
        })))
    }

    /// Counts events, or a call, of a source; of nobody where that is empty.
    pub(crate) fn count(&self, source: &str, reason: Reason, number: u64) {
        if number == 0 {
            return;
        }
        self.0.metrics.counted(reason, number);
        self.0.counts_of(source).add(reason, number);
    }

    /// Adds to the database what was counted since the last time.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`]: what was not added is kept for the next time.
    pub(crate) async fn flush(&self, now: Timestamp) -> Result<(), Failure> {
        let _turn = self.0.turn.lock().await;
        let taken = self.0.take();
        for (place, some) in taken.chunks(STATEMENT_ROWS).enumerate() {
            if let Err(error) = self.0.add(some, now).await {
                for (source, reason, number) in &taken[place * STATEMENT_ROWS..] {
                    self.0.counts_of(source).add(*reason, *number);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Returns what a source sent in the last days, today included; of all sources where it is
    /// empty.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`].
    pub(crate) async fn read(
        &self,
        source: &str,
        days: i32,
        now: Timestamp,
    ) -> Result<Vec<Counted>, Failure> {
        self.flush(now).await?;
        let first = day_of(now) - (days - 1);
        let mut query = intake_count::Entity::find().filter(intake_count::Column::Day.gte(first));
        if !source.is_empty() {
            query = query.filter(intake_count::Column::Source.eq(source));
        }
        let rows = query
            .order_by_asc(intake_count::Column::Day)
            .all(self.0.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        let mut counted: BTreeMap<(String, String), (u64, i64)> = BTreeMap::new();
        for row in rows {
            let (number, last) = counted.entry((row.source, row.reason)).or_default();
            *number = number.saturating_add(u64::try_from(row.number).unwrap_or(0));
            *last = Ord::max(row.last_time, *last);
        }
        let counted = counted.into_iter();
        let counted = counted.map(|((source, reason), (number, last))| Counted {
            source,
            reason,
            number,
            last_time: Timestamp::from_millis(last),
        });
        Ok(counted.collect())
    }

    /// Removes what is too old.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`].
    pub(crate) async fn prune(&self, now: Timestamp) -> Result<(), Failure> {
        let first = day_of(now) - (STATISTICS_KEPT_DAYS - 1);
        intake_count::Entity::delete_many()
            .filter(intake_count::Column::Day.lt(first))
            .exec(self.0.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        Ok(())
    }

    /// Adds to the database what was counted, every few seconds, until the process is told to end.
    pub(crate) async fn follow(self, shutdown: CancellationToken) {
        let mut has_failed = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(STATISTICS_PAUSE) => {}
                () = shutdown.cancelled() => return,
            }
            match self.flush(access::now()).await {
                Ok(()) => has_failed = false,
                Err(error) if !has_failed => {
                    tracing::warn!(%error, "statistics of the intake cannot be kept, trying again");
                    has_failed = true;
                }
                Err(_) => {}
            }
        }
    }
}

impl Counts {
    fn add(&self, reason: Reason, number: u64) {
        self.0[reason as usize].fetch_add(number, Ordering::Relaxed);
    }
}

impl Inner {
    /// The numbers of a source. Those beyond the limit are nobody's.
    fn counts_of(&self, source: &str) -> Arc<Counts> {
        let known = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = known.get(source) {
            return Arc::clone(counts);
        }
        drop(known);
        let mut known = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        let is_full = known.len() >= COUNTED_SOURCES && !known.contains_key(source);
        let name = if is_full { "" } else { source };
        Arc::clone(known.entry(name.into()).or_default())
    }

    /// Takes all numbers, in the order of sources and reasons: processes that write the same rows
    /// do so in one order.
    fn take(&self) -> Vec<(Box<str>, Reason, u64)> {
        let known = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        for (source, counts) in known.iter() {
            for (reason, number) in Reason::ALL.iter().zip(&counts.0) {
                let number = number.swap(0, Ordering::Relaxed);
                if number > 0 {
                    taken.push((source.clone(), *reason, number));
                }
            }
        }
        drop(known);
        taken.sort_unstable();
        taken
    }

    async fn add(&self, some: &[(Box<str>, Reason, u64)], now: Timestamp) -> Result<(), Failure> {
        let rows = some
            .iter()
            .map(|(source, reason, number)| intake_count::ActiveModel {
                day: Set(day_of(now)),
                source: Set(source.to_string()),
                reason: Set(reason.code().to_owned()),
                number: Set(i64::try_from(*number).unwrap_or(i64::MAX)),
                last_time: Set(now.as_millis()),
            });
        use intake_count::Column as C;
        let sum =
            Expr::col((intake_count::Entity, C::Number)).add(Expr::col(("excluded", C::Number)));
        let added = OnConflict::columns([C::Day, C::Source, C::Reason])
            .value(C::Number, sum)
            .update_column(C::LastTime)
            .to_owned();
        intake_count::Entity::insert_many(rows)
            .on_conflict(added)
            .exec_without_returning(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        Ok(())
    }
}

/// The day of a time, since the epoch, by UTC.
fn day_of(time: Timestamp) -> i32 {
    i32::try_from(time.as_millis().div_euclid(DAY_MS)).unwrap_or(i32::MAX)
}
