//! The log in SQL: SQLite for one machine, Postgres for several.
//!
//! What all partitions of a process append at the same time is written by one statement (on SQLite:
//! in one transaction), and acknowledged when the database has it. It does not decide when to cut
//! or to make snapshots, and changes no row but the last of a writer, which loses what it held.
//!
//! # Why no row is locked
//! A commit is refused unless, as its statement sees the database, the lease of its slot has its
//! epoch and the commit before it is there with an epoch that is not higher. A lease that is taken
//! over while the statement runs is not seen, so a worker that has just lost its lease can still
//! add a row. That is harmless:
//! - The primary key (service, partition, seq) lets one commit of a number in, whatever the
//!   statements saw. The zombie's row follows the last one that it knew, so it is either the next
//!   row of the slot or refused.
//! - It adds at most one: its next statement begins after this one was answered, and sees the
//!   lease.
//! - The new owner either finds the row when it opens the partition, and applies it before it does
//!   anything else; or its own commit of that number is refused, and it opens the partition again.
//!   Nothing was acknowledged in between.
//! - The epochs of a slot never fall: a commit whose predecessor it cannot see is refused, and one
//!   whose predecessor has a higher epoch as well. The last commit of a slot is never cut, so there
//!   is always one to compare with.
//!
//! The rows that are cut are older than any statement can be, so that none sees a slot as it was
//! before the cut.

mod commits;
mod cut;
mod entries;
mod erase;
mod limits;
mod migration;
mod payload;
mod place;
mod postgres;
mod queue;
mod read;
mod rewrite;
mod snapshots;
mod statements;

use futures::future::BoxFuture;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use hot::{Origin, Slot, StreamId, Writer};
use kernel::{PartitionId, Timestamp};
use sea_orm::DbBackend;
use storage::{Database, StorageError};

use self::commits::{PackedCommit, PostgresCommits, SqliteCommits};
use self::entries::{PackedEntry, PostgresEntries, SqliteEntries};
pub(crate) use self::erase::{ErasableHeader, Rewritten, RowPlace};
pub use self::migration::MIGRATIONS;
pub(crate) use self::payload::unpack;
use self::queue::Queue;
pub(crate) use self::rewrite::{EventRow, Rewrite, TABLES};
pub(crate) use self::statements::{Statements, failed, signed, unsigned};
use crate::metrics::{self, Row};
use crate::{CommitRow, Cut, EntryRow, Journaled, Log, LogError, LogHead, Placed, SnapshotHead};

/// The name of the chain of migrations.
const OWNER: &str = "journal";

/// The log in SQL. One for each process, so that what its partitions append is written together.
#[derive(Debug)]
pub struct SqlLog {
    statements: Statements,
    commits: Queue<PackedCommit, Journaled>,
    entries: Queue<PackedEntry, ()>,
}

impl SqlLog {
    /// Brings the tables up to date.
    pub(crate) async fn migrate(database: &Database) -> Result<(), StorageError> {
        database.migrate(OWNER, MIGRATIONS).await
    }

    /// Opens the log: brings its tables up to date, and starts the tasks that write. They end when
    /// it is dropped.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer.
    pub fn open(database: Database) -> BoxFuture<'static, Result<Self, StorageError>> {
        Box::pin(async move {
            Self::migrate(&database).await?;
            let statements = Statements::new(database.apart(limits::READERS));
            let (commits, entries) = if database.orm().get_database_backend() == DbBackend::Postgres
            {
                let pool = database.orm().get_postgres_connection_pool();
                (
                    Queue::start(
                        (0..limits::FLUSHES_IN_FLIGHT)
                            .map(|_| PostgresCommits::new(statements.clone(), pool.clone())),
                    ),
                    Queue::start(
                        (0..limits::FLUSHES_IN_FLIGHT).map(|_| PostgresEntries::new(pool.clone())),
                    ),
                )
            } else {
                // SQLite has one writer: another would only wait.
                (
                    Queue::start([SqliteCommits::new(database.clone())]),
                    Queue::start([SqliteEntries::new(database)]),
                )
            };
            Ok(Self {
                statements,
                commits,
                entries,
            })
        })
    }
}

#[async_trait]
impl Log for SqlLog {
    async fn register(&self, worker: &str) -> Result<Writer, LogError> {
        let insert =
            "INSERT INTO journal_writer (worker, create_time) VALUES ($1, $2) RETURNING id";
        let values = [worker.into(), statements::now().into()];
        let row = self.statements.one(insert, values).await?;
        let id: i32 = row.try_get_by_index(0).map_err(failed)?;
        let number = u32::try_from(id)
            .map_err(|_| LogError::Damaged(format!("a writer has the number {id}")))?;
        Ok(Writer::process(number))
    }

    async fn append_commit(&self, row: CommitRow) -> Result<Journaled, LogError> {
        let begun = Instant::now();
        let written = self.commits.write(PackedCommit::new(row)).await;
        metrics::appended(Row::Commit, written.is_ok(), begun.elapsed());
        written
    }

    async fn fence(&self, partition: PartitionId, raise: u64) -> Result<(), LogError> {
        self.statements.fence(partition, raise).await
    }

    async fn append_entry(&self, row: EntryRow) -> Result<(), LogError> {
        let begun = Instant::now();
        let written = self.entries.write(PackedEntry::new(row)).await;
        metrics::appended(Row::Entry, written.is_ok(), begun.elapsed());
        written
    }

    async fn head(&self, slot: Slot) -> Result<LogHead, LogError> {
        self.statements.head(slot).await
    }

    async fn commits(
        &self,
        slot: Slot,
        after: u64,
        max_bytes: usize,
    ) -> Result<Vec<Placed<CommitRow>>, LogError> {
        self.statements.commits(slot, after, max_bytes).await
    }

    async fn last_entries(&self, stream: StreamId) -> Result<Vec<Origin>, LogError> {
        self.statements.last_entries(stream).await
    }

    async fn entries(
        &self,
        stream: StreamId,
        after: Origin,
        max_bytes: usize,
    ) -> Result<Vec<Placed<EntryRow>>, LogError> {
        self.statements.entries(stream, after, max_bytes).await
    }

    async fn snapshot(&self, slot: Slot) -> Result<Option<SnapshotHead>, LogError> {
        self.statements.snapshot(slot).await
    }

    async fn read_chunk(&self, slot: Slot, seq: u64, number: u32) -> Result<Bytes, LogError> {
        self.statements.read_chunk(slot, seq, number).await
    }

    async fn write_chunk(
        &self,
        slot: Slot,
        seq: u64,
        number: u32,
        payload: Bytes,
    ) -> Result<(), LogError> {
        self.statements
            .write_chunk(slot, seq, number, payload)
            .await
    }

    async fn publish_snapshot(
        &self,
        slot: Slot,
        head: SnapshotHead,
        replaces: u64,
    ) -> Result<bool, LogError> {
        self.statements.publish_snapshot(slot, head, replaces).await
    }

    async fn cut_commits(
        &self,
        slot: Slot,
        seq: u64,
        written_before: Timestamp,
    ) -> Result<u64, LogError> {
        self.statements.cut_commits(slot, seq, written_before).await
    }

    async fn cut_entries(
        &self,
        stream: StreamId,
        upto: Origin,
        written_before: Timestamp,
    ) -> Result<Cut, LogError> {
        self.statements
            .cut_entries(stream, upto, written_before)
            .await
    }
}
