//! A request that this process does: others are told that it is at it, and may have it once it is
//! given up.

use std::convert::Infallible;
use std::sync::Arc;

use storage::{Begun, RequestKey, Requests, StorageError, Turn, limits};
use tokio::sync::Mutex;
use tracing::Instrument as _;

use crate::Failure;

/// A request under way. Where it is dropped before it is done, as at the deadline of its call, it
/// can be tried again.
#[derive(Debug)]
pub(super) struct Held {
    /// Absent once it is done.
    own: Option<Arc<Own>>,
}

/// The state that a request under way shares with its renewals.
#[derive(Debug)]
struct Own {
    requests: Requests,
    request_id: String,
    method: String,
    /// Absent once somebody else has it. Locked while the database is asked for another one, so
    /// that who gives it up knows which one there is.
    turn: Mutex<Option<Turn>>,
}

/// The beginning of a request.
#[derive(Debug)]
pub(super) enum Beginning {
    /// It is this process's to do.
    Own(Held),
    /// It got this answer before.
    Answered(Vec<u8>),
    /// Somebody is at it.
    UnderWay,
    /// Its id was used with another body.
    Differs,
}

impl Held {
    /// Begins a request. That is finished also where nobody waits for it any more, and given up
    /// then: otherwise the row would have a turn that nobody knows.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`](crate::ErrorReason::StoreUnavailable).
    pub(super) async fn begin(
        requests: &Requests,
        key: RequestKey<'_>,
        body_hash: Vec<u8>,
    ) -> Result<Beginning, Failure> {
        let requests = requests.clone();
        let (request_id, method) = (key.request_id.to_owned(), key.method.to_owned());
        let beginning = async move {
            let key = RequestKey {
                request_id: &request_id,
                method: &method,
            };
            Ok(match requests.begin(key, &body_hash).await? {
                Begun::New(turn) => Beginning::Own(Self::new(&requests, key, turn)),
                Begun::Answered(answer) => Beginning::Answered(answer),
                Begun::UnderWay => Beginning::UnderWay,
                Begun::Differs => Beginning::Differs,
            })
        };
        let begun = tokio::spawn(beginning.in_current_span()).await;
        let begun: Result<_, StorageError> = begun.map_err(Failure::internal)?;
        begun.map_err(Failure::store_unavailable)
    }

    /// Holds a request that was begun.
    fn new(requests: &Requests, key: RequestKey<'_>, turn: Turn) -> Self {
        let own = Own {
            requests: requests.clone(),
            request_id: key.request_id.to_owned(),
            method: key.method.to_owned(),
            turn: Mutex::new(Some(turn)),
        };
        Self {
            own: Some(Arc::new(own)),
        }
    }

    /// Says again and again that this process is at it.
    pub(super) async fn hold(&self) -> Infallible {
        loop {
            tokio::time::sleep(limits::REQUEST_HOLD).await;
            self.renew().await;
        }
    }

    /// Says once that this process is at it. That is finished also where nobody waits for it any
    /// more: otherwise the row could have a turn that nobody knows, and could not be given up.
    pub(super) async fn renew(&self) {
        if let Some(own) = self.own.clone() {
            let renewing = tokio::spawn(async move { own.renew().await });
            if let Err(error) = renewing.await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "slow request not held");
            }
        }
    }

    /// Ends it: it has an answer.
    pub(super) fn done(mut self) {
        self.own = None;
    }

    /// Forgets it: it failed. That is finished also where nobody waits for it any more.
    pub(super) async fn abandon(mut self) {
        let Some(own) = self.own.take() else {
            return;
        };
        let forgetting = tokio::spawn(async move { own.forget().await });
        if let Err(error) = forgetting.await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "failed request not forgotten");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(own) = self.own.take() else {
            return;
        };
        // Outside of a runtime the process is ending, and others find that out by themselves.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { own.forget().await });
        }
    }
}

impl Own {
    fn key(&self) -> RequestKey<'_> {
        RequestKey {
            request_id: &self.request_id,
            method: &self.method,
        }
    }

    async fn renew(&self) {
        let mut turn = self.turn.lock().await;
        let Some(own) = *turn else { return };
        match self.requests.hold(self.key(), own).await {
            Ok(held) => {
                if held.is_none() {
                    let method = self.method.as_str();
                    tracing::warn!(method, "another process took over a slow request");
                }
                *turn = held;
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, method = self.method, "slow request not held");
            }
        }
    }

    async fn forget(&self) {
        let Some(turn) = self.turn.lock().await.take() else {
            return;
        };
        if let Err(error) = self.requests.abandon(self.key(), turn).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, method = self.method, "failed request not forgotten");
        }
    }
}

#[cfg(test)]
mod tests {
    use storage::{Database, DatabaseUrl};

    use super::*;

    #[tokio::test]
    async fn a_request_whose_renewal_was_under_way_at_its_end_is_given_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let url: DatabaseUrl = url.parse().expect("a url");
        let database = Database::connect(&url).await.expect("a database");
        database.migrate("rpc", &[]).await.expect("migrated");
        let requests = Requests::new(database.clone());
        let key = RequestKey {
            request_id: "r",
            method: "m",
        };
        for is_dropped in [false, true] {
            let begun = requests.begin(key, b"x").await.expect("an answer");
            let Begun::New(turn) = begun else {
                panic!("{is_dropped}: nobody has it: {begun:?}");
            };
            let held = Held::new(&requests, key, turn);
            // The renewal waits for the only writer of the file when the work ends.
            let writer = database.begin_write().await.expect("begins");
            {
                let mut renewal = Box::pin(held.renew());
                for _ in 0..100 {
                    assert!(futures::poll!(&mut renewal).is_pending(), "it waits");
                    tokio::task::yield_now().await;
                }
            }
            let own = held.own.clone().expect("under way");
            let given_up = tokio::spawn(async move {
                if is_dropped {
                    drop(held);
                } else {
                    held.abandon().await;
                }
            });
            writer.rollback().await.expect("ends");
            given_up.await.expect("ends");
            // Whoever dropped it waits for nothing, so the last holder of it is waited for.
            while Arc::strong_count(&own) > 1 {
                tokio::task::yield_now().await;
            }
        }
        let begun = requests.begin(key, b"x").await.expect("an answer");
        assert!(matches!(begun, Begun::New(_)), "{begun:?}");
    }
}
