//! The credentials of a process: the callers that it lets in, and what it shows to others.

use std::sync::Arc;

use access::tls::{ClientTls, ServerTls};
use access::{Guard, GuardOptions, Mode, Requirement, Rules, Scope, Scopes};
use audit::AuditLog;
use keys::{Follower, KeyStore, ServiceKey};
use rpc::{ClientOptions, Presented};
use storage::Database;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, PeerAddresses};
use crate::database::database_error;
use crate::start_error::StartError;

/// The path of the metrics, on a listener of their own.
pub(crate) const METRICS: &str = "/metrics";

/// The credentials of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Lets calls in.
    pub guard: Guard,
    /// The stored keys.
    pub keys: KeyStore,
    /// Keeps the keys of the guard up to date.
    pub follower: Follower,
    /// TLS of the listener; absent where it speaks plain text.
    pub server_tls: Option<Arc<ServerTls>>,
    /// The credentials of calls to other services.
    pub client: ClientOptions,
}

/// Reads what this process shows to others: certificates now, its key later.
pub(crate) fn client_options(config: &Config) -> Result<ClientOptions, StartError> {
    Ok(ClientOptions {
        tls: Some(config.access.open_client()?),
        presented: Presented::default(),
    })
}

impl Credentials {
    /// Reads the files and the stored keys, and keeps up with both until the process is told to
    /// end.
    pub(crate) async fn open(
        config: &Config,
        database: Database,
        client: ClientOptions,
        shutdown: &CancellationToken,
    ) -> Result<Self, StartError> {
        let settings = &config.access;
        let guard = open_guard(config)?;
        let server_tls = settings.open_server()?;
        let failed = |error| StartError::service("keys", error);
        let keys = KeyStore::open(database).await;
        let keys = keys.map_err(|error| database_error(config.database.to_string(), error))?;
        let installation = config.installation.as_ref().map(ToString::to_string);
        let follower = Follower::start(keys.clone(), guard.keyring().clone(), installation);
        let follower = follower.await.map_err(failed)?;
        guard.set_source(Arc::new(follower.clone()));
        if settings.mode == Mode::Required && !guard.names_anybody() {
            return Err(StartError::NoCallers {
                address: config.listen,
            });
        }
        let own = Self {
            guard,
            keys,
            follower,
            server_tls: server_tls.map(Arc::new),
            client,
        };
        own.warn_of_plain_text(config);
        tokio::spawn(own.clone().follow_files(shutdown.clone()));
        Ok(own)
    }

    /// Makes the key by which other services know this process, and keeps up with the stored keys.
    /// An open process without others needs neither.
    ///
    /// # Errors
    /// [`StartError::Service`].
    pub(crate) async fn begin(
        &self,
        config: &Config,
        audit: &AuditLog,
        shutdown: &CancellationToken,
    ) -> Result<(), StartError> {
        if config.access.mode == Mode::Open && config.peers == PeerAddresses::default() {
            return Ok(());
        }
        // Whoever has the states may ask others about them; no gateway has.
        let scopes = match &config.hot_store {
            Some(_) => Scopes::of_services().with(Scope::CustomersRead),
            None => Scopes::of_services(),
        };
        let key = ServiceKey::start(
            self.keys.clone(),
            self.follower.clone(),
            self.client.presented.clone(),
            audit.clone(),
            (&config.worker, scopes),
        );
        let key = key
            .await
            .map_err(|error| StartError::service("keys", error))?;
        tokio::spawn(self.follower.clone().follow(shutdown.clone()));
        tokio::spawn(key.renew(shutdown.clone()));
        Ok(())
    }

    fn warn_of_plain_text(&self, config: &Config) {
        if self.server_tls.is_none() && !config.listen.ip().is_loopback() {
            tracing::warn!(
                address = %config.listen,
                "keys and tokens of callers travel in plain text: set tls_certificate and tls_key, unless \
                 something in front of this process encrypts"
            );
        }
    }

    /// Reads files again that changed. They are small and on this machine.
    async fn follow_files(self, shutdown: CancellationToken) {
        loop {
            self.guard.refresh().await;
            let (server, client) = (self.server_tls.clone(), self.client.tls.clone());
            let read = tokio::task::spawn_blocking(move || {
                server.iter().for_each(|tls| tls.refresh());
                client.iter().for_each(ClientTls::refresh);
            });
            if let Err(error) = read.await {
                tracing::error!(%error, "certificates were not read again");
            }
            tokio::select! {
                () = tokio::time::sleep(access::limits::FILE_INTERVAL) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }
}

fn open_guard(config: &Config) -> Result<Guard, StartError> {
    let rules = Rules::read(&proto::DESCRIPTORS).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        StartError::Serve(faults.join("; ").into())
    })?;
    let rules = rules.with(METRICS, Requirement::Scope(Scope::MetricsRead));
    let options = GuardOptions {
        mode: config.access.mode,
        rules,
        file: config.access.file.clone(),
        installation: config.installation.as_ref().map(ToString::to_string),
    };
    Guard::open(options).map_err(|faults| StartError::AccessFile {
        path: config.access.file.clone().unwrap_or_default(),
        faults,
    })
}
