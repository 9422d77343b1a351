//! Servers that take long to start, shared by the tests that leave them as they found them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Servers that live as long as somebody uses them or waits for them.
pub(super) struct Shared<T>(Mutex<Weak<tokio::sync::Mutex<T>>>);

/// The servers, for one test at a time.
pub(super) type Held<T> = tokio::sync::OwnedMutexGuard<T>;

impl<T> Shared<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// Waits for the servers, starting them where nobody else has.
    pub(super) async fn hold(&self, start: impl FnOnce() -> T) -> Held<T> {
        let servers = {
            let mut weak = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            weak.upgrade().unwrap_or_else(|| {
                let servers = Arc::new(tokio::sync::Mutex::new(start()));
                *weak = Arc::downgrade(&servers);
                servers
            })
        };
        servers.lock_owned().await
    }
}
