//! The seam between those who decide and the tables.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use async_trait::async_trait;
use identity_core::{Changes, Detail, Identifier};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::DbErr;

use super::{
    AccountNews, Cause, CommitError, Committed, Found, IdentityStore, MergeRecord, Moment,
    NewMembership, News, SentAs, SentBy, SourceMark, SplitRecord, TakenMemberships,
};

/// The tables, as resolution and the announcement of merges use them.
///
/// # Contract
/// All of a commit is written, or nothing; where its caller learns of neither, either may have
/// happened.
#[async_trait]
pub trait Tables: Debug + Send + Sync + 'static {
    /// Returns whether writers exclude each other.
    fn has_single_writer(&self) -> bool;

    /// As [`IdentityStore::find`].
    ///
    /// # Errors
    /// As the database says.
    async fn find(&self, identifiers: &HashSet<&Identifier>) -> Result<Found, DbErr>;

    /// As [`IdentityStore::find_roots`].
    ///
    /// # Errors
    /// As the database says.
    async fn find_roots(
        &self,
        fragments: &[FragmentId],
    ) -> Result<(Vec<Option<CustomerId>>, Found), DbErr>;

    /// As [`IdentityStore::find_shared`].
    ///
    /// # Errors
    /// As the database says.
    async fn find_shared(
        &self,
        identifiers: &[&Identifier],
        found: &mut Found,
    ) -> Result<(), DbErr>;

    /// As [`IdentityStore::find_cannot_links`].
    ///
    /// # Errors
    /// As the database says.
    async fn find_cannot_links(
        &self,
        customers: &[CustomerId],
    ) -> Result<Vec<(CustomerId, CustomerId)>, DbErr>;

    /// As [`IdentityStore::details`].
    ///
    /// # Errors
    /// As the database says.
    async fn details(&self, customers: &[CustomerId])
    -> Result<HashMap<CustomerId, Detail>, DbErr>;

    /// As [`IdentityStore::commit`].
    ///
    /// # Errors
    /// [`CommitError`].
    async fn commit(
        &self,
        changes: &Changes,
        cause: Cause<'_>,
        sent: &SentBy,
    ) -> Result<Committed, CommitError>;

    /// As [`IdentityStore::merges_sent_as`].
    ///
    /// # Errors
    /// As the database says.
    async fn merges_sent_as(
        &self,
        sent: &[(SentAs, FragmentId)],
    ) -> Result<Vec<(SentAs, MergeRecord)>, DbErr>;

    /// As [`IdentityStore::splits_sent_as`].
    ///
    /// # Errors
    /// As the database says.
    async fn splits_sent_as(&self, sent: &[SentAs]) -> Result<Vec<(SentAs, SplitRecord)>, DbErr>;

    /// As [`IdentityStore::mark_announced`].
    ///
    /// # Errors
    /// As the database says.
    async fn mark_announced(&self, news: &[News]) -> Result<(), DbErr>;

    /// As [`IdentityStore::claim_unannounced`].
    ///
    /// # Errors
    /// As the database says.
    async fn claim_unannounced(&self, now: Timestamp) -> Result<Vec<News>, DbErr>;

    /// As [`IdentityStore::source_mark`].
    ///
    /// # Errors
    /// As the database says.
    async fn source_mark(&self, source: &str) -> Result<SourceMark, DbErr>;

    /// As [`IdentityStore::take_source`].
    ///
    /// # Errors
    /// As the database says.
    async fn take_source(&self, source: &str, mark: SourceMark) -> Result<(), DbErr>;

    /// As [`IdentityStore::take_memberships`].
    ///
    /// # Errors
    /// As the database says.
    async fn take_memberships(
        &self,
        memberships: &[NewMembership],
        now: Moment,
    ) -> Result<TakenMemberships, DbErr>;

    /// As [`IdentityStore::claim_account_news`].
    ///
    /// # Errors
    /// As the database says.
    async fn claim_account_news(&self, now: Moment) -> Result<Vec<AccountNews>, DbErr>;

    /// As [`IdentityStore::mark_account_news`].
    ///
    /// # Errors
    /// As the database says.
    async fn mark_account_news(&self, news: &[AccountNews]) -> Result<(), DbErr>;
}

#[async_trait]
impl Tables for IdentityStore {
    fn has_single_writer(&self) -> bool {
        Self::has_single_writer(self)
    }

    async fn find(&self, identifiers: &HashSet<&Identifier>) -> Result<Found, DbErr> {
        Self::find(self, identifiers).await
    }

    async fn find_roots(
        &self,
        fragments: &[FragmentId],
    ) -> Result<(Vec<Option<CustomerId>>, Found), DbErr> {
        Self::find_roots(self, fragments).await
    }

    async fn find_shared(
        &self,
        identifiers: &[&Identifier],
        found: &mut Found,
    ) -> Result<(), DbErr> {
        Self::find_shared(self, identifiers, found).await
    }

    async fn find_cannot_links(
        &self,
        customers: &[CustomerId],
    ) -> Result<Vec<(CustomerId, CustomerId)>, DbErr> {
        Self::find_cannot_links(self, customers).await
    }

    async fn details(
        &self,
        customers: &[CustomerId],
    ) -> Result<HashMap<CustomerId, Detail>, DbErr> {
        Self::details(self, customers).await
    }

    async fn commit(
        &self,
        changes: &Changes,
        cause: Cause<'_>,
        sent: &SentBy,
    ) -> Result<Committed, CommitError> {
        Self::commit(self, changes, cause, sent).await
    }

    async fn merges_sent_as(
        &self,
        sent: &[(SentAs, FragmentId)],
    ) -> Result<Vec<(SentAs, MergeRecord)>, DbErr> {
        Self::merges_sent_as(self, sent).await
    }

    async fn splits_sent_as(&self, sent: &[SentAs]) -> Result<Vec<(SentAs, SplitRecord)>, DbErr> {
        Self::splits_sent_as(self, sent).await
    }

    async fn mark_announced(&self, news: &[News]) -> Result<(), DbErr> {
        Self::mark_announced(self, news).await
    }

    async fn claim_unannounced(&self, now: Timestamp) -> Result<Vec<News>, DbErr> {
        Self::claim_unannounced(self, now).await
    }

    async fn source_mark(&self, source: &str) -> Result<SourceMark, DbErr> {
        Self::source_mark(self, source).await
    }

    async fn take_source(&self, source: &str, mark: SourceMark) -> Result<(), DbErr> {
        Self::take_source(self, source, mark).await
    }
    async fn take_memberships(
        &self,
        memberships: &[NewMembership],
        now: Moment,
    ) -> Result<TakenMemberships, DbErr> {
        Self::take_memberships(self, memberships, now).await
    }

    async fn claim_account_news(&self, now: Moment) -> Result<Vec<AccountNews>, DbErr> {
        Self::claim_account_news(self, now).await
    }

    async fn mark_account_news(&self, news: &[AccountNews]) -> Result<(), DbErr> {
        Self::mark_account_news(self, news).await
    }
}
