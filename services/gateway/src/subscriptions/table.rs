//! The table of subscriptions: their progress, and which process posts for each.

use ::changes::Position;
use kernel::Timestamp;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use storage::{Database, StorageError};

use super::progress::{BatchAtHand, Progress, Standing};
use crate::MIGRATIONS;
use crate::entity::subscription_state::{ActiveModel, Column, Entity, Model};

/// The standing of a subscription that goes on.
const ACTIVE: i32 = 1;
/// The standing of one that is stopped.
const STOPPED: i32 = 2;
/// The standing of one whose position is not in the log.
const OUT_OF_RANGE: i32 = 3;
/// A position that no log has.
const NOWHERE: Position = Position {
    log: 0,
    row: 0,
    index: 0,
};

/// The progress of a subscription, and who posts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) progress: Progress,
    /// The process that posts; empty for none.
    pub(super) owner: String,
    /// Grows with each owner and each order: whoever notes progress under an older one is late.
    pub(super) epoch: i64,
}

/// The table. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SubscriptionTable {
    database: Database,
}

impl SubscriptionTable {
    /// Brings the tables up to date.
    ///
    /// # Errors
    /// As [`Database::migrate`].
    pub(crate) async fn open(database: Database) -> Result<Self, StorageError> {
        database.migrate("gateway", MIGRATIONS).await?;
        Ok(Self { database })
    }

    /// Reads all rows, by name.
    pub(super) async fn all(&self) -> Result<Vec<Row>, StorageError> {
        let rows = Entity::find().order_by_asc(Column::Name);
        let rows = rows.all(self.database.orm()).await?;
        Ok(rows.into_iter().map(Row::from).collect())
    }

    /// Reads one row.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Row>, StorageError> {
        let row = Entity::find_by_id(name).one(self.database.orm()).await?;
        Ok(row.map(Row::from))
    }

    /// Adds a subscription that is not there yet.
    pub(super) async fn create(&self, progress: &Progress) -> Result<(), StorageError> {
        let row = ActiveModel {
            owner: Set(String::new()),
            epoch: Set(0),
            ..columns(progress)
        };
        let there = OnConflict::column(Column::Name).do_nothing().to_owned();
        Entity::insert(row)
            .on_conflict(there)
            .exec_without_returning(self.database.orm())
            .await?;
        Ok(())
    }

    /// Removes subscriptions, with their progress.
    pub(super) async fn remove(&self, names: &[&str]) -> Result<(), StorageError> {
        Entity::delete_many()
            .filter(Column::Name.is_in(names.iter().copied()))
            .exec(self.database.orm())
            .await?;
        Ok(())
    }

    /// Gives a subscription another owner, unless that was done meanwhile. Returns whether it was
    /// given.
    pub(super) async fn take(&self, row: &Row, owner: &str) -> Result<bool, StorageError> {
        let change = ActiveModel {
            owner: Set(owner.to_owned()),
            epoch: Set(row.epoch + 1),
            ..ActiveModel::default()
        };
        self.change(&row.progress.name, row.epoch, change).await
    }

    /// Notes progress, unless the epoch is over. Returns whether it was noted.
    pub(super) async fn save(&self, progress: &Progress, epoch: i64) -> Result<bool, StorageError> {
        self.change(&progress.name, epoch, columns(progress)).await
    }

    /// Has a subscription go on at once, from another position where one is given, and ends the
    /// epoch. Returns whether there is one.
    pub(super) async fn resume(
        &self,
        name: &str,
        from: Option<Position>,
    ) -> Result<bool, StorageError> {
        let mut resumed = Entity::update_many()
            .col_expr(Column::Standing, ACTIVE.into())
            .col_expr(Column::Failures, 0.into())
            .col_expr(Column::FirstFailureTime, Option::<i64>::None.into())
            .col_expr(Column::NextAttemptTime, Option::<i64>::None.into())
            .col_expr(Column::LastError, "".into())
            .col_expr(Column::Epoch, Expr::col(Column::Epoch).add(1))
            .filter(Column::Name.eq(name));
        if let Some(position) = from {
            resumed = resumed
                .col_expr(Column::Position, position.to_string().into())
                .col_expr(Column::BatchId, Option::<String>::None.into())
                .col_expr(Column::BatchEnd, Option::<String>::None.into())
                .col_expr(Column::BatchFilter, Option::<String>::None.into());
        }
        let resumed = resumed.exec(self.database.orm()).await?;
        Ok(resumed.rows_affected == 1)
    }

    async fn change(
        &self,
        name: &str,
        epoch: i64,
        change: ActiveModel,
    ) -> Result<bool, StorageError> {
        let changed = Entity::update_many()
            .set(change)
            .filter(Column::Name.eq(name))
            .filter(Column::Epoch.eq(epoch))
            .exec(self.database.orm())
            .await?;
        Ok(changed.rows_affected == 1)
    }

    /// Gives up one subscription of an owner, or all of them.
    pub(super) async fn release(
        &self,
        owner: &str,
        name: Option<&str>,
    ) -> Result<(), StorageError> {
        let mut update = Entity::update_many()
            .col_expr(Column::Owner, "".into())
            .filter(Column::Owner.eq(owner));
        if let Some(name) = name {
            update = update.filter(Column::Name.eq(name));
        }
        update.exec(self.database.orm()).await?;
        Ok(())
    }
}

/// The columns of a row that tell of progress.
fn columns(progress: &Progress) -> ActiveModel {
    let millis = |time: Option<Timestamp>| Set(time.map(Timestamp::as_millis));
    let batch = progress.batch.as_ref();
    ActiveModel {
        name: Set(progress.name.clone()),
        position: Set(progress.position.to_string()),
        standing: Set(match progress.standing {
            Standing::Active => ACTIVE,
            Standing::Stopped => STOPPED,
            Standing::OutOfRange => OUT_OF_RANGE,
        }),
        batch_id: Set(batch.map(|batch| batch.id.clone())),
        batch_end: Set(batch.map(|batch| batch.end.to_string())),
        batch_filter: Set(batch.map(|batch| batch.filter.clone())),
        failures: Set(i32::try_from(progress.failures).unwrap_or(i32::MAX)),
        first_failure_time: millis(progress.first_failure_time),
        next_attempt_time: millis(progress.next_attempt_time),
        last_error: Set(progress.last_error.clone()),
        last_success_time: millis(progress.last_success_time),
        ..ActiveModel::default()
    }
}

impl From<Model> for Row {
    /// Reads a row. A position that cannot be read is in no log, which is told to whoever reads
    /// from there.
    fn from(row: Model) -> Self {
        let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
        let position = |text: &str| text.parse().unwrap_or(NOWHERE);
        let batch = match (row.batch_id, row.batch_end, row.batch_filter) {
            (Some(id), Some(end), Some(filter)) => Some(BatchAtHand {
                id,
                end: position(&end),
                filter,
            }),
            _ => None,
        };
        Self {
            progress: Progress {
                name: row.name,
                position: position(&row.position),
                standing: match row.standing {
                    STOPPED => Standing::Stopped,
                    OUT_OF_RANGE => Standing::OutOfRange,
                    _ => Standing::Active,
                },
                batch,
                failures: u32::try_from(row.failures).unwrap_or(0),
                first_failure_time: time(row.first_failure_time),
                next_attempt_time: time(row.next_attempt_time),
                last_error: row.last_error,
                last_success_time: time(row.last_success_time),
            },
            owner: row.owner,
            epoch: row.epoch,
        }
    }
}
