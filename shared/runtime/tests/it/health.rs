//! The port of health: plain text beside any TLS, from the start to the end of a process.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use proto::engine::v1::ListPartitionsRequest;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use runtime::{Config, ConfigFlags, Context, Defaults, Environment, Listening, StartError};
use tempfile::TempDir;
use testkit::Certificates;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

/// Names that health is told under.
const NAMES: [&str; 3] = ["", "readiness", "happypath.engine.v1.PartitionService"];

/// A process that has its addresses, and has opened nothing yet.
struct Begun {
    config: Config,
    listening: Listening,
    health: SocketAddr,
}

fn config(folder: &Path, settings: &[(&'static str, String)]) -> Config {
    let mut flags = ConfigFlags::default()
        .with("listen", "127.0.0.1:0")
        .with("health_listen", "127.0.0.1:0");
    for (name, value) in settings {
        flags = flags.with(name, value);
    }
    let defaults = Defaults::of_dev(folder);
    Config::load(&defaults, &flags, &Environment::default()).expect("valid")
}

async fn begin(folder: &TempDir, settings: &[(&'static str, String)]) -> Begun {
    let mut config = config(folder.path(), settings);
    let listening = Listening::open(&mut config).await.expect("free ports");
    let health = config.health_listen.expect("an address");
    assert_ne!(health.port(), 0, "the port that was found");
    Begun {
        config,
        listening,
        health,
    }
}

impl Begun {
    async fn serve(self) -> (CancellationToken, JoinHandle<Result<(), StartError>>) {
        let context = Context::open(self.config).await.expect("opened");
        let (shutdown, listening) = (context.shutdown.clone(), self.listening);
        let serving = async move { runtime::serve(Vec::new(), listening, &context).await };
        (shutdown, tokio::spawn(serving))
    }
}

async fn channel(address: SocketAddr) -> Channel {
    let channel = Channel::from_shared(format!("http://{address}")).expect("an address");
    channel.connect().await.expect("connected")
}

async fn told(health: &mut HealthClient<Channel>, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = health.check(request).await;
    answer
        .map(|answer| answer.into_inner().status())
        .map_err(|status| status.code())
}

/// Waits until health says so of everything but liveness, which is told all the time.
async fn until(health: &mut HealthClient<Channel>, expected: ServingStatus) {
    while told(health, "readiness").await != Ok(expected) {
        tokio::task::yield_now().await;
    }
    for service in NAMES {
        assert_eq!(told(health, service).await, Ok(expected), "{service}");
    }
    assert_eq!(told(health, "liveness").await, Ok(ServingStatus::Serving));
}

fn mutual_tls(folder: &TempDir, certificates: &Certificates) -> Vec<(&'static str, String)> {
    let access = folder.path().join("access.yaml");
    let text = "certificates: [{name: shop, identity: 'dns:client.test', scopes: ['*']}]";
    std::fs::write(&access, text).expect("written");
    let (certificate, key) = certificates.server();
    [
        ("tls_certificate", certificate),
        ("tls_key", key),
        ("tls_client_ca", certificates.authority()),
        ("access_file", access),
    ]
    .map(|(name, path)| (name, path.display().to_string()))
    .into_iter()
    .chain([("tls_clients", "required".to_owned())])
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_told_in_plain_text_beside_mutual_tls_and_nothing_else_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let certificates = Certificates::create().expect("certificates");
    let begun = begin(&folder, &mutual_tls(&folder, &certificates)).await;
    let (services, port) = (begun.config.listen, begun.health);
    let mut health = HealthClient::new(channel(port).await);
    // It answers before anything is opened.
    assert_eq!(
        told(&mut health, "readiness").await,
        Ok(ServingStatus::NotServing)
    );
    assert_eq!(
        told(&mut health, "liveness").await,
        Ok(ServingStatus::Serving)
    );
    let (shutdown, ended) = begun.serve().await;
    until(&mut health, ServingStatus::Serving).await;
    assert_eq!(told(&mut health, "nobody").await, Err(Code::NotFound));

    let mut partitions = PartitionServiceClient::new(channel(port).await);
    let refused = partitions.list_partitions(ListPartitionsRequest::default());
    assert_eq!(
        refused.await.expect_err("not served").code(),
        Code::Unimplemented
    );
    let mut reflection = ServerReflectionClient::new(channel(port).await);
    let asked = tokio_stream::once(ServerReflectionRequest::default());
    let refused = reflection.server_reflection_info(asked).await;
    assert_eq!(refused.expect_err("not served").code(), Code::Unimplemented);
    // Plain text is not spoken where the services are.
    let mut elsewhere = HealthClient::new(channel(services).await);
    assert!(told(&mut elsewhere, "").await.is_err());
    shutdown.cancel();
    ended.await.expect("no panic").expect("in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_told_while_a_process_drains_and_its_port_is_closed_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let begun = begin(&folder, &[]).await;
    let (services, port) = (begun.config.listen, begun.health);
    let (shutdown, ended) = begun.serve().await;
    let mut health = HealthClient::new(channel(port).await);
    until(&mut health, ServingStatus::Serving).await;
    // A call under way keeps the process from ending.
    let mut slow = HealthClient::new(channel(services).await);
    let mut watch = slow
        .watch(HealthCheckRequest::default())
        .await
        .expect("a stream")
        .into_inner();
    watch.next().await.expect("an answer").expect("a status");
    shutdown.cancel();
    until(&mut health, ServingStatus::NotServing).await;
    while TcpStream::connect(services).await.is_ok() {
        tokio::task::yield_now().await;
    }
    // Also a probe that connects only now is answered.
    let mut late = HealthClient::new(channel(port).await);
    until(&mut late, ServingStatus::NotServing).await;
    assert!(!ended.is_finished(), "a call is under way");
    drop((watch, slow));
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    ended
        .expect("in time")
        .expect("no panic")
        .expect("in order");
    assert!(TcpStream::connect(port).await.is_err(), "closed");
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_with_its_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = begin(&folder, &[]).await;
    let taken = [("health_listen", first.health.to_string())];
    let refused = Listening::open(&mut config(folder.path(), &taken)).await;
    let refused = refused.expect_err("taken");
    assert_eq!(refused.exit_code(), 4);
    let text = refused.to_string();
    let says = format!("cannot serve health at {}", first.health);
    assert!(
        text.contains(&says) && text.contains("--health-listen"),
        "{text}"
    );
}
