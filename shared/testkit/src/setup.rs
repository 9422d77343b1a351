//! The setup of a Redis or Valkey server of a test.

use std::env;
use std::path::{Path, PathBuf};

use crate::child::find;
use crate::{Certificates, RedisServer, StartError};

/// Names the program `valkey-server` where it is neither on the PATH nor in `.cache/valkey`.
const VALKEY: &str = "HAPPYPATH_VALKEY_SERVER";

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Login {
    /// A user and a password.
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }
}

/// The kind of server to start; the usual one keeps nothing on disk and asks nobody for a
/// password.
#[derive(Debug, Clone, Default)]
pub struct RedisSetup {
    pub(crate) is_valkey: bool,
    pub(crate) arguments: Vec<String>,
    pub(crate) has_tls: bool,
    pub(crate) login: Option<Login>,
}

impl RedisSetup {
    /// Redis.
    pub fn new() -> Self {
        Self::default()
    }

    /// Valkey in place of Redis.
    #[must_use]
    pub fn valkey(mut self) -> Self {
        self.is_valkey = true;
        self
    }

    /// Further arguments, such as [`RedisServer::APPEND_ONLY`].
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// A second port with TLS, where clients may (or must) show a certificate of the same
    /// authority. The certificates must live longer than the server.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates, asks_clients: bool) -> Self {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let (certificate, key) = certificates.server();
        self.has_tls = true;
        for (name, value) in [
            ("--tls-cert-file", text(certificate)),
            ("--tls-key-file", text(key)),
            ("--tls-ca-cert-file", text(certificates.authority())),
            (
                "--tls-auth-clients",
                if asks_clients { "yes" } else { "no" }.to_owned(),
            ),
        ] {
            self.arguments.extend([name.to_owned(), value]);
        }
        self
    }

    /// Lets in only this user, who may do everything.
    #[must_use]
    pub fn login(self, login: &Login) -> Self {
        let Login { user, password } = login;
        let mut setup = self
            .with(&[
                "--user",
                user,
                "on",
                &format!(">{password}"),
                "~*",
                "&*",
                "+@all",
            ])
            .with(&["--user", "default", "off"])
            .with(&["--masteruser", user, "--masterauth", password]);
        setup.login = Some(login.clone());
        setup
    }

    /// Copies another server.
    #[must_use]
    pub fn replica_of(self, primary: &RedisServer) -> Self {
        self.with(&["--replicaof", "127.0.0.1", &primary.port().to_string()])
            .with(&["--repl-diskless-sync-delay", "0"])
    }

    /// Starts the server.
    ///
    /// # Errors
    /// [`StartError`] where there is none, or it does not come up.
    pub fn start(self) -> Result<RedisServer, StartError> {
        RedisServer::start_setup(self)
    }

    /// Its name in errors.
    pub(crate) fn name(&self) -> &'static str {
        if self.is_valkey {
            "valkey-server"
        } else {
            "redis-server"
        }
    }

    /// The program.
    pub(crate) fn program(&self) -> Result<PathBuf, StartError> {
        if !self.is_valkey {
            let usual = ["/usr/bin", "/usr/local/bin", "/opt/redis/bin"].map(PathBuf::from);
            return find("redis-server", "redis-server", &usual);
        }
        if let Some(named) = env::var_os(VALKEY).map(PathBuf::from)
            && named.is_file()
        {
            return Ok(named);
        }
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/valkey");
        find("valkey-server", "valkey", &[cache])
            .map_err(|_| StartError::NoValkey { variable: VALKEY })
    }
}
