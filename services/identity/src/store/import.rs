//! The ledger of imports: which events each has taken, and those that are not in their streams yet.
//!
//! A batch is one row with a mark of ten bytes for each event, and, until its events are in their
//! streams, one more row with their records. Both are written at once, so an event that the ledger
//! has is in its stream or can be brought there, whoever dies.

use kernel::{StreamName, Timestamp};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, Statement,
};
use uuid::Uuid;

use super::entity::{import, import_batch, import_pending};
use super::{IdentityStore, damaged, signed, unsigned};
use crate::limits::{LEDGER_PAGE, OVERDUE_BATCHES, PRUNED_AT_ONCE};

/// A batch of an import that is about to be taken.
#[derive(Debug)]
pub struct NewBatch<'a> {
    /// Its id.
    pub id: Uuid,
    /// The call that takes it. Streams know how far they have taken what a call takes.
    pub call: Uuid,
    /// The digest of the import's name.
    pub import: &'a str,
    /// Its number among the batches of the import, from 1 and without a gap: of two processes that
    /// write the same one, one is told.
    pub number: u64,
    /// When it is taken.
    pub time: Timestamp,
    /// The marks of its events, one behind the other.
    pub marks: Vec<u8>,
    /// The stream of its records.
    pub stream: StreamName,
    /// The records, packed.
    pub records: Vec<u8>,
}

/// A batch of an import that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBatch {
    /// Its number.
    pub number: u64,
    /// When it was taken.
    pub time: Timestamp,
    /// The marks of its events, one behind the other.
    pub marks: Vec<u8>,
}

/// A batch whose events may not be in their streams yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingBatch {
    /// Its id.
    pub id: Uuid,
    /// The call that took it.
    pub call: Uuid,
    /// Its number.
    pub number: u64,
    /// The digest of the import's name.
    pub import: String,
    /// The stream of its records.
    pub stream: StreamName,
    /// The records, packed.
    pub records: Vec<u8>,
}

/// Batches of one import whose events are in their streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Their ids.
    pub ids: Vec<Uuid>,
    /// When the newest entry with an event of the import was accepted; absent where that is known
    /// to be written.
    pub accept_time: Option<Timestamp>,
}

impl IdentityStore {
    /// Returns when the newest entry with an event of an import was accepted, as far as was noted.
    ///
    /// # Errors
    /// As the database says.
    pub async fn import_accept_time(&self, import: &str) -> Result<Timestamp, DbErr> {
        let row = import::Entity::find_by_id(import.to_owned())
            .one(self.database.orm())
            .await?;
        Ok(row.map_or(Timestamp::MIN, |row| {
            Timestamp::from_millis(row.accept_time)
        }))
    }

    /// Returns the next batches of an import behind a number, some at a time.
    ///
    /// # Errors
    /// As the database says.
    pub async fn import_batches(&self, import: &str, after: u64) -> Result<Vec<TakenBatch>, DbErr> {
        let rows = import_batch::Entity::find()
            .filter(import_batch::Column::Import.eq(import))
            .filter(import_batch::Column::Number.gt(signed(after)))
            .order_by_asc(import_batch::Column::Number)
            .limit(LEDGER_PAGE)
            .all(self.database.orm())
            .await?;
        let rows = rows.into_iter().map(|row| {
            Ok(TakenBatch {
                number: unsigned(row.number)?,
                time: Timestamp::from_millis(row.create_time),
                marks: row.marks,
            })
        });
        rows.collect()
    }

    /// Returns the batches of an import that may not be in their streams, each with its number.
    ///
    /// # Errors
    /// As the database says.
    pub async fn pending_of_import(&self, import: &str) -> Result<Vec<(Uuid, u64)>, DbErr> {
        let rows: Vec<(Uuid, i64)> = import_pending::Entity::find()
            .select_only()
            .column(import_pending::Column::BatchId)
            .column(import_pending::Column::Number)
            .filter(import_pending::Column::Import.eq(import))
            .into_tuple()
            .all(self.database.orm())
            .await?;
        let rows = rows.into_iter();
        rows.map(|(id, number)| Ok((id, unsigned(number)?)))
            .collect()
    }

    /// Returns the batches that a call took before another one of its batches, and that may not be
    /// in their streams, in the order in which they were taken.
    ///
    /// # Errors
    /// As the database says.
    pub async fn pending_before(&self, batch: &PendingBatch) -> Result<Vec<Uuid>, DbErr> {
        import_pending::Entity::find()
            .select_only()
            .column(import_pending::Column::BatchId)
            .filter(import_pending::Column::Import.eq(&batch.import))
            .filter(import_pending::Column::CallId.eq(batch.call))
            .filter(import_pending::Column::Number.lt(signed(batch.number)))
            .order_by_asc(import_pending::Column::Number)
            .into_tuple()
            .all(self.database.orm())
            .await
    }

    /// Returns batches that were taken before an instant and may not be in their streams, oldest
    /// first, some at a time.
    ///
    /// # Errors
    /// As the database says.
    pub async fn overdue_batches(&self, before: Timestamp) -> Result<Vec<Uuid>, DbErr> {
        import_pending::Entity::find()
            .select_only()
            .column(import_pending::Column::BatchId)
            .filter(import_pending::Column::CreateTime.lt(before.as_millis()))
            .order_by_asc(import_pending::Column::CreateTime)
            .limit(OVERDUE_BATCHES)
            .into_tuple()
            .all(self.database.orm())
            .await
    }

    /// Returns a batch that may not be in its streams; `None` where it is.
    ///
    /// # Errors
    /// As the database says.
    pub async fn pending_batch(&self, id: Uuid) -> Result<Option<PendingBatch>, DbErr> {
        let row = import_pending::Entity::find_by_id(id)
            .one(self.database.orm())
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let stream = usize::try_from(row.stream).ok();
        let stream = stream.and_then(|index| StreamName::ALL.get(index).copied());
        Ok(Some(PendingBatch {
            id,
            call: row.call_id,
            number: unsigned(row.number)?,
            import: row.import,
            stream: stream.ok_or_else(|| damaged("the stream of an imported batch"))?,
            records: row.records,
        }))
    }

    /// Writes that a batch is taken, and forgets the records of others that are in their streams.
    /// Returns false, and writes nothing, where another process has written its number.
    ///
    /// # Errors
    /// As the database says: the batch may be written all the same.
    pub async fn take_batch(&self, batch: NewBatch<'_>, settled: &Settled) -> Result<bool, DbErr> {
        let transaction = self.database.begin_write().await?;
        match write(&transaction, batch, settled).await {
            Ok(true) => {
                transaction.commit().await?;
                Ok(true)
            }
            Ok(false) => {
                transaction.rollback().await?;
                Ok(false)
            }
            Err(error) => {
                transaction.rollback().await?;
                Err(error)
            }
        }
    }

    /// Forgets the records of batches that are in their streams.
    ///
    /// # Errors
    /// As the database says.
    pub async fn settle_batches(&self, import: &str, settled: &Settled) -> Result<(), DbErr> {
        settle(self.database.orm(), import, settled).await
    }

    /// Forgets batches that were taken before an instant, and imports of which nothing is left.
    /// Returns how many batches these were: fewer than it removes at once where that is all.
    ///
    /// # Errors
    /// As the database says.
    pub async fn prune_imports(&self, before: Timestamp) -> Result<u64, DbErr> {
        const PRUNE: &str = "DELETE FROM identity_import_batch WHERE (import, number) IN (\
            SELECT import, number FROM identity_import_batch WHERE create_time < $1 \
            ORDER BY create_time LIMIT $2)";
        const FORGET: &str = "DELETE FROM identity_import WHERE NOT EXISTS (\
            SELECT 1 FROM identity_import_batch AS batch \
            WHERE batch.import = identity_import.import)";
        let orm = self.database.orm();
        let backend = orm.get_database_backend();
        let values = [before.as_millis().into(), signed(PRUNED_AT_ONCE).into()];
        let prune = Statement::from_sql_and_values(backend, PRUNE, values);
        let pruned = orm.execute_raw(prune).await?.rows_affected();
        if pruned > 0 && pruned < PRUNED_AT_ONCE {
            orm.execute_raw(Statement::from_string(backend, FORGET))
                .await?;
        }
        Ok(pruned)
    }
}

async fn write(
    transaction: &DatabaseTransaction,
    batch: NewBatch<'_>,
    settled: &Settled,
) -> Result<bool, DbErr> {
    if batch.number == 1 {
        let row = import::ActiveModel {
            import: Set(batch.import.to_owned()),
            accept_time: Set(Timestamp::MIN.as_millis()),
        };
        let key = OnConflict::column(import::Column::Import);
        let written = import::Entity::insert(row)
            .on_conflict(key.to_owned().do_nothing().to_owned())
            .exec_without_returning(transaction)
            .await;
        is_written(written)?;
    }
    settle(transaction, batch.import, settled).await?;
    let row = import_batch::ActiveModel {
        import: Set(batch.import.to_owned()),
        number: Set(signed(batch.number)),
        create_time: Set(batch.time.as_millis()),
        marks: Set(batch.marks),
    };
    let key = [import_batch::Column::Import, import_batch::Column::Number];
    let written = import_batch::Entity::insert(row)
        .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await;
    if !is_written(written)? {
        return Ok(false);
    }
    let row = import_pending::ActiveModel {
        batch_id: Set(batch.id),
        import: Set(batch.import.to_owned()),
        call_id: Set(batch.call),
        number: Set(signed(batch.number)),
        create_time: Set(batch.time.as_millis()),
        stream: Set(i16::try_from(batch.stream.index()).unwrap_or(i16::MAX)),
        records: Set(batch.records),
    };
    import_pending::Entity::insert(row)
        .exec_without_returning(transaction)
        .await?;
    Ok(true)
}

/// Returns whether a row was written; another one may be there.
fn is_written(written: Result<u64, DbErr>) -> Result<bool, DbErr> {
    match written {
        Ok(rows) => Ok(rows > 0),
        Err(DbErr::RecordNotInserted) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn settle(
    connection: &impl ConnectionTrait,
    import: &str,
    settled: &Settled,
) -> Result<(), DbErr> {
    if !settled.ids.is_empty() {
        import_pending::Entity::delete_many()
            .filter(import_pending::Column::BatchId.is_in(settled.ids.iter().copied()))
            .exec(connection)
            .await?;
    }
    if let Some(time) = settled.accept_time {
        let time = time.as_millis();
        import::Entity::update_many()
            .col_expr(import::Column::AcceptTime, Expr::value(time))
            .filter(import::Column::Import.eq(import))
            .filter(import::Column::AcceptTime.lt(time))
            .exec(connection)
            .await?;
    }
    Ok(())
}
