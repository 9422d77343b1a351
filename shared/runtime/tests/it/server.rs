//! A server without services, on embedded stores and a free port.

use std::time::Duration;

use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::engine::v1::{AwaitIdleRequest, ListPartitionsRequest};
use runtime::{Config, ConfigFlags, Context, Defaults, Environment, Listening, StartError};
use tempfile::TempDir;
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
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

struct Server {
    folder: TempDir,
    address: String,
    shutdown: CancellationToken,
    ended: JoinHandle<Result<(), StartError>>,
}

pub(crate) fn config(folder: &TempDir, partitions: &str) -> Config {
    let flags = ConfigFlags::default()
        .with("partitions", partitions)
        .with("listen", "127.0.0.1:0");
    Config::load(
        &Defaults::of_dev(folder.path()),
        &flags,
        &Environment::default(),
    )
    .expect("valid")
}

async fn start() -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = config(&folder, "4");
    let listening = Listening::open(&mut config).await.expect("a free port");
    let address = format!("http://{}", config.listen);
    let context = Context::open(config).await.expect("opened");
    let shutdown = context.shutdown.clone();
    let ended = tokio::spawn(async move { runtime::serve(Vec::new(), listening, &context).await });
    Server {
        folder,
        address,
        shutdown,
        ended,
    }
}

impl Server {
    async fn channel(&self) -> Channel {
        Channel::from_shared(self.address.clone())
            .expect("an address")
            .connect()
            .await
            .expect("connected")
    }
}

fn health_of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_told_for_server_and_services_and_follows_the_drain() {
    let server = start().await;
    let mut health = HealthClient::new(server.channel().await);
    for service in [
        "",
        "liveness",
        "readiness",
        "happypath.engine.v1.PartitionService",
        "happypath.definition.v1.DefinitionService",
    ] {
        let answer = health
            .check(health_of(service))
            .await
            .expect(service)
            .into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let unknown = health
        .check(health_of("nobody"))
        .await
        .expect_err("not served");
    assert_eq!(unknown.code(), Code::NotFound);

    let mut watch = health
        .watch(health_of("readiness"))
        .await
        .expect("a stream")
        .into_inner();
    let first = watch.next().await.expect("an answer").expect("a status");
    assert_eq!(first.status(), ServingStatus::Serving);
    server.shutdown.cancel();
    let second = watch.next().await.expect("an answer").expect("a status");
    assert_eq!(second.status(), ServingStatus::NotServing);
    drop(watch);
    drop(health);
    let ended = tokio::time::timeout(Duration::from_secs(30), server.ended).await;
    ended
        .expect("in time")
        .expect("no panic")
        .expect("in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_lists_and_describes_services() {
    let server = start().await;
    let mut reflection = ServerReflectionClient::new(server.channel().await);
    let requests = [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("happypath.identity.v1.IdentityService".to_owned()),
    ]
    .map(|message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    });
    let mut answers = reflection
        .server_reflection_info(tokio_stream::iter(requests))
        .await
        .expect("a stream")
        .into_inner();
    let listed = answers
        .next()
        .await
        .expect("an answer")
        .expect("a list")
        .message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = listed else {
        panic!("{listed:?}");
    };
    let names: Vec<_> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    for name in [
        "grpc.health.v1.Health",
        "happypath.journey.v1.JourneyService",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    let described = answers
        .next()
        .await
        .expect("an answer")
        .expect("a file")
        .message_response;
    assert!(
        matches!(described, Some(MessageResponse::FileDescriptorResponse(_))),
        "{described:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_web_over_http_1_is_answered() {
    let server = start().await;
    let client: Client<_, Full<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    // An empty message in its frame: no flags, length 0.
    let request = http::Request::post(format!(
        "{}/happypath.engine.v1.PartitionService/ListPartitions",
        server.address
    ))
    .header("content-type", "application/grpc-web+proto")
    .body(Full::from(vec![0_u8; 5]))
    .expect("a request");
    let answer = client.request(request).await.expect("an answer");
    assert_eq!(answer.version(), http::Version::HTTP_11);
    assert_eq!(answer.status(), StatusCode::OK);
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    assert!(text.contains("grpc-status:0"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_of_no_engine_are_none_and_idle() {
    let server = start().await;
    let mut partitions = PartitionServiceClient::new(server.channel().await);
    let list = partitions
        .list_partitions(ListPartitionsRequest::default())
        .await
        .expect("a list");
    assert_eq!(list.into_inner().partitions, []);
    let idle = partitions
        .await_idle(AwaitIdleRequest::default())
        .await
        .expect("idle");
    assert_eq!(idle.into_inner().commit_count, 0);
    let request = AwaitIdleRequest {
        service: "journey".to_owned(),
    };
    let unknown = partitions
        .await_idle(request)
        .await
        .expect_err("not run here");
    assert_eq!(unknown.code(), Code::NotFound);
    let request = ListPartitionsRequest {
        page_token: "nonsense".to_owned(),
        ..Default::default()
    };
    let refused = partitions
        .list_partitions(request)
        .await
        .expect_err("no token");
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_with_another_partition_count_are_refused_with_a_remedy() {
    let server = start().await;
    server.shutdown.cancel();
    server.ended.await.expect("no panic").expect("in order");
    let refused = Context::open(config(&server.folder, "8"))
        .await
        .expect_err("another count");
    let text = refused.to_string();
    assert!(matches!(refused, StartError::Mismatch { .. }), "{text}");
    assert_eq!(refused.exit_code(), 3);
    assert!(
        text.contains('4') && text.contains('8') && text.contains("remedy:"),
        "{text}"
    );
}
