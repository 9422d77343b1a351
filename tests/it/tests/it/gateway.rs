//! A gateway in front of four services, each its own process: whoever knows its address alone
//! reaches all of them.

use proto::definition::v1::ListDefinitionsRequest;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::engine::v1::{AwaitIdleRequest, GetInstallationRequest, ListPartitionsRequest};
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest};
use proto::segmentation::v1::GetProfileRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;

use crate::process;
use crate::suite::{BUYERS, JOURNEY, Suite};

/// Partitions of each service.
const PARTITIONS: u16 = 4;
/// Definitions of three services, of which each but the first names one of another.
const DEFINITIONS: &str = "
journey_map:
  name: loyalty
  stages: [{name: buyer, enter: [{segment_entered: buyers}]}]
---
source: {name: shop}
";

/// Applies definitions by the address of the gateway alone.
fn apply(url: &str, definitions: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("definitions.yaml");
    std::fs::write(&file, definitions).expect("a file");
    let file = file.display().to_string();
    let output = process::run("happypath", &["apply", "-f", &file, "--address", url]);
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_knows_the_gateway_alone_reaches_all_services() {
    let mut suite = Suite::start(PARTITIONS, |_| Vec::new()).await;
    let gateway = suite.start_gateway(Vec::new()).await;
    let said = apply(&gateway.url(), &format!("{BUYERS}\n---\n{DEFINITIONS}"));
    assert!(said.contains("buyers") && said.contains("shop"), "{said}");
    let said = apply(&gateway.url(), &DEFINITIONS.replace("buyers", "nobody"));
    assert!(said.contains("no segment is named `nobody`"), "{said}");
    let channel = rpc::connect(&gateway.url()).expect("an address");
    let mut definitions = DefinitionServiceClient::new(channel.clone());
    let listed = definitions.list_definitions(ListDefinitionsRequest::default());
    let listed = listed.await.expect("a page").into_inner();
    assert_eq!(
        (listed.definitions.len(), listed.next_page_token.as_str()),
        (3, "")
    );

    let mut identity = IdentityServiceClient::new(channel.clone());
    let event = |number: u32| Event {
        event_id: number.to_string(),
        name: "purchase".to_owned(),
        identifiers: [("user_id".to_owned(), "ada".to_owned())].into(),
        ..Event::default()
    };
    let request = IngestRequest {
        request_id: "one".to_owned(),
        events: vec![event(1), event(2)],
        ..IngestRequest::default()
    };
    let answer = identity
        .ingest(request)
        .await
        .expect("accepted")
        .into_inner();
    let mut partitions = PartitionServiceClient::new(channel.clone());
    let idle = partitions.await_idle(AwaitIdleRequest::default()).await;
    assert!(idle.expect("idle").into_inner().commit_count > 0);
    let mut segmentation = SegmentationServiceClient::new(channel);
    let profile = segmentation.get_profile(GetProfileRequest {
        customer_id: answer.results[0].customer_id.clone(),
        after: answer.position,
    });
    let profile = profile.await.expect("a profile").into_inner().profile;
    let segments = profile.expect("a profile").memberships;
    assert_eq!(segments.len(), 1);

    let all = partitions
        .list_partitions(ListPartitionsRequest::default())
        .await;
    let all = all.expect("a page").into_inner().partitions;
    let names: Vec<&str> = all.iter().map(|it| it.service.as_str()).collect();
    let expected = ["activation", "journey", "segmentation"];
    let expected = expected.map(|name| [name; PARTITIONS as usize]).concat();
    assert_eq!(names, expected);

    // One that is away is left out of what all say together, and named by who asks for it.
    suite.services[JOURNEY].kill();
    let told = partitions.get_installation(GetInstallationRequest {}).await;
    let told = told.expect("the others answer").into_inner();
    assert_eq!(
        told.services,
        ["identity", "segmentation", "activation", "gateway"]
    );
    let asked = ListPartitionsRequest {
        service: "journey".to_owned(),
        ..ListPartitionsRequest::default()
    };
    let status = partitions
        .list_partitions(asked)
        .await
        .expect_err("it is away");
    assert_eq!(status.message(), "the journey service does not answer");
}
