//! An installation of Happypath in a process of its own, as `happypath dev` starts it, on real
//! stores.

use std::ffi::OsString;
use std::time::Duration;

use access::NewKey;
use happypath::dev::{self, Options};
use proto::engine::v1::AwaitIdleRequest;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use rpc::{ClientOptions, PeerChannel, Presented};
use runtime::Telemetry;
use tempfile::TempDir;
use testkit::{PostgresServer, RedisServer};

use crate::Failure;
use crate::child::{Serving, serve_at};
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
    /// The key of the only caller that installations let in; absent where they let in everybody.
    key: Option<NewKey>,
}

/// The demand of the installations that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub(crate) struct Demand {
    /// Lets in only callers with a key, which the calls of the benchmark have
    #[arg(long)]
    guarded: bool,
}

impl Demand {
    /// A key for every call.
    pub(crate) const GUARDED: Self = Self { guarded: true };
}

impl Servers {
    /// Starts what is slow to start. PostgreSQL waits for its disk, as in production.
    pub(crate) fn start() -> Result<Self, Failure> {
        Ok(Self {
            postgres: PostgresServer::start_with(&["-c", "shared_buffers=256MB"])?,
            key: None,
        })
    }

    /// The same, and installations ask for credentials where that is demanded.
    pub(crate) fn start_with(demand: Demand) -> Result<Self, Failure> {
        let key = demand.guarded.then(NewKey::make).transpose()?;
        Ok(Self {
            key,
            ..Self::start()?
        })
    }

    /// Creates an empty database, and returns where it is.
    pub(crate) fn create_database(&self) -> Result<String, Failure> {
        Ok(self.postgres.create_database()?)
    }

    /// Starts an empty Redis, its append-only file flushed each second, and creates a database.
    pub(crate) fn create_stores(&self) -> Result<Stores, Failure> {
        Ok(Stores {
            redis: RedisServer::start_with(RedisServer::APPEND_ONLY)?,
            database: self.create_database()?,
            postgres: self.postgres.process_id(),
        })
    }
}

/// The stores of one installation. Its Redis ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Stores {
    /// Its Redis.
    pub(crate) redis: RedisServer,
    /// The address of its database.
    pub(crate) database: String,
    postgres: u32,
}

impl Stores {
    /// Seconds of processor time that each of their processes has used so far.
    fn used(&self) -> Seconds {
        Seconds::from([
            ("redis", cpu::own(self.redis.process_id())),
            ("postgres", cpu::of_family(self.postgres)),
        ])
    }
}

/// A running installation and a connection to it. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Installation {
    serving: Serving,
    /// Its stores, unless they are embedded.
    pub(crate) stores: Option<Stores>,
    folder: TempDir,
    client: ClientOptions,
    /// A connection to it.
    pub(crate) channel: PeerChannel,
}

impl Installation {
    /// Starts one on empty stores, with further settings.
    pub(crate) async fn start(
        servers: &Servers,
        level: Level,
        settings: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mut arguments = vec![
            OsString::from("serve"),
            folder.path().into(),
            format!("durability={}", level.name()).into(),
        ];
        let mut stores = None;
        if level != Level::Embedded {
            let created = servers.create_stores()?;
            arguments.push(format!("hot_store={}", created.redis.url()).into());
            arguments.push(format!("database={}", created.database).into());
            stores = Some(created);
        }
        let settings = settings.iter();
        arguments.extend(settings.map(|(name, value)| format!("{name}={value}").into()));
        let mut client = ClientOptions::default();
        if let Some(key) = &servers.key {
            let file = folder.path().join("callers.yaml");
            std::fs::write(&file, callers(key))?;
            arguments.push("access=required".into());
            arguments.push(format!("access_file={}", file.display()).into());
            client.presented = Presented::bearer(key.reveal())?;
        }
        let serving = Serving::start(arguments)?;
        Ok(Self {
            channel: rpc::connect_with(&serving.url, &client)?,
            client,
            serving,
            stores,
            folder,
        })
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.serving.url
    }

    /// Applies the definitions of the demo.
    pub(crate) async fn apply_demo(&self) -> Result<(), Failure> {
        happypath::demo::apply(&self.serving.url, &self.client, self.folder.path()).await?;
        Ok(())
    }

    /// Applies definitions, written as YAML.
    pub(crate) async fn apply(&self, definitions: &str) -> Result<(), Failure> {
        let file = self.folder.path().join("definitions.yaml");
        std::fs::write(&file, definitions)?;
        Ok(dev::apply(&self.serving.url, &self.client, &[file]).await?)
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
        self.serving.used()
    }

    /// Seconds of processor time that each process has used so far.
    pub(crate) fn used(&self) -> Seconds {
        used(&self.serving, self.stores.as_ref())
    }
}

/// Seconds of processor time that this process, one that serves it, and stores have used so far.
pub(crate) fn used(serving: &Serving, stores: Option<&Stores>) -> Seconds {
    let mut used = Seconds::from([
        ("client", cpu::own(std::process::id())),
        ("services", serving.used()),
    ]);
    used.extend(stores.into_iter().flat_map(Stores::used));
    used
}

/// Serves an installation in this process until the input ends: what [`Installation::start`] runs.
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
    serve_at(&running.url()).await?;
    running.stop().await?;
    if let Some(telemetry) = telemetry {
        telemetry.shutdown().await;
    }
    Ok(())
}

/// A file of callers with one, who may do everything.
fn callers(key: &NewKey) -> String {
    let (id, hash) = (key.id(), key.hash().to_hex());
    format!(
        "keys: [{{name: bench, id: {id}, hash: {hash}, scopes: [{}]}}]\n",
        access::Scopes::all().names().join(", ")
    )
}

/// A connection as clients make it, which shows nothing.
pub(crate) fn connect(url: &str) -> Result<PeerChannel, Failure> {
    Ok(rpc::connect(url)?)
}
