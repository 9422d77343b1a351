//! How to reach Redis.

use std::fmt;
use std::time::Duration;

/// How to reach Redis.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/database]` for one server;
    /// `redis+cluster://[user:password@]host[:port][,host[:port]…]` for a cluster.
    pub url: String,
    /// How long an answer may take before the call is given up; what it asked for may still happen.
    pub response_timeout: Duration,
    /// How long a connection attempt may take.
    pub connection_timeout: Duration,
    /// Connections that partitions share: one slow reply holds up only its lane.
    pub lanes: u16,
    /// Commits in flight; more would only make each batch smaller. Those that wait grow theirs.
    pub commits_in_flight: u16,
    /// Whether entries that commits write carry their origin, as the durability level `journal` needs.
    pub origins: bool,
}

impl RedisOptions {
    /// The usual options for an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            response_timeout: Duration::from_secs(5),
            connection_timeout: Duration::from_secs(5),
            lanes: 4,
            commits_in_flight: 8,
            origins: false,
        }
    }
}

impl From<&str> for RedisOptions {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for RedisOptions {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

impl fmt::Debug for RedisOptions {
    /// Leaves out the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("lanes", &self.lanes)
            .field("commits_in_flight", &self.commits_in_flight)
            .finish_non_exhaustive()
    }
}
