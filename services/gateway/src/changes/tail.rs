//! The end of the log, followed once for all who wait there: each new row is read and decoded once,
//! and handed to them as it is.
//!
//! Nobody asks the database while nobody waits. Who is further behind reads pages of their own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::changes::{LogBatch, Position, ReadError};
use storage::StorageError;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::source::SharedSource;
use crate::limits::{PAGES_AT_ONCE, POLL_PAUSE, RECENT_CHANGES, RECENT_TIME, ROWS_AT_ONCE};

/// The end of the log of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tail(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: SharedSource,
    shutdown: CancellationToken,
    /// The number of the newest row; 0 where it is not known.
    newest: watch::Sender<u64>,
    recent: Mutex<Recent>,
    pages: Semaphore,
}

/// The rows that came last, without gaps.
#[derive(Debug, Default)]
struct Recent {
    is_followed: bool,
    rows: VecDeque<(Instant, Arc<LogBatch>)>,
    changes: usize,
}

impl Tail {
    /// The end of a log, which is followed until the process is told to end.
    pub(crate) fn new(source: SharedSource, shutdown: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            source,
            shutdown,
            newest: watch::Sender::new(0),
            recent: Mutex::default(),
            pages: Semaphore::new(PAGES_AT_ONCE),
        }))
    }

    /// Returns the number of the newest row, which changes when there is another one: also by
    /// becoming smaller, where the database was restored. It is 0 until it is known.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        let receiver = self.0.newest.subscribe();
        let mut recent = self.recent();
        if !recent.is_followed {
            recent.is_followed = true;
            tokio::spawn(self.clone().follow());
        }
        receiver
    }

    /// Returns new rows from a number on, none where there is none behind it yet; `None` where the
    /// log has to be asked.
    pub(crate) fn rows_from(&self, row: u64) -> Option<Vec<Arc<LogBatch>>> {
        let mut recent = self.recent();
        recent.forget(Instant::now());
        let (_, first) = recent.rows.front()?;
        let place = usize::try_from(row.checked_sub(first.row)?).ok()?;
        if place > recent.rows.len() {
            return None;
        }
        let rows = recent.rows.iter().skip(place).take(ROWS_AT_ONCE);
        Some(rows.map(|(_, row)| Arc::clone(row)).collect())
    }

    /// Reads a page of the log. Few do so at once, so that the database has time for others.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) async fn read(&self, after: Position) -> Result<Vec<Arc<LogBatch>>, ReadError> {
        // It is never closed.
        let _turn = self.0.pages.acquire().await;
        let rows = self.0.source.read(after).await?;
        Ok(rows.into_iter().map(Arc::new).collect())
    }

    /// Looks for new rows while somebody waits for them.
    async fn follow(self) {
        let mut known = None;
        let mut is_away = false;
        while self.is_wanted() {
            match self.look(&mut known).await {
                Ok(()) => is_away = false,
                Err(error) if !is_away => {
                    is_away = true;
                    tracing::warn!(%error, "the log of changes cannot be read, trying again");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(POLL_PAUSE) => {}
                () = self.0.shutdown.cancelled() => return,
            }
        }
    }

    /// Reads the rows behind the last one that is known.
    async fn look(&self, known: &mut Option<Position>) -> Result<(), ReadError> {
        let newest = self.newest_row().await?;
        let Some(mut at) = *known else {
            let log = self.0.source.extent().await?.newest.log;
            *known = Some(Position::behind(log, newest));
            self.publish(newest);
            return Ok(());
        };
        if newest + 1 < at.row {
            // The database was restored: the numbers behind it come again.
            self.recent().clear();
            *known = Some(Position::behind(at.log, newest));
            self.publish(newest);
            return Ok(());
        }
        while at.row <= newest {
            let rows = match self.read(at).await {
                Ok(rows) => rows,
                // They were removed meanwhile: whoever waits for them is told so.
                Err(ReadError::TooOld | ReadError::TooNew) => Vec::new(),
                Err(error) => return Err(error),
            };
            let end = rows.last().map_or(newest, |row| row.row);
            at = Position::behind(at.log, end);
            *known = Some(at);
            self.recent().keep(rows, Instant::now());
            self.publish(end);
        }
        Ok(())
    }

    async fn newest_row(&self) -> Result<u64, StorageError> {
        self.0.source.newest_row().await
    }

    fn publish(&self, newest: u64) {
        self.0.newest.send_if_modified(|known| {
            let is_new = *known != newest;
            *known = newest;
            is_new
        });
    }

    /// Returns whether somebody waits, and ends the following otherwise.
    fn is_wanted(&self) -> bool {
        let mut recent = self.recent();
        if self.0.newest.receiver_count() > 0 {
            return true;
        }
        recent.is_followed = false;
        recent.clear();
        self.0.newest.send_replace(0);
        false
    }

    /// The rows cannot be half changed.
    fn recent(&self) -> MutexGuard<'_, Recent> {
        let recent = self.0.recent.lock();
        recent.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn keep(&mut self, rows: Vec<Arc<LogBatch>>, now: Instant) {
        for row in rows {
            let last = self.rows.back().map(|(_, last)| last.row);
            if last.is_some_and(|last| last + 1 != row.row) {
                self.clear();
            }
            self.changes += row.changes.len();
            self.rows.push_back((now, row));
        }
        self.forget(now);
    }

    /// Removes rows that are old or too many: what is erased in the log must not stay here.
    fn forget(&mut self, now: Instant) {
        while let Some((time, row)) = self.rows.front() {
            let is_old = now.saturating_duration_since(*time) > RECENT_TIME;
            if !is_old && self.changes <= RECENT_CHANGES {
                return;
            }
            self.changes -= row.changes.len();
            self.rows.pop_front();
        }
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.changes = 0;
    }
}
