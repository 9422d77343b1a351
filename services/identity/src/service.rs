//! Starts the service in a process.

use std::sync::Arc;

use definitions::DefinitionStore;
use engine::{Clock, SystemClock, TimeSource};
use hot::SharedHotStore;
use identity_core::Rules;
use journal::EventLog;
use kernel::PartitionCount;
use kernel::limits::MESSAGE_BYTES;
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use runtime::{Awaited, Context, Downstream, PositionScope, Service, SplitPreviews, StartError};
use storage::Database;
use tokio::sync::watch;

use crate::account_rpc::AccountRpc;
use crate::announce::{UnderWay, announce_overdue};
use crate::append::Appender;
use crate::catalog::NamespaceCatalog;
use crate::chance::{Chance, MachineChance};
use crate::clock::IngestClock;
use crate::erasure::{ErasureParts, KeyError, Tombstones, work_on_erasures};
use crate::erasure_rpc::ErasureRpc;
use crate::follow::Follower;
use crate::ingest::Intake;
use crate::ledger::{Ledgers, keep_ledgers};
use crate::metrics::IngestMetrics;
use crate::pace::Pace;
use crate::pairs::KnownPairs;
use crate::resolution::ResolutionRpc;
use crate::resolve::Resolver;
use crate::rpc::IdentityRpc;
use crate::store::{IMPORT_MIGRATIONS, IdentityStore, MIGRATIONS, Tables};

/// The name of the service, and of its migrations.
const NAME: &str = "identity";
/// The name of the migrations of the ledger of imports.
const IMPORTS: &str = "identity_import";

/// The parts of the service, apart from any process.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The SQL store; the tables of identity are brought up to date.
    pub database: Database,
    /// The hot store.
    pub hot: SharedHotStore,
    /// The number of partitions of the installation.
    pub partitions: PartitionCount,
    /// The clock.
    pub time: TimeSource,
    /// The clock of this machine.
    pub own_clock: Arc<dyn Clock>,
    /// Draws ids and pauses.
    pub chance: Arc<dyn Chance>,
    /// The namespaces, now and after each change.
    pub namespaces: watch::Receiver<Arc<Rules>>,
    /// The store to which other processes write newer ones; absent where nobody does.
    pub definitions: Option<Arc<DefinitionStore<NamespaceCatalog>>>,
    /// The services behind, whose receipts events wait for on stream time; absent where nothing is
    /// known of them.
    pub downstream: Option<Arc<dyn Downstream>>,
}

impl Identity {
    /// Opens the way in.
    ///
    /// # Errors
    /// [`storage::StorageError`] where the database does not answer.
    pub async fn open(self) -> Result<Arc<Intake>, storage::StorageError> {
        self.open_over(|store| Arc::new(store)).await
    }

    /// Opens the way in, which works on the tables as they are shown to it.
    ///
    /// # Errors
    /// [`storage::StorageError`] where the database does not answer.
    pub async fn open_over(
        self,
        show: impl FnOnce(IdentityStore) -> Arc<dyn Tables>,
    ) -> Result<Arc<Intake>, storage::StorageError> {
        self.database.migrate(NAME, MIGRATIONS).await?;
        self.database.migrate(IMPORTS, IMPORT_MIGRATIONS).await?;
        let store = IdentityStore::with_chance(self.database, Arc::clone(&self.chance));
        let start = store.virtual_time().await?;
        let tombstones = Tombstones::new(store.database().clone());
        let resolver = Resolver::with_chance(show(store.clone()), self.chance)
            .with_tombstones(tombstones.clone());
        let intake = Arc::new(Intake {
            positions: PositionScope::of(self.hot.as_ref()),
            accounts: resolver.of_accounts(),
            pairs: KnownPairs::new(),
            resolver,
            tombstones,
            follower: Follower::default(),
            store,
            own_clock: self.own_clock,
            appender: Appender::new(self.hot),
            under_way: UnderWay::default(),
            ledgers: Ledgers::default(),
            clock: IngestClock::new(&self.time, start),
            pace: Pace::new(match self.time {
                TimeSource::Stream => self.downstream,
                TimeSource::Wall(_) => None,
            }),
            namespaces: self.namespaces,
            definitions: self.definitions,
            partitions: self.partitions,
            metrics: IngestMetrics::new(),
        });
        // A key that is sealed has not been given the keys for yet.
        match intake.refresh_tombstones().await {
            Ok(()) | Err(KeyError::Sealed) => Ok(intake),
            Err(KeyError::Database(error)) => Err(storage::StorageError::Database(error)),
            Err(other) => {
                let error = sea_orm::DbErr::Custom(other.to_string());
                Err(storage::StorageError::Database(error))
            }
        }
    }
}

/// Starts the identity service: loads its namespaces, opens the way in, and hands in its RPCs.
///
/// # Errors
/// [`StartError`] where a store does not answer, or holds definitions that this version does not
/// understand.
pub fn start(context: &Context) -> Awaited<'_, Service> {
    Box::pin(start_parts(context))
}

/// Opens the event log, where the installation has one.
async fn event_log(context: &Context) -> Result<Option<EventLog>, StartError> {
    if context.journal.is_none() {
        return Ok(None);
    }
    let log = EventLog::open(context.database.clone(), context.partitions).await;
    log.map(Some)
        .map_err(|error| StartError::service(NAME, error))
}

async fn start_parts(context: &Context) -> Result<Service, StartError> {
    // Definitions are held against the values that are there.
    context
        .database
        .migrate(NAME, MIGRATIONS)
        .await
        .map_err(|error| context.database_error(error))?;
    let catalog = NamespaceCatalog::over(IdentityStore::new(context.database.clone()));
    let store = context.load_definitions(NAME, catalog).await?;
    let identity = Identity {
        database: context.database.clone(),
        hot: context.hot_store()?,
        partitions: context.partitions,
        time: context.time.clone(),
        own_clock: Arc::new(SystemClock),
        chance: Arc::new(MachineChance::default()),
        namespaces: store.watch(),
        definitions: Some(Arc::clone(&store)),
        downstream: Some(Arc::new(context.neighbours.clone())),
    };
    let intake = identity
        .open()
        .await
        .map_err(|error| context.database_error(error))?;
    let announcer = tokio::spawn(announce_overdue(
        Arc::clone(&intake),
        context.shutdown.clone(),
    ));
    if let Some(vault) = &context.vault {
        intake.tombstones.unseal_with(vault.clone());
    }
    let read = intake.refresh_tombstones().await;
    read.map_err(|error| StartError::service(NAME, error))?;
    let keeper = tokio::spawn(keep_ledgers(Arc::clone(&intake), context.shutdown.clone()));
    let events = event_log(context).await?;
    let parts = ErasureParts {
        intake: Arc::clone(&intake),
        hot: context.hot_store()?,
        events: events.clone(),
        changes: context.changes.clone(),
    };
    let eraser = tokio::spawn(work_on_erasures(parts, context.shutdown.clone()));
    let erasure = ErasureRpc::new(Arc::clone(&intake), context.idempotency.clone())
        .with_event_log(events.clone())
        .with_deadline(context.config.erasure_deadline);
    let rpc = IdentityRpc::new(intake, context.idempotency.clone())
        .with_event_log(events)
        .with_shutdown(context.shutdown.clone());
    let previews = SplitPreviews::new(context.neighbours.clone(), context.peers.clone());
    let resolution = ResolutionRpc::new(rpc.clone())
        .with_event_retention(context.config.event_retention)
        .with_previews(previews);
    let accounts = AccountRpc::new(resolution.clone());
    let server = IdentityServiceServer::new(rpc).max_decoding_message_size(MESSAGE_BYTES);
    Ok(Service::new(NAME)
        .with_grpc(server)
        .with_grpc(resolution.into_server())
        .with_grpc(erasure.into_server())
        .with_grpc(accounts.into_server())
        .with_definitions(store)
        .on_shutdown(async move || {
            // They end by themselves once the process is told to; a panic in one was logged by the
            // runtime.
            let _ended = announcer.await;
            let _ended = keeper.await;
            let _ended = eraser.await;
        }))
}
