//! Looks through the rows of streams with events, and writes single ones again, for an erasure.

use bytes::Bytes;
use hot::StreamId;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};

use super::payload::{pack, unpack};
use super::read::stream_columns;
use super::statements::{Statements, failed, timed};
use crate::LogError;

/// A row by its writer and its number, as SQL has them: rows are looked through in this order.
pub(crate) type RowPlace = (i32, i64);

/// A row without its payload.
#[derive(Debug)]
pub(crate) struct ErasableHeader {
    pub(crate) place: RowPlace,
    /// The hashes of the customers of its events; absent where it has none.
    pub(crate) customers: Option<Vec<u8>>,
    /// Bytes of its payload, packed.
    pub(crate) bytes: usize,
}

/// A row as it is written again.
#[derive(Debug)]
pub(crate) struct Rewritten {
    pub(crate) payload: Vec<u8>,
    /// The number of events that are left, and the hashes of their customers; absent for none.
    pub(crate) events: Option<(i32, Vec<u8>)>,
}

const HEADERS: &str = "SELECT writer, seq, customers, length(payload) FROM journal_entry \
     WHERE stream = $1 AND partition = $2 AND (writer, seq) > ($3, $4) ORDER BY writer, seq LIMIT $5";

const PAYLOAD: &str = "SELECT payload FROM journal_entry \
     WHERE stream = $1 AND partition = $2 AND writer = $3 AND seq = $4";

/// The times stay what they are: bounds of those of its events, by which readers find their place.
const KEEP_EVENTS: &str = "UPDATE journal_entry SET payload = $5, event_count = $6, customers = $7 \
     WHERE stream = $1 AND partition = $2 AND writer = $3 AND seq = $4";

const KEEP_NONE: &str = "UPDATE journal_entry SET payload = $5, span = NULL, first_time = NULL, \
     last_time = NULL, event_count = NULL, customers = NULL \
     WHERE stream = $1 AND partition = $2 AND writer = $3 AND seq = $4";

impl Statements {
    /// Returns up to so many rows of a stream after a place, in order.
    pub(crate) async fn erasable_headers(
        &self,
        stream: StreamId,
        (writer, seq): RowPlace,
        most: usize,
    ) -> Result<Vec<ErasableHeader>, LogError> {
        let [name, partition] = stream_columns(stream);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values: [Value; 5] = [
            name.into(),
            partition.into(),
            writer.into(),
            seq.into(),
            most.into(),
        ];
        let rows = self.all(HEADERS, values).await?;
        rows.iter().map(read_header).collect()
    }

    /// Reads the payload of a row; absent where it was cut meanwhile.
    pub(crate) async fn payload_at(
        &self,
        stream: StreamId,
        place: RowPlace,
    ) -> Result<Option<Bytes>, LogError> {
        let rows = self.all(PAYLOAD, key(stream, place)).await?;
        rows.first().map(read_payload).transpose()
    }

    /// Writes a row again as it is by now, where `rewrite` has it otherwise: nobody else does so
    /// meanwhile. Returns whether it was written.
    pub(crate) async fn rewrite_row(
        &self,
        stream: StreamId,
        place: RowPlace,
        rewrite: impl FnOnce(Bytes) -> Result<Option<Rewritten>, LogError> + Send,
    ) -> Result<bool, LogError> {
        let transaction = timed(self.database.begin_write()).await?;
        let backend = transaction.get_database_backend();
        let lock = match backend {
            DbBackend::Postgres => " FOR UPDATE",
            _ => "",
        };
        let select = format!("{PAYLOAD}{lock}");
        let select = Statement::from_sql_and_values(backend, select, key(stream, place));
        let row = timed(transaction.query_one_raw(select)).await?;
        let payload = row.as_ref().map(read_payload).transpose()?;
        let rewritten = payload.map(rewrite).transpose()?.flatten();
        let Some(rewritten) = rewritten else {
            timed(transaction.rollback()).await?;
            return Ok(false);
        };
        let mut values = key(stream, place).to_vec();
        values.push(pack(&rewritten.payload).to_vec().into());
        let update = match rewritten.events {
            Some((count, customers)) => {
                values.extend([count.into(), customers.into()]);
                KEEP_EVENTS
            }
            None => KEEP_NONE,
        };
        let update = Statement::from_sql_and_values(backend, update, values);
        timed(transaction.execute_raw(update)).await?;
        timed(transaction.commit()).await?;
        Ok(true)
    }
}

fn key(stream: StreamId, (writer, seq): RowPlace) -> [Value; 4] {
    let [name, partition] = stream_columns(stream);
    [name.into(), partition.into(), writer.into(), seq.into()]
}

fn read_header(row: &QueryResult) -> Result<ErasableHeader, LogError> {
    let bytes: i32 = row.try_get_by_index(3).map_err(failed)?;
    Ok(ErasableHeader {
        place: (
            row.try_get_by_index(0).map_err(failed)?,
            row.try_get_by_index(1).map_err(failed)?,
        ),
        customers: row.try_get_by_index(2).map_err(failed)?,
        bytes: usize::try_from(bytes).unwrap_or(0),
    })
}

fn read_payload(row: &QueryResult) -> Result<Bytes, LogError> {
    unpack(row.try_get_by_index(0).map_err(failed)?)
}
