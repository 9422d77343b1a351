//! A request that this process does: others are told that it is at it, and may have it once it is
//! given up.

use std::convert::Infallible;

use storage::{RequestKey, Requests, Turn, limits};

use super::now;

/// A request under way. Where it is dropped before it is done, as at the deadline of its call, it
/// can be tried again.
#[derive(Debug)]
pub(super) struct Held {
    requests: Requests,
    request_id: String,
    method: String,
    /// Absent once somebody else has it, or it is done.
    turn: Option<Turn>,
}

impl Held {
    /// Holds a request that was begun.
    pub(super) fn new(requests: &Requests, key: RequestKey<'_>, turn: Turn) -> Self {
        Self {
            requests: requests.clone(),
            request_id: key.request_id.to_owned(),
            method: key.method.to_owned(),
            turn: Some(turn),
        }
    }

    /// Says again and again that this process is at it.
    pub(super) async fn hold(&mut self) -> Infallible {
        loop {
            tokio::time::sleep(limits::REQUEST_HOLD).await;
            let key = RequestKey {
                request_id: &self.request_id,
                method: &self.method,
            };
            let Some(turn) = self.turn else { continue };
            match self.requests.hold(key, turn, now()).await {
                Ok(held) => {
                    if held.is_none() {
                        let method = self.method.as_str();
                        tracing::warn!(method, "another process took over a slow request");
                    }
                    self.turn = held;
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, method = self.method, "slow request not held");
                }
            }
        }
    }

    /// Ends it: it has an answer.
    pub(super) fn done(mut self) {
        self.turn = None;
    }

    /// Forgets it: it failed.
    pub(super) async fn abandon(mut self) {
        if let Some(turn) = self.turn.take() {
            let key = RequestKey {
                request_id: &self.request_id,
                method: &self.method,
            };
            forget(&self.requests, key, turn).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(turn) = self.turn.take() else {
            return;
        };
        // Outside of a runtime the process is ending, and others find that out by themselves.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let requests = self.requests.clone();
            let request_id = std::mem::take(&mut self.request_id);
            let method = std::mem::take(&mut self.method);
            runtime.spawn(async move {
                let key = RequestKey {
                    request_id: &request_id,
                    method: &method,
                };
                forget(&requests, key, turn).await;
            });
        }
    }
}

async fn forget(requests: &Requests, key: RequestKey<'_>, turn: Turn) {
    if let Err(error) = requests.abandon(key, turn).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, method = key.method, "failed request not forgotten");
    }
}
