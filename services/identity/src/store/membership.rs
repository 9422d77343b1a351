//! Memberships: customers in accounts.
//!
//! A row names a fragment of a customer and one of an account. Readers join rows by their roots:
//! those of one customer, account, role and source are one membership, so that a merge joins
//! memberships and an unmerge gives them back without a change of any row. Rows of which one ended
//! before the other began are two memberships: whoever comes back begins a new one.

mod forget;
mod put;
mod read;
pub(super) mod rows;
mod take;

pub(super) use self::forget::delete_groups;

use audit::AuditError;
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::DbErr;
use uuid::Uuid;

use super::{AccountNews, IdentityStore};

/// The source of the word that a customer belongs to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MembershipSource {
    /// A call.
    Call = 1,
    /// An event of the customer in the account's context.
    Event = 2,
    /// The domain of the customer's e-mail address.
    Domain = 3,
}

/// The time at which something is written or looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time that memberships are held against: that of the installation, which may be virtual.
    pub at: Timestamp,
    /// The time by the clock of this process, by which announcements are claimed.
    pub own: Timestamp,
}

/// A membership, as people ask for it.
#[derive(Debug, Clone, PartialEq)]
pub struct MembershipRecord {
    /// Its id: that of the row that was written first.
    pub id: Uuid,
    /// The customer, by canonical id.
    pub customer: CustomerId,
    /// The account, by canonical id.
    pub account: CustomerId,
    /// The role; empty for none.
    pub role: String,
    /// The source of it.
    pub source: MembershipSource,
    /// The confidence in it, above 0 up to 1.
    pub confidence: f64,
    /// The time from which it holds.
    pub valid_from: Timestamp,
    /// The time from which it holds no more; absent for no end.
    pub valid_to: Option<Timestamp>,
    /// True where it is the customer's primary one of those that hold at the time asked for; of one
    /// that is asked for by its id, where it was said to be.
    pub is_primary: bool,
}

/// A membership to write, by the word of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MembershipPut<'a> {
    /// A fragment of the customer.
    pub customer: FragmentId,
    /// A fragment of the account.
    pub account: FragmentId,
    /// The role; empty for none.
    pub role: &'a str,
    /// The source of it.
    pub source: MembershipSource,
    /// The confidence in it, above 0 up to 1.
    pub confidence: f64,
    /// The time from which it holds; absent: as it is, or from now on where it is not known.
    pub valid_from: Option<Timestamp>,
    /// The time from which it holds no more; absent for no end.
    pub valid_to: Option<Timestamp>,
    /// True where it is the customer's primary one, and no other is any longer.
    pub is_primary: bool,
}

/// A membership that events or domains say of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewMembership {
    /// The fragment of the customer that acted.
    pub customer: FragmentId,
    /// The fragment of the account that it acted for.
    pub account: FragmentId,
    /// [`MembershipSource::Event`] or [`MembershipSource::Domain`].
    pub source: MembershipSource,
    /// The confidence in it, above 0 up to 1.
    pub confidence: f64,
    /// The time of the event. One before the end of a membership that was ended does not revive it;
    /// a later one begins another.
    pub time: Timestamp,
    /// True where an earlier time moves the beginning of a membership that is known: an import says
    /// so.
    pub lowers: bool,
}

/// A membership that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenMembership {
    /// The membership.
    pub membership: MembershipRecord,
    /// True where it was not known before, or had ended.
    pub is_new: bool,
    /// The news to tell the streams now; claimed for the caller.
    pub news: Vec<AccountNews>,
}

/// A membership that was ended.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedMembership {
    /// The membership.
    pub membership: MembershipRecord,
    /// The pairs of fragments, of the customer and of the account, whose rows were ended: whoever
    /// remembers that they are members forgets it.
    pub pairs: Vec<(FragmentId, FragmentId)>,
    /// The news to tell the streams now; claimed for the caller.
    pub news: Vec<AccountNews>,
}

/// The outcome of [`IdentityStore::take_memberships`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TakenMemberships {
    /// The news to tell the streams now; claimed for the caller.
    pub news: Vec<AccountNews>,
    /// The places of those that were left out, since the customer or the account has as many as may
    /// be.
    pub over_limit: Vec<usize>,
    /// The places of those whose customer or account is not known, or is erased.
    pub unknown: Vec<usize>,
    /// The places of those that were said before the end of a membership, which stays ended.
    pub ended: Vec<usize>,
}

/// The reason for which a membership or a buying group was not written.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Nobody has the fragment of the customer, or it is erased.
    #[error("the customer is not known")]
    NoCustomer,
    /// Nobody has the fragment of the account, or it is erased.
    #[error("the account is not known")]
    NoAccount,
    /// There is no such row.
    #[error("it is not known")]
    NotFound,
    /// The customer has as many memberships as may be.
    #[error("the customer has as many memberships as may be")]
    TooManyOfCustomer,
    /// The account has as many memberships as may be.
    #[error("the account has as many memberships as may be")]
    TooManyOfAccount,
    /// The account has as many buying groups as may be.
    #[error("the account has as many buying groups as may be")]
    TooManyGroups,
    /// It would end before it begins, or at that time.
    #[error("it would end before it begins, which is at {begin}")]
    EndsBeforeBegin {
        /// The time at which it begins.
        begin: Timestamp,
    },
    /// Somebody in a slot is no member of the account now.
    #[error("a customer of a slot is no member of the account")]
    NotMember {
        /// The place of the slot, from 0.
        slot: usize,
        /// The place of the customer in it, from 0.
        customer: usize,
    },
    /// Others changed the customers all the time: retry.
    #[error("the customers were changed at the same time")]
    Raced,
    /// The database did not do it: retry.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// It could not be put on record: retry.
    #[error("the change could not be put on record")]
    Audit(#[from] AuditError),
}

impl IdentityStore {
    /// Writes a membership: in the place of the one of the same customer, account, role and source
    /// that holds at any of its times, and without a beginning of the one that has not ended; else
    /// a new one. One that ended before stays as it is.
    ///
    /// # Errors
    /// [`AccountError`]; nothing was written then, but for [`AccountError::Database`], where it may
    /// have been.
    pub async fn put_membership(
        &self,
        put: MembershipPut<'_>,
        now: Moment,
    ) -> Result<WrittenMembership, AccountError> {
        put::put(self, put, now).await
    }

    /// Ends a membership at a time, or now. One that has ended changes only where a time is given
    /// that is earlier.
    ///
    /// # Errors
    /// [`AccountError`], as [`Self::put_membership`].
    pub async fn end_membership(
        &self,
        id: Uuid,
        end: Option<Timestamp>,
        now: Moment,
    ) -> Result<EndedMembership, AccountError> {
        put::end(self, id, end, now).await
    }

    /// Writes memberships that events and domains say of, all at once. What is known already
    /// changes nothing.
    ///
    /// # Errors
    /// As the database says; nothing was written then, or it may have been.
    pub async fn take_memberships(
        &self,
        memberships: &[NewMembership],
        now: Moment,
    ) -> Result<TakenMemberships, DbErr> {
        take::take(self, memberships, now).await
    }

    /// Returns a membership by its id, or by that of any row that it was joined of.
    ///
    /// # Errors
    /// As the database says.
    pub async fn membership(&self, id: Uuid) -> Result<Option<MembershipRecord>, DbErr> {
        read::one(self, id).await
    }

    /// Lists up to `limit` memberships of an account that hold at a time, by id after one; of a
    /// role, if one is given. The account is given by its canonical id.
    ///
    /// # Errors
    /// As the database says.
    pub async fn members(
        &self,
        account: CustomerId,
        (at, role): (Timestamp, Option<&str>),
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<MembershipRecord>, DbErr> {
        read::of_account(self, account, (at, role), after, limit).await
    }

    /// Lists up to `limit` memberships of a customer that hold at a time, the primary one first and
    /// the others by id, after one, which is given by whether it was primary and by its id. The
    /// customer is given by its canonical id.
    ///
    /// # Errors
    /// As the database says.
    pub async fn memberships(
        &self,
        customer: CustomerId,
        at: Timestamp,
        after: Option<(bool, Uuid)>,
        limit: usize,
    ) -> Result<Vec<MembershipRecord>, DbErr> {
        read::of_customer(self, customer, at, after, limit).await
    }

    /// Deletes up to [`crate::limits::MEMBERSHIPS_FORGOTTEN`] memberships, and places in buying
    /// groups, of erased customers and accounts, given by all of their fragments, and buying groups
    /// of such accounts. The others are owed the news. Returns true once nothing is left: the
    /// caller asks again until then, after the rows of the customers themselves are gone.
    ///
    /// # Errors
    /// As the database says.
    pub async fn forget_memberships(
        &self,
        fragments: &[FragmentId],
        now: Moment,
    ) -> Result<bool, DbErr> {
        forget::forget(self, fragments, now).await
    }
}
