//! One partition of one stage: reads records of the stage before, and writes as many.

use bytes::Bytes;
use prost::Message as _;
use proto::identity::v1::{Event, IngestStreamRequest};
use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, watch};

use super::rows::Rows;
use super::{PARTITIONS, Work};
use crate::Failure;

/// Entries of a stream that are read at once: about as many events as a batch of the engine has
/// customers, where each entry has those of a message of 500 for one of 16 partitions.
const ENTRIES_PER_READ: usize = 8;

/// The stores of all stages, and how much to write to them.
#[derive(Debug, Clone)]
pub(super) struct Writers {
    redis: MultiplexedConnection,
    rows: Rows,
    filler: Bytes,
    state_bytes: usize,
    row_bytes: usize,
}

impl Writers {
    /// Writes with bytes of a filler.
    pub(super) fn new(
        redis: MultiplexedConnection,
        rows: Rows,
        filler: Bytes,
        work: &Work,
    ) -> Self {
        Self {
            redis,
            rows,
            filler,
            state_bytes: work.state_bytes,
            row_bytes: work.row_bytes,
        }
    }
}

/// One partition of one stage.
#[derive(Debug)]
pub(super) struct Stage {
    number: u16,
    partition: u16,
    writers: Writers,
    /// Writes so far.
    written: watch::Sender<u64>,
}

impl Stage {
    /// Names a partition of a stage that has written nothing.
    pub(super) fn new(number: u16, partition: u16, writers: &Writers) -> Self {
        Self {
            number,
            partition,
            writers: writers.clone(),
            written: watch::Sender::new(0),
        }
    }

    /// Tells the next stage how often this one has written.
    pub(super) fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// Writes a row, then a state for each customer and one record. `read_upto` is the last entry
    /// of the stage before that the record is of.
    pub(super) async fn write(
        &mut self,
        customers: &[String],
        record: &[u8],
        read_upto: Option<&str>,
    ) -> Result<(), Failure> {
        let Writers {
            redis,
            rows,
            filler,
            state_bytes,
            row_bytes,
        } = &mut self.writers;
        let (number, partition) = (self.number, self.partition);
        let seq = *self.written.borrow() + 1;
        let row = filler.slice(..customers.len() * *row_bytes);
        rows.write(number * PARTITIONS + partition, seq, row)
            .await?;
        let mut pipeline = redis::pipe();
        pipeline.atomic().cmd("MSET");
        for customer in customers {
            let key = format!("s:{number}:{partition}:{customer}");
            pipeline.arg(key).arg(&filler[..*state_bytes]);
        }
        pipeline.ignore().cmd("XADD").arg(stream(number, partition));
        pipeline.arg("*").arg("p").arg(record).ignore();
        pipeline.cmd("HSET").arg(format!("h:{number}:{partition}"));
        pipeline.arg("seq").arg(seq).arg("read_upto");
        pipeline.arg(read_upto.unwrap_or_default()).ignore();
        if let Some(upto) = read_upto {
            pipeline.cmd("XTRIM").arg(stream(number - 1, partition));
            pipeline.arg("MINID").arg(upto).ignore();
        }
        pipeline.exec_async(redis).await?;
        self.written.send_replace(seq);
        Ok(())
    }

    /// Reads entries of the stage before that come after one of them. Returns their ids and
    /// records.
    async fn read(&mut self, after: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        /// An id, then a field and its value.
        type Entry = (String, (Value, Vec<u8>));
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(ENTRIES_PER_READ).arg("STREAMS");
        read.arg(stream(self.number - 1, self.partition)).arg(after);
        let streams: Option<Vec<(Value, Vec<Entry>)>> =
            read.query_async(&mut self.writers.redis).await?;
        let entries = streams
            .into_iter()
            .flatten()
            .flat_map(|(_, entries)| entries);
        Ok(entries.map(|(id, (_, record))| (id, record)).collect())
    }
}

fn stream(number: u16, partition: u16) -> String {
    format!("x:{number}:{partition}")
}

/// Writes what the stage before wrote, for as long as that one lives. The last stage tells how many
/// events it has written each time.
pub(super) async fn follow(
    mut stage: Stage,
    mut before: watch::Receiver<u64>,
    last: Option<mpsc::UnboundedSender<usize>>,
) -> Result<(), Failure> {
    let (mut read, mut read_upto) = (0, "0".to_owned());
    while before.wait_for(|written| *written > read).await.is_ok() {
        let mut joined = Vec::new();
        for (id, mut record) in stage.read(&read_upto).await? {
            // Messages of one repeated field that follow each other are one message.
            joined.append(&mut record);
            (read, read_upto) = (read + 1, id);
        }
        let events = IngestStreamRequest::decode(&*joined)?.events;
        let customers: Vec<String> = events.into_iter().map(customer_of).collect();
        stage.write(&customers, &joined, Some(&read_upto)).await?;
        if let Some(last) = &last {
            last.send(customers.len())?;
        }
    }
    Ok(())
}

/// Returns the first identifier of an event.
pub(super) fn customer_of(event: Event) -> String {
    let identifiers = event.identifiers.into_values();
    identifiers.min().unwrap_or_default()
}
