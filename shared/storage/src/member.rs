//! Members: the workers of a service that are alive, as placement sees them.

use kernel::{Duration, Timestamp};
use sea_orm::sea_query::{ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use crate::entity::member;
use crate::{LeaseStore, StorageError};

impl LeaseStore {
    /// Says that a worker is alive.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn heartbeat(
        &self,
        service: &str,
        worker: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let row = member::ActiveModel {
            service: Set(service.to_owned()),
            worker: Set(worker.to_owned()),
            expire_time: Set((now + ttl).as_millis()),
        };
        member::Entity::insert(row)
            .on_conflict(
                OnConflict::columns([member::Column::Service, member::Column::Worker])
                    .update_column(member::Column::ExpireTime)
                    .to_owned(),
            )
            .exec_without_returning(self.database.orm())
            .await?;
        Ok(())
    }

    /// The workers of a service that are alive, by name.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn members(
        &self,
        service: &str,
        now: Timestamp,
    ) -> Result<Vec<String>, StorageError> {
        let mut members: Vec<_> = member::Entity::find()
            .filter(member::Column::Service.eq(service))
            .filter(member::Column::ExpireTime.gt(now.as_millis()))
            .all(self.database.orm())
            .await?
            .into_iter()
            .map(|row| row.worker)
            .collect();
        members.sort_unstable();
        Ok(members)
    }

    /// Says that a worker leaves, and forgets those that died long ago.
    ///
    /// # Errors
    /// [`StorageError::Database`].
    pub async fn leave(
        &self,
        service: &str,
        worker: &str,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        member::Entity::delete_many()
            .filter(member::Column::Service.eq(service))
            .filter(
                member::Column::Worker
                    .eq(worker)
                    .or(member::Column::ExpireTime.lt((now - Duration::from_days(1)).as_millis())),
            )
            .exec(self.database.orm())
            .await?;
        Ok(())
    }
}
