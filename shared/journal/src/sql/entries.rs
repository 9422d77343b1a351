//! Writes entries: each once for its stream, writer and number.

use async_trait::async_trait;
use bytes::Bytes;
use hot::{SourceRange, StreamId};
use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{self, PgPool, Postgres};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, Value};
use storage::Database;
use tokio::time::timeout;

use super::limits::FLUSH;
use super::payload::pack;
use super::place::take_places;
use super::postgres::KeptConnection;
use super::postgres::arguments;
use super::queue::{Row, WriteRows};
use super::statements::{failed, late, now, signed};
use crate::events::{EventIndex, is_event_log};
use crate::{EntryRow, LogError};

/// An entry as its row has it.
#[derive(Debug)]
pub(super) struct PackedEntry {
    stream: StreamId,
    writer: i32,
    seq: i64,
    /// Of the streams whose entries are the event log.
    index: Option<EventIndex>,
    source: Option<SourceRange>,
    payload: Bytes,
}

impl PackedEntry {
    pub(super) fn new(row: EntryRow) -> Self {
        let has_events = is_event_log(row.stream.name);
        Self {
            stream: row.stream,
            writer: row.origin.writer.number().cast_signed(),
            seq: signed(row.origin.seq),
            index: has_events.then(|| EventIndex::read(&row.payload)).flatten(),
            source: row.source,
            payload: pack(&row.payload),
        }
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Its columns but for the place, the payload last.
    pub(super) fn values(&self, create_time: i64) -> [Value; 14] {
        let index = self.index.as_ref();
        let source = self.source.as_ref();
        [
            (self.stream.name as i16).into(),
            i32::from(self.stream.partition.number()).into(),
            self.writer.into(),
            self.seq.into(),
            index.map(EventIndex::span).into(),
            index.map(|index| index.first_time).into(),
            index.map(|index| index.last_time).into(),
            index.map(|index| index.count).into(),
            index.map(|index| index.customers.clone()).into(),
            source.map(|range| range.source.to_string()).into(),
            source.map(|range| signed(range.first)).into(),
            source.map(|range| signed(range.last)).into(),
            create_time.into(),
            self.payload.to_vec().into(),
        ]
    }
}

impl Row for PackedEntry {
    fn key(&self) -> impl Ord {
        (self.stream, self.writer, self.seq)
    }

    fn bytes(&self) -> usize {
        let index = self.index.as_ref();
        self.payload.len() + index.map_or(0, |index| index.customers.len())
    }
}

macro_rules! insert_into {
    ($rows:literal) => {
        concat!(
            "INSERT INTO journal_entry (stream, partition, writer, seq, span, first_time, last_time, event_count, \
             customers, source, source_first, source_last, create_time, payload",
            $rows,
            " ON CONFLICT DO NOTHING"
        )
    };
}

const POSTGRES_INSERT: &str = insert_into!(
    ") SELECT stream, partition, writer, seq, span, first_time, last_time, event_count, customers, source, source_first, \
     source_last, $14, payload \
     FROM unnest($1::int2[], $2::int4[], $3::int4[], $4::int8[], $5::int2[], $6::int8[], $7::int8[], $8::int4[], \
                 $9::bytea[], $10::text[], $11::int8[], $12::int8[], $13::bytea[]) \
          AS i(stream, partition, writer, seq, span, first_time, last_time, event_count, customers, source, \
               source_first, source_last, payload)"
);

const SQLITE_INSERT: &str = insert_into!(
    ", place) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
);

/// Writes entries to Postgres.
#[derive(Debug)]
pub(super) struct PostgresEntries {
    connection: KeptConnection,
}

impl PostgresEntries {
    pub(super) const fn new(pool: PgPool) -> Self {
        Self {
            connection: KeptConnection::new(pool),
        }
    }
}

#[async_trait]
impl WriteRows<PackedEntry, ()> for PostgresEntries {
    async fn write(&mut self, rows: &[PackedEntry]) -> Result<Vec<Result<(), LogError>>, LogError> {
        let create_time = now();
        self.connection.run(|| insert(rows, create_time)).await?;
        Ok(rows.iter().map(|_| Ok(())).collect())
    }
}

fn insert<'a>(rows: &[PackedEntry], create_time: i64) -> Query<'a, Postgres, PgArguments> {
    let query = sqlx::query_with(POSTGRES_INSERT, arguments(rows));
    let rows: Vec<&PackedEntry> = rows.iter().collect();
    let source = |of: fn(&SourceRange) -> u64| -> Vec<Option<i64>> {
        let sources = rows.iter().map(|row| row.source.as_ref());
        sources
            .map(|range| range.map(|it| signed(of(it))))
            .collect()
    };
    let names = rows.iter().map(|row| row.source.as_ref());
    let names: Vec<Option<&str>> = names.map(|range| range.map(|it| &*it.source)).collect();
    bind_entries(query, &rows)
        .bind(names)
        .bind(source(|range| range.first))
        .bind(source(|range| range.last))
        .bind(rows.iter().map(|row| row.payload()).collect::<Vec<_>>())
        .bind(create_time)
}

/// Binds what every entry has: stream, partition, writer, number, and the index of the event log.
pub(super) fn bind_entries<'a>(
    query: Query<'a, Postgres, PgArguments>,
    rows: &[&PackedEntry],
) -> Query<'a, Postgres, PgArguments> {
    fn column<'r, T>(rows: &[&'r PackedEntry], of: impl Fn(&'r PackedEntry) -> T) -> Vec<T> {
        rows.iter().map(|row| of(row)).collect()
    }
    let index = |row: &PackedEntry, of: fn(&EventIndex) -> i64| row.index.as_ref().map(of);
    query
        .bind(column(rows, |row| row.stream.name as i16))
        .bind(column(rows, |row| i32::from(row.stream.partition.number())))
        .bind(column(rows, |row| row.writer))
        .bind(column(rows, |row| row.seq))
        .bind(column(rows, |row| row.index.as_ref().map(EventIndex::span)))
        .bind(column(rows, |row| index(row, |index| index.first_time)))
        .bind(column(rows, |row| index(row, |index| index.last_time)))
        .bind(column(rows, |row| {
            row.index.as_ref().map(|index| index.count)
        }))
        .bind(column(rows, |row| {
            row.index.as_ref().map(|index| &*index.customers)
        }))
}

/// Writes entries to SQLite.
#[derive(Debug)]
pub(super) struct SqliteEntries {
    database: Database,
}

impl SqliteEntries {
    pub(super) const fn new(database: Database) -> Self {
        Self { database }
    }

    async fn insert(&self, rows: &[PackedEntry]) -> Result<(), DbErr> {
        let transaction = self.database.begin_write().await?;
        insert_entries(&transaction, rows, now()).await?;
        transaction.commit().await
    }
}

/// Writes entries within a transaction of SQLite.
pub(super) async fn insert_entries(
    transaction: &DatabaseTransaction,
    rows: &[PackedEntry],
    create_time: i64,
) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    let places = take_places(transaction, rows.len()).await?;
    for (row, place) in rows.iter().zip(places) {
        let mut values = row.values(create_time).to_vec();
        values.push(place.into());
        let insert = Statement::from_sql_and_values(DbBackend::Sqlite, SQLITE_INSERT, values);
        transaction.execute_raw(insert).await?;
    }
    Ok(())
}

#[async_trait]
impl WriteRows<PackedEntry, ()> for SqliteEntries {
    async fn write(&mut self, rows: &[PackedEntry]) -> Result<Vec<Result<(), LogError>>, LogError> {
        timeout(FLUSH, self.insert(rows))
            .await
            .map_err(|_| late(FLUSH))?
            .map_err(failed)?;
        Ok(rows.iter().map(|_| Ok(())).collect())
    }
}
