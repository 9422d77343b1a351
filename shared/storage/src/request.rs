//! Requests that change something, by their id: the same one again gets the first answer, and
//! changes nothing.
//!
//! All times are the database's: clocks of processes that differ neither take a request from who is
//! at it, nor keep it for who is dead.

use futures::future::BoxFuture;
use kernel::{Duration, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryResult};

use crate::entity::request;
use crate::{Database, StorageError, limits};

/// Names a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKey<'a> {
    /// The caller's `request_id`.
    pub request_id: &'a str,
    /// The full name of the method.
    pub method: &'a str,
}

/// The turn of one who does a request: when they said last that they are at it, by the database's
/// clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn(Timestamp);

/// The state of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nothing, or somebody died over it: do it, [`Requests::hold`] it meanwhile, then
    /// [`Requests::complete`] or [`Requests::abandon`] it.
    New(Turn),
    /// The same request was answered so.
    Answered(Vec<u8>),
    /// The same request is under way: the caller should try again in a moment.
    UnderWay,
    /// Another request had this id: refuse it.
    Differs,
}

/// The requests that were seen.
#[derive(Debug, Clone)]
pub struct Requests {
    database: Database,
    /// Milliseconds by which the time is taken to be ahead of the database's clock.
    ahead_ms: i64,
}

/// A request that was found.
#[derive(Debug)]
struct Row {
    body_hash: Vec<u8>,
    response: Option<Vec<u8>>,
    create_time: i64,
    /// True where its answer is not kept any more, or nobody has said for long that they are at it.
    is_over: bool,
}

impl Requests {
    /// The requests in a migrated database.
    pub const fn new(database: Database) -> Self {
        Self {
            database,
            ahead_ms: 0,
        }
    }

    /// The same requests at a later time, for tests that do not wait for it.
    #[must_use]
    pub fn later(&self, by: Duration) -> Self {
        Self {
            database: self.database.clone(),
            ahead_ms: self.ahead_ms + by.as_millis(),
        }
    }

    /// Begins a request, unless it was seen in the last day.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub fn begin<'a>(
        &'a self,
        key: RequestKey<'a>,
        body_hash: &'a [u8],
    ) -> BoxFuture<'a, Result<Begun, StorageError>> {
        Box::pin(async move {
            // The second round follows the removal of a row that counts no more; who loses that
            // race finds a new one.
            for _ in 0..3 {
                if let Some(turn) = self.insert(key, body_hash).await? {
                    return Ok(Begun::New(turn));
                }
                let Some(row) = self.find(key).await? else {
                    continue;
                };
                if row.is_over {
                    self.remove(key, &row).await?;
                    continue;
                }
                return Ok(match row.response {
                    _ if row.body_hash != body_hash => Begun::Differs,
                    Some(response) => Begun::Answered(response),
                    None => Begun::UnderWay,
                });
            }
            Ok(Begun::UnderWay)
        })
    }

    /// Says that a request is still being done. Absent where it was answered, or given to somebody
    /// else, because this was not said for [`limits::REQUEST_UNDER_WAY`].
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub fn hold<'a>(
        &'a self,
        key: RequestKey<'a>,
        turn: Turn,
    ) -> BoxFuture<'a, Result<Option<Turn>, StorageError>> {
        Box::pin(async move {
            let now = self.now();
            // No turn is renewed to an older one, which another process could have had.
            let sql = format!(
                "UPDATE request SET create_time = CASE WHEN {now} > $3 THEN {now} ELSE $3 + 1 END \
             WHERE request_id = $1 AND method = $2 AND create_time = $3 AND response IS NULL \
             RETURNING create_time"
            );
            let turn = turn.0.as_millis();
            let values = [key.request_id.into(), key.method.into(), turn.into()];
            let rows = self.database.rows(&sql, values).await?;
            turn_of(rows.first())
        })
    }

    /// Keeps the answer, unless there is one.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub fn complete<'a>(
        &'a self,
        key: RequestKey<'a>,
        response: &'a [u8],
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            request::Entity::update_many()
                .col_expr(request::Column::Response, response.to_vec().into())
                .filter(request::Column::RequestId.eq(key.request_id))
                .filter(request::Column::Method.eq(key.method))
                .filter(request::Column::Response.is_null())
                .exec(self.database.orm())
                .await?;
            Ok(())
        })
    }

    /// Forgets a request that failed, or was given up, so that it can be tried again. One that
    /// somebody else does by now stays.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub fn abandon<'a>(
        &'a self,
        key: RequestKey<'a>,
        turn: Turn,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            request::Entity::delete_many()
                .filter(request::Column::RequestId.eq(key.request_id))
                .filter(request::Column::Method.eq(key.method))
                .filter(request::Column::CreateTime.eq(turn.0.as_millis()))
                .filter(request::Column::Response.is_null())
                .exec(self.database.orm())
                .await?;
            Ok(())
        })
    }

    /// Removes what has expired, and returns how many there were.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub fn clean_up(&self) -> BoxFuture<'_, Result<u64, StorageError>> {
        Box::pin(async move {
            let done = request::Entity::delete_many()
                .filter(Expr::col(request::Column::ExpireTime).lte(Expr::cust(self.now())))
                .exec(self.database.orm())
                .await?;
            Ok(done.rows_affected)
        })
    }

    async fn insert(
        &self,
        key: RequestKey<'_>,
        body_hash: &[u8],
    ) -> Result<Option<Turn>, StorageError> {
        let now = self.now();
        let sql = format!(
            "INSERT INTO request (request_id, method, body_hash, create_time, expire_time) \
             VALUES ($1, $2, $3, {now}, {now} + {}) \
             ON CONFLICT (request_id, method) DO NOTHING RETURNING create_time",
            limits::REQUEST_KEPT.as_millis()
        );
        let values = [
            key.request_id.into(),
            key.method.into(),
            body_hash.to_vec().into(),
        ];
        let rows = self.database.rows(&sql, values).await?;
        turn_of(rows.first())
    }

    async fn find(&self, key: RequestKey<'_>) -> Result<Option<Row>, StorageError> {
        let now = self.now();
        let sql = format!(
            "SELECT body_hash, response, create_time, expire_time <= {now} \
             OR (response IS NULL AND create_time + {} <= {now}) \
             FROM request WHERE request_id = $1 AND method = $2",
            limits::REQUEST_UNDER_WAY.as_millis()
        );
        let values = [key.request_id.into(), key.method.into()];
        let rows = self.database.rows(&sql, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Row {
            body_hash: row.try_get_by_index(0)?,
            response: row.try_get_by_index(1)?,
            create_time: row.try_get_by_index(2)?,
            is_over: row.try_get_by_index(3)?,
        }))
    }

    /// Removes a row that counts no more, unless it was answered meanwhile.
    async fn remove(&self, key: RequestKey<'_>, row: &Row) -> Result<(), StorageError> {
        let is_expired = Expr::col(request::Column::ExpireTime).lte(Expr::cust(self.now()));
        request::Entity::delete_many()
            .filter(request::Column::RequestId.eq(key.request_id))
            .filter(request::Column::Method.eq(key.method))
            .filter(request::Column::CreateTime.eq(row.create_time))
            .filter(request::Column::Response.is_null().or(is_expired))
            .exec(self.database.orm())
            .await?;
        Ok(())
    }

    /// Returns the SQL of the time by which requests go.
    fn now(&self) -> String {
        format!("({} + {})", self.database.now_sql(), self.ahead_ms)
    }
}

/// Reads the turn that a statement gave; none where it changed no row.
fn turn_of(row: Option<&QueryResult>) -> Result<Option<Turn>, StorageError> {
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Turn(Timestamp::from_millis(row.try_get_by_index(0)?))))
}
