//! Collects what callers write at the same time, so that one statement writes all of it.
//!
//! Nobody waits for company: a row that finds a writer idle is written at once, and rows that come while all writers are
//! busy are written together by the first that is free.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::limits::{APPEND, FLUSH_BYTES, FLUSH_ROWS, QUEUED_ROWS};
use super::statements::late;
use crate::LogError;

/// What is written.
pub(super) trait Row: Send + Sync + 'static {
    /// Its primary key. All writers write in this order, so that none waits for another in a circle.
    fn key(&self) -> impl Ord;

    /// About how many bytes it is.
    fn bytes(&self) -> usize;
}

/// Writes rows, all in one go.
#[async_trait]
pub(super) trait WriteRows<R, D>: Send + 'static {
    /// Writes rows, and tells what became of each, in their order; or that nothing is known of any. Gives up by itself where the
    /// database does not answer.
    async fn write(&mut self, rows: &[R]) -> Result<Vec<Result<D, LogError>>, LogError>;
}

struct Waiting<R, D> {
    row: R,
    answer: oneshot::Sender<Result<D, LogError>>,
}

/// The way to the writers.
pub(super) struct Queue<R, D> {
    rows: mpsc::Sender<Waiting<R, D>>,
}

impl<R, D> fmt::Debug for Queue<R, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl<R: Row, D: Send + 'static> Queue<R, D> {
    /// Starts a task for each writer. They end when the queue is dropped and what waited is written.
    pub(super) fn start<W: WriteRows<R, D>>(writers: impl IntoIterator<Item = W>) -> Self {
        let (rows, queued) = mpsc::channel(QUEUED_ROWS);
        let queued = Arc::new(Mutex::new(queued));
        for writer in writers {
            tokio::spawn(write_rows(writer, Arc::clone(&queued)));
        }
        Self { rows }
    }

    /// Writes a row, together with those of others.
    ///
    /// # Errors
    /// As the writer says; [`LogError::Unavailable`] says nothing about whether it is written.
    pub(super) async fn write(&self, row: R) -> Result<D, LogError> {
        let (answer, answered) = oneshot::channel();
        let written = async {
            let ended = || LogError::unavailable("the task that writes has ended");
            let waiting = Waiting { row, answer };
            self.rows.send(waiting).await.map_err(|_| ended())?;
            answered.await.map_err(|_| ended())?
        };
        timeout(APPEND, written).await.map_err(|_| late(APPEND))?
    }
}

async fn write_rows<R: Row, D: Send + 'static, W: WriteRows<R, D>>(
    mut writer: W,
    queued: Arc<Mutex<mpsc::Receiver<Waiting<R, D>>>>,
) {
    while let Some(batch) = next_batch(&queued).await {
        let (rows, answers): (Vec<R>, Vec<_>) = batch
            .into_iter()
            .map(|waiting| (waiting.row, waiting.answer))
            .unzip();
        match writer.write(&rows).await {
            Ok(outcomes) => {
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    // A caller that has given up asks again.
                    let _gone = answer.send(outcome);
                }
            }
            Err(error) => {
                // It is not known whose row it was about, so each of them may try again.
                let error = match error {
                    LogError::Unavailable(_) => error,
                    other => LogError::unavailable(other),
                };
                for answer in answers {
                    let _gone = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

/// Waits for rows and returns them in the order of keys; absent once the queue is dropped.
async fn next_batch<R: Row, D>(
    queued: &Mutex<mpsc::Receiver<Waiting<R, D>>>,
) -> Option<Vec<Waiting<R, D>>> {
    let mut batch = Vec::new();
    let mut queued = queued.lock().await;
    while batch.is_empty() {
        let mut next = Some(queued.recv().await?);
        // Tasks that are ready to run hand in their rows first; where there is none, this is no pause.
        tokio::task::yield_now().await;
        let mut bytes = 0;
        while let Some(waiting) = next {
            // Where nobody waits any more, whoever asks again decides anew.
            if !waiting.answer.is_closed() {
                bytes += waiting.row.bytes();
                batch.push(waiting);
            }
            if batch.len() >= FLUSH_ROWS || bytes >= FLUSH_BYTES {
                break;
            }
            next = queued.try_recv().ok();
        }
    }
    batch.sort_by(|one, other| one.row.key().cmp(&other.row.key()));
    Some(batch)
}
