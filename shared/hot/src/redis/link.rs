//! Connections to one server or to a cluster, and the check that it is one we can use.

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Client, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, Value, cmd};

use super::RedisOptions;
use super::reply::{failure, text};
use crate::HotError;

const CLUSTER: &str = "redis+cluster://";
/// The first version with functions.
const OLDEST: (u32, u32) = (7, 0);
/// How often a lost connection is tried again before the call that waits for it fails. The next call tries again.
const RETRIES: usize = 2;

/// Where connections come from.
pub(super) enum Source {
    Single(Client),
    Cluster(Box<ClusterClient>, Box<Client>),
}

/// One connection, or one to each node of a cluster.
#[derive(Clone)]
pub(super) enum Link {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

/// An address or a password that cannot be right; everything else may pass.
fn refused(error: RedisError) -> HotError {
    match error.kind() {
        ErrorKind::InvalidClientConfig => HotError::Mismatch(format!(
            "the address of Redis is not valid ({error}): write redis://host:port, or redis+cluster://host:port,…"
        )),
        ErrorKind::AuthenticationFailed => HotError::Mismatch(format!(
            "Redis refuses the user or the password of its address: {error}"
        )),
        _ => failure(error),
    }
}

impl Source {
    /// Reads the address.
    pub(super) fn new(options: &RedisOptions) -> Result<Self, HotError> {
        let Some(nodes) = options.url.strip_prefix(CLUSTER) else {
            let client = Client::open(options.url.as_str()).map_err(refused)?;
            return Ok(Self::Single(client));
        };
        let (user, hosts) = nodes
            .rsplit_once('@')
            .map_or(("", nodes), |(user, hosts)| (&nodes[..=user.len()], hosts));
        let urls: Vec<String> = hosts
            .trim_end_matches('/')
            .split(',')
            .map(|host| format!("redis://{user}{host}/"))
            .collect();
        let first = Client::open(urls[0].as_str()).map_err(refused)?;
        let cluster = ClusterClient::builder(urls)
            .connection_timeout(options.connection_timeout)
            .response_timeout(options.response_timeout)
            .build()
            .map_err(refused)?;
        Ok(Self::Cluster(Box::new(cluster), Box::new(first)))
    }

    /// Connects.
    pub(super) async fn connect(&self, options: &RedisOptions) -> Result<Link, HotError> {
        match self {
            Self::Single(client) => {
                let config = ConnectionManagerConfig::new()
                    .set_number_of_retries(RETRIES)
                    .set_connection_timeout(Some(options.connection_timeout))
                    .set_response_timeout(Some(options.response_timeout));
                ConnectionManager::new_with_config(client.clone(), config)
                    .await
                    .map(Link::Single)
            }
            Self::Cluster(client, _) => client.get_async_connection().await.map(Link::Cluster),
        }
        .map_err(refused)
    }

    /// The server to subscribe at: nodes of a cluster pass hints on to each other.
    pub(super) fn subscriptions(&self) -> &Client {
        match self {
            Self::Single(client) => client,
            Self::Cluster(_, client) => client,
        }
    }
}

impl Link {
    /// Refuses a server that would lose data or misses what we need.
    pub(super) async fn check(&mut self) -> Result<(), HotError> {
        let server = self.info("server").await?;
        let version = field(&server, "redis_version").unwrap_or_default();
        let mut parts = version.split('.').map_while(|part| part.parse().ok());
        let found: (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if found < OLDEST {
            return Err(HotError::Mismatch(format!(
                "Redis {version} has no functions: run Redis 7.0 or newer, or Valkey"
            )));
        }
        let is_cluster = field(&server, "redis_mode") == Some("cluster");
        if is_cluster && matches!(self, Self::Single(_)) {
            return Err(HotError::Mismatch(
                "Redis runs as a cluster: write its address as redis+cluster://host:port,…".into(),
            ));
        }
        let memory = self.info("memory").await?;
        let policy = field(&memory, "maxmemory_policy").unwrap_or("noeviction");
        if policy.starts_with("allkeys-") {
            return Err(HotError::Mismatch(format!(
                "Redis forgets customers when its memory is full (maxmemory-policy {policy}): set it to noeviction"
            )));
        }
        Ok(())
    }

    async fn info(&mut self, section: &str) -> Result<String, HotError> {
        let mut info = cmd("INFO");
        info.arg(section);
        let value = match self {
            Self::Single(connection) => connection.send_packed_command(&info).await,
            Self::Cluster(connection) => {
                let anywhere = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
                connection.route_command(info, anywhere).await
            }
        };
        match value.map_err(refused)? {
            Value::VerbatimString { text, .. } => Ok(text),
            other => text(other),
        }
    }
}

/// A field of the answer to INFO.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
