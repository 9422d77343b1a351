//! Services as processes of their own that speak TLS to everybody: to each other, to Redis, to
//! PostgreSQL and to a collector, each known by an own authority, and shown a certificate.
//!
//! They know each other by the keys that they make for themselves. Nothing here is about what
//! services do: that is in [`crate::four_processes`].

mod wire;

use std::sync::Arc;
use std::time::Duration;

use access::tls::{ClientFiles, ClientTls};
use proto::access::v1::RevokeKeyRequest;
use proto::access::v1::key_service_client::KeyServiceClient;
use proto::audit::v1::audit_service_client::AuditServiceClient;
use proto::audit::v1::{EntryFilter, ListEntriesRequest};
use proto::definition::v1::definition::Kind;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::definition::v1::{ApplyDefinitionsRequest, Definition};
use proto::journey::v1::trigger::Kind as TriggerKind;
use proto::journey::v1::{JourneyMap, Stage, Trigger};
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use proto::segmentation::v1::{GetProfileRequest, Segment};
use rpc::{ClientOptions, PeerChannel, Presented};
use testkit::{Certificates, PostgresServer, RedisServer, RedisSetup};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use self::wire::{scrape, terminate_tls};
use crate::draining::Names;
use crate::process::{self, Service, free_port};
use crate::suite::{PATIENCE, eventually};
use crate::telemetry::collector::Collector;
use crate::telemetry::keep_scrape;

/// The processes, each of whom is a worker of the name of its service. Whoever changes a definition
/// of journeys has that one ask the two others which names there are.
const NAMES: [&str; 3] = ["segmentation", "activation", "journey"];
/// Their places.
const SEGMENTATION: usize = 0;
const ACTIVATION: usize = 1;
const JOURNEY: usize = 2;

/// The stores, the services, and a key that may do everything.
struct Secured {
    certificates: Certificates,
    redis: RedisServer,
    postgres: PostgresServer,
    database: String,
    key: String,
    ports: [u16; 3],
    health: [u16; 3],
}

/// The parameters of an address that name the files of a client.
fn parameters(certificates: &Certificates, names: [&str; 3]) -> String {
    let (certificate, key) = certificates.client();
    let [ca, shown, private] = names;
    format!(
        "{ca}={}&{shown}={}&{private}={}",
        certificates.authority().display(),
        certificate.display(),
        key.display()
    )
}

impl Secured {
    fn start() -> Self {
        let certificates = Certificates::create().expect("certificates");
        let redis = RedisSetup::new().tls(&certificates, true).start();
        let postgres = PostgresServer::start_tls(&certificates).expect("a PostgreSQL");
        let database = database(&certificates, &postgres);
        let made = process::run("happypath", &["keys", "bootstrap", "--database", &database]);
        let said = String::from_utf8_lossy(&made.stdout).into_owned();
        let key = said.lines().next().unwrap_or_default().to_owned();
        assert!(key.starts_with("hpk_"), "{made:?}");
        Self {
            certificates,
            redis: redis.expect("a Redis"),
            postgres,
            database,
            key,
            ports: NAMES.map(|_| free_port()),
            health: NAMES.map(|_| free_port()),
        }
    }

    /// The settings of all processes but for their names.
    fn settings(&self, database: &str, redis_database: u8) -> Vec<String> {
        let files = parameters(&self.certificates, ["ca_file", "cert_file", "key_file"]);
        let redis = self.redis.tls_url();
        let (certificate, key) = self.certificates.server();
        let authority = self.certificates.authority().display().to_string();
        let places = self.ports.map(|port| format!("https://127.0.0.1:{port}"));
        let [segmentation, activation, journey] = places;
        let settings = [
            ("--hot-store", format!("{redis}{redis_database}?{files}")),
            ("--database", database.to_owned()),
            ("--partitions", "2".to_owned()),
            ("--tls-certificate", certificate.display().to_string()),
            ("--tls-key", key.display().to_string()),
            ("--tls-client-ca", authority.clone()),
            ("--tls-ca", authority),
            ("--segmentation-address", segmentation),
            ("--activation-address", activation),
            ("--journey-address", journey),
        ];
        let both = |(flag, value): (&str, String)| [flag.to_owned(), value];
        settings.into_iter().flat_map(both).collect()
    }

    /// Starts one of the processes, and waits until it is ready.
    async fn spawn(&self, place: usize, more: &[String]) -> Service {
        let health = format!("127.0.0.1:{}", self.health[place]);
        let name = NAMES[place];
        let own = ["--worker", name, "--health-listen", &health].map(str::to_owned);
        let arguments = [&self.settings(&self.database, 0)[..], &own, more].concat();
        let service = Service::start(name, self.ports[place], arguments).await;
        let ready = eventually(async || {
            let told = told(self.health[place], "readiness").await;
            (told == Some(ServingStatus::Serving)).then_some(())
        });
        ready.await.expect("it is ready");
        service
    }

    /// TLS of a client without a certificate.
    fn client_tls(&self) -> ClientTls {
        let files = ClientFiles {
            ca: Some(self.certificates.authority()),
            identity: None,
        };
        ClientTls::open(files).expect("right files")
    }

    /// A channel of the caller who may do everything.
    fn channel(&self, port: u16) -> PeerChannel {
        self.channel_to("localhost", port)
    }

    /// A channel to a process under this name, whatever that is.
    fn channel_to(&self, name: &'static str, port: u16) -> PeerChannel {
        let options = ClientOptions {
            tls: Some(self.client_tls()),
            presented: Presented::bearer(&self.key).expect("a header"),
        };
        let names = Names::default().with(name, port);
        rpc::connect_through(&format!("https://{name}"), &options, Arc::new(names))
            .expect("an address")
    }

    async fn apply(&self, port: u16, definition: Kind) -> Result<(), Status> {
        let definition = Definition {
            kind: Some(definition),
        };
        let request = ApplyDefinitionsRequest {
            request_id: format!("{port} {:?} {}", std::thread::current().id(), number()),
            definitions: vec![definition],
            ..ApplyDefinitionsRequest::default()
        };
        let mut definitions = DefinitionServiceClient::new(self.channel(port));
        definitions.apply_definitions(request).await.map(drop)
    }

    /// The keys that a process put on record as its own, oldest first.
    async fn made_keys(&self, worker: &str) -> Vec<String> {
        let mut audit = AuditServiceClient::new(self.channel(self.ports[SEGMENTATION]));
        let filter = EntryFilter {
            caller_id: worker.to_owned(),
            action: "key.create".to_owned(),
            ..EntryFilter::default()
        };
        let request = ListEntriesRequest {
            filter: Some(filter),
            ..ListEntriesRequest::default()
        };
        let listed = audit.list_entries(request).await.expect("a page");
        let mut entries = listed.into_inner().entries;
        entries.sort_by_key(|entry| entry.time.map(|time| (time.seconds, time.nanos)));
        let id = |object: String| object.trim_start_matches("service key ").to_owned();
        entries.into_iter().map(|entry| id(entry.object)).collect()
    }
}

fn database(certificates: &Certificates, postgres: &PostgresServer) -> String {
    let url = postgres.create_database().expect("a database");
    let files = parameters(certificates, ["sslrootcert", "sslcert", "sslkey"]);
    format!("{url}?sslmode=verify-full&{files}")
}

/// A number that no other request has.
fn number() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Asks the port of health in plain text, as a probe does; absent where nobody answers.
pub(crate) async fn told(port: u16, service: &str) -> Option<ServingStatus> {
    let address = format!("http://127.0.0.1:{port}");
    let channel = Channel::from_shared(address).ok()?.connect().await.ok()?;
    let mut health = HealthClient::new(channel);
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = health.check(request).await.ok()?;
    Some(answer.into_inner().status())
}

fn segment() -> Kind {
    Kind::Segment(Segment {
        name: "buyers".to_owned(),
        expression: "events(\"purchase\").exists()".to_owned(),
        ..Segment::default()
    })
}

/// A map of a name, for which journeys has to ask segmentation whether there is such a segment.
fn map(name: &str) -> Kind {
    let trigger = Trigger {
        kind: Some(TriggerKind::SegmentEntered("buyers".to_owned())),
        ..Trigger::default()
    };
    let stage = Stage {
        name: "bought".to_owned(),
        enter: vec![trigger],
        ..Stage::default()
    };
    Kind::JourneyMap(JourneyMap {
        name: name.to_owned(),
        stages: vec![stage],
        ..JourneyMap::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_speak_tls_to_everybody_and_know_each_other_by_keys_of_their_own() {
    let secured = Secured::start();
    let collector = Collector::start().await;
    let port = terminate_tls(&secured.certificates, collector.port()).await;
    let (certificate, key) = secured.certificates.client();
    let metrics = free_port();
    let telemetry = [
        ("--otlp-endpoint", format!("https://127.0.0.1:{port}")),
        (
            "--otlp-ca",
            secured.certificates.authority().display().to_string(),
        ),
        ("--otlp-certificate", certificate.display().to_string()),
        ("--otlp-key", key.display().to_string()),
        ("--metrics-listen", format!("127.0.0.1:{metrics}")),
    ];
    let telemetry: Vec<String> = telemetry
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect();
    let segmentation = secured.spawn(SEGMENTATION, &telemetry).await;
    let activation = secured.spawn(ACTIVATION, &[]).await;
    let journey = secured.spawn(JOURNEY, &[]).await;
    let [asked, _, asking] = secured.ports;
    secured.apply(asked, segment()).await.expect("applied");
    // Journeys asks the others, by the key that it made for itself.
    secured.apply(asking, map("first")).await.expect("applied");
    collector
        .trace_with("definition.apply_definitions", 1, PATIENCE)
        .await;

    // A process is known by the name that was called, not by the address behind it.
    let mut stranger = HealthClient::new(secured.channel_to("segmentation.test", asked));
    let refused = stranger.check(HealthCheckRequest::default()).await;
    let refused = refused.expect_err("the certificate is for another name");
    assert!(refused.message().contains("certificate"), "{refused:?}");
    // Each certificate of the process says how long it is good for.
    let scrape = scrape(&secured.client_tls(), metrics).await;
    for usage in ["services", "hot_store", "database", "collector"] {
        let left = format!("happypath_process_certificate_remaining_seconds{{use=\"{usage}\"}} ");
        assert!(scrape.contains(&left), "{usage}: {scrape}");
    }
    keep_scrape("segmentation-tls", &scrape);

    // A key that was revoked is refused, and replaced by another at once.
    let keys = secured.made_keys(NAMES[JOURNEY]).await;
    assert_eq!(keys.len(), 1, "{keys:?}");
    let request = RevokeKeyRequest {
        request_id: "revoke".to_owned(),
        id: keys[0].clone(),
    };
    let mut service = KeyServiceClient::new(secured.channel(asked));
    service.revoke_key(request).await.expect("revoked");
    // The calls that meet the refusal wait for it, whoever caused them.
    for name in ["second", "third"] {
        secured.apply(asking, map(name)).await.expect("applied");
    }
    let renewed = eventually(async || {
        let keys = secured.made_keys(NAMES[JOURNEY]).await;
        (keys.len() == 2).then_some(keys)
    });
    let renewed = renewed.await.expect("another key is there");
    assert_ne!(renewed[0], renewed[1]);
    for service in [segmentation, activation, journey] {
        let name = service.name;
        assert!(service.terminate(), "{name} did not end in order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_of_another_installation_is_refused() {
    let mut secured = Secured::start();
    let _segmentation = secured.spawn(SEGMENTATION, &[]).await;
    let _activation = secured.spawn(ACTIVATION, &[]).await;
    let [asked, _, asking] = secured.ports;
    secured.apply(asked, segment()).await.expect("applied");
    // It makes its key in another database, where the caller has none.
    let other = database(&secured.certificates, &secured.postgres);
    let made = process::run("happypath", &["keys", "bootstrap", "--database", &other]);
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let arguments = secured.settings(&other, 1);
    let _journey = Service::start("journey", asking, arguments).await;
    secured.key = said.lines().next().expect("a key").to_owned();
    let refused = secured.apply(asking, map("first")).await;
    let refused = refused.expect_err("segmentation does not know it");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let reason = refused.get_details_error_info().expect("a reason").reason;
    assert_eq!(reason, "PEER_UNAVAILABLE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_stays_ready_while_a_store_is_away_and_calls_are_told_to_come_again() {
    let mut secured = Secured::start();
    let segmentation = secured.spawn(SEGMENTATION, &[]).await;
    let port = secured.ports[SEGMENTATION];
    let profile = async |secured: &Secured| {
        let mut client = SegmentationServiceClient::new(secured.channel(port));
        let request = GetProfileRequest {
            customer_id: "018f3b1e-0000-7000-8000-000000000001".to_owned(),
            after: String::new(),
        };
        let mut request = tonic::Request::new(request);
        request.set_timeout(Duration::from_secs(20));
        client.get_profile(request).await
    };
    let missing = profile(&secured).await.expect_err("nobody");
    assert_eq!(missing.code(), Code::NotFound, "{missing}");
    secured.redis.kill_9().expect("killed");
    let away = profile(&secured).await.expect_err("the store is away");
    assert_eq!(away.code(), Code::Unavailable, "{away}");
    let retry = away.get_details_retry_info().and_then(|it| it.retry_delay);
    assert!(retry.is_some(), "{away:?}");
    // Longer than any look at the store that could have changed it.
    tokio::time::sleep(Duration::from_secs(5)).await;
    for service in [
        "",
        "readiness",
        "liveness",
        "happypath.segmentation.v1.SegmentationService",
    ] {
        let told = told(secured.health[SEGMENTATION], service).await;
        assert_eq!(told, Some(ServingStatus::Serving), "{service}");
    }
    secured.redis.restart().expect("starts again");
    let back = eventually(async || {
        let missing = profile(&secured).await.err()?;
        (missing.code() == Code::NotFound).then_some(())
    });
    back.await.expect("it serves again");
    assert!(segmentation.terminate());
}
