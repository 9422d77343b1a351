//! A connection that one writer keeps: no other statement waits in it, and its statements stay prepared.

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgArguments, PgRow};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{Arguments as _, Error, PgPool, Postgres};
use tokio::time::{Instant, timeout_at};

use super::limits::FLUSH;
use super::queue::Row;
use super::statements::{failed, late};
use crate::LogError;

/// Columns that rows have at the most, and the bytes of those of one row beside its payload.
const COLUMNS: usize = 20;
const COLUMN_BYTES: usize = 256;

/// The connection of one writer.
#[derive(Debug)]
pub(super) struct KeptConnection {
    pool: PgPool,
    connection: Option<PoolConnection<Postgres>>,
}

impl KeptConnection {
    pub(super) const fn new(pool: PgPool) -> Self {
        Self {
            pool,
            connection: None,
        }
    }

    /// Runs a statement that may be repeated, and returns its rows. A connection that broke since its last statement is
    /// replaced at once.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    pub(super) async fn run<'a>(
        &mut self,
        make: impl Fn() -> Query<'a, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, LogError> {
        let deadline = Instant::now() + FLUSH;
        if let Some(connection) = self.connection.take() {
            match self.run_on(connection, make(), deadline).await {
                Err(Failed::Broken(_)) => {}
                Err(failure) => return Err(failure.into()),
                Ok(rows) => return Ok(rows),
            }
        }
        let connection = timeout_at(deadline, self.pool.acquire())
            .await
            .map_err(|_| late(FLUSH))?
            .map_err(failed)?;
        Ok(self.run_on(connection, make(), deadline).await?)
    }

    async fn run_on<'a>(
        &mut self,
        mut connection: PoolConnection<Postgres>,
        query: Query<'a, Postgres, PgArguments>,
        deadline: Instant,
    ) -> Result<Vec<PgRow>, Failed> {
        match timeout_at(deadline, query.fetch_all(&mut *connection)).await {
            Ok(Ok(rows)) => {
                self.connection = Some(connection);
                Ok(rows)
            }
            Ok(Err(error)) if error.as_database_error().is_some() => {
                self.connection = Some(connection);
                Err(Failed::Refused(error))
            }
            Ok(Err(error)) => {
                drop(connection.detach());
                Err(Failed::Broken(error))
            }
            Err(_) => {
                // An answer that comes after all is not for the next statement.
                drop(connection.detach());
                Err(Failed::Late)
            }
        }
    }
}

/// Returns empty arguments with room for rows: what grows from less is copied on the way.
pub(super) fn arguments<R: Row>(rows: &[R]) -> PgArguments {
    let bytes = rows.iter().map(|row| row.bytes() + COLUMN_BYTES);
    let mut arguments = PgArguments::default();
    arguments.reserve(COLUMNS, bytes.sum());
    arguments
}

/// Why there are no rows.
enum Failed {
    /// The server said no.
    Refused(Error),
    /// The connection did not carry it.
    Broken(Error),
    /// No answer in time.
    Late,
}

impl From<Failed> for LogError {
    fn from(failure: Failed) -> Self {
        match failure {
            Failed::Refused(error) | Failed::Broken(error) => failed(error),
            Failed::Late => late(FLUSH),
        }
    }
}
