//! The key that a process makes for itself, by which the other services of its installation know
//! it.
//!
//! They share the database, so that no secret has to be handed out: each process puts the hash of a
//! key there, and gives it another secret four times an hour. A key that is lost with its process
//! ends by itself.

use access::{KeyId, NewKey, Scopes};
use kernel::Duration;
use rpc::{Failure, Presented};
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
    worker: String,
    id: KeyId,
}

impl ServiceKey {
    /// Makes a key, which calls of this process present from then on.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`].
    pub async fn start(
        store: KeyStore,
        follower: Follower,
        presented: Presented,
        worker: &str,
    ) -> Result<Self, Failure> {
        let key = NewKey::make().map_err(Failure::internal)?;
        let own = Self {
            store,
            follower,
            presented,
            worker: worker.to_owned(),
            id: key.id(),
        };
        own.put(&key).await?;
        Ok(own)
    }

    /// Gives the key another secret now and then, until the process is told to end.
    pub async fn renew(self, shutdown: CancellationToken) {
        let mut pause = SERVICE_KEY_PAUSE;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
            let renewed = match NewKey::of(self.id) {
                Ok(key) => self.put(&key).await,
                Err(error) => Err(Failure::internal(error)),
            };
            pause = match renewed {
                Ok(()) => SERVICE_KEY_PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "the key of this service cannot be renewed, trying again");
                    SERVICE_KEY_RETRY
                }
            };
        }
    }

    async fn put(&self, key: &NewKey) -> Result<(), Failure> {
        let now = access::now();
        let scopes = Scopes::of_services().names();
        let draft = KeyDraft {
            id: key.id(),
            hash: key.hash(),
            name: self.worker.clone(),
            scopes: scopes.into_iter().map(str::to_owned).collect(),
            expire_time: Some(now + Duration::from_millis(SERVICE_KEY_LIFE_MS)),
            creator: format!("service:{}", self.worker),
        };
        let overlap = Duration::from_millis(SERVICE_KEY_OVERLAP_MS);
        self.store.put_service(&draft, overlap, now).await?;
        self.follower.catch_up().await;
        self.presented.set(key.reveal())
    }
}
