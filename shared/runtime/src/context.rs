//! The context that services find when they start: stores, time, peers, and the word that the
//! process ends.

use std::sync::Arc;

use ::changes::ChangeLog;
use ::vault::Vault;
use audit::AuditLog;
use decision::Core;
use definitions::{Catalog, DefinitionStore};
use engine::EngineConfig;
use hot::{
    EmbeddedStore, HotError, RedisOptions, RedisStore, SharedHotStore, SharedRestorableStore,
};
use journal::{FoldOptions, JournalOptions, JournaledStore, SharedLog, SqlLog};
use kernel::PartitionCount;
use storage::{Database, LeaseStore, Requests, StorageError};
use tokio_util::sync::CancellationToken;

use crate::binary::Awaited;
use crate::certificates::OwnCertificate;
use crate::changes::{ChangeWriter, open_changes};
use crate::config::{Clock, Config, Durability, HotStoreAddress, mask_secrets};
use crate::credentials::{Credentials, client_options};
use crate::database::{database_error, open_counted, open_database};
use crate::neighbours::Neighbours;
use crate::peers::Peers;
use crate::refresh::StoreRefresh;
use crate::start_error::StartError;
use crate::vault::open_vault;
use crate::{limits, metrics, upkeep};

/// The context that services find when they start. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    /// The settings.
    pub config: Arc<Config>,
    /// Absent for a process that touches no states and no streams.
    hot: Option<SharedHotStore>,
    /// The log of commits and entries, where the deployment keeps one.
    pub journal: Option<SharedLog>,
    /// The SQL store. Its shared tables are there; services bring theirs with
    /// [`Database::migrate`].
    pub database: Database,
    /// The leases: who works on which partition.
    pub leases: LeaseStore,
    /// The number of partitions of the installation.
    pub partitions: PartitionCount,
    /// The clock of engines.
    pub time: engine::TimeSource,
    /// The name of this process among the workers of its services.
    pub worker: Arc<str>,
    /// Channels to the other services.
    pub peers: Peers,
    /// The callers that are let in, and what this process shows to others.
    pub credentials: Credentials,
    /// The engines of this process, which its way in may wait for.
    pub neighbours: Neighbours,
    /// Puts on record what callers change and read.
    pub audit: AuditLog,
    /// The log of changes; absent where none are written.
    pub changes: Option<ChangeLog>,
    /// Present where the process has engines, and changes are written.
    pub(crate) change_writer: Option<ChangeWriter>,
    /// Seals the secrets of definitions; absent where the process has no keys for that.
    pub vault: Option<Vault>,
    /// First answers of requests, for replays.
    pub idempotency: rpc::Idempotency,
    /// Cancelled when the process is told to end: no more calls come, and background tasks stop.
    /// Engines are stopped by the hooks of their services, after the calls under way.
    pub shutdown: CancellationToken,
}

impl Context {
    /// Connects the stores, brings the shared tables up to date, and checks that they fit the
    /// configuration.
    ///
    /// # Errors
    /// [`StartError::Unreachable`] and [`StartError::Mismatch`], with what to do about it.
    pub fn open(config: Config) -> Awaited<'static, Self> {
        Box::pin(Self::open_stores(config))
    }

    async fn open_stores(mut config: Config) -> Result<Self, StartError> {
        let scheme = if config.access.server.is_some() {
            "https"
        } else {
            "http"
        };
        let own = format!("{scheme}://{}", reachable(config.listen));
        let client = client_options(&config)?;
        let peers = Peers::open(&config.peers, &own, &client)?;
        let vault = open_vault(&config)?;
        let (database, id) = open_database(&mut config).await?;
        let shutdown = CancellationToken::new();
        let credentials = Credentials::open(&config, database.clone(), client, &shutdown).await?;
        let (hot, journal) = open_hot(&config, &database, id, &shutdown).await?;
        let audit = AuditLog::open(database.clone(), &config.worker).await;
        let audit = audit.map_err(|error| database_error(config.database.to_string(), error))?;
        credentials.begin(&config, &audit, &shutdown).await?;
        let (changes, change_writer) = open_changes(&config, &database, &shutdown).await?;
        let listener = credentials.server_tls.clone();
        metrics::watch_certificates(OwnCertificate::all(&config, listener));
        let requests = Requests::new(database.clone());
        tokio::spawn(upkeep::remove_old_requests(
            requests.clone(),
            limits::UPKEEP_INTERVAL,
            shutdown.clone(),
        ));
        Ok(Self {
            hot,
            journal,
            audit,
            changes,
            change_writer,
            vault,
            leases: LeaseStore::new(database.clone()),
            idempotency: rpc::Idempotency::new(requests),
            database,
            partitions: config.partitions,
            time: match config.clock {
                Clock::Wall => engine::TimeSource::system(),
                Clock::Stream => engine::TimeSource::Stream,
            },
            worker: config.worker.as_str().into(),
            peers,
            credentials,
            neighbours: Neighbours::default(),
            shutdown,
            config: Arc::new(config),
        })
    }

    /// Loads the definitions of a service, and keeps up with changes until the process is told to
    /// end.
    ///
    /// # Errors
    /// [`StartError::Mismatch`] and [`StartError::Unreachable`] where the tables cannot be used;
    /// [`StartError::Service`] where the database holds definitions that this program does not
    /// understand.
    pub async fn load_definitions<C: Catalog>(
        &self,
        service: &'static str,
        catalog: C,
    ) -> Result<Arc<DefinitionStore<C>>, StartError> {
        self.database
            .migrate("definitions", definitions::MIGRATIONS)
            .await
            .map_err(|error| self.database_error(error))?;
        let (database, vault) = (self.database.clone(), self.vault.clone());
        let store = DefinitionStore::load_sealed(database, service, catalog, vault)
            .await
            .map_err(|error| StartError::service(service, error))?;
        // Not until shutdown: engines and calls under way need what is newest until their end.
        tokio::spawn(Arc::clone(&store).poll());
        Ok(store)
    }

    /// The hot store.
    ///
    /// # Errors
    /// [`StartError::Service`] in a process that was configured without one.
    pub fn hot_store(&self) -> Result<SharedHotStore, StartError> {
        let hot = self.hot.clone();
        hot.ok_or_else(|| {
            let text = "this process has no hot store, which the service needs: start it by its own program";
            StartError::service("runtime", text)
        })
    }

    /// Tells why the database cannot be used, and what to do about it.
    pub fn database_error(&self, error: StorageError) -> StartError {
        database_error(self.config.database.to_string(), error)
    }

    /// Returns what an engine of this process needs to start, with the definitions that its core
    /// reads.
    ///
    /// # Errors
    /// As [`Self::hot_store`].
    pub fn engine_config<C: Core>(
        &self,
        definitions: &Arc<DefinitionStore<impl Catalog<Compiled = C::Definitions>>>,
    ) -> Result<EngineConfig<C>, StartError> {
        let mut config = EngineConfig::new(
            self.hot_store()?,
            self.leases.clone(),
            self.time.clone(),
            self.worker.as_ref(),
            definitions.watch(),
        )
        .with_refresh(Arc::new(StoreRefresh(Arc::clone(definitions))));
        config.lease_ttl = self.config.lease_ttl;
        config.changes = self.change_writer.as_ref().map(ChangeWriter::sink);
        Ok(config.with_telemetry(self.config.collector.is_some(), self.config.is_measured()))
    }
}

/// Where this process reaches itself: "any address" is not one to connect to.
fn reachable(listen: std::net::SocketAddr) -> std::net::SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(match listen {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Opens the hot store that the configuration names, behind a journal where it keeps one.
async fn open_hot(
    config: &Config,
    database: &Database,
    id: Box<str>,
    shutdown: &CancellationToken,
) -> Result<(Option<SharedHotStore>, Option<SharedLog>), StartError> {
    if config.durability == Some(Durability::Journal) {
        let hot = open_restorable_store(config, id).await?;
        let log = open_journal(config, database).await?;
        let hot = journaled(config, hot, Arc::clone(&log), shutdown.clone()).await?;
        return Ok((Some(hot), Some(log)));
    }
    match &config.hot_store {
        Some(place) => Ok((Some(open_hot_store(config, place, id).await?), None)),
        None => Ok((None, None)),
    }
}

async fn open_hot_store(
    config: &Config,
    place: &HotStoreAddress,
    id: Box<str>,
) -> Result<SharedHotStore, StartError> {
    match place {
        HotStoreAddress::Embedded(folder) => {
            let failed = |error| hot_store_error(place, error);
            let opened = EmbeddedStore::open(folder, config.partitions).await;
            let opened = opened.map_err(failed)?;
            opened.belong_to(id).await.map_err(failed)?;
            Ok(Arc::new(opened))
        }
        HotStoreAddress::Redis(url) => Ok(Arc::new(open_redis(config, url, id).await?)),
    }
}

/// Opens the hot store under a journal.
async fn open_restorable_store(
    config: &Config,
    id: Box<str>,
) -> Result<SharedRestorableStore, StartError> {
    match &config.hot_store {
        Some(place @ HotStoreAddress::Embedded(_)) => {
            let text = "an embedded store is its own journal: leave durability out, or keep the hot store in Redis";
            Err(hot_store_error(place, HotError::Mismatch(text.to_owned())))
        }
        Some(HotStoreAddress::Redis(url)) => Ok(Arc::new(open_redis(config, url, id).await?)),
        None => Err(StartError::service(
            "runtime",
            "no hot store is configured: set hot_store",
        )),
    }
}

async fn open_redis(config: &Config, url: &str, id: Box<str>) -> Result<RedisStore, StartError> {
    let options = redis_options(config, url, id);
    options.check_files().map_err(|error| StartError::File {
        setting: "hot_store",
        cause: error.into(),
    })?;
    let opened = RedisStore::connect(options, config.partitions).await;
    opened.map_err(|error| hot_store_error(&HotStoreAddress::Redis(url.to_owned()), error))
}

/// Returns how to reach Redis, what it has to have done before a write counts, and which of the
/// installations there is meant.
fn redis_options(config: &Config, url: &str, id: Box<str>) -> RedisOptions {
    RedisOptions {
        replicas_acked: config.replicas_acked,
        origins: config.durability == Some(Durability::Journal),
        installation: config.installation.clone(),
        installation_id: Some(id),
        ..RedisOptions::new(url)
    }
}

/// Opens the stores of an installation that keeps a journal, and nothing that works in the
/// background: for tools that repair them.
///
/// # Errors
/// As [`Context::open`].
pub async fn open_journaled_stores(
    config: &Config,
) -> Result<(SharedRestorableStore, SharedLog), StartError> {
    let mut config = config.clone();
    let (database, id) = open_database(&mut config).await?;
    let hot = open_restorable_store(&config, id).await?;
    let log = open_journal(&config, &database).await?;
    Ok((hot, log))
}

/// Opens the database of an installation that keeps a journal, whatever its number of partitions
/// is, and returns it with that number: for what changes it.
///
/// # Errors
/// As [`Context::open`].
pub async fn open_record(config: &Config) -> Result<(Database, PartitionCount), StartError> {
    let mut config = config.clone();
    let (database, _) = open_counted(&mut config, false).await?;
    Ok((database, config.partitions))
}

/// Makes sure that the hot store has nothing of an installation of so many partitions.
///
/// # Errors
/// [`StartError::Mismatch`] where it has, or is no Redis; [`StartError::Unreachable`].
pub async fn check_empty(config: &Config, partitions: PartitionCount) -> Result<(), StartError> {
    let (place, url) = match &config.hot_store {
        Some(place @ HotStoreAddress::Redis(url)) => (place, url),
        Some(place @ HotStoreAddress::Embedded(_)) => {
            let text = "an embedded store has no record in SQL that it could be made of";
            return Err(hot_store_error(place, HotError::Mismatch(text.to_owned())));
        }
        None => return Ok(()),
    };
    let failed = |error| hot_store_error(place, error);
    let options = redis_options(config, url, "".into());
    let found = hot::find_leftovers(options, partitions).await;
    let Some(key) = found.map_err(failed)? else {
        return Ok(());
    };
    Err(StartError::Mismatch {
        what: "the hot store",
        address: mask_secrets(url),
        remedy: "empty it: FLUSHALL, or a deletion of the keys of this installation where others share the server",
        cause: format!("it still has what was there before, such as the key {key}").into(),
    })
}

async fn open_journal(config: &Config, database: &Database) -> Result<SharedLog, StartError> {
    let address = config.database.to_string();
    let log = SqlLog::open(database.clone())
        .await
        .map_err(|error| database_error(address, error))?;
    Ok(Arc::new(log))
}

/// Puts a journal before the hot store.
async fn journaled(
    config: &Config,
    hot: SharedRestorableStore,
    log: SharedLog,
    stop: CancellationToken,
) -> Result<SharedHotStore, StartError> {
    let fold = FoldOptions {
        retention: config.journal_retention,
        event_retention: config.event_retention,
        ..FoldOptions::default()
    };
    let options = JournalOptions::new(fold, config.lease_ttl);
    let store = JournaledStore::start(hot, log, &config.worker, options, stop)
        .await
        .map_err(|error| StartError::Unreachable {
            what: "the journal",
            address: config.database.to_string(),
            remedy: "check that the database runs and answers",
            cause: error.into(),
        })?;
    Ok(Arc::new(store))
}

fn hot_store_error(place: &HotStoreAddress, error: HotError) -> StartError {
    let what = "the hot store";
    let address = match place {
        HotStoreAddress::Embedded(folder) => folder.display().to_string(),
        HotStoreAddress::Redis(url) => mask_secrets(url),
    };
    if matches!(error, HotError::Mismatch(_) | HotError::Damaged(_)) {
        return StartError::Mismatch {
            what,
            address,
            remedy: "use the settings that it was created with, stop who else uses it, or choose another place with --hot-store",
            cause: error.into(),
        };
    }
    StartError::Unreachable {
        what,
        address,
        remedy: match place {
            HotStoreAddress::Embedded(_) => {
                "stop the other process that uses this folder, or choose another with --hot-store"
            }
            HotStoreAddress::Redis(_) => {
                "check that Redis 7.0 or newer runs there, and that the address and password are right"
            }
        },
        cause: error.into(),
    }
}
