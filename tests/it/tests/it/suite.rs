//! Four services as processes of their own, on a Redis and a PostgreSQL of their own, and what
//! every scenario over them says alike.
//!
//! It waits until they run, and breaks nothing: what dies and comes back is in [`crate::faults`].

use std::time::Duration;

use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest};
use testkit::{PostgresServer, RedisServer};
use tokio::time::Instant;

use crate::process::{self, Service};

/// The services by name, in the order of one event's way.
pub(crate) const NAMES: [&str; 4] = ["identity", "segmentation", "journey", "activation"];

/// Their places in [`NAMES`], and in [`Suite::services`].
pub(crate) const IDENTITY: usize = 0;
pub(crate) const SEGMENTATION: usize = 1;
pub(crate) const JOURNEY: usize = 2;
pub(crate) const ACTIVATION: usize = 3;

/// The time that anything may take on a busy machine; nothing waits for it where all goes well.
/// Above the minute after which a delivery that died with its process is tried again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);
/// The pause before a question is asked again.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// Signs the webhooks of [`shop`].
pub(crate) const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

/// The definition of a channel that posts to `hook`.
pub(crate) fn shop(hook: &str) -> String {
    format!(
        r#"
channel:
  name: shop
  webhook: {{url: "{hook}", secret: {SECRET}, allow_private_network: true}}
"#
    )
}

/// The definition of a segment: who has bought twice.
pub(crate) const BUYERS: &str = r#"
segment: {name: buyers, expression: 'events("purchase").count() >= 2'}
"#;

/// The settings that say where the services listen.
pub(crate) fn addresses(ports: [u16; 4]) -> Vec<String> {
    let peers = NAMES.iter().zip(ports);
    peers
        .flat_map(|(name, port)| {
            [
                format!("--{name}-address"),
                format!("http://127.0.0.1:{port}"),
            ]
        })
        .collect()
}

/// Asks again until there is an answer; absent where there is none in time.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Four services and their stores.
pub(crate) struct Suite {
    pub(crate) services: Vec<Service>,
    /// The settings that name the stores.
    pub(crate) stores: Vec<String>,
    addresses: Vec<String>,
    _redis: RedisServer,
    postgres: PostgresServer,
}

impl Suite {
    /// Starts them; `settings` says what each is told beyond the stores.
    pub(crate) async fn start(partitions: u16, settings: impl Fn(&str) -> Vec<String>) -> Self {
        let redis = RedisServer::start().expect("a Redis");
        let postgres = PostgresServer::start().expect("a PostgreSQL");
        let stores = [
            ("--hot-store", redis.url()),
            (
                "--database",
                postgres.create_database().expect("a database"),
            ),
            ("--partitions", partitions.to_string()),
        ];
        let stores: Vec<String> = stores
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect();
        let ports = NAMES.map(|_| process::free_port());
        let addresses = addresses(ports);
        let start = |place: usize| {
            let name = NAMES[place];
            let arguments = [&stores[..], &addresses, &settings(name)].concat();
            Service::start(name, ports[place], arguments)
        };
        // At the same time, as an operator would: they must not trip over one another's migrations.
        let (identity, segmentation, journey, activation) = tokio::join!(
            start(IDENTITY),
            start(SEGMENTATION),
            start(JOURNEY),
            start(ACTIVATION)
        );
        Self {
            services: vec![identity, segmentation, journey, activation],
            stores,
            addresses,
            _redis: redis,
            postgres,
        }
    }

    /// Starts a gateway in front of them, with these settings beyond its stores and the addresses.
    pub(crate) async fn start_gateway(&self, settings: Vec<String>) -> Service {
        let arguments = [&self.stores[..], &self.addresses, &settings].concat();
        Service::start("gateway", process::free_port(), arguments).await
    }

    /// Where a service is.
    pub(crate) fn url(&self, service: usize) -> String {
        self.services[service].url()
    }

    /// Runs a command of `happypath` and returns what it printed.
    pub(crate) fn run(&self, command: &[&str]) -> String {
        let addresses = self.addresses.iter().map(String::as_str);
        let arguments: Vec<&str> = command.iter().copied().chain(addresses).collect();
        let output = process::run("happypath", &arguments);
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// Applies definitions.
    pub(crate) fn apply(&self, definitions: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("definitions.yaml");
        std::fs::write(&file, definitions).expect("a file");
        self.run(&["apply", "-f", &file.display().to_string()]);
    }

    /// Asks the database, and returns the rows of the answer.
    pub(crate) fn sql(&self, statement: &str) -> Vec<String> {
        let place = self.stores.iter().position(|word| word == "--database");
        let database = &self.stores[place.expect("a database") + 1];
        let answer = self.postgres.ask(database, statement).expect("an answer");
        answer.lines().map(str::to_owned).collect()
    }

    /// Sends an event and returns the customer.
    pub(crate) async fn ingest(&self, request_id: &str, event: Event) -> String {
        let mut identity = IdentityServiceClient::connect(self.url(IDENTITY))
            .await
            .expect("identity");
        let request = IngestRequest {
            request_id: request_id.to_owned(),
            events: vec![event],
            ..IngestRequest::default()
        };
        let answer = identity.ingest(request).await.expect("an accepted event");
        answer.into_inner().results[0].customer_id.clone()
    }
}
