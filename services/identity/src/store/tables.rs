//! The seam between those who decide and the tables.

use std::collections::HashSet;
use std::fmt::Debug;

use async_trait::async_trait;
use identity_core::{Changes, Identifier};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::DbErr;

use super::{
    Cause, CommitError, Committed, Found, IdentityStore, MergeRecord, SentAs, SentBy, SourceMark,
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

    /// As [`IdentityStore::mark_announced`].
    ///
    /// # Errors
    /// As the database says.
    async fn mark_announced(&self, merges: &[MergeRecord]) -> Result<(), DbErr>;

    /// As [`IdentityStore::claim_unannounced`].
    ///
    /// # Errors
    /// As the database says.
    async fn claim_unannounced(&self, now: Timestamp) -> Result<Vec<MergeRecord>, DbErr>;

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

    async fn mark_announced(&self, merges: &[MergeRecord]) -> Result<(), DbErr> {
        Self::mark_announced(self, merges).await
    }

    async fn claim_unannounced(&self, now: Timestamp) -> Result<Vec<MergeRecord>, DbErr> {
        Self::claim_unannounced(self, now).await
    }

    async fn source_mark(&self, source: &str) -> Result<SourceMark, DbErr> {
        Self::source_mark(self, source).await
    }

    async fn take_source(&self, source: &str, mark: SourceMark) -> Result<(), DbErr> {
        Self::take_source(self, source, mark).await
    }
}
