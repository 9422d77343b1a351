//! Writes the tables of the log anew, within a transaction of somebody else: for a change of the
//! number of partitions. Other connections see what was there before until it is committed.

use bytes::Bytes;
use hot::{Origin, Owner, Slot, StreamId, Writer};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult, Statement, Value};

use super::entries::PackedEntry;
use super::limits::{REWRITTEN_BYTES, REWRITTEN_ROWS};
use super::payload::{pack, unpack};
use super::place::take_places;
use super::read::stream_columns;
use super::statements::{Statements, failed, now, signed, slot_columns, unsigned};
use crate::{EntryRow, LogError, SnapshotHead};

/// The tables that are written anew, or from which numbers are taken.
pub(crate) const TABLES: [&str; 5] = [
    "journal_commit",
    "journal_entry",
    "journal_snapshot",
    "journal_chunk",
    "journal_writer",
];

/// The log within a transaction.
pub(crate) struct Rewrite<'a> {
    transaction: &'a DatabaseTransaction,
    /// Entries that are to be written, each with the time at which it was.
    entries: Vec<(PackedEntry, i64)>,
    bytes: usize,
}

/// An entry of the event log, as it is moved.
#[derive(Debug)]
pub(crate) struct EventRow {
    pub(crate) seq: u64,
    pub(crate) create_time: i64,
    pub(crate) payload: Bytes,
}

impl<'a> Rewrite<'a> {
    pub(crate) const fn new(transaction: &'a DatabaseTransaction) -> Self {
        Self {
            transaction,
            entries: Vec::new(),
            bytes: 0,
        }
    }

    /// The time that new rows are given.
    pub(crate) fn now(&self) -> i64 {
        now()
    }

    /// Removes everything.
    pub(crate) async fn clear(&self) -> Result<(), LogError> {
        for table in [
            "journal_commit",
            "journal_entry",
            "journal_snapshot",
            "journal_chunk",
        ] {
            self.run(&format!("DELETE FROM {table}"), []).await?;
        }
        Ok(())
    }

    /// Takes the number of a writer that no process has.
    pub(crate) async fn register(&self, worker: &str) -> Result<Writer, LogError> {
        let insert =
            "INSERT INTO journal_writer (worker, create_time) VALUES ($1, $2) RETURNING id";
        let rows = self.query(insert, [worker.into(), now().into()]).await?;
        let id: i32 = match rows.first() {
            Some(row) => row.try_get_by_index(0).map_err(failed)?,
            None => return Err(LogError::Damaged("a writer got no number".to_owned())),
        };
        Ok(Writer::process(id.cast_unsigned()))
    }

    pub(crate) async fn write_chunk(
        &self,
        slot: Slot,
        seq: u64,
        number: u32,
        payload: Bytes,
    ) -> Result<(), LogError> {
        let (service, partition) = slot_columns(slot);
        let insert = "INSERT INTO journal_chunk (service, partition, seq, number, payload) \
                      VALUES ($1, $2, $3, $4, $5)";
        let values = [
            service.into(),
            partition.into(),
            signed(seq).into(),
            i64::from(number).into(),
            Vec::from(payload).into(),
        ];
        self.run(insert, values).await
    }

    pub(crate) async fn read_chunk(
        &self,
        slot: Slot,
        seq: u64,
        number: u32,
    ) -> Result<Bytes, LogError> {
        let (service, partition) = slot_columns(slot);
        let select = "SELECT payload FROM journal_chunk \
                      WHERE service = $1 AND partition = $2 AND seq = $3 AND number = $4";
        let values = [
            service.into(),
            partition.into(),
            signed(seq).into(),
            i64::from(number).into(),
        ];
        let rows = self.query(select, values).await?;
        let row = rows
            .first()
            .ok_or_else(|| LogError::no_chunk(slot, seq, number, Some(seq)))?;
        let payload: Vec<u8> = row.try_get_by_index(0).map_err(failed)?;
        Ok(payload.into())
    }

    /// Removes the chunks of a service below a number.
    pub(crate) async fn remove_chunks(&self, owner: Owner, below: u64) -> Result<(), LogError> {
        let delete = "DELETE FROM journal_chunk WHERE service = $1 AND seq < $2";
        let values = [(owner as i16).into(), signed(below).into()];
        self.run(delete, values).await
    }

    /// Writes a snapshot whose chunks are there, and the commit with which it ends, so that the
    /// next one can follow it.
    pub(crate) async fn write_slot(
        &self,
        slot: Slot,
        head: &SnapshotHead,
        epoch: u64,
        commit: &[u8],
    ) -> Result<(), LogError> {
        let (service, partition) = slot_columns(slot);
        let insert = "INSERT INTO journal_snapshot \
                      (service, partition, seq, batch_id, chunks, bytes, payload, create_time) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = [
            service.into(),
            partition.into(),
            signed(head.seq).into(),
            signed(head.batch_id).into(),
            i64::from(head.chunks).into(),
            signed(head.bytes).into(),
            head.payload.to_vec().into(),
            now().into(),
        ];
        self.run(insert, values).await?;
        let place = self.next_places(1).await?.first().copied();
        let insert = "INSERT INTO journal_commit \
                      (service, partition, seq, epoch, batch_id, create_time, payload, place) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = [
            service.into(),
            partition.into(),
            signed(head.seq).into(),
            signed(epoch).into(),
            signed(head.batch_id).into(),
            now().into(),
            pack(commit).to_vec().into(),
            place.unwrap_or(0).into(),
        ];
        self.run(insert, values).await
    }

    /// Writes an entry, with others: call [`Self::flush`] in the end.
    pub(crate) async fn write_entry(
        &mut self,
        row: EntryRow,
        create_time: i64,
    ) -> Result<(), LogError> {
        self.bytes += row.payload.len();
        self.entries.push((PackedEntry::new(row), create_time));
        if self.entries.len() >= REWRITTEN_ROWS || self.bytes >= REWRITTEN_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes the entries that wait for others.
    pub(crate) async fn flush(&mut self) -> Result<(), LogError> {
        const COLUMNS: usize = 15;
        let entries = std::mem::take(&mut self.entries);
        self.bytes = 0;
        if entries.is_empty() {
            return Ok(());
        }
        let mut values = Vec::with_capacity(entries.len() * COLUMNS);
        let mut rows = Vec::with_capacity(entries.len());
        let places = self.next_places(entries.len()).await?;
        for ((entry, create_time), place) in entries.into_iter().zip(places) {
            let at = values.len();
            let row: Vec<String> = (1..=COLUMNS).map(|it| format!("${}", at + it)).collect();
            rows.push(format!("({})", row.join(", ")));
            values.extend(entry.values(create_time));
            values.push(place.into());
        }
        let insert = format!(
            "INSERT INTO journal_entry (stream, partition, writer, seq, span, first_time, last_time, event_count, \
             customers, source, source_first, source_last, create_time, payload, place) VALUES {}",
            rows.join(", ")
        );
        self.execute(&insert, values).await
    }

    /// Takes the next places, in order.
    async fn next_places(&self, count: usize) -> Result<Vec<i64>, LogError> {
        if self.transaction.get_database_backend() == DbBackend::Sqlite {
            let places = take_places(self.transaction, count).await;
            return Ok(places.map_err(failed)?.collect());
        }
        let next = "SELECT nextval('journal_place') FROM generate_series(1, $1)";
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let rows = self.query(next, [count.into()]).await?.into_iter();
        let places: Result<Vec<i64>, _> = rows.map(|row| row.try_get_by_index(0)).collect();
        let mut places = places.map_err(failed)?;
        places.sort_unstable();
        Ok(places)
    }

    async fn run<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<(), LogError> {
        self.execute(sql, values.into()).await
    }

    async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<(), LogError> {
        let backend = self.transaction.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        self.transaction
            .execute_raw(statement)
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn query<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Vec<QueryResult>, LogError> {
        let backend = self.transaction.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        self.transaction
            .query_all_raw(statement)
            .await
            .map_err(failed)
    }
}

/// Rows of the event log of one writer, up to about so many bytes, and one in any case.
const EVENT_ROWS: &str = "SELECT seq, create_time, payload FROM ( \
       SELECT f.seq, f.create_time, f.payload, \
         sum(length(f.payload)) OVER (ORDER BY f.seq) - length(f.payload) AS before \
       FROM (SELECT e.seq, e.create_time, e.payload FROM journal_entry e \
             WHERE e.stream = $1 AND e.partition = $2 AND e.writer = $3 AND e.seq > $4 AND e.span IS NOT NULL \
             ORDER BY e.seq LIMIT 64) f) b \
     WHERE b.before < $5 ORDER BY b.seq";

impl Statements {
    /// Reads rows of the event log of one writer in a stream, after a number.
    pub(crate) async fn event_rows(
        &self,
        stream: StreamId,
        after: Origin,
    ) -> Result<Vec<EventRow>, LogError> {
        let [name, partition] = stream_columns(stream);
        let most = i64::try_from(REWRITTEN_BYTES / 8).unwrap_or(i64::MAX);
        let values = [
            name.into(),
            partition.into(),
            after.writer.number().cast_signed().into(),
            signed(after.seq).into(),
            most.into(),
        ];
        let rows = self.all(EVENT_ROWS, values).await?;
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            let seq: i64 = row.try_get_by_index(0).map_err(failed)?;
            events.push(EventRow {
                seq: unsigned(seq),
                create_time: row.try_get_by_index(1).map_err(failed)?,
                payload: unpack(row.try_get_by_index(2).map_err(failed)?)?,
            });
        }
        Ok(events)
    }

    /// Returns when an entry was written; now, where it is no more.
    pub(crate) async fn create_time(
        &self,
        stream: StreamId,
        origin: Origin,
    ) -> Result<i64, LogError> {
        let [name, partition] = stream_columns(stream);
        let values = [
            name.into(),
            partition.into(),
            origin.writer.number().cast_signed().into(),
            signed(origin.seq).into(),
        ];
        let select = "SELECT create_time FROM journal_entry \
                      WHERE stream = $1 AND partition = $2 AND writer = $3 AND seq = $4";
        let rows = self.all(select, values).await?;
        match rows.first() {
            Some(row) => row.try_get_by_index(0).map_err(failed),
            None => Ok(now()),
        }
    }
}
