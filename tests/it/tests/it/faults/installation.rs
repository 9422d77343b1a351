//! Four services as processes of their own, on a Redis and a PostgreSQL of their own, and what can
//! be asked of them.
//!
//! It breaks nothing by itself: the tests do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::engine::v1::{AwaitIdleRequest, ListPartitionsRequest, Partition};
use rpc::{ClientOptions, PeerChannel, Presented};
use tempfile::TempDir;
use testkit::{PostgresServer, RedisServer};
use tokio::time::Instant;
use tonic::Request;

use super::hooks::Hooks;
use crate::process::{self, Service};
use crate::suite::{self, BUYERS, NAMES, PAUSE};

/// Enough that a fault meets several at once, few enough that each is busy under a modest load.
pub(crate) const PARTITIONS: u16 = 8;
/// The shortest that the configuration takes: what holds up a partition is the work of the test,
/// not its waiting.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(1);
/// The words that a service logs of each partition that it has recovered.
const RECOVERED: &str = "recovered a partition from the journal";
/// The time that a question may take where all is well.
const ANSWER: Duration = Duration::from_secs(30);

/// The promise of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The data that Redis keeps.
    Hot,
    /// The data that SQL keeps.
    Journal,
}

impl Durability {
    const fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Journal => "journal",
        }
    }
}

/// Four services and their stores.
pub(crate) struct Installation {
    /// By their places in [`NAMES`], then replicas.
    pub(crate) services: Vec<Service>,
    pub(crate) redis: RedisServer,
    /// Where Redis keeps its files.
    pub(crate) redis_folder: PathBuf,
    pub(crate) postgres: PostgresServer,
    pub(crate) hooks: Hooks,
    pub(crate) arguments: Vec<String>,
    /// The key that is shown to services that ask for one.
    pub(crate) key: Option<String>,
    folder: TempDir,
}

impl Installation {
    /// Starts everything, and applies [`definitions`].
    pub(crate) async fn start(durability: Durability) -> Self {
        let redis = RedisServer::start_with(RedisServer::APPEND_ONLY).expect("a Redis");
        Self::start_on(durability, redis, None).await
    }

    /// As [`Self::start`], on stores that were set up for the test.
    pub(crate) async fn start_on(
        durability: Durability,
        redis: RedisServer,
        postgres: Option<PostgresServer>,
    ) -> Self {
        Self::start_with(durability, redis, postgres, &[]).await
    }

    /// As [`Self::start_on`], with settings that differ from the usual ones.
    pub(crate) async fn start_with(
        durability: Durability,
        redis: RedisServer,
        postgres: Option<PostgresServer>,
        more: &[(&str, String)],
    ) -> Self {
        Self::start_programs(durability, redis, postgres, more, process::binary).await
    }

    /// As [`Self::start_on`] at level `journal`, with processes of the older version where there is
    /// one.
    pub(crate) async fn start_older_on(redis: RedisServer) -> Self {
        let level = Durability::Journal;
        Self::start_programs(level, redis, None, &[], process::older_binary).await
    }

    async fn start_programs(
        durability: Durability,
        redis: RedisServer,
        postgres: Option<PostgresServer>,
        more: &[(&str, String)],
        program: fn(&str) -> PathBuf,
    ) -> Self {
        let postgres = postgres.unwrap_or_else(|| PostgresServer::start().expect("a PostgreSQL"));
        let database = postgres.create_database().expect("a database");
        let ports = NAMES.map(|_| process::free_port());
        let settings = [
            ("--hot-store", redis.url()),
            ("--database", database),
            ("--partitions", PARTITIONS.to_string()),
            ("--lease-ttl", format!("{}ms", LEASE_TTL.as_millis())),
            ("--durability", durability.name().to_owned()),
        ];
        let arguments: Vec<String> = settings
            .into_iter()
            .chain(more.iter().cloned())
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .chain(suite::addresses(ports))
            .collect();
        let hooks = Hooks::receive().await;
        let mut installation = Self::without_services(redis, postgres, hooks, arguments);
        // At the same time, as an operator would.
        for (name, port) in NAMES.into_iter().zip(ports) {
            let service = installation.spawn(program(name), name, port);
            installation.services.push(service);
        }
        for service in &mut installation.services {
            service.ready().await;
        }
        let text = definitions(&installation.hooks.url());
        installation.apply(&text).await;
        installation
    }

    /// Stores and a receiver of webhooks, with the settings of the services to come.
    pub(crate) fn without_services(
        redis: RedisServer,
        postgres: PostgresServer,
        hooks: Hooks,
        arguments: Vec<String>,
    ) -> Self {
        let answer = redis.ask(&["CONFIG", "GET", "dir"]).expect("an answer");
        Self {
            services: Vec::new(),
            redis_folder: answer.lines().last().expect("a folder").into(),
            redis,
            postgres,
            hooks,
            arguments,
            key: None,
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Starts one more process of a service.
    pub(crate) async fn add_replica(&mut self, service: usize) {
        let name = NAMES[service];
        let replica = self.spawn(process::binary(name), name, process::free_port());
        self.services.push(replica);
        let last = self.services.last_mut().expect("just added");
        last.ready().await;
    }

    /// Asks the process that was added last to end, and waits until it has.
    pub(crate) async fn end_last(&mut self) {
        let mut last = self.services.pop().expect("a process");
        last.ask_to_end();
        assert!(
            last.ended().await,
            "{} did not end in order\n{}",
            last.name,
            self.logs()
        );
    }

    fn spawn(&self, program: PathBuf, name: &'static str, port: u16) -> Service {
        let log = Some(self.log_file(name, port));
        Service::spawn(program, name, port, self.arguments.clone(), log)
    }

    /// Gives a setting another value, from the next start of each service on.
    pub(crate) fn set(&mut self, flag: &str, value: &str) {
        let services = self.services.iter_mut().map(Service::arguments);
        for arguments in services.chain([&mut self.arguments]) {
            let at = arguments.iter().position(|word| word == flag);
            arguments[at.expect("it has one") + 1] = value.to_owned();
        }
    }

    /// The file of the log of a process, by the name of its service and a number.
    pub(crate) fn log_file(&self, name: &str, number: u16) -> PathBuf {
        self.folder.path().join(format!("{name}-{number}.log"))
    }

    /// The settings that name the stores.
    pub(crate) fn stores(&self) -> Vec<String> {
        let pairs = self.arguments.chunks(2);
        pairs
            .filter(|pair| ["--hot-store", "--database", "--partitions"].contains(&&*pair[0]))
            .flatten()
            .cloned()
            .collect()
    }

    /// The database as statements, as it is at one moment.
    pub(crate) fn dump(&self) -> String {
        let mut pairs = self.arguments.chunks(2);
        let database = pairs.find(|pair| pair[0] == "--database");
        let database = &database.expect("services have a database")[1];
        self.postgres.dump(database).expect("a dump")
    }

    /// Where a service is.
    pub(crate) fn channel(&self, service: usize) -> PeerChannel {
        self.channel_to(&self.services[service])
    }

    fn channel_to(&self, service: &Service) -> PeerChannel {
        channel_with(&service.url(), self.key.as_deref())
    }

    /// Applies definitions, again where a service does not answer yet.
    pub(crate) async fn apply(&mut self, text: &str) {
        let file = self.folder.path().join("definitions.yaml");
        std::fs::write(&file, text).expect("a file");
        let file = file.display().to_string();
        let deadline = Instant::now() + ANSWER;
        loop {
            let (is_applied, _, reason) = self.command(&["apply", "-f", &file]);
            if is_applied {
                return;
            }
            assert!(Instant::now() < deadline, "{reason}\n{}", self.logs());
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The partitions of a service, as one of its processes sees them.
    pub(crate) async fn partitions(&self, service: usize) -> Result<Vec<Partition>, tonic::Status> {
        let mut client = PartitionServiceClient::new(self.channel(service));
        let mut request = Request::new(ListPartitionsRequest::default());
        request.set_timeout(ANSWER);
        Ok(client
            .list_partitions(request)
            .await?
            .into_inner()
            .partitions)
    }

    /// Waits until all processes say twice that nothing happened in between.
    pub(crate) async fn await_idle(&self) -> Result<(), tonic::Status> {
        let mut last = None;
        loop {
            let mut commit_count = 0;
            for service in &self.services {
                let mut client = PartitionServiceClient::new(self.channel_to(service));
                let mut request = Request::new(AwaitIdleRequest::default());
                request.set_timeout(ANSWER);
                commit_count += client.await_idle(request).await?.into_inner().commit_count;
            }
            if last == Some(commit_count) {
                return Ok(());
            }
            last = Some(commit_count);
        }
    }

    /// Runs a command against the services, and returns whether it ended well, what it printed and
    /// what it remarked.
    pub(crate) fn command(&self, words: &[&str]) -> (bool, String, String) {
        let pairs = self.arguments.chunks(2);
        let peers = pairs.filter(|pair| pair[0].ends_with("-address")).flatten();
        let peers = peers.map(String::as_str);
        let words: Vec<&str> = words.iter().copied().chain(peers).collect();
        let program = process::binary("happypath");
        let output = process::run_program(&program, &words, self.key.as_deref());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.success(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// Fails where a process ended that nobody told to.
    pub(crate) fn assert_running(&mut self) {
        for place in 0..self.services.len() {
            let is_gone = self.services[place].is_gone();
            let name = self.services[place].name;
            assert!(!is_gone, "{name} ended by itself\n{}", self.logs());
        }
    }

    /// The ends of all logs, for whoever reads why a test failed.
    pub(crate) fn logs(&self) -> String {
        /// Lines of each log.
        const LINES: usize = 30;
        let mut text = String::new();
        for (file, log) in self.read_logs() {
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
            text.push_str(&format!("== {}\n{end}\n", file.display()));
        }
        text
    }

    /// Counts the recoveries of each partition from the journal, as all services logged them.
    pub(crate) fn recoveries(&self) -> BTreeMap<String, usize> {
        let mut recoveries = BTreeMap::new();
        for (_, log) in self.read_logs() {
            for line in log.lines().filter(|line| line.contains(RECOVERED)) {
                let mut words = line.split_whitespace();
                let partition = words.find_map(|word| word.strip_prefix("partition="));
                let partition = partition.expect("the line names it").to_owned();
                *recoveries.entry(partition).or_default() += 1;
            }
        }
        recoveries
    }

    fn read_logs(&self) -> Vec<(PathBuf, String)> {
        let files = std::fs::read_dir(self.folder.path()).expect("a folder");
        let files = files.flatten().map(|entry| entry.path());
        let logs = files.filter(|file| file.extension().is_some_and(|it| it == "log"));
        logs.map(|file| {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            (file, text)
        })
        .collect()
    }
}

/// A channel that connects when it is used, and again after its server was away.
pub(crate) fn channel(url: &str) -> PeerChannel {
    channel_with(url, None)
}

/// As [`channel`], with a key to show.
pub(crate) fn channel_with(url: &str, key: Option<&str>) -> PeerChannel {
    let presented = key.map(|key| Presented::bearer(key).expect("a header"));
    let options = ClientOptions {
        tls: None,
        presented: presented.unwrap_or_default(),
    };
    rpc::connect_with(url, &options).expect("an address")
}

/// The time that each run waits before it sends, so that timers are in play.
pub(crate) const WAIT: Duration = Duration::from_millis(300);

/// Every purchase starts a run of its own, which waits, sends one webhook and ends with a receipt;
/// the second purchase makes a buyer, who is welcomed.
pub(crate) fn definitions(hook: &str) -> String {
    let wait_ms = WAIT.as_millis();
    let shop = suite::shop(hook);
    format!(
        r#"
{BUYERS}
---
{shop}
---
template: {{name: thanks, text: {{body: '{{{{ event.order }}}}'}}}}
---
journey:
  name: thank_buyers
  entry: {{triggers: [{{event: purchase}}], key: order, reentry: REENTRY_AFTER_EXIT}}
  steps:
    - id: pause
      wait: {{duration: {wait_ms}ms}}
    - id: thank
      send: {{channel: shop, template: thanks, purpose: marketing}}
    - id: until_it_arrived
      wait_for:
        branches: [{{trigger: {{event: activation_delivered}}, next: done}}]
        timeout: 1h
        on_timeout: give_up
    - id: give_up
      exit: {{outcome: RUN_OUTCOME_FAILURE}}
    - id: done
      exit: {{outcome: RUN_OUTCOME_SUCCESS}}
---
journey:
  name: welcome_buyers
  entry: {{triggers: [{{segment_entered: buyers}}], reentry: REENTRY_NEVER}}
  steps:
    - id: welcome
      milestone: {{name: welcomed}}
"#
    )
}
