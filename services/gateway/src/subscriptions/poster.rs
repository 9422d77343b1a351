//! Posts for one subscription: batch after batch, each until it is taken.
//!
//! The end of a batch is noted in SQL before it is posted for the first time, so that whoever posts
//! it again, in this process or another, posts the same. Nothing waits for anything of another
//! subscription but for its turn to read a page of the log.

mod gather;

use std::sync::Arc;
use std::time::Duration;

use ::changes::ReadError;
use kernel::Timestamp;
use outbound::{Attempted, Client, Post};
use rpc::TraceParent;
use storage::StorageError;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, field};

use super::progress::{BatchAtHand, Progress, Standing};
use super::reader::{Found, Reader, body};
use super::rules::SubscriptionRules;
use super::table::SubscriptionTable;
use crate::GatewayDefinitions;
use crate::changes::Tail;
use crate::limits::POSTER_RETRY;
use crate::metrics::PostMetrics;

/// The parts that the posters of a process share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) table: SubscriptionTable,
    pub(super) tail: Tail,
    pub(super) client: Client,
    pub(super) metrics: PostMetrics,
    /// The room for pages that are kept while their subscriptions post.
    pub(super) pages: Arc<Semaphore>,
}

/// Posts for one subscription.
#[derive(Debug)]
pub(super) struct Poster {
    shared: Arc<Shared>,
    definitions: watch::Receiver<Arc<GatewayDefinitions>>,
    progress: Progress,
    /// The epoch under which progress is noted.
    epoch: i64,
    /// Cancelled where it has to end, after the post under way.
    stop: CancellationToken,
    reader: Option<Reader>,
    /// Held while it follows the end of the log.
    newest: Option<watch::Receiver<u64>>,
    /// When progress was noted last.
    noted: Instant,
    /// True where it has looked through more than is noted.
    is_note_due: bool,
}

/// The end of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// The next one.
    GoesOn,
    /// Nothing: another process posts, or the definition is gone.
    Ends,
}

/// The reason why nothing is posted now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The epoch is over.
    #[error("another owner or an order has taken over")]
    Late,
    /// It was told to stop, or definitions changed.
    #[error("interrupted")]
    Interrupted,
    /// The log cannot be read from the position.
    #[error(transparent)]
    Log(ReadError),
    /// The database does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(error) => Self::Storage(error),
            error => Self::Log(error),
        }
    }
}

impl Poster {
    /// Goes on with this progress, which is noted under that epoch.
    pub(super) fn new(
        shared: Arc<Shared>,
        definitions: watch::Receiver<Arc<GatewayDefinitions>>,
        (progress, epoch): (Progress, i64),
        stop: CancellationToken,
    ) -> Self {
        Self {
            shared,
            definitions,
            progress,
            epoch,
            stop,
            reader: None,
            newest: None,
            noted: Instant::now(),
            is_note_due: false,
        }
    }

    /// Posts until it is told to stop, or another process posts.
    pub(super) async fn run(mut self) {
        let mut is_away = false;
        while !self.stop.is_cancelled() {
            match self.step().await {
                Ok(Flow::GoesOn) => is_away = false,
                Ok(Flow::Ends) | Err(Trouble::Late) => return,
                Err(Trouble::Interrupted) => {}
                Err(trouble) => {
                    if !is_away {
                        let name = &self.progress.name;
                        tracing::warn!(%trouble, subscription = name, "a subscription waits for the database");
                    }
                    is_away = true;
                    self.pause(POSTER_RETRY).await;
                }
            }
        }
        if self.is_note_due {
            // Whoever goes on looks through as much again otherwise.
            let _ = self.save().await;
        }
    }

    async fn step(&mut self) -> Result<Flow, Trouble> {
        let definitions = Arc::clone(&self.definitions.borrow_and_update());
        let Some(rules) = definitions.subscriptions.get(&self.progress.name).cloned() else {
            return Ok(Flow::Ends);
        };
        if rules.is_paused || self.progress.standing != Standing::Active {
            self.idle(None).await;
            return Ok(Flow::GoesOn);
        }
        let now = access::now();
        if let Some(due) = self.progress.next_attempt_time
            && due > now
        {
            let millis = due.since(now).as_millis().unsigned_abs();
            self.idle(Some(Duration::from_millis(millis))).await;
            return Ok(Flow::GoesOn);
        }
        match self.gather(&rules).await {
            Ok((batch, found)) => self.post(&rules, &batch, &found).await,
            Err(Trouble::Log(error)) => {
                self.progress.out_of_range(&error);
                let name = &self.progress.name;
                tracing::error!(%error, subscription = name, "a subscription is out of range");
                self.note().await
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Waits without following the log: for a time, or until definitions change.
    async fn idle(&mut self, time: Option<Duration>) {
        self.reader = None;
        self.newest = None;
        let timer = async {
            match time {
                Some(time) => sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = timer => {}
            // The store is there as long as the process.
            _ = self.definitions.changed() => {}
        }
    }

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = sleep(time) => {}
        }
    }

    /// Posts a batch once, and notes what came of it.
    async fn post(
        &mut self,
        rules: &SubscriptionRules,
        batch: &BatchAtHand,
        found: &Found,
    ) -> Result<Flow, Trouble> {
        if found.count == 0 {
            // All of it was erased.
            self.progress.taken(None);
            return self.note().await;
        }
        let span = tracing::info_span!(
            "gateway.post_changes",
            otel.kind = "client",
            otel.status_code = field::Empty,
            subscription = self.progress.name,
            batch_id = batch.id,
            changes = found.count,
        );
        let body = body(&self.progress.name, batch.end, found);
        let begun = Instant::now();
        let attempted = self.attempt(rules, batch, body).instrument(span).await;
        let now = access::now();
        self.shared
            .metrics
            .posted(attempted.verdict, found.count, begun.elapsed());
        self.attempted(&attempted, now);
        self.note().await
    }

    async fn attempt(
        &self,
        rules: &SubscriptionRules,
        batch: &BatchAtHand,
        body: Vec<u8>,
    ) -> Attempted {
        let span = Span::current();
        let trace_parent = TraceParent::of_span(&span).map(|parent| parent.to_string());
        let post = Post {
            destination: &rules.destination,
            id: &batch.id,
            trace_parent: trace_parent.as_deref().unwrap_or_default(),
            body: body.into(),
        };
        let attempted = self.shared.client.post(post).await;
        if attempted.verdict != outbound::Verdict::Taken {
            span.record("otel.status_code", "ERROR");
        }
        attempted
    }

    /// Takes note of an attempt, in memory and in the log of the process.
    fn attempted(&mut self, attempted: &Attempted, now: Timestamp) {
        let before = self.progress.standing;
        self.progress.attempted(attempted, now);
        let (name, error) = (&self.progress.name, &self.progress.last_error);
        if self.progress.standing != before {
            tracing::error!(subscription = name, error, "a subscription is stopped");
        } else if self.progress.failures == 1 {
            tracing::warn!(
                subscription = name,
                error,
                "a receiver of changes took nothing"
            );
        }
        if !error.is_empty()
            && let Some(reader) = &mut self.reader
        {
            reader.forget_page();
        }
    }

    /// Notes progress. Returns false where the epoch is over.
    async fn save(&mut self) -> Result<bool, StorageError> {
        let saved = self.shared.table.save(&self.progress, self.epoch).await?;
        self.noted = Instant::now();
        self.is_note_due = false;
        Ok(saved)
    }

    /// Notes progress, however often that has to be tried.
    async fn note(&mut self) -> Result<Flow, Trouble> {
        loop {
            match self.save().await {
                Ok(true) => return Ok(Flow::GoesOn),
                Ok(false) => return Ok(Flow::Ends),
                Err(error) => {
                    let name = &self.progress.name;
                    tracing::warn!(%error, subscription = name, "progress is not noted, trying again");
                    sleep(POSTER_RETRY).await;
                }
            }
        }
    }
}
