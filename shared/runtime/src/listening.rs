//! The addresses of a process, taken before anything else is opened: that of its services, and one
//! for health in plain text.
//!
//! Probes of orchestrators speak no TLS and have no credential. The port of health serves nothing
//! but `grpc.health.v1`, from the first moment to the last: while the process starts and while it
//! drains it says that calls should go elsewhere. It is not guarded, measured or traced.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::config::Config;
use crate::health::Health;
use crate::limits;
use crate::start_error::StartError;

/// The addresses of a process, which are its own from now on.
#[derive(Debug)]
pub struct Listening {
    pub(crate) services: TcpListener,
    pub(crate) health: Health,
    pub(crate) health_port: Option<HealthPort>,
}

impl Listening {
    /// Takes the addresses of a configuration and answers probes at once. Ports that the
    /// configuration leaves open (0) are in it afterwards. Inside a runtime.
    ///
    /// # Errors
    /// [`StartError::Listen`] and [`StartError::HealthListen`] where an address is taken.
    pub async fn open(config: &mut Config) -> Result<Self, StartError> {
        let services = take(&mut config.listen)
            .await
            .map_err(|source| StartError::Listen {
                address: config.listen,
                source,
            })?;
        let health = Health::starting().await;
        let health_port = match &mut config.health_listen {
            None => None,
            Some(address) => {
                let listener = take(address).await;
                let listener = listener.map_err(|source| StartError::HealthListen {
                    address: *address,
                    source,
                })?;
                Some(HealthPort::open(listener, &health))
            }
        };
        Ok(Self {
            services,
            health,
            health_port,
        })
    }
}

async fn take(address: &mut SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(*address).await?;
    *address = listener.local_addr()?;
    Ok(listener)
}

/// The port of health. It ends when this is dropped, or in order by [`HealthPort::close`].
#[derive(Debug)]
pub(crate) struct HealthPort {
    server: JoinHandle<()>,
    stop: CancellationToken,
}

impl HealthPort {
    fn open(listener: TcpListener, health: &Health) -> Self {
        let stop = CancellationToken::new();
        let incoming = TcpIncoming::from(listener)
            .with_nodelay(Some(true))
            .with_keepalive(Some(limits::KEEPALIVE_INTERVAL));
        let serving = Server::builder()
            .http2_keepalive_interval(Some(limits::KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(limits::KEEPALIVE_TIMEOUT))
            .max_concurrent_streams(limits::HEALTH_STREAMS)
            .max_connection_age(limits::CONNECTION_AGE)
            .max_connection_age_grace(limits::KEEPALIVE_TIMEOUT)
            .add_service(health.server())
            .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        let server = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "health is not served at its own port any more");
            }
        });
        Self { server, stop }
    }

    /// Ends it. Whoever watches is cut off.
    pub(crate) async fn close(mut self) {
        self.stop.cancel();
        // A watch has no end of its own.
        let ended = tokio::time::timeout(limits::HEALTH_CLOSE_TIME, &mut self.server).await;
        if ended.is_err() {
            tracing::debug!("somebody watched health to the end");
        }
    }
}

impl Drop for HealthPort {
    fn drop(&mut self) {
        self.server.abort();
    }
}
