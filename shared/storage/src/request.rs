//! Requests that change something, by their id: the same one again gets the first answer, and
//! changes nothing.

use kernel::Timestamp;
use sea_orm::sea_query::{ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

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

/// The turn of one who does a request: when they said last that they are at it.
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
}

impl Requests {
    /// The requests in a migrated database.
    pub const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Begins a request, unless it was seen in the last day.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn begin(
        &self,
        key: RequestKey<'_>,
        body_hash: &[u8],
        now: Timestamp,
    ) -> Result<Begun, StorageError> {
        // The second round follows the removal of a row that counts no more; who loses that race
        // finds a new one.
        for _ in 0..3 {
            if self.insert(key, body_hash, now).await? {
                return Ok(Begun::New(Turn(now)));
            }
            let Some(row) = self.find(key).await? else {
                continue;
            };
            let dead = row.response.is_none()
                && Timestamp::from_millis(row.create_time) + limits::REQUEST_UNDER_WAY <= now;
            if dead || row.expire_time <= now.as_millis() {
                self.remove(&row, now).await?;
                continue;
            }
            return Ok(match row.response {
                _ if row.body_hash != body_hash => Begun::Differs,
                Some(response) => Begun::Answered(response),
                None => Begun::UnderWay,
            });
        }
        Ok(Begun::UnderWay)
    }

    /// Says that a request is still being done. Absent where it was answered, or given to somebody
    /// else, because this was not said for [`limits::REQUEST_UNDER_WAY`].
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn hold(
        &self,
        key: RequestKey<'_>,
        turn: Turn,
        now: Timestamp,
    ) -> Result<Option<Turn>, StorageError> {
        // No turn is renewed to an older one, which another process could have had.
        let now = now.max(turn.0 + kernel::Duration::from_millis(1));
        let held = request::Entity::update_many()
            .col_expr(request::Column::CreateTime, now.as_millis().into())
            .filter(request::Column::RequestId.eq(key.request_id))
            .filter(request::Column::Method.eq(key.method))
            .filter(request::Column::CreateTime.eq(turn.0.as_millis()))
            .filter(request::Column::Response.is_null())
            .exec(self.database.orm())
            .await?;
        Ok((held.rows_affected > 0).then_some(Turn(now)))
    }

    /// Keeps the answer, unless there is one.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn complete(&self, key: RequestKey<'_>, response: &[u8]) -> Result<(), StorageError> {
        request::Entity::update_many()
            .col_expr(request::Column::Response, response.to_vec().into())
            .filter(request::Column::RequestId.eq(key.request_id))
            .filter(request::Column::Method.eq(key.method))
            .filter(request::Column::Response.is_null())
            .exec(self.database.orm())
            .await?;
        Ok(())
    }

    /// Forgets a request that failed, or was given up, so that it can be tried again. One that
    /// somebody else does by now stays.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn abandon(&self, key: RequestKey<'_>, turn: Turn) -> Result<(), StorageError> {
        request::Entity::delete_many()
            .filter(request::Column::RequestId.eq(key.request_id))
            .filter(request::Column::Method.eq(key.method))
            .filter(request::Column::CreateTime.eq(turn.0.as_millis()))
            .filter(request::Column::Response.is_null())
            .exec(self.database.orm())
            .await?;
        Ok(())
    }

    /// Removes what has expired, and returns how many there were. Call it every few minutes.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn clean_up(&self, now: Timestamp) -> Result<u64, StorageError> {
        let done = request::Entity::delete_many()
            .filter(request::Column::ExpireTime.lte(now.as_millis()))
            .exec(self.database.orm())
            .await?;
        Ok(done.rows_affected)
    }

    async fn insert(
        &self,
        key: RequestKey<'_>,
        body_hash: &[u8],
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        let row = request::ActiveModel {
            request_id: Set(key.request_id.to_owned()),
            method: Set(key.method.to_owned()),
            body_hash: Set(body_hash.to_vec()),
            response: Set(None),
            create_time: Set(now.as_millis()),
            expire_time: Set((now + limits::REQUEST_KEPT).as_millis()),
        };
        let inserted = request::Entity::insert(row)
            .on_conflict(
                OnConflict::columns([request::Column::RequestId, request::Column::Method])
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(self.database.orm())
            .await?;
        Ok(inserted > 0)
    }

    async fn find(&self, key: RequestKey<'_>) -> Result<Option<request::Model>, StorageError> {
        let id = (key.request_id.to_owned(), key.method.to_owned());
        Ok(request::Entity::find_by_id(id)
            .one(self.database.orm())
            .await?)
    }

    /// Removes a row that counts no more, unless it was answered meanwhile.
    async fn remove(&self, row: &request::Model, now: Timestamp) -> Result<(), StorageError> {
        let is_expired = request::Column::ExpireTime.lte(now.as_millis());
        request::Entity::delete_many()
            .filter(request::Column::RequestId.eq(&row.request_id))
            .filter(request::Column::Method.eq(&row.method))
            .filter(request::Column::CreateTime.eq(row.create_time))
            .filter(request::Column::Response.is_null().or(is_expired))
            .exec(self.database.orm())
            .await?;
        Ok(())
    }
}
