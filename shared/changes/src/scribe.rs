//! Brings changes to the log.
//!
//! Commits that workers push wait in memory until a transaction has brought them to the log; one
//! that fails is tried again. Nothing is lost with the process: workers keep what they push in
//! their stores until they hear that the log has it.

mod slots;
mod write;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Owner, PartitionId};
use storage::{Database, StorageError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub(crate) use self::slots::Backlog;
use self::slots::{Pushed, Slots};
use crate::sink::{ChangeSink, Pending, Place};
use crate::{ChangeLog, WriteError, limits, metrics};

/// Brings the changes of all workers of a process to the log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scribe(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// With connections of its own.
    database: Database,
    slots: Mutex<Slots>,
    /// Told when something waits, and nothing did before.
    first: Notify,
    /// Told when a full row waits.
    full: Notify,
    /// Held by whoever writes.
    turn: tokio::sync::Mutex<()>,
}

impl Scribe {
    /// Writes to a log. It must be called inside a tokio runtime.
    pub fn new(log: ChangeLog) -> Self {
        let shared = Arc::new(Shared {
            database: log.into_database().apart(limits::CONNECTIONS),
            slots: Mutex::default(),
            first: Notify::new(),
            full: Notify::new(),
            turn: tokio::sync::Mutex::default(),
        });
        metrics::begin();
        let watched = Arc::downgrade(&shared);
        metrics::watch(move || watched.upgrade().map(|shared| shared.slots().backlog()));
        Self(shared)
    }

    /// Writes what comes, until told to end; then once more. Tell it to end after all workers.
    pub async fn run(self, shutdown: CancellationToken) {
        let work = async {
            let mut attempts = Attempts::default();
            loop {
                self.wait().await;
                self.attempt(&mut attempts).await;
            }
        };
        shutdown.run_until_cancelled(work).await;
        let rest = async {
            let mut attempts = Attempts::default();
            while self.0.slots().has_any() {
                self.attempt(&mut attempts).await;
            }
        };
        if timeout(limits::CLOSE_PATIENCE, rest).await.is_err() {
            let Backlog { commits, .. } = self.0.slots().backlog();
            tracing::warn!(
                commits,
                "the process ends before the log has all changes: the next owners of the partitions write the rest"
            );
        }
    }

    /// Brings some of what waits to the log, in one transaction.
    ///
    /// # Errors
    /// [`WriteError`]: it waits on.
    pub async fn flush(&self) -> Result<(), WriteError> {
        let _turn = self.0.turn.lock().await;
        let gathered = self.0.slots().gather();
        if gathered.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let write = write::write(&self.0.database, &gathered);
        let written = match timeout(limits::FLUSH_TIME, write).await {
            Ok(written) => written?,
            Err(_) => return Err(StorageError::Late(limits::FLUSH_TIME).into()),
        };
        metrics::written(begun.elapsed(), written.rows, &written.changes);
        let mut slots = self.0.slots();
        for (slot, mark) in written.marks {
            slots.settle(slot, mark);
        }
        Ok(())
    }

    /// Waits until there is something to write: for a moment in which more comes, unless a full row
    /// is there.
    async fn wait(&self) {
        while !self.0.slots().has_any() {
            self.0.first.notified().await;
        }
        if self.0.slots().has_row() {
            return;
        }
        tokio::select! {
            () = sleep(limits::FLUSH_INTERVAL) => {}
            () = self.0.full.notified() => {}
        }
    }

    /// Tries to write, and pauses where that fails.
    async fn attempt(&self, attempts: &mut Attempts) {
        match self.flush().await {
            Ok(()) => attempts.has_written(),
            Err(error) => sleep(attempts.has_failed(&error)).await,
        }
    }

    fn notify(&self, pushed: Pushed) {
        if pushed.is_first {
            self.0.first.notify_one();
        }
        if pushed.is_full {
            self.0.full.notify_one();
        }
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChangeSink for Scribe {
    fn open(&self, owner: Owner, partition: PartitionId, epoch: u64, pending: Vec<Pending>) {
        let pushed = self.0.slots().open((owner, partition), epoch, pending);
        self.notify(pushed);
    }

    fn push(&self, owner: Owner, partition: PartitionId, pending: Pending) {
        let pushed = self.0.slots().push((owner, partition), pending);
        self.notify(pushed);
    }

    fn logged(&self, owner: Owner, partition: PartitionId) -> Place {
        self.0.slots().logged((owner, partition))
    }

    fn close(&self, owner: Owner, partition: PartitionId, epoch: u64) {
        self.0.slots().close((owner, partition), epoch);
    }
}

/// Attempts to write that failed, one after the other.
#[derive(Debug, Default)]
struct Attempts {
    /// The pause after the last; zero where it succeeded.
    pause: Duration,
}

impl Attempts {
    fn has_written(&mut self) {
        if !self.pause.is_zero() {
            tracing::info!("changes are written to the log again");
        }
        self.pause = Duration::ZERO;
    }

    /// Returns the pause before the next.
    fn has_failed(&mut self, error: &WriteError) -> Duration {
        metrics::write_failed();
        if self.pause.is_zero() {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "changes are not written to the log; trying again"
            );
        }
        self.pause = (self.pause * 2).clamp(limits::RETRY_FIRST, limits::RETRY_MOST);
        self.pause
    }
}
