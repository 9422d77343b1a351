//! Whether a simulated process runs, stands still, or is dead.
//!
//! Everything that a process does to the world goes through a link that asks here first. So a process that is killed needs
//! no help of its own: whatever its tasks go on to do, nothing of it arrives any more.

use tokio::sync::watch;

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Runs,
    Stopped,
    Dead,
}

/// Whether a process runs.
#[derive(Debug)]
pub(crate) struct Life(watch::Sender<Condition>);

impl Life {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Condition::Runs))
    }

    /// Returns once the process runs; never, where it is dead.
    pub(crate) async fn runs(&self) {
        let mut condition = self.0.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = condition.wait_for(|now| *now == Condition::Runs).await;
    }

    /// Ends it, in the middle of whatever it does.
    pub(crate) fn kill(&self) {
        self.0.send_replace(Condition::Dead);
    }

    /// Stops it, as SIGSTOP does.
    pub(crate) fn stop(&self) {
        self.change(Condition::Runs, Condition::Stopped);
    }

    /// Lets it go on as if nothing had been.
    pub(crate) fn go_on(&self) {
        self.change(Condition::Stopped, Condition::Runs);
    }

    pub(crate) fn is_dead(&self) -> bool {
        *self.0.borrow() == Condition::Dead
    }

    fn change(&self, from: Condition, to: Condition) {
        self.0.send_if_modified(|now| {
            let changes = *now == from;
            if changes {
                *now = to;
            }
            changes
        });
    }
}
