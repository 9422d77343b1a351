//! The events that could not be taken, each with its reason: kept in SQL for 30 days.
//!
//! A sender is answered once they are kept. One that is sent again, since its sender heard nothing,
//! is known by its digest. Payloads hold personal data: no log has them.

mod filter;
mod row;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use audit::Operation;
use gateway_core::{Fault, Letter, Reason};
use kernel::Timestamp;
use rpc::{ErrorReason, Failure};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use storage::{Database, StorageError};
use uuid::Uuid;

use crate::MIGRATIONS;
use crate::entity::dead_letter;
use crate::limits::{LETTER_KEPT_MS, LETTERS_PER_SOURCE, READ_AT_ONCE, REMOVED_ROWS};
use crate::metrics::{Ending, LetterMetrics};
use crate::statistics::Statistics;

pub(crate) use self::filter::LetterFilter;
pub(crate) use self::row::StoredLetter;
use self::row::first_id;
use self::writer::Writer;

/// Keeps dead letters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetters {
    database: Database,
    writer: Arc<Writer>,
    statistics: Statistics,
    metrics: Arc<LetterMetrics>,
}

/// The end of a replay of one dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// It was taken.
    Taken,
    /// It was refused again.
    Refused(Fault),
}

impl DeadLetters {
    /// Brings the tables up to date.
    ///
    /// # Errors
    /// As [`Database::migrate`].
    pub(crate) async fn open(
        database: Database,
        statistics: Statistics,
    ) -> Result<Self, StorageError> {
        database.migrate("gateway", MIGRATIONS).await?;
        Ok(Self {
            writer: Arc::new(Writer::new(database.clone())),
            database,
            statistics,
            metrics: Arc::new(LetterMetrics::new()),
        })
    }

    /// Keeps events that a source sent, and counts each by its reason. Those of several calls are
    /// written together.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`]: have the sender send all of the call again.
    pub(crate) async fn keep(
        &self,
        source: &str,
        letters: Vec<Letter>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if letters.is_empty() {
            return Ok(());
        }
        let reasons: Vec<_> = letters.iter().map(|letter| letter.fault.reason).collect();
        let rows = letters.into_iter().map(|it| row::of(source, it, now));
        self.writer.write(rows.collect()).await?;
        for reason in reasons {
            self.statistics.count(source, reason, 1);
            self.metrics.ended(Ending::Kept, 1);
        }
        if self.writer.is_look_due() {
            let own = self.clone();
            let source = source.to_owned();
            tokio::spawn(Operation::carry(async move {
                if let Err(error) = own.make_room(&source).await {
                    tracing::warn!(%error, source, "dead letters beyond the limit were not removed");
                }
            }));
        }
        Ok(())
    }

    /// Reads dead letters, newest first, before this one where it is given, until there are `most`
    /// of them or `is_enough`.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`].
    pub(crate) async fn list(
        &self,
        filter: &LetterFilter,
        before: Option<Uuid>,
        most: usize,
        mut is_enough: impl FnMut(&StoredLetter) -> bool,
    ) -> Result<Vec<StoredLetter>, Failure> {
        let (mut found, mut before) = (Vec::new(), before);
        loop {
            let mut query = dead_letter::Entity::find().filter(filter.condition());
            if let Some(before) = before {
                query = query.filter(dead_letter::Column::Id.lt(before));
            }
            let rows = query
                .order_by_desc(dead_letter::Column::Id)
                .limit(READ_AT_ONCE)
                .all(self.database.orm())
                .await
                .map_err(Failure::store_unavailable)?;
            let is_last = (rows.len() as u64) < READ_AT_ONCE;
            before = rows.last().map(|row| row.id);
            for row in rows {
                let letter = StoredLetter::from(row);
                let is_full = is_enough(&letter);
                found.push(letter);
                if is_full || found.len() >= most {
                    return Ok(found);
                }
            }
            if is_last {
                return Ok(found);
            }
        }
    }

    /// Reads these dead letters, as far as they are there, oldest first.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`].
    pub(crate) async fn find(&self, ids: &[Uuid]) -> Result<Vec<StoredLetter>, Failure> {
        let is_one = dead_letter::Column::Id.is_in(ids.iter().copied());
        self.oldest_of(is_one.into(), ids.len() as u64).await
    }

    /// Reads the oldest dead letters that match.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`].
    pub(crate) async fn oldest(
        &self,
        filter: &LetterFilter,
        most: u64,
    ) -> Result<Vec<StoredLetter>, Failure> {
        self.oldest_of(filter.condition(), most).await
    }

    async fn oldest_of(
        &self,
        condition: Condition,
        most: u64,
    ) -> Result<Vec<StoredLetter>, Failure> {
        let rows = dead_letter::Entity::find()
            .filter(condition)
            .order_by_asc(dead_letter::Column::Id)
            .limit(most)
            .all(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        Ok(rows.into_iter().map(StoredLetter::from).collect())
    }

    /// Removes those that were taken in a replay, and those of erased people, and notes on the
    /// others why they were not taken: all of it, or nothing.
    ///
    /// # Errors
    /// [`ErrorReason::DeadLettersContended`] where another process changed one of them since it
    /// was read; [`ErrorReason::StoreUnavailable`].
    pub(crate) async fn settle(
        &self,
        replayed: &[(StoredLetter, Replayed)],
    ) -> Result<(), Failure> {
        let transaction = self.database.begin_write().await;
        let transaction = transaction.map_err(Failure::store_unavailable)?;
        let mut taken = 0;
        for (letter, end) in replayed {
            let is_as_read = dead_letter::Column::Id
                .eq(letter.id)
                .and(dead_letter::Column::ReplayCount.eq(letter.replay_count));
            let changed = match end {
                Replayed::Refused(fault) if !fault.reason.is_kept() => {
                    let removed = dead_letter::Entity::delete_many().filter(is_as_read);
                    removed.exec(&transaction).await.map(|it| it.rows_affected)
                }
                Replayed::Taken => {
                    taken += 1;
                    let removed = dead_letter::Entity::delete_many().filter(is_as_read);
                    removed.exec(&transaction).await.map(|it| it.rows_affected)
                }
                Replayed::Refused(fault) => {
                    use dead_letter::Column as C;
                    let count = Expr::col(C::ReplayCount).add(1);
                    let field = row::clean(fault.field.clone());
                    let text = row::clean(fault.description.clone());
                    let noted = dead_letter::Entity::update_many()
                        .col_expr(C::Reason, fault.reason.code().into())
                        .col_expr(C::Field, field.into())
                        .col_expr(C::Description, text.into())
                        .col_expr(C::ReplayCount, count)
                        .filter(is_as_read);
                    noted.exec(&transaction).await.map(|it| it.rows_affected)
                }
            };
            if changed.map_err(Failure::store_unavailable)? != 1 {
                return Err(contended());
            }
        }
        let committed = transaction.commit().await;
        committed.map_err(Failure::store_unavailable)?;
        self.metrics.ended(Ending::Replayed, taken);
        Ok(())
    }

    /// Removes these dead letters, and returns how many there were.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`].
    pub(crate) async fn discard(&self, ids: &[Uuid]) -> Result<u64, Failure> {
        let removed = dead_letter::Entity::delete_many()
            .filter(dead_letter::Column::Id.is_in(ids.iter().copied()))
            .exec(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?
            .rows_affected;
        self.metrics.ended(Ending::Discarded, removed);
        Ok(removed)
    }

    /// Counts the dead letters that are there, by source.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`].
    pub(crate) async fn counts(&self, source: &str) -> Result<BTreeMap<String, u64>, Failure> {
        let mut query = dead_letter::Entity::find()
            .select_only()
            .column(dead_letter::Column::Source)
            .column_as(dead_letter::Column::Id.count(), "number")
            .group_by(dead_letter::Column::Source);
        if !source.is_empty() {
            query = query.filter(dead_letter::Column::Source.eq(source));
        }
        let rows: Vec<(String, i64)> = query
            .into_tuple()
            .all(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        let counts = rows.into_iter();
        let counts = counts.map(|(source, number)| (source, u64::try_from(number).unwrap_or(0)));
        Ok(counts.collect())
    }

    /// Removes what is too old, and of sources with too many the oldest.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`].
    pub(crate) async fn prune(&self, now: Timestamp) -> Result<(), Failure> {
        let end = first_id(now.as_millis() - LETTER_KEPT_MS);
        let is_old = dead_letter::Column::Id.lt(end);
        let removed = self.remove(is_old.into()).await?;
        self.metrics.ended(Ending::Expired, removed);
        for (source, number) in self.counts("").await? {
            if number > LETTERS_PER_SOURCE {
                self.make_room(&source).await?;
            }
        }
        Ok(())
    }

    /// Removes the oldest of a source that has too many, and counts them.
    async fn make_room(&self, source: &str) -> Result<(), Failure> {
        let own = || dead_letter::Column::Source.eq(source);
        let first_beyond: Option<Uuid> = dead_letter::Entity::find()
            .select_only()
            .column(dead_letter::Column::Id)
            .filter(own())
            .order_by_desc(dead_letter::Column::Id)
            .offset(LETTERS_PER_SOURCE)
            .limit(1)
            .into_tuple()
            .one(self.database.orm())
            .await
            .map_err(Failure::store_unavailable)?;
        let Some(first_beyond) = first_beyond else {
            return Ok(());
        };
        let is_beyond = own().and(dead_letter::Column::Id.lte(first_beyond));
        let removed = self.remove(is_beyond.into()).await?;
        let dropped = Reason::DeadLetterDropped;
        self.statistics.count(source, dropped, removed);
        self.metrics.ended(Ending::Dropped, removed);
        Ok(())
    }

    /// Removes what matches, a part at a time, and returns how much that was.
    async fn remove(&self, condition: Condition) -> Result<u64, Failure> {
        let mut removed = 0;
        loop {
            let some: Vec<Uuid> = dead_letter::Entity::find()
                .select_only()
                .column(dead_letter::Column::Id)
                .filter(condition.clone())
                .order_by_asc(dead_letter::Column::Id)
                .limit(REMOVED_ROWS)
                .into_tuple()
                .all(self.database.orm())
                .await
                .map_err(Failure::store_unavailable)?;
            if some.is_empty() {
                return Ok(removed);
            }
            let is_last = (some.len() as u64) < REMOVED_ROWS;
            removed += dead_letter::Entity::delete_many()
                .filter(dead_letter::Column::Id.is_in(some))
                .exec(self.database.orm())
                .await
                .map_err(Failure::store_unavailable)?
                .rows_affected;
            if is_last {
                return Ok(removed);
            }
        }
    }
}

fn contended() -> Failure {
    let message = "another call replayed or removed some of these dead letters meanwhile";
    Failure::new(ErrorReason::DeadLettersContended, message)
}
