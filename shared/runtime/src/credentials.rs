//! The credentials of a process: the callers that it lets in, and what it shows to others.

use std::sync::Arc;

use access::tls::{ClientTls, ServerTls};
use access::{Gate, GateOptions, Mode, Rules};
use keys::{Follower, KeyStore, ServiceKey};
use rpc::{ClientOptions, Presented};
use storage::Database;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::start_error::StartError;

/// The credentials of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Lets calls in.
    pub gate: Gate,
    /// The stored keys.
    pub keys: KeyStore,
    /// Keeps the keys of the gate up to date.
    pub follower: Follower,
    /// TLS of the listener; absent where it speaks plain text.
    pub server_tls: Option<Arc<ServerTls>>,
    /// What calls of this process show to other services.
    pub client: ClientOptions,
}

/// Reads what this process shows to others: certificates now, its key later.
pub(crate) fn client_options(config: &Config) -> Result<ClientOptions, StartError> {
    let tls = ClientTls::open(config.access.client.clone());
    Ok(ClientOptions {
        tls: Some(tls.map_err(|error| StartError::Tls(error.into()))?),
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
        let gate = open_gate(config)?;
        let server_tls = settings.server.clone().map(ServerTls::open).transpose();
        let server_tls = server_tls.map_err(|error| StartError::Tls(error.into()))?;
        let failed = |error| StartError::service("keys", error);
        let keys = KeyStore::open(database).await;
        let keys = keys.map_err(|error| StartError::service("keys", error))?;
        let installation = config.installation.as_ref().map(ToString::to_string);
        let follower = Follower::start(keys.clone(), gate.keyring().clone(), installation);
        let follower = follower.await.map_err(failed)?;
        gate.set_source(Arc::new(follower.clone()));
        if settings.mode == Mode::Required && !gate.names_anybody() {
            return Err(StartError::NoCallers {
                address: config.listen,
            });
        }
        let own = Self {
            gate,
            keys,
            follower,
            server_tls: server_tls.map(Arc::new),
            client,
        };
        own.warn_of_plain_text(config);
        if settings.mode == Mode::Required {
            let (store, presented) = (own.keys.clone(), own.client.presented.clone());
            let key = ServiceKey::start(store, own.follower.clone(), presented, &config.worker);
            tokio::spawn(key.await.map_err(failed)?.renew(shutdown.clone()));
        }
        tokio::spawn(own.follower.clone().follow(shutdown.clone()));
        tokio::spawn(own.clone().follow_files(shutdown.clone()));
        Ok(own)
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
            self.gate.refresh().await;
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

fn open_gate(config: &Config) -> Result<Gate, StartError> {
    let rules = Rules::read(&proto::DESCRIPTORS).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        StartError::Serve(faults.join("; ").into())
    })?;
    let options = GateOptions {
        mode: config.access.mode,
        rules,
        file: config.access.file.clone(),
        installation: config.installation.as_ref().map(ToString::to_string),
    };
    Gate::open(options).map_err(|faults| StartError::AccessFile {
        path: config.access.file.clone().unwrap_or_default(),
        faults,
    })
}
