//! All services in one process and on one port: what `happypath dev`, the demo and tests start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use runtime::{
    Awaited, Config, ConfigFlags, Context, Defaults, Environment, Listening, Service, StartError,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bundle::Bundle;
use crate::client::Connection;
use crate::failure::Failure;

/// The way to start: stores, settings and the environment.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the embedded stores.
    pub folder: PathBuf,
    /// Settings that differ from the defaults.
    pub flags: ConfigFlags,
    /// Says that `HAPPYPATH_*` variables count.
    pub reads_environment: bool,
}

impl Options {
    /// A private installation in a folder, on a free port, whatever the environment says: for the
    /// demo and for tests.
    pub fn private(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: folder.as_ref().to_path_buf(),
            flags: ConfigFlags::default().with("listen", "127.0.0.1:0"),
            reads_environment: false,
        }
    }

    /// Changes a setting, as a flag would.
    #[must_use]
    pub fn with(mut self, setting: &'static str, value: impl Into<String>) -> Self {
        self.flags = self.flags.with(setting, value);
        self
    }

    /// The settings as they count.
    ///
    /// # Errors
    /// [`StartError::Config`] with every fault.
    pub fn config(&self) -> Result<Config, StartError> {
        let environment = match self.reads_environment {
            true => Environment::of_process(),
            false => Environment::default(),
        };
        let defaults = Defaults::of_dev(&self.folder);
        Ok(Config::load(&defaults, &self.flags, &environment)?)
    }
}

/// All services, running.
#[derive(Debug)]
pub struct Running {
    /// Where they listen.
    pub address: SocketAddr,
    /// Where health is told in plain text; absent for nowhere but there.
    pub health: Option<SocketAddr>,
    /// The callers that they let in.
    pub credentials: runtime::Credentials,
    scheme: &'static str,
    /// Ends them when cancelled; [`Running::stop`] waits for the end too.
    pub shutdown: CancellationToken,
    server: JoinHandle<Result<(), StartError>>,
}

impl Running {
    /// Where they listen, as clients want it.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Ends them in order, and returns when they have ended.
    ///
    /// # Errors
    /// Where the server had stopped by itself.
    pub async fn stop(self) -> Result<(), StartError> {
        self.shutdown.cancel();
        self.ended().await
    }

    /// Returns when they have ended, by [`Running::shutdown`] or by themselves.
    ///
    /// # Errors
    /// Where the server stopped by itself.
    pub async fn ended(self) -> Result<(), StartError> {
        match self.server.await {
            Ok(served) => served,
            Err(error) => Err(StartError::Serve(error.into())),
        }
    }
}

/// Starts all services. Calls are accepted when this returns.
///
/// # Errors
/// [`StartError`], with what to do about it.
pub fn start(config: Config) -> Awaited<'static, Running> {
    Box::pin(start_all(config))
}

async fn start_all(mut config: Config) -> Result<Running, StartError> {
    // Port 0 is any free one; services find each other at the one that was found.
    let listening = Listening::open(&mut config).await?;
    let (address, health) = (config.listen, config.health_listen);
    let scheme = if config.access.server.is_some() {
        "https"
    } else {
        "http"
    };
    let context = Context::open(config).await?;
    let services = start_services(&context).await?;
    let shutdown = context.shutdown.clone();
    let credentials = context.credentials.clone();
    let server = tokio::spawn(async move { runtime::serve(services, listening, &context).await });
    Ok(Running {
        address,
        health,
        credentials,
        scheme,
        shutdown,
        server,
    })
}

/// Applies definitions from files and folders to services that run on one port, as `happypath
/// apply` does, with the credential of a client.
///
/// # Errors
/// [`Failure`] where a file cannot be read, or a service refuses.
pub async fn apply(
    url: &str,
    client: &rpc::ClientOptions,
    files: &[PathBuf],
) -> Result<(), Failure> {
    let connection = Connection::single(url).with_client(client.clone());
    let bundle = Bundle::read(files)?;
    bundle.validate(&connection).await?;
    bundle.apply(&connection).await?;
    Ok(())
}

/// Those that others are asked by come first.
async fn start_services(context: &Context) -> Result<Vec<Service>, StartError> {
    Ok(vec![
        identity::start(context).await?,
        segmentation::start(context).await?,
        journey::start(context).await?,
        activation::start(context).await?,
        gateway::start(context).await?,
    ])
}
