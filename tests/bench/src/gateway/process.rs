//! A gateway in a process of its own, in front of an installation.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rpc::PeerChannel;
use tokio::time::{Instant, sleep};

use super::sender::Sender;
use crate::installation::{Installation, connect};
use crate::{Failure, cpu};

/// The services that it stands in front of.
const SERVICES: [&str; 4] = ["identity", "segmentation", "journey", "activation"];
/// The longest wait for it to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// A gateway. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Gateway {
    child: Child,
    /// The address at which it serves.
    pub(super) url: String,
}

impl Gateway {
    /// Starts the program beside this one, and returns once it serves.
    pub(super) async fn start(installation: &Installation) -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let program = own.with_file_name("gateway");
        let stores = installation
            .stores
            .as_ref()
            .ok_or("embedded stores are of one process")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(&program);
        command
            .args(["--listen", &address.to_string()])
            .args(["--hot-store", &stores.redis.url()])
            .args(["--database", &stores.database])
            .args(["--partitions", "16"]);
        for service in SERVICES {
            command.args([&format!("--{service}-address"), installation.url()]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let gateway = Self {
            child,
            url: format!("http://{address}"),
        };
        gateway.ready().await?;
        Ok(gateway)
    }

    async fn ready(&self) -> Result<(), Failure> {
        let started = Instant::now();
        while let Err(error) = Sender::connect(&self.url).await {
            if started.elapsed() > PATIENCE {
                return Err(format!("the gateway does not serve: {error}").into());
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// A connection to it, as clients make it.
    pub(super) fn channel(&self) -> Result<PeerChannel, Failure> {
        connect(&self.url)
    }

    /// Seconds of processor time that it has used so far.
    pub(super) fn used(&self) -> f64 {
        cpu::own(self.child.id())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already; nothing that it knows is wanted any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
