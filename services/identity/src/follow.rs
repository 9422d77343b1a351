//! Keeps up with what other processes changed: whom they erased, whom they took apart or gave an
//! identifier of somebody else, and whose memberships they ended. What the caches know of these is
//! forgotten.

use std::collections::HashSet;
use std::sync::Arc;

use kernel::FragmentId;
use sea_orm::DbErr;
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::erasure::KeyError;
use crate::ingest::Intake;
use crate::limits::{FOLLOW_INTERVAL, MOVED_PRUNED};

/// The place up to which a process has followed the others.
#[derive(Debug, Default)]
pub(crate) struct Follower(Mutex<Place>);

#[derive(Debug, Default)]
struct Place {
    /// The number of the last change; absent before the first look.
    moved: Option<i64>,
    /// The number at which changes were last removed.
    pruned: i64,
}

impl Intake {
    /// Reads whom other processes erased, took apart, moved and ended memberships of since the last
    /// time, and forgets what the caches know of them.
    ///
    /// # Errors
    /// [`KeyError`]: the next look reads the same.
    pub async fn catch_up(&self) -> Result<(), KeyError> {
        let erased = self.refresh_tombstones().await;
        self.follow_moves().await?;
        erased
    }

    async fn follow_moves(&self) -> Result<(), DbErr> {
        let mut place = self.follower.0.lock().await;
        // Taken before the tables are read, so that it promises no more than they said.
        let second = self.resolver.cache.second();
        let moved = self.store.moved(place.moved).await?;
        match &moved.fragments {
            Some(fragments) => self.part(fragments),
            // All that is cached may be of before.
            None => self.forget_all(),
        }
        place.moved = Some(moved.version);
        self.resolver.cache.follow(second);
        if moved.version - place.pruned >= MOVED_PRUNED {
            self.store.prune_moved(moved.version).await?;
            place.pruned = moved.version;
        }
        Ok(())
    }

    /// Forgets what the caches know of fragments, which are gone, or somebody else's.
    pub(crate) fn part(&self, fragments: &HashSet<FragmentId>) {
        self.resolver.part(fragments);
        self.pairs.part(fragments);
    }

    fn forget_all(&self) {
        self.resolver.cache.clear();
        self.pairs.clear();
    }
}

/// Keeps up with other processes, until this one ends.
pub(crate) async fn follow_others(intake: Arc<Intake>, shutdown: CancellationToken) {
    let mut ticks = interval(FOLLOW_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {
                if let Err(error) = intake.catch_up().await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "changes of others not read; they are tried again");
                }
            }
        }
    }
}
