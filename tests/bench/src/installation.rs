//! An installation of Happypath in a process of its own, as `happypath dev` starts it, on real
//! stores.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use happypath::dev::{self, Options};
use proto::engine::v1::AwaitIdleRequest;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use runtime::Telemetry;
use tempfile::TempDir;
use testkit::{PostgresServer, RedisServer};
use tonic::transport::{Channel, Endpoint};

use crate::Failure;
use crate::cpu::{self, Seconds};

/// The time for which the services are watched to tell that they rest.
const REST: Duration = Duration::from_millis(250);
/// The share of a processor that they may use then.
const REST_SHARE: f64 = 0.1;

/// The durability of an installation, and so the stores that it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Redis, its append-only file flushed each second.
    Hot,
    /// PostgreSQL, which waits for its disk, then Redis.
    Journal,
    /// Embedded stores.
    Embedded,
}

impl Level {
    /// Its name, as the setting and the figures spell it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Journal => "journal",
            Self::Embedded => "embedded",
        }
    }
}

/// The servers of installations that are measured one after another.
#[derive(Debug)]
pub(crate) struct Servers {
    postgres: PostgresServer,
}

impl Servers {
    /// Starts what is slow to start. PostgreSQL waits for its disk, as in production.
    pub(crate) fn start() -> Result<Self, Failure> {
        Ok(Self {
            postgres: PostgresServer::start_with(&["-c", "shared_buffers=256MB"])?,
        })
    }

    /// Creates an empty database, and returns where it is.
    pub(crate) fn create_database(&self) -> Result<String, Failure> {
        Ok(self.postgres.create_database()?)
    }
}

/// A running installation and a connection to it. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Installation {
    child: Child,
    url: String,
    redis: Option<RedisServer>,
    postgres: Option<u32>,
    folder: TempDir,
    /// A connection to it.
    pub(crate) channel: Channel,
}

impl Installation {
    /// Starts one on empty stores, with further settings.
    pub(crate) async fn start(
        servers: &Servers,
        level: Level,
        settings: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mut arguments = vec![format!("durability={}", level.name())];
        let (mut redis, mut postgres) = (None, None);
        if level != Level::Embedded {
            let server = RedisServer::start_with(RedisServer::APPEND_ONLY)?;
            arguments.push(format!("hot_store={}", server.url()));
            let database = servers.create_database()?;
            arguments.push(format!("database={database}"));
            postgres = Some(servers.postgres.process_id());
            redis = Some(server);
        }
        arguments.extend(
            settings
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(folder.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let output = child.stdout.take().ok_or("the child has no output")?;
        BufReader::new(output).read_line(&mut url)?;
        let url = url.trim().to_owned();
        if url.is_empty() {
            return Err(format!("the installation did not start: {}", child.wait()?).into());
        }
        Ok(Self {
            child,
            channel: connect(&url).await?,
            url,
            redis,
            postgres,
            folder,
        })
    }

    /// Applies the definitions of the demo.
    pub(crate) async fn apply_demo(&self) -> Result<(), Failure> {
        happypath::demo::apply(&self.url, self.folder.path()).await?;
        Ok(())
    }

    /// Applies definitions, written as YAML.
    pub(crate) async fn apply(&self, definitions: &str) -> Result<(), Failure> {
        let file = self.folder.path().join("definitions.yaml");
        std::fs::write(&file, definitions)?;
        Ok(dev::apply(&self.url, &[file]).await?)
    }

    /// Returns once everything accepted so far has happened, receipts included.
    pub(crate) async fn idle(&self) -> Result<(), Failure> {
        PartitionServiceClient::new(self.channel.clone())
            .await_idle(AwaitIdleRequest::default())
            .await?;
        Ok(())
    }

    /// Waits until nothing is left to do, which includes what the stores tidy up afterwards.
    pub(crate) async fn at_rest(&self) -> Result<(), Failure> {
        self.idle().await?;
        let mut used = self.services_used();
        loop {
            tokio::time::sleep(REST).await;
            let now = self.services_used();
            if now - used < REST.as_secs_f64() * REST_SHARE {
                return Ok(());
            }
            used = now;
        }
    }

    /// Seconds of processor time that the services have used so far.
    pub(crate) fn services_used(&self) -> f64 {
        cpu::own(self.child.id())
    }

    /// Seconds of processor time that each process has used so far.
    pub(crate) fn used(&self) -> Seconds {
        let mut used = Seconds::from([
            ("client", cpu::own(std::process::id())),
            ("services", self.services_used()),
        ]);
        if let Some(redis) = &self.redis {
            used.insert("redis", cpu::own(redis.process_id()));
        }
        if let Some(postgres) = self.postgres {
            used.insert("postgres", cpu::of_family(postgres));
        }
        used
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // It may have ended already; nothing that it knows is wanted any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves an installation in this process until the input ends: what [`Installation::start`] runs.
#[expect(
    clippy::print_stdout,
    reason = "the address is what the other process waits for"
)]
pub(crate) async fn serve(folder: &std::path::Path, settings: &[String]) -> Result<(), Failure> {
    let mut options = Options::private(folder);
    for setting in settings {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| format!("`{setting}` is not NAME=VALUE"))?;
        let known = runtime::SETTINGS
            .iter()
            .find(|known| known.name == name)
            .ok_or_else(|| format!("`{name}` is not a setting"))?;
        options = options.with(known.name, value);
    }
    let config = options.config()?;
    let telemetry = match config.metrics_listen {
        Some(_) => Some(Telemetry::start("bench", &config)?),
        None => None,
    };
    let running = dev::start(config).await?;
    println!("{}", running.url());
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await??;
    running.stop().await?;
    if let Some(telemetry) = telemetry {
        telemetry.shutdown().await;
    }
    Ok(())
}

/// A connection as clients make it.
pub(crate) async fn connect(url: &str) -> Result<Channel, Failure> {
    Ok(Endpoint::from_shared(url.to_owned())?
        .tcp_nodelay(true)
        .connect()
        .await?)
}
