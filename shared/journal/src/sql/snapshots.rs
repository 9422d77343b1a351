//! Reads, writes and publishes snapshots. Which one counts is the row of its slot; chunks of any other are leftovers.

use bytes::Bytes;
use hot::Slot;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Statement, Value};

use super::statements::{Statements, failed, now, signed, slot_columns, timed, unsigned};
use crate::{LogError, SnapshotHead};

const SNAPSHOT: &str = "SELECT seq, batch_id, chunks, bytes, payload FROM journal_snapshot \
     WHERE service = $1 AND partition = $2";

const READ_CHUNK: &str = "SELECT (SELECT payload FROM journal_chunk \
       WHERE service = $1 AND partition = $2 AND seq = $3 AND number = $4), \
     (SELECT seq FROM journal_snapshot WHERE service = $1 AND partition = $2)";

/// Whoever is late does not change a snapshot that counts.
const WRITE_CHUNK: &str = "INSERT INTO journal_chunk (service, partition, seq, number, payload) \
     SELECT i.service, i.partition, i.seq, $4, $5 \
     FROM (SELECT CAST($1 AS SMALLINT) AS service, CAST($2 AS INTEGER) AS partition, CAST($3 AS BIGINT) AS seq) i \
     WHERE NOT EXISTS (SELECT 1 FROM journal_snapshot s \
       WHERE s.service = i.service AND s.partition = i.partition AND s.seq >= i.seq) \
     ON CONFLICT (service, partition, seq, number) DO UPDATE SET payload = excluded.payload";

const FIRST: &str = "INSERT INTO journal_snapshot \
     (service, partition, seq, batch_id, chunks, bytes, payload, create_time) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

const REPLACE: &str = "UPDATE journal_snapshot \
     SET seq = $3, batch_id = $4, chunks = $5, bytes = $6, payload = $7, create_time = $8 \
     WHERE service = $1 AND partition = $2 AND seq = $9";

const COUNT_CHUNKS: &str = "SELECT count(*) FROM journal_chunk \
     WHERE service = $1 AND partition = $2 AND seq = $3 AND number < $4";

const DROP_CHUNKS: &str = "DELETE FROM journal_chunk \
     WHERE service = $1 AND partition = $2 AND (seq <> $3 OR number >= $4)";

impl Statements {
    pub(crate) async fn snapshot(&self, slot: Slot) -> Result<Option<SnapshotHead>, LogError> {
        let (service, partition) = slot_columns(slot);
        let rows = self
            .all(SNAPSHOT, [service.into(), partition.into()])
            .await?;
        rows.first().map(read_snapshot).transpose()
    }

    pub(super) async fn read_chunk(
        &self,
        slot: Slot,
        seq: u64,
        number: u32,
    ) -> Result<Bytes, LogError> {
        let (service, partition) = slot_columns(slot);
        let values = [
            service.into(),
            partition.into(),
            signed(seq).into(),
            i64::from(number).into(),
        ];
        let row = self.one(READ_CHUNK, values).await?;
        let payload: Option<Vec<u8>> = row.try_get_by_index(0).map_err(failed)?;
        let counts: Option<i64> = row.try_get_by_index(1).map_err(failed)?;
        match payload {
            Some(payload) => Ok(Bytes::from(payload)),
            None => Err(LogError::no_chunk(slot, seq, number, counts.map(unsigned))),
        }
    }

    pub(super) async fn write_chunk(
        &self,
        slot: Slot,
        seq: u64,
        number: u32,
        payload: Bytes,
    ) -> Result<(), LogError> {
        let (service, partition) = slot_columns(slot);
        let values = [
            service.into(),
            partition.into(),
            signed(seq).into(),
            i64::from(number).into(),
            Vec::from(payload).into(),
        ];
        self.execute(WRITE_CHUNK, values).await?;
        Ok(())
    }

    pub(super) async fn publish_snapshot(
        &self,
        slot: Slot,
        head: SnapshotHead,
        replaces: u64,
    ) -> Result<bool, LogError> {
        if timed(self.publish(slot, &head, replaces)).await? {
            return Ok(true);
        }
        // The answer to an earlier attempt may have been lost.
        Ok(self.snapshot(slot).await?.as_ref() == Some(&head))
    }

    async fn publish(&self, slot: Slot, head: &SnapshotHead, replaces: u64) -> Result<bool, DbErr> {
        let (service, partition) = slot_columns(slot);
        let (service, partition) = (Value::from(service), Value::from(partition));
        let (seq, chunks) = (signed(head.seq), i64::from(head.chunks));
        let transaction = self.database.begin_write().await?;
        let mut values = vec![
            service.clone(),
            partition.clone(),
            seq.into(),
            signed(head.batch_id).into(),
            chunks.into(),
            signed(head.bytes).into(),
            head.payload.to_vec().into(),
            now().into(),
        ];
        let replaced = if replaces == 0 {
            run(&transaction, FIRST, values).await?
        } else {
            values.push(signed(replaces).into());
            run(&transaction, REPLACE, values).await?
        };
        let own = vec![service, partition, seq.into(), chunks.into()];
        // Where another process published in between, it removed the chunks of this one.
        if replaced == 0 || count(&transaction, own.clone()).await? != chunks {
            transaction.rollback().await?;
            return Ok(false);
        }
        run(&transaction, DROP_CHUNKS, own).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

async fn run(
    transaction: &DatabaseTransaction,
    sql: &str,
    values: Vec<Value>,
) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(transaction.get_database_backend(), sql, values);
    Ok(transaction.execute_raw(statement).await?.rows_affected())
}

async fn count(transaction: &DatabaseTransaction, values: Vec<Value>) -> Result<i64, DbErr> {
    let backend = transaction.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, COUNT_CHUNKS, values);
    match transaction.query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0),
        None => Ok(0),
    }
}

fn read_snapshot(row: &QueryResult) -> Result<SnapshotHead, LogError> {
    let number = |index| -> Result<i64, LogError> { row.try_get_by_index(index).map_err(failed) };
    let chunks = number(2)?;
    Ok(SnapshotHead {
        seq: unsigned(number(0)?),
        batch_id: unsigned(number(1)?),
        chunks: u32::try_from(chunks)
            .map_err(|_| LogError::Damaged(format!("a snapshot has {chunks} chunks")))?,
        bytes: unsigned(number(3)?),
        payload: Bytes::from(row.try_get_by_index::<Vec<u8>>(4).map_err(failed)?),
    })
}
