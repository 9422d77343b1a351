//! The mark of each ordered source, for as long as the installation lives.

use kernel::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, DbErr, EntityTrait};

use super::entity::source;
use super::{IdentityStore, damaged, signed};

/// The mark of a source: all up to it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceMark {
    /// The highest sequence that was taken with all before it; 0 for none.
    pub sequence: u64,
    /// When the newest entry with an event of the last message was accepted.
    pub accept_time: Timestamp,
}

impl SourceMark {
    /// The mark of a source that was never heard of.
    pub const NONE: Self = Self {
        sequence: 0,
        accept_time: Timestamp::MIN,
    };
}

impl IdentityStore {
    /// Returns how far a source was taken.
    ///
    /// # Errors
    /// As the database says.
    pub async fn source_mark(&self, source: &str) -> Result<SourceMark, DbErr> {
        let row = source::Entity::find_by_id(source.to_owned())
            .one(self.database.orm())
            .await?;
        let Some(row) = row else {
            return Ok(SourceMark::NONE);
        };
        let sequence = u64::try_from(row.mark).map_err(|_| damaged("the mark of a source"))?;
        Ok(SourceMark {
            sequence,
            accept_time: Timestamp::from_millis(row.accept_time),
        })
    }

    /// Keeps how far a source was taken, unless it is further.
    ///
    /// # Errors
    /// As the database says.
    pub async fn take_source(&self, source: &str, mark: SourceMark) -> Result<(), DbErr> {
        let sequence = signed(mark.sequence);
        let row = source::ActiveModel {
            source: Set(source.to_owned()),
            mark: Set(sequence),
            accept_time: Set(mark.accept_time.as_millis()),
        };
        let forward = Expr::col((source::Entity, source::Column::Mark)).lt(sequence);
        source::Entity::insert(row)
            .on_conflict(
                OnConflict::column(source::Column::Source)
                    .update_columns([source::Column::Mark, source::Column::AcceptTime])
                    .action_and_where(forward)
                    .to_owned(),
            )
            .exec_without_returning(self.database.orm())
            .await?;
        Ok(())
    }
}
