//! Subscriptions: changes posted to URLs, in batches, signed, each until it is taken.
//!
//! Progress is in SQL, so that any process of the gateway goes on where another one ended. Which
//! changes there are, and how one is shown, is not decided here.

mod defined;
mod orders;
mod poster;
mod progress;
mod reader;
mod rules;
mod runner;
mod schedule;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use definitions::DefinitionStore;
use outbound::Client;
use rpc::Idempotency;
use storage::LeaseStore;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::defined::DefinedSubscriptions;
pub(crate) use self::orders::SubscriptionOrders;
use self::poster::Shared;
pub(crate) use self::rules::SubscriptionRules;
pub use self::rules::Subscriptions;
use self::runner::{Runner, RunnerParts};
pub(crate) use self::table::SubscriptionTable;
use crate::GatewayCatalog;
use crate::changes::OpenLog;
use crate::limits::PAGES_KEPT;
use crate::metrics::PostMetrics;

/// The parts that subscriptions are made of.
pub(crate) struct SubscriptionParts {
    /// Their progress.
    pub(crate) table: SubscriptionTable,
    /// Their definitions.
    pub(crate) store: Arc<DefinitionStore<GatewayCatalog>>,
    /// The log of changes; absent where the installation keeps none.
    pub(crate) log: Option<OpenLog>,
    /// Tells which processes are alive.
    pub(crate) leases: LeaseStore,
    /// Posts.
    pub(crate) client: Client,
    /// Remembers orders.
    pub(crate) idempotency: Idempotency,
}

/// Begins to post for the share of this process until it is told to end, where there is a log; the
/// task ends after what was under way then. Returns what takes orders, too.
pub(crate) fn start(
    parts: SubscriptionParts,
    shutdown: CancellationToken,
) -> (SubscriptionOrders, Option<JoinHandle<()>>) {
    let source = parts.log.as_ref().map(|log| Arc::clone(&log.source));
    let defined = DefinedSubscriptions::new(parts.store, parts.table.clone(), source);
    let woken = Arc::new(Notify::new());
    let orders = SubscriptionOrders::new(
        parts.table.clone(),
        defined.clone(),
        parts.log.clone(),
        parts.idempotency,
        Arc::clone(&woken),
    );
    let task = parts.log.map(|log| {
        let shared = Arc::new(Shared {
            table: parts.table,
            tail: log.tail,
            client: parts.client,
            metrics: PostMetrics::new(),
            pages: Arc::new(Semaphore::new(PAGES_KEPT)),
        });
        let runner = Runner::new(RunnerParts {
            shared,
            source: log.source,
            store: defined,
            leases: parts.leases,
            woken,
        });
        tokio::spawn(Box::pin(runner.run(shutdown)))
    });
    (orders, task)
}
