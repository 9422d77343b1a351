//! Rows of PostgreSQL: those that wait together are written in one statement.

use bytes::Bytes;
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{self, Connection as _, Executor as _};
use tokio::sync::{mpsc, oneshot};

use super::serve::Tasks;
use super::{PARTITIONS, STAGES};
use crate::Failure;

/// A payload does not compress, and so stands as that of the journal does.
const CREATE_TABLE: [&str; 2] = [
    "CREATE TABLE floor_row (slot INTEGER, seq BIGINT, payload BYTEA NOT NULL, PRIMARY KEY (slot, seq))",
    "ALTER TABLE floor_row ALTER payload SET STORAGE EXTERNAL",
];
const INSERT: &str = "INSERT INTO floor_row (slot, seq, payload) \
     SELECT * FROM unnest($1::int[], $2::bigint[], $3::bytea[])";
/// Rows that can wait at once: one for each partition of each stage.
const MOST_ROWS: usize = STAGES as usize * PARTITIONS as usize;

/// Creates the table that rows are written to.
pub(super) async fn create_table(database: &str) -> Result<(), Failure> {
    let mut connection = PgConnection::connect(database).await?;
    for statement in CREATE_TABLE {
        connection.execute(statement).await?;
    }
    Ok(())
}

/// The way to the one who writes rows. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Rows(mpsc::UnboundedSender<Row>);

/// A row that waits.
#[derive(Debug)]
struct Row {
    slot: i32,
    seq: i64,
    payload: Bytes,
    written: oneshot::Sender<()>,
}

impl Rows {
    /// Starts the writer.
    pub(super) async fn start(database: &str, tasks: &mut Tasks) -> Result<Self, Failure> {
        let connection = PgConnection::connect(database).await?;
        let (sender, waiting) = mpsc::unbounded_channel();
        tasks.spawn(write(connection, waiting));
        Ok(Self(sender))
    }

    /// Returns once the row is on the disk.
    pub(super) async fn write(&self, slot: u16, seq: u64, payload: Bytes) -> Result<(), Failure> {
        let (written, is_written) = oneshot::channel();
        self.0.send(Row {
            slot: slot.into(),
            seq: seq.try_into()?,
            payload,
            written,
        })?;
        Ok(is_written.await?)
    }
}

async fn write(
    mut connection: PgConnection,
    mut waiting: mpsc::UnboundedReceiver<Row>,
) -> Result<(), Failure> {
    let mut rows = Vec::new();
    while waiting.recv_many(&mut rows, MOST_ROWS).await > 0 {
        let (slots, seqs): (Vec<i32>, Vec<i64>) =
            rows.iter().map(|row: &Row| (row.slot, row.seq)).unzip();
        let payloads: Vec<&[u8]> = rows.iter().map(|row| &*row.payload).collect();
        let insert = sqlx::query(INSERT).bind(slots).bind(seqs).bind(payloads);
        insert.execute(&mut connection).await?;
        for row in rows.drain(..) {
            // Nobody waits any more where the floor is ending.
            let _ = row.written.send(());
        }
    }
    Ok(())
}
