//! Writes acts that are in no transaction of their own: many in one, within a second.
//!
//! Acts that wait are bounded. Who finds no room waits a moment and is refused then, and so is
//! everybody once the store has been away for long: what waits would be lost with the process, and
//! a log that may lack anything proves nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rpc::Deadline;
use storage::Database;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::append::{Told, append, is_written};
use crate::metrics::Backlog;
use crate::{AuditError, ChainId, Head, limits, metrics};

/// An act that waits, and the one who wants to know that it was written.
#[derive(Debug)]
struct Waiting {
    told: Told,
    since: Instant,
    written: Option<oneshot::Sender<()>>,
}

/// All acts that wait, those that are being written included.
#[derive(Debug, Default)]
struct Waits {
    acts: AtomicU64,
    /// The time since which the oldest has waited, as far as a write has begun with it.
    oldest: Mutex<Option<Instant>>,
}

impl Waits {
    fn backlog(&self) -> Backlog {
        let oldest = *self.oldest();
        Backlog {
            acts: self.acts.load(Ordering::Relaxed),
            age: oldest.map_or(Duration::ZERO, |since| since.elapsed()),
        }
    }

    fn oldest(&self) -> MutexGuard<'_, Option<Instant>> {
        self.oldest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes acts, and writes them in the background.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Absent once it is closed.
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    /// When writes began to fail; absent while they succeed.
    failing_since: watch::Receiver<Option<Instant>>,
    waits: Arc<Waits>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// Cancelled when the rest is given up.
    give_up: CancellationToken,
}

impl Writer {
    pub(crate) fn start(database: Database, chain: ChainId) -> Self {
        let (queue, waiting) = mpsc::channel(limits::WAITING);
        let (failing, failing_since) = watch::channel(None);
        let give_up = CancellationToken::new();
        let waits = Arc::<Waits>::default();
        let watched = Arc::downgrade(&waits);
        metrics::begin();
        metrics::watch(move || watched.upgrade().map(|waits| waits.backlog()));
        let background = Background {
            database,
            chain,
            waiting,
            failing,
            waits: Arc::clone(&waits),
            unsure: None,
            give_up: give_up.clone(),
        };
        Self {
            queue: Mutex::new(Some(queue)),
            failing_since,
            waits,
            task: Mutex::new(Some(tokio::spawn(background.run()))),
            give_up,
        }
    }

    /// Takes acts, all of them or none.
    pub(crate) async fn note(&self, acts: Vec<Told>) -> Result<(), AuditError> {
        let since = Instant::now();
        let acts = acts.into_iter().map(|told| Waiting {
            told,
            since,
            written: None,
        });
        let taken = self.take(acts.collect()).await;
        taken.inspect_err(metrics::refused)
    }

    /// Takes an act, and returns once it is written.
    pub(crate) async fn write_first(&self, told: Told) -> Result<(), AuditError> {
        self.write(told).await.inspect_err(metrics::refused)
    }

    async fn write(&self, told: Told) -> Result<(), AuditError> {
        let (written, is_written) = oneshot::channel();
        let act = Waiting {
            told,
            since: Instant::now(),
            written: Some(written),
        };
        self.take(vec![act]).await?;
        match timeout(limits::WRITE_PATIENCE, is_written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_dropped)) => Err(AuditError::Closed),
            Err(_elapsed) => Err(AuditError::Away),
        }
    }

    async fn take(&self, acts: Vec<Waiting>) -> Result<(), AuditError> {
        let failing_since = *self.failing_since.borrow();
        if failing_since.is_some_and(|since| since.elapsed() > limits::AWAY) {
            return Err(AuditError::Away);
        }
        let queue = self.queue().clone().ok_or(AuditError::Closed)?;
        let own = Instant::now() + limits::PATIENCE;
        let until = Deadline::current().map_or(own, |deadline| deadline.last_wait().min(own));
        let room = timeout_at(until, queue.reserve_many(acts.len())).await;
        let room = room.map_err(|_elapsed| AuditError::Full)?;
        let room = room.map_err(|_closed| AuditError::Closed)?;
        let count = acts.len() as u64;
        self.waits.acts.fetch_add(count, Ordering::Relaxed);
        for (place, act) in room.zip(acts) {
            place.send(act);
        }
        Ok(())
    }

    /// Writes the rest, as far as the store takes it in time.
    pub(crate) async fn close(&self) {
        drop(self.queue().take());
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut task) = task else { return };
        if timeout(limits::CLOSE_PATIENCE, &mut task).await.is_err() {
            self.give_up.cancel();
            // It tells how many it gives up.
            let _ended = task.await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Option<mpsc::Sender<Waiting>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that writes.
struct Background {
    database: Database,
    chain: ChainId,
    waiting: mpsc::Receiver<Waiting>,
    failing: watch::Sender<Option<Instant>>,
    waits: Arc<Waits>,
    /// The end of a write whose commit was not answered: it may have taken effect.
    unsure: Option<Head>,
    give_up: CancellationToken,
}

impl Background {
    async fn run(mut self) {
        while let Some(first) = self.waiting.recv().await {
            *self.waits.oldest() = Some(first.since);
            let acts = self.gather(first).await;
            if !self.write(acts).await {
                return;
            }
        }
    }

    /// Takes what comes within a moment, or what is there where somebody waits for it.
    async fn gather(&mut self, first: Waiting) -> Vec<Waiting> {
        let until = Instant::now() + limits::GATHERED;
        let mut is_urgent = first.written.is_some();
        let mut acts = vec![first];
        while acts.len() < limits::ACTS_PER_WRITE {
            let next = if is_urgent {
                self.waiting.try_recv().ok()
            } else {
                timeout_at(until, self.waiting.recv()).await.ok().flatten()
            };
            let Some(next) = next else { break };
            is_urgent |= next.written.is_some();
            acts.push(next);
        }
        acts
    }

    /// Writes acts, however often that takes. Returns false where it was given up.
    async fn write(&mut self, acts: Vec<Waiting>) -> bool {
        let since = acts.first().map(|act| act.since);
        let (told, written): (Vec<Told>, Vec<_>) =
            acts.into_iter().map(|it| (it.told, it.written)).unzip();
        let mut pause = limits::RETRY_FIRST;
        while let Err(error) = self.try_in_time(&told).await {
            self.has_failed(&error);
            tokio::select! {
                () = sleep(pause) => pause = Duration::min(pause * 2, limits::RETRY_MOST),
                () = self.give_up.cancelled() => {
                    let lost = told.len() + self.waiting.len();
                    tracing::error!(
                        lost,
                        "the process ends with acts that could not be written to the audit log"
                    );
                    return false;
                }
            }
        }
        self.failing.send_replace(None);
        self.has_written(&told, since);
        for written in written.into_iter().flatten() {
            // One who does not wait any more was refused, and the entry says that it was asked.
            let _told = written.send(());
        }
        true
    }

    /// Tries for a while: a server that is gone without a word answers nothing.
    async fn try_in_time(&mut self, acts: &[Told]) -> Result<(), AuditError> {
        let tried = timeout(limits::WRITE_TIME, self.try_write(acts)).await;
        tried.unwrap_or(Err(AuditError::Away))
    }

    async fn try_write(&mut self, acts: &[Told]) -> Result<(), AuditError> {
        let transaction = self.database.begin_write().await?;
        if let Some(head) = self.unsure
            && is_written(&transaction, &head).await?
        {
            return Ok(transaction.rollback().await?);
        }
        self.unsure = Some(append(&transaction, self.chain, acts).await?);
        Ok(transaction.commit().await?)
    }

    fn has_written(&mut self, acts: &[Told], since: Option<Instant>) {
        self.unsure = None;
        let count = acts.len() as u64;
        self.waits.acts.fetch_sub(count, Ordering::Relaxed);
        *self.waits.oldest() = None;
        metrics::written(acts);
        metrics::waited(since.map_or(Duration::ZERO, |since| since.elapsed()));
    }

    fn has_failed(&self, error: &AuditError) {
        metrics::write_failed();
        let is_first = self.failing.borrow().is_none();
        if is_first {
            self.failing.send_replace(Some(Instant::now()));
            tracing::warn!(%error, "acts are not written to the audit log; trying again");
        }
    }
}

#[cfg(test)]
mod tests;
