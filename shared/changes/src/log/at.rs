//! Finds the place of an instant.

use kernel::Timestamp;
use storage::StorageError;

use crate::sql::{query, unsigned};
use crate::{ChangeLog, Position, head};

impl ChangeLog {
    /// Returns the position behind the last row that came before an instant, and before the oldest
    /// row where none did. It is found from the newest row backwards: ask for instants that are not
    /// long ago.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer.
    pub async fn position_at(&self, time: Timestamp) -> Result<Position, StorageError> {
        let sql = "SELECT row_number FROM change_log WHERE append_time < $1 \
                   ORDER BY row_number DESC LIMIT 1";
        let rows = query(self.database.orm(), sql, [time.as_millis().into()]).await?;
        let Some(row) = rows.first() else {
            let head = head::read(self.database.orm()).await?;
            return Ok(Position {
                log: head.id,
                row: head.oldest_row,
                index: 0,
            });
        };
        Ok(Position::behind(self.id, unsigned(row, 0)?))
    }
}
