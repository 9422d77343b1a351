//! News of who is who that the streams are owed: merges and splits.
//!
//! They are written before their records are appended. Where the process dies in between, another
//! look finds them.

use kernel::{CustomerId, Timestamp};
use sea_orm::DbErr;
use uuid::Uuid;

use super::{IdentityStore, MergeRecord, SplitRecord};

/// News for customers of one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// One was joined into another.
    Merge(MergeRecord),
    /// One came out of another.
    Split(SplitRecord),
}

impl News {
    /// Its id: news are told in the order of their ids.
    pub const fn id(&self) -> Uuid {
        match self {
            Self::Merge(merge) => merge.id,
            Self::Split(split) => split.id,
        }
    }

    /// The customers that it is about: the one who is told to leave or to come back, and the other.
    pub const fn customers(&self) -> [CustomerId; 2] {
        match self {
            Self::Merge(merge) => [merge.from, merge.into],
            Self::Split(split) => [split.customer, split.from],
        }
    }

    /// The graph epoch: see [`MergeRecord`].
    pub const fn graph_epoch(&self) -> u64 {
        match self {
            Self::Merge(merge) => merge.graph_epoch,
            Self::Split(split) => split.graph_epoch,
        }
    }

    /// The merge that it is, if it is one.
    pub const fn merge(&self) -> Option<MergeRecord> {
        match self {
            Self::Merge(merge) => Some(*merge),
            Self::Split(_) => None,
        }
    }

    /// The split that it is, if it is one.
    pub const fn split(&self) -> Option<&SplitRecord> {
        match self {
            Self::Merge(_) => None,
            Self::Split(split) => Some(split),
        }
    }
}

impl From<MergeRecord> for News {
    fn from(merge: MergeRecord) -> Self {
        Self::Merge(merge)
    }
}

impl IdentityStore {
    /// Notes that news are in the streams.
    ///
    /// # Errors
    /// As the database says.
    pub async fn mark_announced(&self, news: &[News]) -> Result<(), DbErr> {
        let merges = news.iter().filter_map(News::merge);
        self.mark_merged(merges).await?;
        let splits = news.iter().filter_map(News::split);
        let splits: Vec<Uuid> = splits.map(|split| split.id).collect();
        self.mark_split(&splits).await
    }

    /// Takes news whose announcement is overdue, oldest first. Nobody else gets them for
    /// [`crate::limits::ANNOUNCE_CLAIM`].
    ///
    /// Times are those of the clocks of processes. Something that is claimed for longer than that
    /// was written or claimed by a clock that is wrong, or this one is, and it must not wait until
    /// that is right. One that is told of twice changes nothing.
    ///
    /// # Errors
    /// As the database says.
    pub async fn claim_unannounced(&self, now: Timestamp) -> Result<Vec<News>, DbErr> {
        let merges = self.claim_merges(now).await?.into_iter().map(News::Merge);
        let splits = self.claim_splits(now).await?.into_iter().map(News::Split);
        let mut news: Vec<News> = merges.chain(splits).collect();
        news.sort_unstable_by_key(News::id);
        Ok(news)
    }
}
