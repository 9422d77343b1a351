//! How to reach Redis, and what it must have done before a write counts.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kernel::InstallationName;
use redis::IntoConnectionInfo;

use super::certificates::Certificates;
use crate::HotError;

/// How to reach Redis.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisOptions {
    /// Where it is, `user:password@` before the hosts where it asks for them, and `rediss` in place of `redis` for TLS:
    /// - `redis://host[:port][/database]` for one server;
    /// - `redis+sentinel://host[:port][,host[:port]…]/name[/database]` for what sentinels call `name`;
    /// - `redis+cluster://host[:port][,host[:port]…]` for a cluster.
    ///
    /// What follows a `?` sets the options below: `ca_file`, `cert_file` and `key_file`; `sentinel_user` and
    /// `sentinel_password`; `replicas_acked`, `fsync_acked` and `wait_timeout_ms`.
    pub url: String,
    /// How long an answer may take before the call is given up; what it asked for may still happen.
    pub response_timeout: Duration,
    /// How long a connection attempt may take.
    pub connection_timeout: Duration,
    /// Connections that partitions share: one slow reply holds up only its lane.
    pub lanes: u16,
    /// Commits in flight; more would only make each batch smaller. Those that wait grow theirs.
    pub commits_in_flight: u16,
    /// The authority to trust for TLS, a file in PEM, which is read again with each connection;
    /// absent for those that this machine trusts.
    pub ca_file: Option<PathBuf>,
    /// The certificate to show for TLS, a file in PEM; with [`Self::key_file`].
    pub cert_file: Option<PathBuf>,
    /// The key of [`Self::cert_file`], a file in PEM.
    pub key_file: Option<PathBuf>,
    /// The user of the sentinels, where they ask for one; servers have theirs in the address.
    pub sentinel_user: Option<String>,
    /// The password of the sentinels.
    pub sentinel_password: Option<String>,
    /// Replicas that must have a write before it is acknowledged; 0 for none. It costs each write a round trip between
    /// the servers.
    pub replicas_acked: u16,
    /// Whether a write must be on the disk of the server, and of the replicas that [`Self::replicas_acked`] asks for,
    /// before it is acknowledged. Redis 7.2 or newer or Valkey, with its append-only file.
    pub fsync_acked: bool,
    /// How long a write waits for that before it fails and has to be tried again.
    pub wait_timeout: Duration,
    /// Whether entries that commits write carry their origin, as the durability level `journal` needs.
    pub origins: bool,
    /// The installation whose keys are meant; absent for the one that has no name.
    pub installation: Option<InstallationName>,
    /// The id by which the database of the installation knows it: a Redis of another database is
    /// refused. Absent where that is not compared.
    pub installation_id: Option<Box<str>>,
}

impl RedisOptions {
    /// The usual options for an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            response_timeout: Duration::from_secs(5),
            connection_timeout: Duration::from_secs(5),
            lanes: 2,
            commits_in_flight: 8,
            ca_file: None,
            cert_file: None,
            key_file: None,
            sentinel_user: None,
            sentinel_password: None,
            replicas_acked: 0,
            fsync_acked: false,
            wait_timeout: Duration::from_secs(1),
            origins: false,
            installation: None,
            installation_id: None,
        }
    }

    /// Reads the files of TLS, to see that they are some. An address that cannot be read is not
    /// told here, but where it is connected to.
    ///
    /// # Errors
    /// [`HotError::Mismatch`] with the option, its file, the reason and the remedy.
    pub fn check_files(&self) -> Result<(), HotError> {
        match self.clone().with_query() {
            Ok(options) => Certificates::read(&options).map(drop),
            Err(_) => Ok(()),
        }
    }

    /// The file of the certificate that is shown, by the options or the query of the address.
    pub fn certificate_file(&self) -> Option<PathBuf> {
        self.clone().with_query().ok()?.cert_file
    }

    /// Returns whether files of TLS are named.
    pub(super) fn has_files(&self) -> bool {
        self.ca_file.is_some() || self.cert_file.is_some()
    }

    /// Takes what follows the `?` of the address into the other options.
    ///
    /// # Errors
    /// [`HotError::Mismatch`] where it cannot be read. It names no value, since that may be a part of a password.
    pub(super) fn with_query(mut self) -> Result<Self, HotError> {
        let Some((url, query)) = self.url.split_once('?') else {
            return Ok(self);
        };
        let (url, query) = (url.to_owned(), query.to_owned());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.set(name, value)?;
        }
        self.url = url;
        Ok(self)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), HotError> {
        let number = |what: &str| {
            value.parse::<u16>().map_err(|_| {
                HotError::Mismatch(format!(
                    "`{what}` in the address of Redis is not a number up to {}: correct it",
                    u16::MAX
                ))
            })
        };
        match name {
            "ca_file" => self.ca_file = Some(decoded(value)?.into()),
            "cert_file" => self.cert_file = Some(decoded(value)?.into()),
            "key_file" => self.key_file = Some(decoded(value)?.into()),
            "sentinel_user" => self.sentinel_user = Some(decoded(value)?),
            "sentinel_password" => self.sentinel_password = Some(decoded(value)?),
            "replicas_acked" => self.replicas_acked = number("replicas_acked")?,
            "wait_timeout_ms" => {
                self.wait_timeout = Duration::from_millis(number("wait_timeout_ms")?.into());
            }
            "fsync_acked" => {
                self.fsync_acked = value.parse().map_err(|_| {
                    HotError::Mismatch(
                        "`fsync_acked` in the address of Redis is neither true nor false: correct it"
                            .into(),
                    )
                })?;
            }
            _ => {
                return Err(HotError::Mismatch(
                    "an option in the address of Redis is not known: after the `?` write ca_file, cert_file, key_file, \
                     sentinel_user, sentinel_password, replicas_acked, fsync_acked or wait_timeout_ms, and a `?` in a \
                     password as %3F"
                        .into(),
                ));
            }
        }
        Ok(())
    }
}

/// Decodes `%` and two digits, by the rules for passwords in addresses.
fn decoded(value: &str) -> Result<String, HotError> {
    let unreadable = || {
        HotError::Mismatch(
            "an option in the address of Redis cannot be read: write characters other than letters, digits, `-`, `.`, \
             `_`, `~` and `/` as % and two digits"
                .into(),
        )
    };
    let value = value.replace('/', "%2F");
    let info = format!("redis://:{value}@localhost").into_connection_info();
    let info = info.map_err(|_| unreadable())?;
    let password = info.redis_settings().password().ok_or_else(unreadable)?;
    Ok(password.to_owned())
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
    /// Leaves out the address and the login of the sentinels, which may hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("lanes", &self.lanes)
            .field("commits_in_flight", &self.commits_in_flight)
            .field("replicas_acked", &self.replicas_acked)
            .field("fsync_acked", &self.fsync_acked)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_an_address_sets_options() {
        let url = "rediss+sentinel://u:p@a,b/main?ca_file=/etc/ca%20of%20ours.pem&sentinel_user=w\
                   &sentinel_password=a%26b%2F&replicas_acked=2&fsync_acked=true&wait_timeout_ms=50";
        let options = RedisOptions::new(url).with_query().expect("is read");
        assert_eq!(options.url, "rediss+sentinel://u:p@a,b/main");
        assert_eq!(options.ca_file, Some("/etc/ca of ours.pem".into()));
        assert_eq!(options.sentinel_user.as_deref(), Some("w"));
        assert_eq!(options.sentinel_password.as_deref(), Some("a&b/"));
        assert_eq!(options.replicas_acked, 2);
        assert!(options.fsync_acked);
        assert_eq!(options.wait_timeout, Duration::from_millis(50));
    }

    #[test]
    fn what_is_not_understood_is_refused_without_showing_it() {
        for url in [
            "redis://u:pa?secret@host",
            "redis://host?replicas_acked=secret",
            "redis://host?fsync_acked=secret",
            "redis://host?wait_timeout_ms=-1secret",
            "redis://host?secret=1",
        ] {
            let error = RedisOptions::new(url).with_query().expect_err("refused");
            let text = format!("{error} {error:?}");
            assert!(matches!(error, HotError::Mismatch(_)), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut options = RedisOptions::new("redis://u:secret@host");
        options.sentinel_password = Some("secret".into());
        assert!(!format!("{options:?}").contains("secret"));
    }
}
