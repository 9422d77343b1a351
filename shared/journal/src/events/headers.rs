//! Looks at rows of the event log without unpacking them, and reads those that are wanted.

use std::fmt::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;
use kernel::Timestamp;
use sea_orm::{DbErr, QueryResult, Value};

use super::index::{SPAN_COUNT, longest};
use super::limits::{HEADERS, ROWS};
use super::place::RowKey;
use crate::LogError;
use crate::sql::{Statements, failed, signed, unpack, unsigned};

/// A row without its events.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) key: RowKey,
    /// The hashes of its customers.
    pub(crate) customers: Vec<u8>,
    /// Bytes of its payload, packed.
    pub(crate) bytes: u64,
}

/// A row with its events.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: RowKey,
    /// When it was logged, by the clock of the process that did.
    pub(crate) accept_time: Timestamp,
    /// The batch of records, unpacked.
    pub(crate) payload: Bytes,
}

/// Which rows of a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderQuery {
    pub(crate) partition: u16,
    /// Rows after this one, in the order of all partitions, and this one itself where its events are not all done with.
    pub(crate) after: Option<(RowKey, bool)>,
    /// With events at or after this time.
    pub(crate) from: i64,
    /// And before this one.
    pub(crate) to: i64,
}

/// One look for each class of rows, since each begins its own time before `from`.
static SELECT_HEADERS: LazyLock<String> = LazyLock::new(|| {
    let mut looks = String::new();
    for span in 0..SPAN_COUNT {
        let or = if span == 0 { "" } else { " UNION ALL " };
        let low = 9 + span;
        let _infallible = write!(
            looks,
            "{or}SELECT * FROM (SELECT stream, writer, seq, first_time, customers, length(payload) AS bytes \
               FROM journal_entry WHERE partition = $1 AND span = {span} AND first_time >= ${low} AND first_time < $2 \
               AND last_time >= $3 AND (first_time, stream, writer, seq) > ($4, $5, $6, $7) \
               ORDER BY first_time, stream, writer, seq LIMIT $8) s{span}"
        );
    }
    format!("SELECT * FROM ({looks}) u ORDER BY first_time, stream, writer, seq LIMIT $8")
});

/// So many rows, by number of argument; fewer are asked for by naming one again.
static SELECT_ROWS: LazyLock<String> = LazyLock::new(|| {
    let rows: Vec<String> = (0..ROWS)
        .map(|row| {
            let at = row * 4;
            format!("(${}, ${}, ${}, ${})", at + 1, at + 2, at + 3, at + 4)
        })
        .collect();
    format!(
        "SELECT stream, partition, writer, seq, first_time, payload, create_time FROM journal_entry \
         WHERE span IS NOT NULL AND (stream, partition, writer, seq) IN ({})",
        rows.join(", ")
    )
});

impl Statements {
    /// Up to [`HEADERS`] rows, in order.
    pub(crate) async fn headers(&self, query: HeaderQuery) -> Result<Vec<Header>, LogError> {
        let (first_time, stream, writer, seq) = after(query);
        let mut values: Vec<Value> = vec![
            i32::from(query.partition).into(),
            query.to.into(),
            query.from.into(),
            first_time.into(),
            stream.into(),
            writer.into(),
            seq.into(),
            i64::try_from(HEADERS).unwrap_or(i64::MAX).into(),
        ];
        for span in 0..SPAN_COUNT {
            let low = longest(span).map_or(i64::MIN, |longest| query.from.saturating_sub(longest));
            values.push(low.into());
        }
        let rows = self.all(&SELECT_HEADERS, values).await?;
        let read = |row: &QueryResult| read_header(row, query.partition).map_err(failed);
        rows.iter().map(read).collect()
    }

    /// Up to [`ROWS`] rows, in any order, but for those that were removed since they were looked
    /// at.
    pub(crate) async fn rows(&self, keys: &[RowKey]) -> Result<Vec<Row>, LogError> {
        let Some(last) = keys.last() else {
            return Ok(Vec::new());
        };
        let padded = keys.iter().chain(std::iter::repeat(last)).take(ROWS);
        let values: Vec<Value> = padded
            .flat_map(|key| -> [Value; 4] {
                [
                    key.stream.into(),
                    i32::from(key.partition).into(),
                    key.writer.cast_signed().into(),
                    signed(key.seq).into(),
                ]
            })
            .collect();
        let mut rows = Vec::with_capacity(keys.len());
        for row in self.all(&SELECT_ROWS, values).await? {
            let (key, accept_time, payload) = read_row(&row).map_err(failed)?;
            rows.push(Row {
                key,
                accept_time,
                payload: unpack(payload)?,
            });
        }
        Ok(rows)
    }
}

/// What the rows of a partition are after. Rows of the same time are in the order of their partitions.
fn after(query: HeaderQuery) -> (i64, i16, i32, i64) {
    match query.after {
        None => (i64::MIN, -1, -1, -1),
        Some((row, _)) if query.partition > row.partition => (row.first_time, -1, -1, -1),
        Some((row, _)) if query.partition < row.partition => {
            (row.first_time, i16::MAX, i32::MAX, i64::MAX)
        }
        Some((row, is_done)) => {
            // A place comes back from outside: it may name what no row has.
            let seq = signed(row.seq).saturating_sub(i64::from(!is_done));
            (row.first_time, row.stream, row.writer.cast_signed(), seq)
        }
    }
}

fn read_header(row: &QueryResult, partition: u16) -> Result<Header, DbErr> {
    let writer: i32 = row.try_get_by_index(1)?;
    let seq: i64 = row.try_get_by_index(2)?;
    let bytes: i32 = row.try_get_by_index(5)?;
    Ok(Header {
        key: RowKey {
            first_time: row.try_get_by_index(3)?,
            partition,
            stream: row.try_get_by_index(0)?,
            writer: writer.cast_unsigned(),
            seq: unsigned(seq),
        },
        customers: row.try_get_by_index(4)?,
        bytes: u64::from(bytes.unsigned_abs()),
    })
}

fn read_row(row: &QueryResult) -> Result<(RowKey, Timestamp, Vec<u8>), DbErr> {
    let partition: i32 = row.try_get_by_index(1)?;
    let writer: i32 = row.try_get_by_index(2)?;
    let seq: i64 = row.try_get_by_index(3)?;
    let key = RowKey {
        first_time: row.try_get_by_index(4)?,
        partition: u16::try_from(partition)
            .map_err(|_| DbErr::Type(format!("{partition} is no partition")))?,
        stream: row.try_get_by_index(0)?,
        writer: writer.cast_unsigned(),
        seq: unsigned(seq),
    };
    let accept_time = Timestamp::from_millis(row.try_get_by_index(6)?);
    Ok((key, accept_time, row.try_get_by_index(5)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_after_any_place() {
        let row = |seq| RowKey {
            first_time: 5,
            partition: 2,
            stream: 1,
            writer: 3,
            seq,
        };
        let query = |partition, seq, is_done| HeaderQuery {
            partition,
            after: Some((row(seq), is_done)),
            from: 0,
            to: 9,
        };
        for (query, expected) in [
            (query(3, 7, true), (5, -1, -1, -1)),
            (query(1, 7, true), (5, i16::MAX, i32::MAX, i64::MAX)),
            (query(2, 7, true), (5, 1, 3, 7)),
            (query(2, 7, false), (5, 1, 3, 6)),
            (query(2, 1 << 63, false), (5, 1, 3, i64::MIN)),
        ] {
            assert_eq!(after(query), expected, "{query:?}");
        }
    }
}
