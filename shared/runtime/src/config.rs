//! The configuration of a process: one flat list of settings, read from defaults, a file, the
//! environment and flags.
//!
//! A later layer wins over an earlier one. Every fault is found at once and says where its value
//! came from. It opens nothing and connects to nothing: that is
//! [`Context::open`](crate::Context::open).

mod access;
mod collector;
mod defaults;
mod durability;
mod environment;
mod fault;
mod file;
mod flags;
mod installation;
mod layers;
mod listeners;
mod mask;
mod retention;
mod setting;
mod value;
mod web_origins;

use std::net::SocketAddr;
use std::path::PathBuf;

use kernel::{InstallationName, OutboundAddresses, PartitionCount};

pub use access::AccessSettings;
pub(crate) use access::open_client;
pub use collector::CollectorSettings;
pub use defaults::Defaults;
pub use durability::Durability;
pub use environment::Environment;
pub use fault::{ConfigFaults, Fault, Origin};
pub use flags::ConfigFlags;
pub use mask::mask_secrets;
pub use setting::{SETTINGS, Setting};
pub use web_origins::WebOrigins;

/// The settings of a process, each one checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// The name of the installation, where it shares servers with others; absent for none.
    pub installation: Option<InstallationName>,
    /// Where states and streams are; absent for a process that touches neither.
    pub hot_store: Option<HotStoreAddress>,
    /// The promise of an acknowledgement; absent where there is no hot store.
    pub durability: Option<Durability>,
    /// Replicas of Redis that must have a write before it is acknowledged.
    pub replicas_acked: u16,
    /// The time for which the journal keeps what its snapshots have.
    pub journal_retention: kernel::Duration,
    /// The time for which the event log keeps events; absent for ever.
    pub event_retention: Option<kernel::Duration>,
    /// The time for which the log of changes keeps them; absent where none are written.
    pub change_retention: Option<kernel::Duration>,
    /// The time within which an erasure is done in every store.
    pub erasure_deadline: kernel::Duration,
    /// Where definitions, identities and leases are.
    pub database: storage::DatabaseUrl,
    /// True where this process brings tables up to date when it starts; false where it leaves them
    /// alone.
    pub migrate: bool,
    /// The number of partitions of the installation; of a new one, unless somebody chose it.
    pub partitions: PartitionCount,
    /// The clock that tells engines the time.
    pub clock: Clock,
    /// Where the services are.
    pub peers: PeerAddresses,
    /// The name of this process among the workers of its services.
    pub worker: String,
    /// The time for which a lease outlives the last word of its worker.
    pub lease_ttl: kernel::Duration,
    /// Memory for the requests under way, in MiB.
    pub message_memory_mib: usize,
    /// Calls a second that each caller may make; absent for any number.
    pub caller_rate: Option<u32>,
    /// The origins of web pages that may call.
    pub web_origins: WebOrigins,
    /// The addresses that webhooks may be sent to.
    pub outbound_allow: OutboundAddresses,
    /// The file of keys that seal stored secrets; absent for none.
    pub secret_keys: Option<PathBuf>,
    /// The form of log lines.
    pub log_format: LogFormat,
    /// The filter of log lines, in the syntax of `tracing_subscriber::EnvFilter`.
    pub log_level: String,
    /// Where traces, metrics and logs go; absent for nowhere.
    pub collector: Option<CollectorSettings>,
    /// The share of traces begun here that is kept, from 0 to 1.
    pub trace_ratio: f64,
    /// The time from which on a call, a batch or a delivery is kept whatever that share is; absent
    /// where none is for its time alone.
    pub trace_slow: Option<kernel::Duration>,
    /// Where metrics are served to Prometheus; absent for nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Where health is served in plain text, beside the address of the server; absent for nowhere.
    pub health_listen: Option<SocketAddr>,
    /// The callers, and the credentials of both sides.
    pub access: AccessSettings,
    effective: Vec<EffectiveValue>,
}

impl std::fmt::Display for Config {
    /// Returns what `--check-config` says: every effective value and where it came from, secrets
    /// masked.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("configuration is valid")?;
        for EffectiveValue {
            name,
            value,
            origin,
        } in &self.effective
        {
            write!(f, "\n  {name} = {value} (from {origin})")?;
        }
        Ok(())
    }
}

/// A setting as it counts, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveValue {
    /// The setting.
    pub name: &'static str,
    /// Its value; secrets are masked.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Where the hot store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HotStoreAddress {
    /// In a folder of this machine, for one process.
    Embedded(PathBuf),
    /// In Redis; the URL may hold a password.
    Redis(String),
}

/// The clock that tells engines the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The clock on the wall.
    Wall,
    /// The times of the records themselves, for demos, tests and backtests.
    Stream,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the services are, as URLs. Absent where a service runs in this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerAddresses {
    /// Identity.
    pub identity: Option<String>,
    /// Segmentation.
    pub segmentation: Option<String>,
    /// Journey.
    pub journey: Option<String>,
    /// Activation.
    pub activation: Option<String>,
}

impl Config {
    /// Reads all layers: `defaults`, the file that flags or environment name, `environment`,
    /// `flags`.
    ///
    /// # Errors
    /// [`ConfigFaults`] with every fault of every layer.
    pub fn load(
        defaults: &Defaults,
        flags: &ConfigFlags,
        environment: &Environment,
    ) -> Result<Self, ConfigFaults> {
        let (layers, mut faults) = layers::Layers::read(defaults, flags, environment);
        let config = Self::parse(&layers, defaults.has_hot_store(), &mut faults);
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(ConfigFaults(faults)),
        }
    }

    /// Returns whether anybody reads metrics of this process.
    pub const fn is_measured(&self) -> bool {
        self.collector.is_some() || self.metrics_listen.is_some()
    }

    /// Returns whether somebody chose the number of partitions. Otherwise an installation that
    /// exists keeps its own.
    pub fn chooses_partitions(&self) -> bool {
        let mut settings = self.effective.iter();
        settings.any(|value| value.name == "partitions" && value.origin != Origin::Default)
    }

    /// Every setting as it counts, in the order of the list; secrets are masked.
    pub fn effective(&self) -> &[EffectiveValue] {
        &self.effective
    }

    fn parse(
        layers: &layers::Layers,
        has_hot_store: bool,
        faults: &mut Vec<Fault>,
    ) -> Option<Self> {
        // Each setting is read before any is given up, so that all faults are found.
        let listeners = listeners::read(layers, faults);
        let installation = layers.optional("installation", value::installation, faults);
        let hot_store = has_hot_store
            .then(|| layers.required("hot_store", value::hot_store, faults))
            .map_or(Some(None), |found| found.map(Some));
        let durability = layers.optional("durability", value::durability, faults);
        let replicas_acked = layers.required("replicas_acked", value::replicas_acked, faults);
        let journal_retention =
            layers.required("journal_retention", value::journal_retention, faults);
        let event_retention = layers.required("event_retention", value::event_retention, faults);
        retention::check(layers, journal_retention, event_retention, faults);
        let change_retention = layers.required("change_retention", value::change_retention, faults);
        let erasure_deadline = layers.required("erasure_deadline", value::erasure_deadline, faults);
        let database = layers.required("database", value::database, faults);
        let migrate = layers.required("migrate", value::migrate, faults);
        let partitions = layers.required("partitions", value::partitions, faults);
        let clock = layers.required("clock", value::clock, faults);
        let peers = PeerAddresses {
            identity: layers.optional("identity_address", value::url, faults),
            segmentation: layers.optional("segmentation_address", value::url, faults),
            journey: layers.optional("journey_address", value::url, faults),
            activation: layers.optional("activation_address", value::url, faults),
        };
        let worker = layers.required("worker", value::worker, faults);
        let lease_ttl = layers.required("lease_ttl", value::lease_ttl, faults);
        let message_memory_mib =
            layers.required("message_memory_mib", value::message_memory_mib, faults);
        let caller_rate = layers.required("caller_rate", value::caller_rate, faults);
        let web_origins = layers.required("web_origins", web_origins::parse, faults);
        let outbound_allow = layers.required("outbound_allow", value::outbound_allow, faults);
        let secret_keys = layers.optional("secret_keys", value::secret_keys, faults);
        let log_format = layers.required("log_format", value::log_format, faults);
        let log_level = layers.required("log_level", value::log_level, faults);
        let collector = collector::read(layers, faults);
        let trace_ratio = layers.required("trace_ratio", value::trace_ratio, faults);
        let trace_slow = layers.required("trace_slow", value::trace_slow, faults);
        let access = access::read(layers, listeners.services, faults);
        let (hot_store, database, replicas_acked) = (hot_store?, database?, replicas_acked?);
        let hot = hot_store.as_ref();
        installation::check(layers, installation.as_ref(), hot, &database, faults);
        let durability = match hot {
            None => None,
            Some(hot) => Some(durability::fitting(
                layers,
                hot,
                &database,
                durability,
                replicas_acked,
                faults,
            )?),
        };
        Some(Self {
            listen: listeners.services?,
            installation,
            hot_store,
            durability,
            replicas_acked,
            journal_retention: journal_retention?,
            event_retention: event_retention?,
            change_retention: change_retention?,
            erasure_deadline: erasure_deadline?,
            database,
            migrate: migrate?,
            partitions: partitions?,
            clock: clock?,
            peers,
            worker: worker?,
            lease_ttl: lease_ttl?,
            message_memory_mib: message_memory_mib?,
            caller_rate: caller_rate?,
            outbound_allow: outbound_allow?,
            secret_keys,
            log_format: log_format?,
            log_level: log_level?,
            collector,
            trace_ratio: trace_ratio?,
            trace_slow: trace_slow?,
            metrics_listen: listeners.metrics,
            health_listen: listeners.health,
            web_origins: web_origins?,
            access: access?,
            effective: match durability {
                Some(durability) => durability::told(layers.effective(), durability),
                None => layers.effective(),
            },
        })
    }
}
