//! Starts the gateway in a process.

use std::sync::Arc;

use definitions::DefinitionStore;
use outbound::{Client, ClientConfig, SystemNetwork, Timeouts};
use runtime::{Awaited, Calls, Context, PeerAddresses, Service, StartError};
use tokio::task::JoinHandle;

use crate::GatewayCatalog;
use crate::changes::{ChangeRpc, OpenLog, SharedSource, Tail};
use crate::dead_letters::DeadLetters;
use crate::export::ExportRpc;
use crate::forward::{Relay, hands_on};
use crate::front::Front;
use crate::intake::{IntakeRpc, Replays, read_kept};
use crate::statistics::Statistics;
use crate::subscriptions::{self, SubscriptionOrders, SubscriptionParts, SubscriptionTable};
use crate::tracking::{Tracking, TrackingParts};
use crate::upkeep::keep_up;

/// The name of the service.
const NAME: &str = "gateway";

/// Starts the gateway: loads the definitions of sources and subscriptions, and opens the ways in.
///
/// # Errors
/// [`StartError`] where the database does not answer, or holds definitions that this version does
/// not understand.
pub fn start(context: &Context) -> Awaited<'_, Service> {
    Box::pin(start_parts(context))
}

async fn start_parts(context: &Context) -> Result<Service, StartError> {
    let store = context.load_definitions(NAME, GatewayCatalog).await?;
    let failed = |error| context.database_error(error);
    let database = context.database.clone();
    let statistics = Statistics::open(database.clone()).await.map_err(failed)?;
    let dead_letters = DeadLetters::open(database, statistics.clone()).await;
    let dead_letters = dead_letters.map_err(failed)?;
    let replays = Replays::new(store.watch(), read_kept);
    let intake = IntakeRpc::new(
        dead_letters.clone(),
        statistics.clone(),
        Arc::clone(&replays),
        context.idempotency.clone(),
    );
    let shutdown = &context.shutdown;
    tokio::spawn(statistics.clone().follow(shutdown.clone()));
    tokio::spawn(keep_up(
        dead_letters.clone(),
        statistics.clone(),
        shutdown.clone(),
    ));
    let (guard, definitions) = (context.credentials.guard.clone(), store.watch());
    let log = open_log(context);
    let (orders, posting) = start_subscriptions(context, &store, log.clone()).await?;
    let changes = ChangeRpc::new(log, orders, shutdown.clone());
    let counted = statistics.clone();
    let exports = ExportRpc::new();
    let is_secure = context.config.access.server.is_some();
    let mut service = Service::new(NAME);
    if context.config.peers != PeerAddresses::default() {
        let context = context.clone();
        service = service.with_relay(hands_on, move |here| Calls::new(Relay::new(here, &context)));
    }
    Ok(service
        .with_grpc(intake.into_server())
        .with_grpc(changes.into_server())
        .with_grpc(exports.clone().into_server())
        .with_definitions(store)
        .on_shutdown(async move || {
            if let Some(posting) = posting {
                // It ends by itself, within limits.
                let _ = posting.await;
            }
            if let Err(error) = counted.flush(access::now()).await {
                tracing::warn!(%error, "the last statistics of the intake are lost");
            }
        })
        .with_front(move |entrance| {
            let calls = Arc::new(entrance.calls.clone());
            replays.connect(&calls);
            exports.connect(&calls);
            let tracking = Tracking::new(TrackingParts {
                entrance: entrance.clone(),
                is_secure,
                guard,
                definitions,
                dead_letters,
                statistics,
            });
            Calls::new(Front::new(tracking, entrance, calls))
        }))
}

/// The log of changes, where the installation keeps one.
fn open_log(context: &Context) -> Option<OpenLog> {
    let source: SharedSource = Arc::new(context.changes.clone()?);
    Some(OpenLog {
        tail: Tail::new(Arc::clone(&source), context.shutdown.clone()),
        source,
        retention: context.config.change_retention?,
    })
}

async fn start_subscriptions(
    context: &Context,
    store: &Arc<DefinitionStore<GatewayCatalog>>,
    log: Option<OpenLog>,
) -> Result<(SubscriptionOrders, Option<JoinHandle<()>>), StartError> {
    let table = SubscriptionTable::open(context.database.clone()).await;
    let parts = SubscriptionParts {
        table: table.map_err(|error| context.database_error(error))?,
        store: Arc::clone(store),
        log,
        leases: context.leases.clone(),
        client: Client::new(ClientConfig {
            network: Arc::new(SystemNetwork),
            allowed: context.config.outbound_allow.clone(),
            clock: Arc::new(access::now),
            timeouts: Timeouts::default(),
            service: NAME,
        }),
        idempotency: context.idempotency.clone(),
    };
    Ok(subscriptions::start(parts, context.shutdown.clone()))
}
