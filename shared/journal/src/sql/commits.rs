//! Writes commits, and explains why one was not.

use std::collections::HashSet;

use async_trait::async_trait;
use hot::{Origin, Slot, StreamId, Writer};
use sea_orm::sqlx::postgres::{PgArguments, PgRow};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{self, PgPool, Postgres, Row as _};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use storage::Database;
use tokio::time::timeout;

use super::entries::{PackedEntry, bind_entries, insert_entries};
use super::limits::FLUSH;
use super::payload::pack;
use super::place::take_places;
use super::postgres::KeptConnection;
use super::postgres::arguments;
use super::queue::{Row, WriteRows};
use super::statements::{Statements, failed, late, now, signed, slot_columns, unsigned};
use crate::{CommitRow, EntryRow, Journaled, LogError};

/// A commit as its row has it, with the entries that it adds to the event log.
#[derive(Debug)]
pub(super) struct PackedCommit {
    row: CommitRow,
    events: Vec<PackedEntry>,
}

impl PackedCommit {
    pub(super) fn new(mut row: CommitRow) -> Self {
        let origin = Origin {
            writer: Writer::worker(row.slot.owner),
            seq: row.seq,
        };
        let events = row.events.drain(..).map(|(name, payload)| {
            let stream = StreamId {
                name,
                partition: row.slot.partition,
            };
            PackedEntry::new(EntryRow {
                stream,
                origin,
                source: None,
                payload,
            })
        });
        Self {
            events: events.collect(),
            row: CommitRow {
                payload: pack(&row.payload),
                ..row
            },
        }
    }
}

impl Row for PackedCommit {
    fn key(&self) -> impl Ord {
        (self.row.slot, self.row.seq)
    }

    fn bytes(&self) -> usize {
        let events: usize = self.events.iter().map(Row::bytes).sum();
        self.row.payload.len() + events
    }
}

/// The fence and the order of commits, for a row `i` and its lease `l`. The predecessor's epoch is NULL, and the row
/// refused, where there is no predecessor.
macro_rules! follows {
    () => {
        "CASE WHEN i.seq = 1 \
         THEN NOT EXISTS (SELECT 1 FROM journal_snapshot s WHERE s.service = i.service AND s.partition = i.partition) \
         ELSE (SELECT p.epoch FROM journal_commit p \
               WHERE p.service = i.service AND p.partition = i.partition AND p.seq = i.seq - 1) <= i.epoch END \
         ON CONFLICT DO NOTHING "
    };
}

macro_rules! postgres_insert {
    () => {
        concat!(
            "INSERT INTO journal_commit (service, partition, seq, epoch, batch_id, create_time, payload) \
             SELECT i.service, i.partition, i.seq, i.epoch, i.batch_id, $8, i.payload \
             FROM unnest($1::text[], $2::int2[], $3::int4[], $4::int8[], $5::int8[], $6::int8[], $7::bytea[]) \
                  AS i(name, service, partition, seq, epoch, batch_id, payload) \
             JOIN partition_lease l ON l.service = i.name AND l.partition = i.partition AND l.epoch = i.epoch WHERE ",
            follows!(),
            "RETURNING service, partition, seq, batch_id"
        )
    };
}

const POSTGRES_INSERT: &str = postgres_insert!();

/// The same with what the commits add to the event log: only where they are written themselves.
const POSTGRES_INSERT_WITH_EVENTS: &str = concat!(
    "WITH written AS (",
    postgres_insert!(),
    "), events AS ( \
       INSERT INTO journal_entry (stream, partition, writer, seq, span, first_time, last_time, event_count, \
         customers, create_time, payload) \
       SELECT i.stream, i.partition, i.writer, i.seq, i.span, i.first_time, i.last_time, i.event_count, i.customers, \
         $8, i.payload \
       FROM unnest($9::int2[], $10::int2[], $11::int4[], $12::int4[], $13::int8[], $14::int2[], $15::int8[], \
                   $16::int8[], $17::int4[], $18::bytea[], $19::bytea[]) \
            AS i(service, stream, partition, writer, seq, span, first_time, last_time, event_count, customers, payload) \
       JOIN written w ON w.service = i.service AND w.partition = i.partition AND w.seq = i.seq \
       ON CONFLICT DO NOTHING) \
     SELECT service, partition, seq, batch_id FROM written"
);

const SQLITE_INSERT: &str = concat!(
    "INSERT INTO journal_commit (service, partition, seq, epoch, batch_id, create_time, payload, place) \
     SELECT i.service, i.partition, i.seq, i.epoch, i.batch_id, $8, $7, $9 \
     FROM (SELECT $1 AS name, $2 AS service, $3 AS partition, $4 AS seq, $5 AS epoch, $6 AS batch_id) i \
     JOIN partition_lease l ON l.service = i.name AND l.partition = i.partition AND l.epoch = i.epoch WHERE ",
    follows!()
);

/// Writes commits to Postgres.
#[derive(Debug)]
pub(super) struct PostgresCommits {
    statements: Statements,
    connection: KeptConnection,
}

impl PostgresCommits {
    pub(super) const fn new(statements: Statements, pool: PgPool) -> Self {
        Self {
            statements,
            connection: KeptConnection::new(pool),
        }
    }
}

#[async_trait]
impl WriteRows<PackedCommit, Journaled> for PostgresCommits {
    async fn write(
        &mut self,
        rows: &[PackedCommit],
    ) -> Result<Vec<Result<Journaled, LogError>>, LogError> {
        let create_time = now();
        let written = self.connection.run(|| insert(rows, create_time)).await?;
        if written.len() == rows.len() {
            return Ok(rows.iter().map(|_| Ok(Journaled::Written)).collect());
        }
        let written: HashSet<Key> = written
            .iter()
            .map(read_key)
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            outcomes.push(if written.contains(&key(&row.row)) {
                Ok(Journaled::Written)
            } else {
                self.statements.explain(&row.row).await
            });
        }
        Ok(outcomes)
    }
}

/// A commit by what makes it the same one: service, partition, number and name.
type Key = (i16, i32, i64, i64);

fn key(row: &CommitRow) -> Key {
    let (service, partition) = slot_columns(row.slot);
    (service, partition, signed(row.seq), signed(row.batch_id))
}

fn read_key(row: &PgRow) -> Result<Key, sqlx::Error> {
    Ok((
        row.try_get(0)?,
        row.try_get(1)?,
        row.try_get(2)?,
        row.try_get(3)?,
    ))
}

fn insert<'a>(rows: &[PackedCommit], create_time: i64) -> Query<'a, Postgres, PgArguments> {
    let commits = || rows.iter().map(|packed| &packed.row);
    let (services, partitions): (Vec<i16>, Vec<i32>) =
        commits().map(|row| slot_columns(row.slot)).unzip();
    let column =
        |of: fn(&CommitRow) -> u64| -> Vec<i64> { commits().map(|row| signed(of(row))).collect() };
    let names: Vec<&str> = commits().map(|row| row.slot.owner.name()).collect();
    let payloads: Vec<&[u8]> = commits().map(|row| &*row.payload).collect();
    let has_events = rows.iter().any(|packed| !packed.events.is_empty());
    let insert = if has_events {
        POSTGRES_INSERT_WITH_EVENTS
    } else {
        POSTGRES_INSERT
    };
    let query = sqlx::query_with(insert, arguments(rows))
        .bind(names)
        .bind(services)
        .bind(partitions)
        .bind(column(|row| row.seq))
        .bind(column(|row| row.epoch))
        .bind(column(|row| row.batch_id))
        .bind(payloads)
        .bind(create_time);
    if !has_events {
        return query;
    }
    let services = rows.iter().flat_map(|packed| {
        let (service, _) = slot_columns(packed.row.slot);
        packed.events.iter().map(move |_| service)
    });
    let events: Vec<&PackedEntry> = rows.iter().flat_map(|packed| &packed.events).collect();
    bind_entries(query.bind(services.collect::<Vec<i16>>()), &events)
        .bind(events.iter().map(|it| it.payload()).collect::<Vec<_>>())
}

/// Writes commits to SQLite.
#[derive(Debug)]
pub(super) struct SqliteCommits {
    database: Database,
}

impl SqliteCommits {
    pub(super) const fn new(database: Database) -> Self {
        Self { database }
    }

    async fn insert(&self, rows: &[PackedCommit]) -> Result<Vec<bool>, DbErr> {
        let create_time = now();
        let transaction = self.database.begin_write().await?;
        let places = take_places(&transaction, rows.len()).await?;
        let mut written = Vec::with_capacity(rows.len());
        for (packed, place) in rows.iter().zip(places) {
            let row = &packed.row;
            let (service, partition) = slot_columns(row.slot);
            let values = [
                row.slot.owner.name().into(),
                service.into(),
                partition.into(),
                signed(row.seq).into(),
                signed(row.epoch).into(),
                signed(row.batch_id).into(),
                row.payload.to_vec().into(),
                create_time.into(),
                place.into(),
            ];
            let insert = Statement::from_sql_and_values(DbBackend::Sqlite, SQLITE_INSERT, values);
            let is_written = transaction.execute_raw(insert).await?.rows_affected() > 0;
            if is_written {
                insert_entries(&transaction, &packed.events, create_time).await?;
            }
            written.push(is_written);
        }
        transaction.commit().await?;
        Ok(written)
    }
}

#[async_trait]
impl WriteRows<PackedCommit, Journaled> for SqliteCommits {
    async fn write(
        &mut self,
        rows: &[PackedCommit],
    ) -> Result<Vec<Result<Journaled, LogError>>, LogError> {
        let written = timeout(FLUSH, self.insert(rows))
            .await
            .map_err(|_| late(FLUSH))?
            .map_err(failed)?;
        let statements = Statements::new(self.database.clone());
        let mut outcomes = Vec::with_capacity(rows.len());
        for (row, written) in rows.iter().zip(written) {
            outcomes.push(if written {
                Ok(Journaled::Written)
            } else {
                statements.explain(&row.row).await
            });
        }
        Ok(outcomes)
    }
}

const EXPLAIN: &str = "SELECT \
     (SELECT batch_id FROM journal_commit WHERE service = $1 AND partition = $2 AND seq = $3), \
     (SELECT epoch FROM partition_lease WHERE service = $4 AND partition = $2)";

impl Statements {
    /// Why a commit was not written.
    async fn explain(&self, row: &CommitRow) -> Result<Journaled, LogError> {
        let (service, partition) = slot_columns(row.slot);
        let name = row.slot.owner.name();
        let values = [
            service.into(),
            partition.into(),
            signed(row.seq).into(),
            name.into(),
        ];
        let found = self.one(EXPLAIN, values).await?;
        let batch_id: Option<i64> = found.try_get_by_index(0).map_err(failed)?;
        let epoch: Option<i64> = found.try_get_by_index(1).map_err(failed)?;
        if batch_id.map(unsigned) == Some(row.batch_id) {
            return Ok(Journaled::AlreadyWritten);
        }
        Err(refusal(row.slot, row.seq, row.epoch, epoch.map(unsigned)))
    }
}

/// Why a commit that is not in the log was refused, given the epoch of its lease.
fn refusal(slot: Slot, seq: u64, epoch: u64, leased: Option<u64>) -> LogError {
    let partition = slot.partition;
    if leased == Some(epoch) {
        LogError::Gap { partition, seq }
    } else {
        LogError::Fenced { partition, epoch }
    }
}
