//! Where connections come from, again and again: the server, the primary that sentinels name, or the cluster's nodes.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::SentinelClient;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisError, RedisResult,
    TlsCertificates,
};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::RedisOptions;
use super::address::{self, Address};
use super::certificates::Certificates;
use crate::HotError;

/// How often a cluster is asked again where a node is gone or a slot moves; the caller tries again after that.
const RETRIES: u32 = 8;
/// How long it waits in between, at least and at most, in milliseconds.
const RETRY_WAITS: (u64, u64) = (20, 200);

/// Where connections come from.
pub(super) struct Source {
    options: RedisOptions,
    is_cluster: bool,
    current: RwLock<Current>,
    /// The last reason why the files of TLS could not be read again.
    told: Mutex<Option<String>>,
    /// Nodes of a cluster that were found, for when none of the seeds is there any more.
    known: Arc<Mutex<Vec<ConnectionInfo>>>,
    response_timeout: Duration,
    connection_timeout: Duration,
    /// Told whenever a connection replaces one that was lost.
    pub(super) reconnected: Notify,
}

/// The place, as it is reached with files of TLS of some moment.
#[derive(Clone)]
struct Current {
    place: Arc<Place>,
    certificates: Arc<Certificates>,
}

enum Place {
    Server(Client),
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>, i64),
    Cluster(Cluster),
}

struct Cluster {
    seeds: Vec<ConnectionInfo>,
    certificates: Option<TlsCertificates>,
    known: Arc<Mutex<Vec<ConnectionInfo>>>,
}

/// One connection, or one to each node of a cluster.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Source {
    /// Reads the address, and the files that it names.
    pub(super) fn new(options: &RedisOptions) -> Result<Self, HotError> {
        let known = Arc::default();
        let current = Current::read(options, &known)?;
        // An answer may have to wait for replicas first.
        let is_confirmed = options.replicas_acked > 0 || options.fsync_acked;
        let wait = if is_confirmed {
            options.wait_timeout
        } else {
            Duration::ZERO
        };
        Ok(Self {
            options: options.clone(),
            is_cluster: matches!(*current.place, Place::Cluster(_)),
            current: RwLock::new(current),
            told: Mutex::default(),
            known,
            response_timeout: options.response_timeout.saturating_add(wait),
            connection_timeout: options.connection_timeout,
            reconnected: Notify::new(),
        })
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// The number of the database.
    pub(super) fn database(&self) -> i64 {
        match &*self.current().place {
            Place::Server(client) => client.get_connection_info().redis_settings().db(),
            Place::Sentinel(_, database) => *database,
            Place::Cluster(_) => 0,
        }
    }

    /// How long an answer may take.
    pub(super) fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    /// Connects to whoever serves now.
    pub(super) async fn connection(&self) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connection_timeout))
            .set_response_timeout(Some(self.response_timeout));
        match &*self.refreshed().await {
            Place::Server(client) => {
                let connecting = client.get_multiplexed_async_connection_with_config(&config);
                connecting.await.map(Connection::Server)
            }
            Place::Sentinel(client, _) => {
                let client = self.primary(client).await?;
                let connecting = client.get_multiplexed_async_connection_with_config(&config);
                connecting.await.map(Connection::Server)
            }
            Place::Cluster(cluster) => {
                let client = cluster.client(self.response_timeout, self.connection_timeout)?;
                // The limit is for each node, and all are tried at once, twice: who are they, and then they.
                timeout(self.connection_timeout * 4, client.get_async_connection())
                    .await
                    .unwrap_or_else(|_| Err(timed_out()))
                    .map(Connection::Cluster)
            }
        }
    }

    /// Connects for hints; nodes of a cluster pass them on to each other.
    pub(super) async fn subscription(&self) -> RedisResult<PubSub> {
        match &*self.refreshed().await {
            Place::Server(client) => self.in_time(client.get_async_pubsub()).await,
            Place::Sentinel(client, _) => {
                let client = self.primary(client).await?;
                self.in_time(client.get_async_pubsub()).await
            }
            Place::Cluster(cluster) => {
                let mut last = None;
                for node in cluster.nodes() {
                    let Ok(client) = address::client(node, cluster.certificates.as_ref()) else {
                        continue;
                    };
                    match self.in_time(client.get_async_pubsub()).await {
                        Ok(subscription) => return Ok(subscription),
                        Err(error) => last = Some(error),
                    }
                }
                Err(last.unwrap_or_else(timed_out))
            }
        }
    }

    fn current(&self) -> Current {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The place as it is reached with the files of TLS as they are by now. Files that cannot be
    /// read, as in the middle of their replacement, change nothing.
    async fn refreshed(&self) -> Arc<Place> {
        if !self.options.has_files() {
            return self.current().place;
        }
        let (options, known) = (self.options.clone(), Arc::clone(&self.known));
        let before = self.current();
        let read = tokio::task::spawn_blocking(move || {
            let certificates = Certificates::read(&options)?;
            if certificates == *before.certificates {
                return Ok(None);
            }
            Current::of(&options, certificates, &known).map(Some)
        });
        let read = match read.await {
            Ok(read) => read,
            Err(error) => Err(HotError::Mismatch(error.to_string())),
        };
        self.tell(read.as_ref().err());
        if let Ok(Some(current)) = read {
            tracing::info!("new certificates are in use for Redis");
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        }
        self.current().place
    }

    /// Logs a failure once, until another one or a success.
    fn tell(&self, failure: Option<&HotError>) {
        let failure = failure.map(ToString::to_string);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = failure.as_ref().filter(|_| *told != failure) {
            tracing::warn!(
                error,
                "certificates for Redis cannot be read again, the last ones stay in use"
            );
        }
        *told = failure;
    }

    /// Asks the sentinels for the primary.
    async fn primary(&self, client: &tokio::sync::Mutex<SentinelClient>) -> RedisResult<Client> {
        self.in_time(async { client.lock().await.async_get_client().await })
            .await
    }

    async fn in_time<T>(&self, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        timeout(self.connection_timeout, work)
            .await
            .unwrap_or_else(|_| Err(timed_out()))
    }

    /// Remembers the nodes of a cluster, newest knowledge first.
    pub(super) fn remember(&self, nodes: impl Iterator<Item = String>) {
        let place = self.current().place;
        let Place::Cluster(cluster) = &*place else {
            return;
        };
        let infos = nodes.filter_map(|node| cluster.node(&node)).collect();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = infos;
    }
}

impl Current {
    fn read(
        options: &RedisOptions,
        known: &Arc<Mutex<Vec<ConnectionInfo>>>,
    ) -> Result<Self, HotError> {
        Self::of(options, Certificates::read(options)?, known)
    }

    fn of(
        options: &RedisOptions,
        certificates: Certificates,
        known: &Arc<Mutex<Vec<ConnectionInfo>>>,
    ) -> Result<Self, HotError> {
        let place = match Address::read(options, &certificates)? {
            Address::Server(client) => Place::Server(client),
            Address::Sentinel(client, database) => {
                Place::Sentinel(Box::new((*client).into()), database)
            }
            Address::Cluster(seeds, certificates) => Place::Cluster(Cluster {
                seeds,
                certificates,
                known: Arc::clone(known),
            }),
        };
        Ok(Self {
            place: Arc::new(place),
            certificates: Arc::new(certificates),
        })
    }
}

impl Cluster {
    /// A node by its address, reached as the first seed is.
    fn node(&self, address: &str) -> Option<ConnectionInfo> {
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = port.parse().ok()?;
        let seed = self.seeds.first()?.clone();
        let address = match seed.addr() {
            ConnectionAddr::TcpTls { insecure, .. } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: None,
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        Some(seed.set_addr(address))
    }

    /// The seeds and the nodes that were found.
    fn nodes(&self) -> Vec<ConnectionInfo> {
        let mut nodes = self.seeds.clone();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for node in known.iter() {
            if !nodes.iter().any(|seed| seed.addr() == node.addr()) {
                nodes.push(node.clone());
            }
        }
        nodes
    }

    fn client(
        &self,
        response_timeout: Duration,
        connection_timeout: Duration,
    ) -> RedisResult<ClusterClient> {
        let mut builder = ClusterClient::builder(self.nodes())
            .retries(RETRIES)
            .min_retry_wait(RETRY_WAITS.0)
            .max_retry_wait(RETRY_WAITS.1)
            .connection_timeout(connection_timeout)
            .response_timeout(response_timeout);
        if let Some(certificates) = &self.certificates {
            builder = builder.certs(certificates.clone());
        }
        builder.build()
    }
}

fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
