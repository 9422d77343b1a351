//! A log in memory, whose rows the tests write, remove and take back.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use ::changes::{Extent, LogBatch, Position, ReadError};
use kernel::Timestamp;
use proto::stream::v1::change_record::Kind;
use proto::stream::v1::{ChangeRecord, SegmentChange};
use storage::StorageError;

use super::super::source::ChangeSource;

/// The name of the log.
pub(super) const NAME: u64 = 0xfeed;

/// A log in memory.
#[derive(Debug)]
pub(super) struct Log {
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    /// The number of the row before the oldest one that is kept.
    removed: u64,
    kept: Vec<LogBatch>,
    /// Rows that a page has.
    page: usize,
    /// Calls so far.
    reads: u64,
    asks: u64,
}

impl Rows {
    fn newest(&self) -> u64 {
        self.removed + self.kept.len() as u64
    }
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            rows: Mutex::new(Rows {
                page: 3,
                ..Rows::default()
            }),
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().expect("whole")
    }

    /// Writes a row of changes, each of the customer with its number.
    pub(super) fn write(&self, numbers: Range<u32>) {
        let mut rows = self.rows();
        let row = rows.newest() + 1;
        rows.kept.push(LogBatch {
            row,
            time: Timestamp::from_millis(0),
            changes: numbers.map(change).collect(),
        });
    }

    /// Removes the oldest rows.
    pub(super) fn prune(&self, count: usize) {
        let mut rows = self.rows();
        rows.kept.drain(..count);
        rows.removed += count as u64;
    }

    /// Takes the newest rows back, as a restored database does.
    pub(super) fn restore(&self, count: usize) {
        let mut rows = self.rows();
        let left = rows.kept.len() - count;
        rows.kept.truncate(left);
    }

    /// Leaves nothing of the changes of a row.
    pub(super) fn erase(&self, place: usize) {
        let mut rows = self.rows();
        rows.kept[place].changes.fill(ChangeRecord::default());
    }

    /// The number of pages that were read so far.
    pub(super) fn reads(&self) -> u64 {
        self.rows().reads
    }

    /// The number of times that it was asked for its newest row so far.
    pub(super) fn asks(&self) -> u64 {
        self.rows().asks
    }
}

/// A change of the customer with a number.
fn change(number: u32) -> ChangeRecord {
    ChangeRecord {
        customer_id: uuid::Uuid::from_u128(number.into())
            .into_bytes()
            .to_vec()
            .into(),
        time_ms: i64::from(number),
        kind: Some(Kind::Membership(SegmentChange {
            segment: if number.is_multiple_of(2) {
                "even"
            } else {
                "odd"
            }
            .to_owned(),
            ..SegmentChange::default()
        })),
    }
}

#[tonic::async_trait]
impl ChangeSource for Log {
    async fn extent(&self) -> Result<Extent, StorageError> {
        let rows = self.rows();
        let behind = |row| Position {
            log: NAME,
            row: row + 1,
            index: 0,
        };
        Ok(Extent {
            oldest: behind(rows.removed),
            newest: behind(rows.newest()),
            oldest_time: rows.kept.first().map(|row| row.time),
            changes: rows.kept.iter().map(|row| row.changes.len() as u64).sum(),
        })
    }

    async fn newest_row(&self) -> Result<u64, StorageError> {
        let mut rows = self.rows();
        rows.asks += 1;
        Ok(rows.newest())
    }

    async fn position_at(&self, _: Timestamp) -> Result<Position, StorageError> {
        Ok(self.extent().await?.newest)
    }

    async fn read(&self, after: Position) -> Result<Vec<LogBatch>, ReadError> {
        let mut rows = self.rows();
        rows.reads += 1;
        if after.log != NAME {
            return Err(ReadError::OtherLog);
        }
        if after.row <= rows.removed {
            return Err(ReadError::TooOld);
        }
        if after.row > rows.newest() + 1 {
            return Err(ReadError::TooNew);
        }
        let place = usize::try_from(after.row - rows.removed - 1).expect("few rows");
        let page = rows.kept.iter().skip(place).take(rows.page);
        Ok(page.cloned().collect())
    }
}
