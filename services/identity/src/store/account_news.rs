//! Changes of who is a member of what, which the streams are owed.
//!
//! A row is written with the change, and says only of whom there is something to tell. The content
//! is read when the row is claimed: so one row tells of all changes since, and a membership that
//! begins or ends later is told of then.

mod claim;
pub(super) mod moves;
pub(super) mod owe;

use kernel::{CustomerId, Timestamp};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter};
use uuid::Uuid;

use super::entity::{account_move, account_news};
use super::{IdentityStore, Moment};

/// A change of who is a member of an account, to be told to the account and to the customer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountNews {
    /// The row.
    pub id: Uuid,
    /// The number of changes that it tells of.
    pub version: u64,
    /// The customer, by canonical id.
    pub customer: CustomerId,
    /// The account, by canonical id.
    pub account: CustomerId,
    /// The role; empty for none.
    pub role: String,
    /// True where the customer is a member in that role at `time`.
    pub is_member: bool,
    /// True where it is the customer's primary account.
    pub is_primary: bool,
    /// The number of customers who are members of the account.
    pub member_count: u32,
    /// The number of the news among those of the account: greater than that of any earlier one.
    pub number: u64,
    /// The time at which that was so: the time of the record.
    pub time: Timestamp,
    /// True where the customer is told: not where it is erased, or part of another.
    pub tells_customer: bool,
    /// True where the account is told: not where it is erased, or part of another.
    pub tells_account: bool,
    /// True for what is told in bulk, since its change has many.
    pub is_bulk: bool,
    /// The time from which there is something to tell again, since a membership begins or ends
    /// then; absent for none.
    pub next_time: Option<Timestamp>,
}

impl IdentityStore {
    /// Takes news whose announcement is overdue, at most [`crate::limits::ACCOUNT_NEWS_TAKEN`].
    /// Nobody else gets them for [`crate::limits::ANNOUNCE_CLAIM`]. Also brings forward what merges
    /// and unmerges left to be told, some at a time.
    ///
    /// # Errors
    /// As the database says.
    pub async fn claim_account_news(&self, now: Moment) -> Result<Vec<AccountNews>, DbErr> {
        moves::look_through(self, now).await?;
        claim::claim(self, now).await
    }

    /// Notes that news are in the streams. What changed since they were claimed stays owed.
    ///
    /// # Errors
    /// As the database says.
    pub async fn mark_account_news(&self, news: &[AccountNews]) -> Result<(), DbErr> {
        claim::mark(self, news).await
    }
}

/// The number of news that are owed, and of merges and unmerges that are not looked through yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwedNews {
    /// News that are due.
    pub news: u64,
    /// Fragments whose memberships are not looked through yet.
    pub moves: u64,
}

impl IdentityStore {
    /// Counts what is owed.
    ///
    /// # Errors
    /// As the database says.
    pub async fn owed_account_news(&self, at: Timestamp) -> Result<OwedNews, DbErr> {
        let connection = self.database.orm();
        let due = account_news::Column::DueTime.lte(at.as_millis());
        Ok(OwedNews {
            news: account_news::Entity::find()
                .filter(due)
                .count(connection)
                .await?,
            moves: account_move::Entity::find().count(connection).await?,
        })
    }
}
