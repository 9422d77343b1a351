//! Whether a simulated process runs, stands still, or is dead.
//!
//! Everything that a process does to the world goes through a link that asks here first. So a
//! process that is killed needs no help of its own: whatever its tasks go on to do, nothing of it
//! arrives any more.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Runs,
    Stopped,
    Dead,
}

/// True where a process runs.
#[derive(Debug)]
pub(crate) struct Life {
    condition: Mutex<Condition>,
    /// Wakes in the order of waiting, unlike a watch channel.
    changed: Notify,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self {
            condition: Mutex::new(Condition::Runs),
            changed: Notify::new(),
        }
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once the process runs; never, where it is dead.
    pub(crate) async fn runs(&self) {
        loop {
            let changed = self.changed.notified();
            if *self.condition() == Condition::Runs {
                return;
            }
            changed.await;
        }
    }

    /// Ends it, in the middle of whatever it does.
    pub(crate) fn kill(&self) {
        *self.condition() = Condition::Dead;
    }

    /// Stops it, as SIGSTOP does.
    pub(crate) fn stop(&self) {
        self.change(Condition::Runs, Condition::Stopped);
    }

    /// Lets it go on as if nothing had been.
    pub(crate) fn go_on(&self) {
        self.change(Condition::Stopped, Condition::Runs);
        self.changed.notify_waiters();
    }

    pub(crate) fn is_dead(&self) -> bool {
        *self.condition() == Condition::Dead
    }

    fn change(&self, from: Condition, to: Condition) {
        let mut condition = self.condition();
        if *condition == from {
            *condition = to;
        }
    }
}
