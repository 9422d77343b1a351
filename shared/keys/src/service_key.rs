//! The key that a process makes for itself, by which the other services of its installation know
//! it.
//!
//! They share the database, so that no secret has to be handed out: each process puts the hash of a
//! key there, and gives it another secret four times an hour. A key that is lost with its process
//! ends by itself. One that was revoked or is gone is replaced by another at once: whoever can
//! write to the database may be a service.

use std::time::Duration;

use access::{ApiKey, KeyId, NewKey, Scopes, Verdict};
use audit::AuditLog;
use rpc::{Failure, Presented};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::limits::{
    SERVICE_KEY_LIFE_MS, SERVICE_KEY_OVERLAP_MS, SERVICE_KEY_PAUSE, SERVICE_KEY_RETRY,
};
use crate::{Follower, KeyDraft, KeyStore};

/// The key of this process.
#[derive(Debug)]
pub struct ServiceKey {
    store: KeyStore,
    follower: Follower,
    presented: Presented,
    audit: AuditLog,
    worker: String,
    scopes: Scopes,
    pause: Duration,
    current: NewKey,
}

impl ServiceKey {
    /// Makes a key with these scopes, which calls of this process present from then on.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`], [`rpc::ErrorReason::AuditUnavailable`].
    pub async fn start(
        store: KeyStore,
        follower: Follower,
        presented: Presented,
        audit: AuditLog,
        (worker, scopes): (&str, Scopes),
    ) -> Result<Self, Failure> {
        let own = Self {
            store,
            follower,
            presented,
            audit,
            worker: worker.to_owned(),
            scopes,
            pause: SERVICE_KEY_PAUSE,
            current: NewKey::make().map_err(Failure::internal)?,
        };
        own.put(&own.current).await?;
        Ok(own)
    }

    /// Changes the pause between two renewals, for tests.
    #[must_use]
    pub fn renewed_every(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// The id of the key at the moment.
    pub fn id(&self) -> KeyId {
        self.current.id()
    }

    /// Gives the key another secret now and then, and makes another key where this one counts no
    /// more, until the process is told to end.
    pub async fn renew(mut self, shutdown: CancellationToken) {
        let mut changes = self.follower.changes();
        let presented = self.presented.clone();
        let mut due = Instant::now() + self.pause;
        loop {
            let is_lost = tokio::select! {
                () = tokio::time::sleep_until(due) => false,
                // The follower ends with the process.
                Ok(()) = changes.changed() => true,
                () = presented.refused() => {
                    // The process that refused it may know more than this one.
                    self.follower.catch_up().await;
                    true
                }
                () = shutdown.cancelled() => return,
            };
            if is_lost && self.is_known() {
                continue;
            }
            let next = if self.is_known() {
                NewKey::of(self.current.id())
            } else {
                tracing::warn!("the key of this service was revoked or is gone, making another");
                NewKey::make()
            };
            let renewed = match next {
                Ok(next) => self.put(&next).await.map(|()| self.current = next),
                Err(error) => Err(Failure::internal(error)),
            };
            due = Instant::now()
                + match renewed {
                    Ok(()) => self.pause,
                    Err(error) => {
                        tracing::warn!(%error, "the key of this service cannot be renewed, trying again");
                        SERVICE_KEY_RETRY
                    }
                };
        }
    }

    /// Returns whether the other processes accept the key, as far as this one knows.
    fn is_known(&self) -> bool {
        let key = ApiKey::parse(self.current.reveal()).expect("a key is one");
        let verdict = self.follower.keyring().verify(&key, access::now());
        matches!(verdict, Verdict::Known(_))
    }

    async fn put(&self, key: &NewKey) -> Result<(), Failure> {
        let now = access::now();
        let scopes = self.scopes.names();
        let life = kernel::Duration::from_millis(SERVICE_KEY_LIFE_MS);
        let draft = KeyDraft {
            id: key.id(),
            hash: key.hash(),
            name: self.worker.clone(),
            scopes: scopes.into_iter().map(str::to_owned).collect(),
            expire_time: Some(now + life),
            creator: format!("service:{}", self.worker),
            source: None,
        };
        let overlap = kernel::Duration::from_millis(SERVICE_KEY_OVERLAP_MS);
        let put = self.store.put_service(&draft, overlap, &self.audit, now);
        put.await?;
        self.follower.catch_up().await;
        self.presented.set(key.reveal())
    }
}
