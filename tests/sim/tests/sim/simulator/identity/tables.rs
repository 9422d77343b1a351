//! One process's link to the tables of identity: SQL, as the network shows it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use identity::store::{
    AccountNews, Cause, CommitError, Committed, Found, IdentityStore, MergeRecord, Moment,
    NewMembership, News, SentAs, SentBy, SourceMark, SplitRecord, Tables, TakenMemberships,
};
use identity_core::{Changes, Detail, Identifier};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::DbErr;

use super::{Registry, wait};
use crate::simulator::link::{Link, Lost};
use crate::simulator::world::Place;

/// One process's link to the tables.
#[derive(Debug)]
pub(super) struct TablesLink {
    pub(super) store: IdentityStore,
    pub(super) registry: Arc<Registry>,
    pub(super) link: Arc<Link>,
}

fn lost(_: Lost) -> DbErr {
    DbErr::Custom(Lost.to_string())
}

impl TablesLink {
    /// Makes a call on its way there and back. SQL takes none twice.
    async fn call<T, E>(
        &self,
        is_effect: bool,
        call: impl FnOnce() -> Result<T, E> + Send,
    ) -> Result<T, E>
    where
        T: Send,
        E: From<DbErr> + Send,
    {
        let entered = self.link.enter(Place::Identity, is_effect).await;
        entered.map_err(lost)?;
        let answer = call();
        if is_effect && answer.is_ok() {
            self.link.world.note_change();
        }
        self.link.leave().await.map_err(lost)?;
        answer
    }
}

#[async_trait]
impl Tables for TablesLink {
    /// Several write at once, as over Postgres: each call is taken whole.
    fn has_single_writer(&self) -> bool {
        false
    }

    async fn find(&self, identifiers: &HashSet<&Identifier>) -> Result<Found, DbErr> {
        self.call(false, || wait(self.store.find(identifiers)))
            .await
    }

    async fn find_roots(
        &self,
        fragments: &[FragmentId],
    ) -> Result<(Vec<Option<CustomerId>>, Found), DbErr> {
        self.call(false, || wait(self.store.find_roots(fragments)))
            .await
    }

    async fn find_shared(
        &self,
        identifiers: &[&Identifier],
        found: &mut Found,
    ) -> Result<(), DbErr> {
        self.call(false, || wait(self.store.find_shared(identifiers, found)))
            .await
    }

    async fn find_cannot_links(
        &self,
        customers: &[CustomerId],
    ) -> Result<Vec<(CustomerId, CustomerId)>, DbErr> {
        self.call(false, || wait(self.store.find_cannot_links(customers)))
            .await
    }

    async fn details(
        &self,
        customers: &[CustomerId],
    ) -> Result<HashMap<CustomerId, Detail>, DbErr> {
        self.call(false, || wait(self.store.details(customers)))
            .await
    }

    async fn commit(
        &self,
        changes: &Changes,
        cause: Cause<'_>,
        sent: &SentBy,
    ) -> Result<Committed, CommitError> {
        let write = || {
            self.registry.chance.look_at_clock();
            let committed = wait(self.store.commit(changes, cause, sent));
            let news = committed.as_ref().map_or(&[][..], |it| &it.news);
            self.registry.owed().extend(news.iter().map(News::id));
            self.link.world.tell(format!(
                "{} writes {} identifiers, merges {:?}: {}",
                self.link.name,
                changes.identifiers.len(),
                changes.merges,
                committed.is_ok()
            ));
            committed
        };
        self.call(true, write).await
    }

    async fn merges_sent_as(
        &self,
        sent: &[(SentAs, FragmentId)],
    ) -> Result<Vec<(SentAs, MergeRecord)>, DbErr> {
        self.call(false, || wait(self.store.merges_sent_as(sent)))
            .await
    }

    async fn splits_sent_as(&self, sent: &[SentAs]) -> Result<Vec<(SentAs, SplitRecord)>, DbErr> {
        self.call(false, || wait(self.store.splits_sent_as(sent)))
            .await
    }

    async fn mark_announced(&self, news: &[News]) -> Result<(), DbErr> {
        let mark = || {
            wait(self.store.mark_announced(news))?;
            let mut owed = self.registry.owed();
            for it in news {
                owed.remove(&it.id());
            }
            Ok(())
        };
        self.call(!news.is_empty(), mark).await
    }

    async fn claim_unannounced(&self, now: Timestamp) -> Result<Vec<News>, DbErr> {
        let claim = || {
            // Every process looks all the time, and most of it for nothing.
            if self.registry.is_all_told() {
                return Ok(Vec::new());
            }
            wait(self.store.claim_unannounced(now))
        };
        self.call(false, claim).await
    }

    async fn source_mark(&self, source: &str) -> Result<SourceMark, DbErr> {
        self.call(false, || wait(self.store.source_mark(source)))
            .await
    }

    async fn take_source(&self, source: &str, mark: SourceMark) -> Result<(), DbErr> {
        self.call(true, || wait(self.store.take_source(source, mark)))
            .await
    }

    async fn take_memberships(
        &self,
        memberships: &[NewMembership],
        now: Moment,
    ) -> Result<TakenMemberships, DbErr> {
        self.registry.has_members.store(true, Ordering::Relaxed);
        self.call(true, || wait(self.store.take_memberships(memberships, now)))
            .await
    }

    async fn claim_account_news(&self, now: Moment) -> Result<Vec<AccountNews>, DbErr> {
        // Every process looks all the time, and most of it for nothing.
        if !self.registry.has_members.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        self.call(false, || wait(self.store.claim_account_news(now)))
            .await
    }

    async fn mark_account_news(&self, news: &[AccountNews]) -> Result<(), DbErr> {
        self.call(true, || wait(self.store.mark_account_news(news)))
            .await
    }
}
