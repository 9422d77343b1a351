//! Reads the address of Redis: one server, what sentinels watch, or a cluster.

use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, ServerErrorKind,
    TlsCertificates, TlsMode,
};

use super::RedisOptions;
use super::certificates::Certificates;
use super::reply::failure;
use crate::HotError;

const SENTINEL_PORT: u16 = 26_379;

/// Where Redis is.
pub(super) enum Address {
    /// One server.
    Server(Client),
    /// The primary that sentinels name.
    Sentinel(Box<SentinelClient>, i64),
    /// The cluster that these nodes are of.
    Cluster(Vec<ConnectionInfo>, Option<TlsCertificates>),
}

/// An address or a password that cannot be right; everything else may pass.
pub(super) fn refused(error: RedisError) -> HotError {
    match error.kind() {
        ErrorKind::InvalidClientConfig => HotError::Mismatch(format!(
            "the address of Redis is not valid ({error}): write redis://host:port, redis+sentinel://host:port,…/name, \
             or redis+cluster://host:port,…"
        )),
        ErrorKind::AuthenticationFailed => HotError::Mismatch(format!(
            "Redis refuses the user or the password of its address: {error}"
        )),
        ErrorKind::Server(ServerErrorKind::NoPerm) => HotError::Mismatch(format!(
            "the user in the address of Redis may not do what is needed ({error}): give it +@all on ~hp:* and &hp:* (~hp.NAME:* \
             and &hp.NAME:* for an installation with a name), or at least that command"
        )),
        _ if error.to_string().contains("cluster support disabled") => HotError::Mismatch(
            "Redis is not a cluster: write its address as redis://host:port".into(),
        ),
        _ if error.code() == Some("NOAUTH") => HotError::Mismatch(
            "Redis asks for a password: write its address as redis://user:password@host:port"
                .into(),
        ),
        _ => failure(error),
    }
}

/// The parts of an address.
struct Parts<'a> {
    is_secure: bool,
    /// The user and the password with the `@` after them; may be empty.
    login: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
}

impl Parts<'_> {
    fn info(&self, login: &str, host: &str, database: &str) -> Result<ConnectionInfo, HotError> {
        let scheme = if self.is_secure { "rediss" } else { "redis" };
        format!("{scheme}://{login}{host}/{database}")
            .into_connection_info()
            .map_err(refused)
    }
}

impl Address {
    /// Reads an address whose query is among the options already, with the contents of its files.
    pub(super) fn read(
        options: &RedisOptions,
        certificates: &Certificates,
    ) -> Result<Self, HotError> {
        let certificates = certificates.for_driver();
        let invalid = || {
            refused(RedisError::from((
                ErrorKind::InvalidClientConfig,
                "it has no known scheme",
            )))
        };
        let (scheme, rest) = options.url.split_once("://").ok_or_else(invalid)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let at = authority.rfind('@').map_or(0, |at| at + 1);
        let parts = Parts {
            is_secure: scheme.starts_with("rediss"),
            login: &authority[..at],
            hosts: authority[at..].split(',').collect(),
            path: path.trim_end_matches('/'),
        };
        if parts.is_secure {
            install_provider();
        } else if certificates.is_some() {
            return Err(HotError::Mismatch(
                "the address of Redis has certificates and no TLS: begin it with rediss".into(),
            ));
        }
        match scheme {
            "redis" | "rediss" if parts.hosts.len() == 1 => {
                let info = parts.info(parts.login, parts.hosts[0], parts.path)?;
                client(info, certificates.as_ref()).map(Self::Server)
            }
            "redis+sentinel" | "rediss+sentinel" => sentinel(&parts, options, certificates),
            "redis+cluster" | "rediss+cluster" => {
                if !matches!(parts.path, "" | "0") {
                    return Err(HotError::Mismatch(
                        "a cluster of Redis has no database but 0: remove it from the address"
                            .into(),
                    ));
                }
                let hosts = parts.hosts.iter();
                let nodes = hosts
                    .map(|host| parts.info(parts.login, host, ""))
                    .collect::<Result<_, _>>()?;
                Ok(Self::Cluster(nodes, certificates))
            }
            _ => Err(invalid()),
        }
    }
}

/// A client of one server.
pub(super) fn client(
    info: ConnectionInfo,
    certificates: Option<&TlsCertificates>,
) -> Result<Client, HotError> {
    match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates.clone()),
        None => Client::open(info),
    }
    .map_err(|error| match error.kind() {
        // Only files are read here.
        ErrorKind::Io => HotError::Mismatch(format!(
            "a certificate or key for Redis cannot be read ({error}): write it as PEM"
        )),
        _ => refused(error),
    })
}

fn sentinel(
    parts: &Parts<'_>,
    options: &RedisOptions,
    certificates: Option<TlsCertificates>,
) -> Result<Address, HotError> {
    let (name, database) = parts.path.split_once('/').unwrap_or((parts.path, ""));
    if name.is_empty() {
        return Err(HotError::Mismatch(
            "the address of Redis does not say what its sentinels watch: write redis+sentinel://host:port,…/name"
                .into(),
        ));
    }
    let servers = parts.info(parts.login, "server", database)?;
    let mut sentinels = Vec::new();
    for host in &parts.hosts {
        let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let info = if has_port {
            parts.info("", host, "")
        } else {
            parts.info("", &format!("{host}:{SENTINEL_PORT}"), "")
        }?;
        sentinels.push(info.addr().clone());
    }
    let mut builder = SentinelClientBuilder::new(sentinels, name, SentinelServerType::Master)
        .map_err(refused)?
        .set_client_to_redis_db(servers.redis_settings().db());
    if let Some(user) = servers.redis_settings().username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = servers.redis_settings().password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(user) = &options.sentinel_user {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = &options.sentinel_password {
        builder = builder.set_client_to_sentinel_password(password);
    }
    if parts.is_secure {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        // Reads them once now, so that a bad file is told as what it is.
        client(servers.clone(), Some(&certificates))?;
        builder = builder
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    let client = builder.build().map_err(refused)?;
    Ok(Address::Sentinel(
        Box::new(client),
        servers.redis_settings().db(),
    ))
}

/// Chooses ring for TLS where this process has not chosen yet.
fn install_provider() {
    // An error means that somebody was faster, which is as good.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &RedisOptions) -> Result<Address, HotError> {
        Address::read(options, &Certificates::read(options)?)
    }

    fn refusal(url: &str) -> String {
        match read(&RedisOptions::new(url)) {
            Err(HotError::Mismatch(text)) => text,
            Err(other) => panic!("{url}: {other:?}"),
            Ok(_) => panic!("{url} is taken"),
        }
    }

    #[test]
    fn addresses_of_every_kind_are_read() {
        for (url, kind) in [
            ("redis://localhost", "server"),
            ("redis://u:p%40@[::1]:7000/3", "server"),
            ("rediss://localhost:7000/", "server"),
            ("redis+sentinel://u:p@a,b:7000,[::1]/main/2", "sentinel"),
            ("rediss+sentinel://a/main", "sentinel"),
            ("redis+cluster://u:p@a:1,b:2/", "cluster"),
            ("rediss+cluster://a", "cluster"),
        ] {
            let found = match read(&RedisOptions::new(url)) {
                Ok(Address::Server(_)) => "server",
                Ok(Address::Sentinel(..)) => "sentinel",
                Ok(Address::Cluster(..)) => "cluster",
                Err(error) => panic!("{url}: {error}"),
            };
            assert_eq!(found, kind, "{url}");
        }
    }

    #[test]
    fn addresses_that_cannot_be_say_what_to_write() {
        for (url, says) in [
            ("localhost", "write redis://host:port"),
            ("http://secret@localhost", "write redis://host:port"),
            ("redis://u:secret@a,b", "write redis://host:port"),
            ("redis://localhost/secret", "write redis://host:port"),
            (
                "redis+sentinel://u:secret@a",
                "redis+sentinel://host:port,…/name",
            ),
            ("redis+cluster://u:secret@a/1", "no database but 0"),
        ] {
            let text = refusal(url);
            assert!(text.contains(says), "{url}: {text}");
            assert!(!text.contains("secret"), "{url}: {text}");
        }
    }

    #[test]
    fn certificates_are_checked_before_they_are_used() {
        let with = |set: fn(&mut RedisOptions), url: &str| {
            let mut options = RedisOptions::new(url);
            set(&mut options);
            match read(&options) {
                Err(HotError::Mismatch(text)) => text,
                _ => panic!("{url} is taken"),
            }
        };
        let text = with(|it| it.cert_file = Some("a".into()), "rediss://a");
        assert!(text.contains("belong together"), "{text}");
        let text = with(|it| it.ca_file = Some("/no/such".into()), "rediss://a");
        assert!(
            text.starts_with("`ca_file` in the address of Redis: /no/such cannot be read"),
            "{text}"
        );
        let any_file = |it: &mut RedisOptions| it.ca_file = Some("Cargo.toml".into());
        let text = with(any_file, "rediss://a");
        assert!(
            text.contains("Cargo.toml holds no certificate in PEM"),
            "{text}"
        );
        let certificates = Certificates::of_authority();
        let plain = Address::read(&RedisOptions::new("redis://a"), &certificates);
        let Err(HotError::Mismatch(text)) = plain else {
            panic!("it is taken");
        };
        assert!(text.ends_with("begin it with rediss"), "{text}");
    }
}
