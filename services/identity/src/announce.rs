//! Announces merges and splits whose process died, or whose call ended, between writing them and
//! telling the streams.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::CustomerId;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ingest::Intake;
use crate::limits::{
    ACCOUNT_NEWS_TAKEN, ANNOUNCE_INTERVAL, ANNOUNCEMENTS_UNDER_WAY, APPEND_PATIENCE,
    INTERRUPTED_SOURCES,
};
use crate::store::{AccountNews, News};

/// The news whose announcement is under way in this process: they are not overdue, however long a
/// full stream or the events before them take. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnderWay(Arc<Mutex<Merges>>);

#[derive(Debug, Default)]
struct Merges {
    under_way: HashSet<Uuid>,
    /// Those whose events did not come into their streams, by the source of these.
    interrupted: HashMap<String, HashSet<Uuid>>,
}

/// An announcement under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Announcing {
    under_way: UnderWay,
    ids: Vec<Uuid>,
    source: Option<String>,
    is_done: bool,
}

impl UnderWay {
    /// Begins the announcement of news, with the events of an ordered source if they have one. A
    /// request is none: merges that an earlier try of it made are looked for anyway.
    pub(crate) fn begin(&self, news: &[News], source: Option<&str>) -> Announcing {
        self.begin_ids(news.iter().map(News::id).collect(), source)
    }

    /// Begins to tell of memberships, and of merges of accounts.
    pub(crate) fn begin_members(&self, members: &[AccountNews], news: &[News]) -> Announcing {
        let members = members.iter().map(|it| it.id);
        self.begin_ids(members.chain(news.iter().map(News::id)).collect(), None)
    }

    fn begin_ids(&self, ids: Vec<Uuid>, source: Option<&str>) -> Announcing {
        if !ids.is_empty() {
            self.lock().under_way.extend(&ids);
        }
        Announcing {
            under_way: self.clone(),
            source: source.filter(|_| !ids.is_empty()).map(str::to_owned),
            ids,
            is_done: false,
        }
    }

    /// Returns whether events of a source joined customers and did not come into their streams
    /// since, as far as this process knows.
    pub(crate) fn was_interrupted(&self, source: &str) -> bool {
        let merges = self.lock();
        let interrupted = &merges.interrupted;
        interrupted.len() >= INTERRUPTED_SOURCES || interrupted.contains_key(source)
    }

    fn has(&self, id: Uuid) -> bool {
        self.lock().under_way.contains(&id)
    }

    fn lock(&self) -> MutexGuard<'_, Merges> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Announcing {
    /// Ends it: the merges are in their streams, and so are the events that made them.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Announcing {
    fn drop(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let mut merges = self.under_way.lock();
        self.ids.iter().for_each(|id| {
            merges.under_way.remove(id);
        });
        let Some(source) = self.source.take() else {
            return;
        };
        if self.is_done {
            if let Some(left) = merges.interrupted.get_mut(&source) {
                left.retain(|id| !self.ids.contains(id));
                if left.is_empty() {
                    merges.interrupted.remove(&source);
                }
            }
        } else if merges.interrupted.len() < INTERRUPTED_SOURCES {
            let left = merges.interrupted.entry(source).or_default();
            left.extend(&self.ids);
        }
    }
}

/// Announces what is overdue: whoever has nothing to do with one another at the same time, so that
/// a full stream holds up nobody else.
#[derive(Debug)]
pub struct Announcer {
    intake: Arc<Intake>,
    /// Each tells how many merges it was about.
    tasks: JoinSet<usize>,
    /// The merges of all of them.
    under_way: usize,
}

impl Announcer {
    /// Announces by an intake.
    pub fn new(intake: Arc<Intake>) -> Self {
        Self {
            intake,
            tasks: JoinSet::new(),
            under_way: 0,
        }
    }

    /// Looks once, and begins to announce what it finds.
    pub async fn tick(&mut self) {
        while let Some(Ok(ended)) = self.tasks.try_join_next() {
            self.under_way -= ended;
        }
        if self.under_way >= ANNOUNCEMENTS_UNDER_WAY {
            return;
        }
        self.tell_members().await;
        let now = self.intake.own_clock.now();
        let tables = self.intake.resolver.tables();
        let mut news = match tables.claim_unannounced(now).await {
            Ok(news) => news,
            Err(error) => {
                tracing::warn!(%error, "overdue merges not read");
                return;
            }
        };
        news.retain(|it| !self.intake.under_way.has(it.id()));
        if news.is_empty() {
            return;
        }
        tracing::info!(count = news.len(), "announcing overdue merges");
        self.under_way += news.len();
        for related in related(news) {
            let intake = Arc::clone(&self.intake);
            self.tasks.spawn(async move {
                announce(&intake, &related).await;
                related.len()
            });
        }
    }

    /// Looks for changes of memberships, until there are no more for now, and begins to tell what
    /// it finds.
    async fn tell_members(&mut self) {
        let full = usize::try_from(ACCOUNT_NEWS_TAKEN).unwrap_or(usize::MAX);
        while self.under_way < ANNOUNCEMENTS_UNDER_WAY {
            let moment = self.intake.moment();
            let tables = self.intake.resolver.tables();
            let mut news = match tables.claim_account_news(moment).await {
                Ok(news) => news,
                Err(error) => {
                    tracing::warn!(%error, "overdue memberships not read");
                    return;
                }
            };
            let is_last = news.len() < full;
            news.retain(|it| !self.intake.under_way.has(it.id));
            if !news.is_empty() {
                self.begin_telling(news);
            }
            if is_last {
                return;
            }
        }
    }

    fn begin_telling(&mut self, news: Vec<AccountNews>) {
        self.under_way += news.len();
        let intake = Arc::clone(&self.intake);
        self.tasks.spawn(async move {
            let deadline = Some(Instant::now() + APPEND_PATIENCE);
            if let Err(error) = intake.announce_memberships(&news, deadline).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "memberships not told; they are tried again");
            }
            news.len()
        });
    }

    /// Waits for what was begun.
    pub async fn finish(&mut self) {
        while let Some(Ok(ended)) = self.tasks.join_next().await {
            self.under_way -= ended;
        }
    }
}

/// Looks for overdue announcements until the process ends.
pub async fn announce_overdue(intake: Arc<Intake>, shutdown: CancellationToken) {
    let mut announcer = Announcer::new(intake);
    let mut ticks = interval(ANNOUNCE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => announcer.tick().await,
        }
    }
    announcer.finish().await;
}

async fn announce(intake: &Intake, news: &[News]) {
    let deadline = Some(Instant::now() + APPEND_PATIENCE);
    let _announcing = intake.under_way.begin(news, None);
    if let Err(error) = intake.announce(news, deadline).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "overdue merges not announced; they are tried again");
    }
}

/// Divides news into those that have a customer in common, one way or another, each in the order
/// in which they were made.
fn related(news: Vec<News>) -> Vec<Vec<News>> {
    let mut groups: Vec<(HashSet<CustomerId>, Vec<News>)> = Vec::new();
    for it in news {
        let own = it.customers();
        let mut joined = (HashSet::from(own), vec![it]);
        let is_related = |group: &mut (HashSet<CustomerId>, Vec<News>)| {
            own.iter().any(|it| group.0.contains(it))
        };
        for (customers, news) in groups.extract_if(.., is_related) {
            joined.0.extend(customers);
            joined.1.extend(news);
        }
        groups.push(joined);
    }
    let mut groups: Vec<_> = groups.into_iter().map(|(_, news)| news).collect();
    for news in &mut groups {
        news.sort_unstable_by_key(News::id);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MergeRecord;

    fn merge(id: u128, from: u128, into: u128) -> News {
        let customer = |number| CustomerId::new(Uuid::from_u128(number));
        News::Merge(MergeRecord {
            id: Uuid::from_u128(id),
            from: customer(from),
            into: customer(into),
            graph_epoch: 1,
        })
    }

    #[test]
    fn merges_with_a_customer_in_common_are_announced_in_order() {
        let ids = |pairs: &[(u128, u128)]| -> Vec<Vec<u128>> {
            let merges = (1..).zip(pairs);
            let merges = merges.map(|(id, (from, into))| merge(id, *from, *into));
            let groups = related(merges.collect()).into_iter();
            groups
                .map(|news| news.iter().map(|it| it.id().as_u128()).collect())
                .collect()
        };
        assert_eq!(ids(&[]), [[0; 0]; 0]);
        assert_eq!(ids(&[(2, 1), (4, 3)]), [[1], [2]]);
        // Into the same one, and in a chain.
        assert_eq!(ids(&[(2, 1), (4, 3), (5, 1), (3, 2)]), [[1, 2, 3, 4]]);
        assert_eq!(ids(&[(2, 1), (4, 3), (6, 4)]), [vec![1], vec![2, 3]]);
    }

    #[test]
    fn a_source_is_interrupted_until_all_that_it_joined_is_in_the_streams() {
        let under_way = UnderWay::default();
        let (one, two) = ([merge(1, 2, 1)], [merge(2, 4, 3)]);
        drop(under_way.begin(&[], Some("s")));
        assert!(!under_way.was_interrupted("s"), "it joined nobody");
        drop(under_way.begin(&one, Some("s")));
        drop(under_way.begin(&two, Some("s")));
        assert!(under_way.was_interrupted("s") && !under_way.was_interrupted("other"));
        under_way.begin(&one, Some("s")).done();
        assert!(under_way.was_interrupted("s"));
        under_way.begin(&two, Some("s")).done();
        assert!(!under_way.was_interrupted("s"));
        under_way.begin(&one, Some("s")).done();
        assert!(!under_way.was_interrupted("s") && !under_way.has(one[0].id()));
    }
}
