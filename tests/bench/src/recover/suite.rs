//! Four services as processes of their own, on one Redis and one database.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use hot::{HotStore as _, RedisOptions, RedisStore};
use journal::{JournalOptions, JournaledStore, SharedLog, SqlLog};
use kernel::PartitionCount;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::definition::v1::{ApplyDefinitionsRequest, Definition};
use storage::Database;
use tempfile::TempDir;
use testkit::RedisServer;
use tokio::time::{Instant, sleep};
use tonic::transport::{Channel, Endpoint};

use crate::Failure;
use crate::installation::Servers;

/// The services in the order in which definitions are applied.
const NAMES: [&str; 4] = ["identity", "segmentation", "activation", "journey"];
/// The longest wait for a service that starts.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// Partitions that are restored at once where nobody else is there.
const AT_ONCE: usize = 8;

/// Four services and their stores. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Suite {
    children: Vec<Child>,
    urls: Vec<String>,
    redis: RedisServer,
    database: String,
    folder: TempDir,
    binaries: PathBuf,
}

impl Suite {
    /// Starts the binaries of a folder, or those beside this program.
    pub(super) async fn start(servers: &Servers, binaries: Option<&Path>) -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let binaries = binaries.or(own.parent()).ok_or("no folder of binaries")?;
        let redis = RedisServer::start_with(RedisServer::APPEND_ONLY)?;
        let database = servers.create_database()?;
        let urls = NAMES.iter().map(|_| {
            let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            Ok(format!("http://{address}"))
        });
        let urls = urls.collect::<Result<Vec<_>, std::io::Error>>()?;
        let mut suite = Self {
            children: Vec::new(),
            urls,
            redis,
            database,
            folder: tempfile::tempdir()?,
            binaries: binaries.to_owned(),
        };
        for (name, url) in NAMES.iter().zip(&suite.urls) {
            let child = suite.spawn(name, url)?;
            suite.children.push(child);
        }
        for name in NAMES {
            suite.ready(name).await?;
        }
        Ok(suite)
    }

    fn spawn(&self, name: &str, url: &str) -> Result<Child, Failure> {
        let program = self.binaries.join(name);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(name))?;
        let mut command = Command::new(&program);
        command
            .args(["--listen", url.trim_start_matches("http://")])
            .args(["--hot-store", &self.redis.url()])
            .args(["--database", &self.database])
            .args(["--durability", "journal"])
            .args(["--partitions", &PartitionCount::DEFAULT.get().to_string()]);
        for (peer, url) in NAMES.iter().zip(&self.urls) {
            command.args([format!("--{peer}-address"), url.clone()]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        child.map_err(|error| format!("{} does not start: {error}", program.display()).into())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    async fn ready(&self, name: &str) -> Result<(), Failure> {
        let started = Instant::now();
        loop {
            match Endpoint::from_shared(self.url(name)?)?.connect().await {
                Ok(_) => return Ok(()),
                Err(error) if started.elapsed() > PATIENCE => {
                    let log = std::fs::read_to_string(self.log(name))?;
                    return Err(format!("{name} does not serve: {error}\n{log}").into());
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// The folder of the logs.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection to a service.
    pub(super) fn channel(&self, name: &str) -> Result<Channel, Failure> {
        Ok(Endpoint::from_shared(self.url(name)?)?
            .tcp_nodelay(true)
            .connect_lazy())
    }

    fn url(&self, name: &str) -> Result<String, Failure> {
        let place = NAMES.iter().position(|it| *it == name);
        let url = place.and_then(|place| self.urls.get(place));
        Ok(url.ok_or("no such service")?.clone())
    }

    /// Applies definitions, written as YAML, at the services that own them.
    pub(super) async fn apply(&self, text: &str) -> Result<(), Failure> {
        let located = definitions::parse("definitions.yaml", text)
            .map_err(|mistakes| format!("{mistakes:?}"))?;
        let definitions: Vec<Definition> = located.into_iter().map(|it| it.value).collect();
        for name in NAMES {
            let own = definitions.iter().filter(|it| owner(it) == name);
            let request = ApplyDefinitionsRequest {
                request_id: format!("apply-{name}"),
                definitions: own.cloned().collect(),
                ..ApplyDefinitionsRequest::default()
            };
            if !request.definitions.is_empty() {
                let channel = self.channel(name)?;
                DefinitionServiceClient::new(channel)
                    .apply_definitions(request)
                    .await?;
            }
        }
        Ok(())
    }

    /// Empties Redis.
    pub(super) fn forget(&self) -> Result<(), Failure> {
        self.redis.ask(&["FLUSHALL"])?;
        Ok(())
    }

    /// Kills a service with no warning, and starts it again at once.
    pub(super) fn kill_and_start(&mut self, name: &str) -> Result<(), Failure> {
        let place = NAMES.iter().position(|it| *it == name);
        let place = place.ok_or("no such service")?;
        self.children[place].kill()?;
        self.children[place].wait()?;
        self.children[place] = self.spawn(name, &self.urls[place])?;
        Ok(())
    }

    /// Ends the services, empties Redis, and returns how many seconds it takes to restore all
    /// partitions.
    pub(super) async fn restore_alone(mut self) -> Result<f64, Failure> {
        self.end();
        self.forget()?;
        let options = RedisOptions {
            origins: true,
            ..RedisOptions::new(self.redis.url())
        };
        let hot = RedisStore::connect(options, PartitionCount::DEFAULT).await?;
        let database = Database::connect(&self.database.parse()?).await?;
        let log: SharedLog = Arc::new(SqlLog::open(database).await?);
        let writer = log.register("bench").await?;
        let store = JournaledStore::new(Arc::new(hot), log, writer, JournalOptions::default());
        let started = Instant::now();
        futures::stream::iter(store.partition_count().iter())
            .map(|partition| store.recover(partition))
            .buffer_unordered(AT_ONCE)
            .try_for_each(async |_| Ok(()))
            .await?;
        Ok(started.elapsed().as_secs_f64())
    }

    fn end(&mut self) {
        for child in &mut self.children {
            // It may have ended already; nothing that it knows is wanted any more.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.children.clear();
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        self.end();
    }
}

/// The service that a definition is applied at.
fn owner(definition: &Definition) -> &'static str {
    match &definition.kind {
        Some(Kind::Segment(_)) => "segmentation",
        Some(Kind::Channel(_) | Kind::Template(_)) => "activation",
        _ => "journey",
    }
}
