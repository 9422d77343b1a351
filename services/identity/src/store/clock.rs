//! The virtual clock, kept so that a restart does not set it back.

use kernel::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, DbErr, EntityTrait};

use super::IdentityStore;
use super::entity::clock;

/// The only row.
const ROW: i32 = 1;

impl IdentityStore {
    /// The time that the virtual clock was moved to last.
    ///
    /// # Errors
    /// As the database says.
    pub async fn virtual_time(&self) -> Result<Option<Timestamp>, DbErr> {
        let row = clock::Entity::find_by_id(ROW)
            .one(self.database.orm())
            .await?;
        Ok(row.map(|row| Timestamp::from_millis(row.time)))
    }

    /// Keeps where the virtual clock was moved, unless it is further.
    ///
    /// # Errors
    /// As the database says.
    pub async fn keep_virtual_time(&self, time: Timestamp) -> Result<(), DbErr> {
        let row = clock::ActiveModel {
            id: Set(ROW),
            time: Set(time.as_millis()),
        };
        let forward = Expr::col((clock::Entity, clock::Column::Time)).lt(time.as_millis());
        clock::Entity::insert(row)
            .on_conflict(
                OnConflict::column(clock::Column::Id)
                    .update_column(clock::Column::Time)
                    .action_and_where(forward)
                    .to_owned(),
            )
            .exec_without_returning(self.database.orm())
            .await?;
        Ok(())
    }
}
