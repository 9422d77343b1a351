//! The share of a process in the subscriptions: it posts for those that are its own.
//!
//! Every process says that it is alive, and computes from who is alive which one posts for which
//! subscription. It takes what is its own and nobody's, and gives up what is another's. Clocks of
//! machines decide nothing: the database's tells who is alive, and the epoch who notes progress.

use std::collections::BTreeMap;
use std::sync::Arc;

use definitions::Owner as _;
use kernel::{StableHash, split_mix};
use proto::definition::v1::DefinitionKind;
use proto::gateway::v1::SubscriptionState;
use storage::{Heartbeat, LeaseStore, MemberId, StorageError};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::DefinedSubscriptions;
use super::poster::{Poster, Shared};
use super::progress::Progress;
use super::table::Row;
use crate::GatewayDefinitions;
use crate::changes::SharedSource;
use crate::limits::{POSTER_DRAIN, POSTER_HANDOVER, POSTER_PAUSE, POSTER_TTL};

/// The name under which processes that post say that they are alive.
const SERVICE: &str = "subscriptions";

/// A subscription that this process posts for.
#[derive(Debug)]
struct Posting {
    epoch: i64,
    stop: CancellationToken,
    /// Ends with this.
    task: AbortOnDropHandle<()>,
}

/// Posts for the share of a process.
#[derive(Debug)]
pub(super) struct Runner {
    shared: Arc<Shared>,
    source: SharedSource,
    store: DefinedSubscriptions,
    definitions: watch::Receiver<Arc<GatewayDefinitions>>,
    leases: LeaseStore,
    /// Told when an order changed something here.
    woken: Arc<Notify>,
    /// Tells this process from all others that ever were.
    own: String,
    /// Before it was heard last; absent while it takes no part.
    heard: Option<Instant>,
    postings: BTreeMap<String, Posting>,
    /// Until then a look may wait for tasks to end.
    patience: Instant,
}

/// The parts of a runner.
pub(super) struct RunnerParts {
    pub(super) shared: Arc<Shared>,
    pub(super) source: SharedSource,
    pub(super) store: DefinedSubscriptions,
    pub(super) leases: LeaseStore,
    pub(super) woken: Arc<Notify>,
}

/// A look at the subscriptions failed.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("definitions cannot be read: {0}")]
    Definitions(#[from] rpc::Failure),
}

impl Runner {
    pub(super) fn new(parts: RunnerParts) -> Self {
        Self {
            definitions: parts.store.watch(),
            shared: parts.shared,
            source: parts.source,
            store: parts.store,
            leases: parts.leases,
            woken: parts.woken,
            own: Uuid::now_v7().to_string(),
            heard: None,
            postings: BTreeMap::new(),
            patience: Instant::now(),
        }
    }

    /// Posts until the process is told to end, and gives everything up then.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let mut is_idle = false;
        while !shutdown.is_cancelled() {
            let definitions = Arc::clone(&self.definitions.borrow_and_update());
            // Without a word for so long, another process may post already.
            let until = self.heard.unwrap_or_else(Instant::now) + ttl();
            match timeout_at(until, self.look(&definitions)).await {
                Ok(Ok(is_over)) => is_idle = is_over,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "subscriptions cannot be looked at, trying again");
                }
                Err(_) => {}
            }
            if self.heard.is_some_and(|heard| heard.elapsed() >= ttl()) {
                self.abort();
            }
            let pause = async {
                match is_idle {
                    true => std::future::pending().await,
                    false => sleep(POSTER_PAUSE).await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = pause => {}
                () = self.woken.notified() => {}
                // The store is there as long as the process.
                _ = self.definitions.changed() => {}
            }
        }
        self.end().await;
    }

    /// Brings what this process posts for in line with who is alive. Returns true where there is
    /// nothing to look after until definitions change.
    async fn look(&mut self, definitions: &GatewayDefinitions) -> Result<bool, LookError> {
        let rows = self.shared.table.all().await?;
        let rows = self.settle(definitions, rows).await?;
        if rows.is_empty() && self.postings.is_empty() {
            if self.heard.take().is_some() {
                self.leases.leave(self.member()).await?;
            }
            self.shared.metrics.seen(&[], 0);
            return Ok(true);
        }
        let begun = Instant::now();
        self.leases
            .heartbeat(Heartbeat {
                member: self.member(),
                ttl: POSTER_TTL,
                takes_part: true,
                clock_skew_ms: None,
            })
            .await?;
        self.heard = Some(begun);
        self.patience = begun + POSTER_HANDOVER;
        let members = self.leases.members(SERVICE).await?;
        let alive: Vec<&str> = members.iter().map(|it| it.worker.as_str()).collect();
        for row in &rows {
            self.share(row, &alive).await?;
        }
        self.forget(&rows);
        self.tell(definitions, &rows).await?;
        Ok(false)
    }

    /// Has a row for each subscription that is defined, and for no other.
    async fn settle(
        &self,
        definitions: &GatewayDefinitions,
        mut rows: Vec<Row>,
    ) -> Result<Vec<Row>, LookError> {
        let defined = &definitions.subscriptions;
        let is_there = |name: &String| rows.iter().any(|row| row.progress.name == *name);
        let new: Vec<&String> = defined.keys().filter(|name| !is_there(name)).collect();
        for name in &new {
            self.store.begin(name, &defined[*name]).await?;
        }
        let is_stranger = |row: &&Row| !defined.contains_key(&row.progress.name);
        let strangers: Vec<&str> = rows.iter().filter(is_stranger).map(name_of).collect();
        if !strangers.is_empty() {
            // Another process may have newer definitions.
            let stored = self
                .store
                .owner()
                .names(DefinitionKind::Subscription)
                .await?;
            let gone: Vec<&str> = strangers
                .into_iter()
                .filter(|name| !stored.contains(*name))
                .collect();
            if !gone.is_empty() {
                self.shared.table.remove(&gone).await?;
            }
        }
        if !new.is_empty() {
            rows = self.shared.table.all().await?;
        }
        rows.retain(|row| defined.contains_key(&row.progress.name));
        Ok(rows)
    }

    /// Takes a subscription that is this process's, and gives up one that is another's.
    async fn share(&mut self, row: &Row, alive: &[&str]) -> Result<(), StorageError> {
        let name = name_of(row);
        let is_own = owner_of(name, alive) == Some(self.own.as_str());
        let is_posting = self.postings.contains_key(name);
        if row.owner != self.own {
            if is_posting {
                self.stop(name).await;
            }
            let is_free = row.owner.is_empty() || !alive.contains(&row.owner.as_str());
            if is_own && is_free && self.shared.table.take(row, &self.own).await? {
                self.begin(row.progress.clone(), row.epoch + 1);
            }
            return Ok(());
        }
        if !is_own {
            if self.stop(name).await {
                self.shared.table.release(&self.own, Some(name)).await?;
            }
            return Ok(());
        }
        let posting = self.postings.get(name);
        let goes_on = |it: &Posting| it.epoch == row.epoch && !it.task.is_finished();
        if !posting.is_some_and(goes_on) && self.stop(name).await {
            self.begin(row.progress.clone(), row.epoch);
        }
        Ok(())
    }

    fn begin(&mut self, progress: Progress, epoch: i64) {
        let (name, stop) = (progress.name.clone(), CancellationToken::new());
        let (shared, definitions) = (Arc::clone(&self.shared), self.definitions.clone());
        let poster = Poster::new(shared, definitions, (progress, epoch), stop.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(Box::pin(poster.run())));
        self.postings.insert(name, Posting { epoch, stop, task });
    }

    /// Tells a task to end, and returns whether it has: a post that is under way is not cut off.
    async fn stop(&mut self, name: &str) -> bool {
        let Some(posting) = self.postings.get_mut(name) else {
            return true;
        };
        posting.stop.cancel();
        let ended = posting.task.is_finished()
            || timeout_at(self.patience, &mut posting.task).await.is_ok();
        if ended {
            self.postings.remove(name);
        }
        ended
    }

    /// Ends the tasks of subscriptions that are there no more.
    fn forget(&mut self, rows: &[Row]) {
        self.postings.retain(|name, posting| {
            let is_there = rows.iter().any(|row| row.progress.name == *name);
            if !is_there {
                posting.stop.cancel();
            }
            is_there || !posting.task.is_finished()
        });
    }

    async fn tell(&self, definitions: &GatewayDefinitions, rows: &[Row]) -> Result<(), LookError> {
        let end = self.source.newest_row().await? + 1;
        let states = rows.iter().map(|row| {
            let rules = definitions.subscriptions.get(&row.progress.name);
            row.progress
                .state(rules.is_some_and(|rules| rules.is_paused))
        });
        let states: Vec<SubscriptionState> = states.collect();
        let posted = rows.iter().zip(&states);
        let lags = posted
            .filter(|(_, state)| **state != SubscriptionState::Paused)
            .map(|(row, _)| end.saturating_sub(row.progress.position.row));
        self.shared.metrics.seen(&states, lags.max().unwrap_or(0));
        Ok(())
    }

    /// Ends all tasks at once: another process may have taken over.
    fn abort(&mut self) {
        if !self.postings.is_empty() {
            tracing::warn!("nobody heard of this process, so that it posts no changes any more");
        }
        self.postings.clear();
        self.heard = None;
    }

    /// Ends all tasks after what is under way, and leaves the rest to others.
    async fn end(mut self) {
        for posting in self.postings.values() {
            posting.stop.cancel();
        }
        let until = Instant::now() + POSTER_DRAIN;
        for posting in self.postings.values_mut() {
            // Posts that are under way after that are cut off.
            let _ = timeout_at(until, &mut posting.task).await;
        }
        self.postings.clear();
        if self.heard.is_none() {
            return;
        }
        let given_up = async {
            self.shared.table.release(&self.own, None).await?;
            self.leases.leave(self.member()).await
        };
        match timeout(ttl(), given_up).await {
            Ok(Ok(())) => {}
            // Others take over when nobody heard of this process for a while.
            Ok(Err(error)) => tracing::warn!(%error, "subscriptions are not given up"),
            Err(_) => tracing::warn!("subscriptions are not given up in time"),
        }
    }

    fn member(&self) -> MemberId<'_> {
        MemberId {
            service: SERVICE,
            worker: &self.own,
            incarnation: &self.own,
        }
    }
}

fn name_of(row: &Row) -> &str {
    &row.progress.name
}

fn ttl() -> std::time::Duration {
    std::time::Duration::from_millis(POSTER_TTL.as_millis().unsigned_abs())
}

/// Returns the process that posts for a subscription, of those that are alive: each has an equal
/// share, and one that comes or goes moves no other's (Thaler, Ravishankar: A Name-Based Mapping
/// Scheme for Rendezvous, 1996).
fn owner_of<'a>(name: &str, alive: &[&'a str]) -> Option<&'a str> {
    let score = |member: &str| {
        let hash = StableHash::new().with(name.as_bytes());
        split_mix(hash.with(member.as_bytes()).finish())
    };
    let alive = alive.iter().copied();
    alive.max_by_key(|member| (score(member), *member))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_share_evenly_and_who_goes_moves_no_others() {
        let names: Vec<String> = (0..300).map(|number| format!("s{number}")).collect();
        let all = ["a", "b", "c"];
        let share = |member: &str| {
            let own = names
                .iter()
                .filter(|name| owner_of(name, &all) == Some(member));
            own.count()
        };
        for member in all {
            assert!((70..=130).contains(&share(member)), "{member}");
        }
        for name in &names {
            let before = owner_of(name, &all);
            let after = owner_of(name, &["c", "a"]);
            assert!(before == Some("b") || before == after, "{name}");
        }
        assert_eq!(owner_of("s", &[]), None);
    }
}
