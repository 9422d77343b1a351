//! An installation in this process, as `happypath dev` starts it, with the demo's definitions.

use happypath::dev::{self, Running};
use proto::engine::v1::AwaitIdleRequest;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use crate::Failure;

/// A running installation and a connection to it.
pub(crate) struct Installation {
    running: Running,
    pub(crate) channel: Channel,
    _folder: TempDir,
}

impl Installation {
    /// Starts one on the given clock, `wall` or `stream`.
    pub(crate) async fn start(clock: &'static str) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let options = happypath::demo::options(folder.path()).with("clock", clock);
        let running = dev::start(options.config()?).await?;
        happypath::demo::apply(&running.url(), folder.path()).await?;
        let channel = connect(&running.url()).await?;
        Ok(Self {
            running,
            channel,
            _folder: folder,
        })
    }

    /// Returns once everything accepted so far has happened, receipts included.
    pub(crate) async fn idle(&self) -> Result<(), Failure> {
        PartitionServiceClient::new(self.channel.clone())
            .await_idle(AwaitIdleRequest::default())
            .await?;
        Ok(())
    }

    /// Ends it.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        Ok(self.running.stop().await?)
    }
}

/// A connection as clients make it.
pub(crate) async fn connect(url: &str) -> Result<Channel, Failure> {
    Ok(Endpoint::from_shared(url.to_owned())?
        .tcp_nodelay(true)
        .connect()
        .await?)
}
