//! Writes the dead letters of calls that come at the same time with one statement: the first goes
//! at once, and what comes meanwhile goes together next.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use audit::Operation;
use rpc::Failure;
use sea_orm::EntityTrait as _;
use sea_orm::sea_query::OnConflict;
use storage::Database;
use tokio::sync::oneshot;

use crate::entity::dead_letter;
use crate::limits::{LETTERS_BETWEEN_LOOKS, STATEMENT_ROWS};

/// The answer to one call; an error for its sender, who sends again.
type Done = oneshot::Sender<Result<(), Arc<str>>>;
/// The rows of one call.
type Waiting = (Vec<dead_letter::ActiveModel>, Done);

/// Writes dead letters.
#[derive(Debug)]
pub(super) struct Writer {
    inner: Arc<Inner>,
    /// Rows that were written since the last look for sources with too many.
    written: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    /// As many as there are calls under way, whose bodies are charged to the memory of messages.
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

impl Writer {
    pub(super) fn new(database: Database) -> Self {
        Self {
            inner: Arc::new(Inner {
                database,
                waiting: Mutex::default(),
                turn: tokio::sync::Mutex::default(),
            }),
            written: AtomicU64::new(0),
        }
    }

    /// Writes rows, and returns once they are stored. Those that are there already stay.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`].
    pub(super) async fn write(&self, rows: Vec<dead_letter::ActiveModel>) -> Result<(), Failure> {
        let number = rows.len() as u64;
        let (done, result) = oneshot::channel();
        self.inner.waiting().push((rows, done));
        // A task of its own: a caller that goes away does not take the rows of others along.
        let inner = Arc::clone(&self.inner);
        tokio::spawn(Operation::carry(async move { inner.write_waiting().await }));
        match result.await {
            Ok(Ok(())) => {
                self.written.fetch_add(number, Ordering::Relaxed);
                Ok(())
            }
            Ok(Err(text)) => Err(Failure::store_unavailable(&*text)),
            Err(lost) => Err(Failure::store_unavailable(lost)),
        }
    }

    /// Returns whether so many rows were written that a look for too many is due, once for each
    /// such number.
    pub(super) fn is_look_due(&self) -> bool {
        let is_due = |written: u64| (written >= LETTERS_BETWEEN_LOOKS).then_some(0);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.written.fetch_update(set, fetch, is_due).is_ok()
    }
}

impl Inner {
    async fn write_waiting(&self) {
        let _turn = self.turn.lock().await;
        let waiting = std::mem::take(&mut *self.waiting());
        if waiting.is_empty() {
            // Whoever had the turn before took them along.
            return;
        }
        let (rows, done): (Vec<_>, Vec<Done>) = waiting.into_iter().unzip();
        let mut rows: Vec<dead_letter::ActiveModel> = rows.into_iter().flatten().collect();
        let mut result = Ok(());
        while !rows.is_empty() && result.is_ok() {
            let rest = rows.split_off(rows.len().min(STATEMENT_ROWS));
            let some = std::mem::replace(&mut rows, rest);
            result = self.insert(some).await;
        }
        for done in done {
            // A caller that went away hears nothing.
            let _ = done.send(result.clone());
        }
    }

    async fn insert(&self, rows: Vec<dead_letter::ActiveModel>) -> Result<(), Arc<str>> {
        let sent_again = OnConflict::new().do_nothing().to_owned();
        let inserted = dead_letter::Entity::insert_many(rows)
            .on_conflict(sent_again)
            .exec_without_returning(self.database.orm())
            .await;
        inserted.map(drop).map_err(|error| {
            // The error of a statement does not hold its values.
            tracing::warn!(%error, "dead letters cannot be kept, their senders are told to send again");
            error.to_string().into()
        })
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
