//! Keeps the keys of a process up to date with the table, which is asked for one number every two
//! seconds, and read where that has changed.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use access::{KeySource, Keyring};
use rpc::Failure;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::KeyStore;
use crate::limits::{LOOK_TIME, MISS_PAUSE, POLL, STALE_AGE};

/// Fills the keyring of a process from the table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Follower(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: KeyStore,
    keyring: Keyring,
    installation: Option<String>,
    /// Held by whoever looks. The number of changes that was seen last.
    turn: tokio::sync::Mutex<Option<i64>>,
    looks: Mutex<Looks>,
    changes: watch::Sender<()>,
}

/// The times of looks.
#[derive(Debug, Clone, Copy, Default)]
struct Looks {
    /// The beginning of the last one.
    tried: Option<Instant>,
    /// The beginning of the last one that succeeded.
    succeeded: Option<Instant>,
}

impl Follower {
    /// Reads the table for the first time.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`].
    pub async fn start(
        store: KeyStore,
        keyring: Keyring,
        installation: Option<String>,
    ) -> Result<Self, Failure> {
        let follower = Self(Arc::new(Inner {
            store,
            keyring,
            installation,
            turn: tokio::sync::Mutex::new(None),
            looks: Mutex::default(),
            changes: watch::Sender::new(()),
        }));
        follower.0.look(None).await?;
        Ok(follower)
    }

    /// Changes whenever the keys at hand may have.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// The keys at hand.
    pub(crate) fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    /// Looks every two seconds until the process is told to end.
    pub async fn follow(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut has_failed = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.cancelled() => return,
            }
            match self.look_in_time(None).await {
                Ok(()) => has_failed = false,
                Err(error) if !has_failed => {
                    tracing::warn!(%error, "keys cannot be read, the last ones count for 5 minutes");
                    has_failed = true;
                }
                Err(_) => {}
            }
        }
    }

    /// Looks now, since this process has changed a key.
    pub async fn catch_up(&self) {
        if let Err(error) = self.look_in_time(None).await {
            tracing::warn!(%error, "keys cannot be read, a change counts a few seconds later");
        }
    }

    async fn look_in_time(&self, asked: Option<Instant>) -> Result<(), Failure> {
        let look = tokio::time::timeout(LOOK_TIME, self.0.look(asked));
        look.await.map_err(Failure::store_unavailable)?
    }
}

impl KeySource for Follower {
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let follower = self.clone();
        Box::pin(async move {
            let asked = Instant::now();
            if let Some(tried) = follower.0.looks().tried {
                tokio::time::sleep_until(tried + MISS_PAUSE).await;
            }
            // The failure is told by the one who looks every two seconds.
            let _ = follower.look_in_time(Some(asked)).await;
        })
    }

    fn is_stale(&self) -> bool {
        let succeeded = self.0.looks().succeeded;
        succeeded.is_none_or(|it| it.elapsed() >= STALE_AGE)
    }
}

impl Inner {
    /// Looks, unless somebody else did since this was asked for: of many, one looks for all.
    async fn look(&self, asked: Option<Instant>) -> Result<(), Failure> {
        let mut seen = self.turn.lock().await;
        let begun = Instant::now();
        let tried = self.looks().tried;
        if asked.is_some_and(|asked| tried.is_some_and(|tried| tried >= asked)) {
            return Ok(());
        }
        self.looks_mut().tried = Some(begun);
        let revision = self.store.revision().await?;
        if *seen != Some(revision) {
            let keys = self.store.load(self.installation.as_deref()).await?;
            self.keyring.set_stored(keys);
            *seen = Some(revision);
            self.changes.send_replace(());
        }
        self.looks_mut().succeeded = Some(begun);
        Ok(())
    }

    fn looks(&self) -> Looks {
        *self.looks_mut()
    }

    fn looks_mut(&self) -> std::sync::MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
