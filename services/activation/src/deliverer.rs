//! The deliverer: takes attempts from the core after their commit, makes them, and appends what became of them.
//!
//! At least once: an attempt that is lost with the process is asked for again by its lease, under the same idempotency
//! key. Within the process, an activation is never under way twice: asked for again meanwhile, it only takes the newer
//! attempt's number. It works in real time even where the installation's is virtual, and decides nothing: what an
//! outcome means is the core's business.

mod job;
mod outcomes;
mod queue;
mod webhook;

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use activation_core::Definitions;
use activation_core::channel::ChannelKind;
use destination::Destination;
use engine::{Clock, Dispatcher, SystemClock};
use futures::FutureExt;
use hot::SharedHotStore;
use kernel::{ActivationId, OutboundAddresses, PartitionId};
use outbound::{Attempted, Client, ClientConfig, Post};
use proto::stream::v1::{DeliveryResult, Record};
use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

pub use outbound::{Network, SystemNetwork, Timeouts, Wire};

use self::job::{Job, result_of, write_log};
use self::outcomes::Waiting;
use self::queue::Queues;
use self::webhook::Message;
use crate::limits;
use crate::metrics::DeliveryMetrics;

/// What a deliverer needs.
pub struct DelivererConfig {
    /// Where outcomes are appended.
    pub hot: SharedHotStore,
    /// The channels, as of now.
    pub definitions: watch::Receiver<Arc<Definitions>>,
    /// Leads to the hosts of webhooks.
    pub network: Arc<dyn Network>,
    /// The addresses that the operator allows webhooks to have.
    pub allowed: OutboundAddresses,
    /// Real time, for the timestamps of signatures.
    pub clock: Arc<dyn Clock>,
    /// How long each part of a delivery may take.
    pub timeouts: Timeouts,
}

impl DelivererConfig {
    /// The configuration of production.
    pub fn new(hot: SharedHotStore, definitions: watch::Receiver<Arc<Definitions>>) -> Self {
        Self {
            hot,
            definitions,
            network: Arc::new(SystemNetwork),
            allowed: OutboundAddresses::PUBLIC,
            clock: Arc::new(SystemClock),
            timeouts: Timeouts::default(),
        }
    }
}

/// Makes deliveries. Cheap to clone.
#[derive(Clone)]
pub struct Deliverer(Arc<Shared>);

struct Shared {
    metrics: DeliveryMetrics,
    definitions: watch::Receiver<Arc<Definitions>>,
    webhooks: Client,
    /// The hard bound on what is under way to all destinations.
    permits: Semaphore,
    work: Mutex<Work>,
    /// What was final, and may not have been read by the core yet.
    remembered: Cache<ActivationId, Attempted>,
    /// Absent once the deliverer stops.
    outcomes: Mutex<Option<mpsc::Sender<Waiting<Job>>>>,
    appending: Mutex<Option<JoinHandle<()>>>,
    tasks: TaskTracker,
    runtime: tokio::runtime::Handle,
}

#[derive(Default)]
struct Work {
    queues: Queues<(Job, Destination)>,
    /// The newest attempt of each activation that is under way, until its outcome is in its stream.
    under_way: HashMap<ActivationId, u32>,
    is_stopping: bool,
}

impl fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliverer")
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl Dispatcher for Deliverer {
    fn dispatch(&self, partition: PartitionId, record: Record) {
        match Job::read(partition, record) {
            Some(job) => self.take(job),
            None => tracing::error!(%partition, "a dispatched record is no delivery"),
        }
    }

    fn in_flight(&self) -> u64 {
        self.0.in_flight()
    }
}

impl Deliverer {
    /// Starts a deliverer on the current runtime.
    pub fn start(config: DelivererConfig) -> Self {
        let (sender, receiver) = mpsc::channel(limits::OUTCOMES_WAITING);
        let deliverer = Self(Arc::new_cyclic(|shared: &Weak<Shared>| Shared {
            metrics: DeliveryMetrics::new({
                let shared = Weak::clone(shared);
                move || Some(shared.upgrade()?.in_flight())
            }),
            definitions: config.definitions,
            webhooks: Client::new(ClientConfig {
                network: config.network,
                allowed: config.allowed,
                clock: Arc::new(move || config.clock.now()),
                timeouts: config.timeouts,
                service: crate::NAME,
            }),
            permits: Semaphore::new(limits::AT_ONCE),
            work: Mutex::default(),
            remembered: Cache::new(limits::REMEMBERED),
            outcomes: Mutex::new(Some(sender)),
            appending: Mutex::new(None),
            tasks: TaskTracker::new(),
            runtime: tokio::runtime::Handle::current(),
        }));
        let owner = deliverer.clone();
        let appending =
            outcomes::append_all(config.hot, receiver, move |job: Job| owner.appended(job));
        *lock(&deliverer.0.appending) = Some(tokio::spawn(appending));
        deliverer
    }

    /// Stops: begins nothing more, waits a moment for what is under way, and leaves the rest to the leases.
    pub async fn shutdown(&self) {
        let left = {
            let mut work = self.0.work();
            work.is_stopping = true;
            let left = work.queues.clear();
            for (job, _) in &left {
                work.under_way.remove(&job.id);
            }
            left.len()
        };
        self.0.tasks.close();
        let drain = async {
            self.0.tasks.wait().await;
            // Only now: what ended while we waited has its outcome appended, too.
            lock(&self.0.outcomes).take();
            let appending = lock(&self.0.appending).take();
            if let Some(appending) = appending {
                appending.await.ok();
            }
        };
        let ended = tokio::time::timeout(limits::DRAIN_TIMEOUT, drain).await;
        if left > 0 || ended.is_err() {
            tracing::info!(
                waiting = left,
                under_way = self.in_flight(),
                "deliveries left to their leases"
            );
        }
    }

    fn take(&self, job: Job) {
        {
            let mut work = self.0.work();
            if work.is_stopping {
                return;
            }
            if let Some(attempt) = work.under_way.get_mut(&job.id) {
                *attempt = (*attempt).max(job.delivery.attempt);
                return;
            }
            work.under_way.insert(job.id, job.delivery.attempt);
        }
        if let Some(known) = self.0.remembered.get(&job.id) {
            return self.finish(job, known);
        }
        let definitions = Arc::clone(&self.0.definitions.borrow());
        match definitions
            .channel(&job.delivery.channel)
            .map(|channel| &channel.kind)
        {
            None => job.span().in_scope(|| {
                self.attempted(job, Attempted::refused("the channel was deleted"), None);
            }),
            Some(ChannelKind::Log) => job.span().in_scope(|| {
                write_log(&job);
                self.attempted(job, Attempted::taken("written to the log"), None);
            }),
            Some(ChannelKind::Webhook(webhook)) => self.enqueue(job, webhook.clone()),
        }
    }

    fn enqueue(&self, job: Job, webhook: Destination) {
        let name = job.delivery.channel.clone();
        let bytes = job.delivery.body.len() + job.delivery.subject.len();
        let partition = job.partition;
        let mut work = self.0.work();
        let pushed = work.queues.push(&name, partition, bytes, (job, webhook));
        if let Err((job, _)) = pushed {
            work.under_way.remove(&job.id);
            self.0.metrics.deferred();
            tracing::warn!(channel = name, "queue full, delivery left to its lease");
            return;
        }
        self.begin(&mut work, &name);
    }

    /// Begins what the destination's window allows.
    fn begin(&self, work: &mut Work, name: &str) {
        while let Some((job, webhook)) = work.queues.next(name) {
            let span = job.span();
            let owner = self.clone();
            self.0.tasks.spawn_on(
                async move { owner.run(job, webhook).await }.instrument(span),
                &self.0.runtime,
            );
        }
    }

    async fn run(self, mut job: Job, webhook: Destination) {
        job.trace_by_span();
        let (attempted, took) = {
            let _permit = self.0.permits.acquire().await;
            let begun = Instant::now();
            let message = Message {
                id: job.id,
                customer: job.customer,
                time: job.time,
                delivery: &job.delivery,
            };
            let post = Post {
                destination: &webhook,
                id: &job.id.to_string(),
                trace_parent: &job.trace_parent,
                body: message.body(),
            };
            // A panic costs this attempt, not the destination's place in its window.
            let attempted = AssertUnwindSafe(self.0.webhooks.post(post))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Attempted::unanswered("the attempt failed inside"));
            (attempted, begun.elapsed())
        };
        tracing::debug!(
            result = result_of(attempted.verdict).as_str_name(),
            "delivery attempted"
        );
        {
            let mut work = self.0.work();
            let name = &job.delivery.channel;
            work.queues.done(name, attempted.is_struggling);
            self.begin(&mut work, name);
        }
        self.attempted(job, attempted, Some(took));
    }

    /// Takes note of what came of an attempt that was made now, in its span.
    fn attempted(&self, mut job: Job, attempted: Attempted, took: Option<Duration>) {
        job.trace_by_span();
        let result = result_of(attempted.verdict);
        if result != DeliveryResult::Delivered {
            Span::current().record("otel.status_code", "ERROR");
        }
        self.0.metrics.attempted(result, took);
        self.finish(job, attempted);
    }

    /// Sends what became of an attempt on its way to the stream.
    fn finish(&self, mut job: Job, attempted: Attempted) {
        if !attempted.is_struggling {
            self.0.remembered.insert(job.id, attempted.clone());
        }
        let attempt = self.0.work().under_way.get(&job.id).copied();
        job.told = attempt.unwrap_or(job.delivery.attempt);
        let record = job.outcome_record(&attempted);
        job.outcome = Some(attempted);
        let sender = lock(&self.0.outcomes).clone();
        let waiting = Waiting {
            partition: job.partition,
            record,
            then: job,
        };
        let Some(sender) = sender else {
            return self.forget(&waiting.then);
        };
        match sender.try_send(waiting) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(waiting)) => self.forget(&waiting.then),
            Err(mpsc::error::TrySendError::Full(waiting)) => {
                self.0.tasks.spawn_on(
                    async move { sender.send(waiting).await.ok() },
                    &self.0.runtime,
                );
            }
        }
    }

    /// The outcome is in its stream: the activation is no longer under way, unless it was asked for again meanwhile.
    fn appended(&self, mut job: Job) {
        let newer = {
            let mut work = self.0.work();
            match work.under_way.get(&job.id) {
                Some(attempt) if *attempt > job.told => true,
                _ => {
                    work.under_way.remove(&job.id);
                    false
                }
            }
        };
        if newer && let Some(outcome) = job.outcome.take() {
            self.finish(job, outcome);
        }
    }

    fn forget(&self, job: &Job) {
        self.0.work().under_way.remove(&job.id);
    }
}

impl Shared {
    fn in_flight(&self) -> u64 {
        u64::try_from(self.work().under_way.len()).unwrap_or(u64::MAX)
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        lock(&self.work)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
