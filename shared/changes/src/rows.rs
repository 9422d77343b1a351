//! Rows that are to be written: the changes of commits, in order, divided into rows of a bounded
//! size.

use kernel::Timestamp;
use sea_orm::{DatabaseTransaction, DbErr, Value};

use crate::batch::records;
use crate::body::pack;
use crate::head::Head;
use crate::limits::{INSERTED_ROWS, ROW_BYTES, ROW_CHANGES};
use crate::sql::{execute, signed};

/// A row without its number.
#[derive(Debug)]
pub(crate) struct NewRow {
    body: Vec<u8>,
    changes: u32,
    bytes: usize,
}

/// Fills rows.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    full: Vec<NewRow>,
    bytes: Vec<u8>,
    changes: u32,
}

impl Filling {
    /// Adds the changes of a commit, all of them or none, and returns their number.
    ///
    /// # Errors
    /// The reason why these bytes are no batch of changes.
    pub(crate) fn add(&mut self, batch: &[u8]) -> Result<u32, String> {
        let count = crate::batch::count(batch)?;
        for record in records(batch) {
            let (whole, _) = record?;
            let is_full = self.changes >= ROW_CHANGES || self.bytes.len() + whole.len() > ROW_BYTES;
            if is_full && self.changes > 0 {
                self.close();
            }
            self.bytes.extend_from_slice(whole);
            self.changes += 1;
        }
        Ok(count)
    }

    /// Returns the rows.
    pub(crate) fn finish(mut self) -> Vec<NewRow> {
        if self.changes > 0 {
            self.close();
        }
        self.full
    }

    fn close(&mut self) {
        self.full.push(NewRow {
            body: pack(&self.bytes),
            changes: std::mem::take(&mut self.changes),
            bytes: self.bytes.len(),
        });
        self.bytes.clear();
    }
}

/// Inserts rows behind the head, which the transaction has locked, and moves that on.
pub(crate) async fn append(
    transaction: &DatabaseTransaction,
    head: &mut Head,
    time: Timestamp,
    rows: Vec<NewRow>,
) -> Result<(), DbErr> {
    const COLUMNS: usize = 5;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut values: Vec<Value> = Vec::new();
        let mut places = Vec::new();
        for row in rows.by_ref().take(INSERTED_ROWS) {
            let at = values.len();
            let place: Vec<String> = (1..=COLUMNS).map(|it| format!("${}", at + it)).collect();
            places.push(format!("({})", place.join(", ")));
            values.extend([
                signed(head.next_row).into(),
                time.as_millis().into(),
                i32::try_from(row.changes).unwrap_or(i32::MAX).into(),
                i32::try_from(row.bytes).unwrap_or(i32::MAX).into(),
                row.body.into(),
            ]);
            head.next_row += 1;
            head.changes += u64::from(row.changes);
        }
        let sql = format!(
            "INSERT INTO change_log (row_number, append_time, change_count, byte_count, body) \
             VALUES {}",
            places.join(", ")
        );
        execute(transaction, &sql, values).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use messages::stream::v1::{ChangeBatch, ChangeRecord};
    use prost::Message as _;

    use super::*;

    /// The changes and the bytes of the rows that some batches become.
    fn check(batches: &[(usize, usize)], expected: &[u32]) {
        let mut filling = Filling::default();
        let mut all = Vec::new();
        for (count, bytes) in batches {
            let change = ChangeRecord {
                customer_id: vec![7; *bytes].into(),
                ..ChangeRecord::default()
            };
            let changes = vec![change; *count];
            let batch = ChangeBatch { changes }.encode_to_vec();
            let added = filling.add(&batch).expect("a batch");
            assert_eq!(usize::try_from(added), Ok(*count));
            all.extend(batch);
        }
        let rows = filling.finish();
        let counts: Vec<u32> = rows.iter().map(|row| row.changes).collect();
        assert_eq!(counts, expected);
        let mut read = Vec::new();
        for row in rows {
            let bytes = crate::body::unpack(row.body).expect("readable");
            assert_eq!(bytes.len(), row.bytes);
            assert!(row.changes == 1 || bytes.len() <= ROW_BYTES);
            read.extend(bytes);
        }
        assert_eq!(read, all);
    }

    #[test]
    fn rows_are_full_before_another_begins() {
        check(&[], &[]);
        check(&[(0, 16), (3, 16), (0, 16), (4, 0)], &[7]);
        check(&[(4_000, 16), (4_000, 16), (200, 16)], &[4_096, 4_096, 8]);
        check(&[(3, 100_000), (1, 16)], &[2, 2]);
        check(&[(1, 16), (1, 300_000), (1, 16)], &[1, 1, 1]);
    }

    #[test]
    fn bytes_that_are_no_batch_are_not_added() {
        let mut filling = Filling::default();
        filling.add(&[0x0a, 0]).expect("a batch");
        filling.add(&[0x0a, 0, 0x0a]).expect_err("cut off");
        filling.add(&[0x10, 0]).expect_err("another field");
        let rows = filling.finish();
        assert_eq!((rows.len(), rows[0].changes), (1, 1));
    }
}
