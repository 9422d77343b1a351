//! Definitions of all services through the gateway, of which each part goes to who keeps it.

use proto::definition::v1::definition::Kind;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::definition::v1::{
    ApplyDefinitionsRequest, Definition, DefinitionKind, DeleteDefinitionRequest,
    GetDefinitionRequest, ListDefinitionsRequest, RotateSecretsRequest,
};
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::engine::v1::{
    AwaitIdleRequest, GetInstallationRequest, ListPartitionsRequest, ListQuarantinedRecordsRequest,
};
use proto::gateway::v1::Source;
use proto::journey::v1::trigger::Kind as TriggerKind;
use proto::journey::v1::{JourneyMap, Stage, Trigger};
use proto::segmentation::v1::Segment;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::process::{Gateway, Process, Site};

type Client = DefinitionServiceClient<Channel>;

async fn start() -> (Site, Process, Gateway) {
    let site = Site::new();
    let (dev, services) = site.dev("127.0.0.1:0", &[]);
    let gateway = Gateway::start(&site, &format!("http://{services}"), &[]).await;
    (site, dev, gateway)
}

fn segment(name: &str, expression: &str) -> Kind {
    Kind::Segment(Segment {
        name: name.to_owned(),
        expression: expression.to_owned(),
        ..Segment::default()
    })
}

fn map(name: &str, segment: &str) -> Kind {
    let trigger = Trigger {
        kind: Some(TriggerKind::SegmentEntered(segment.to_owned())),
        ..Trigger::default()
    };
    Kind::JourneyMap(JourneyMap {
        name: name.to_owned(),
        stages: vec![Stage {
            name: "one".to_owned(),
            enter: vec![trigger],
            ..Stage::default()
        }],
        ..JourneyMap::default()
    })
}

fn source(name: &str) -> Kind {
    Kind::Source(Source {
        name: name.to_owned(),
        ..Source::default()
    })
}

fn bundle(id: &str, kinds: Vec<Kind>) -> ApplyDefinitionsRequest {
    ApplyDefinitionsRequest {
        request_id: id.to_owned(),
        definitions: kinds
            .into_iter()
            .map(|kind| Definition { kind: Some(kind) })
            .collect(),
        ..ApplyDefinitionsRequest::default()
    }
}

fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let bad = details.bad_request().expect("violations");
    bad.field_violations
        .iter()
        .map(|it| it.field.clone())
        .collect()
}

/// Lists all in pages of a size, and returns their kinds in order.
async fn list(client: &mut Client, page_size: u32) -> Vec<i32> {
    let (mut kinds, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListDefinitionsRequest {
            page_size,
            page_token,
            ..ListDefinitionsRequest::default()
        };
        let page = client
            .list_definitions(request)
            .await
            .expect("a page")
            .into_inner();
        assert!(page.definitions.len() <= page_size as usize);
        kinds.extend(page.definitions.into_iter().filter_map(|it| {
            let kind = match it.definition?.kind? {
                Kind::Namespace(_) => DefinitionKind::Namespace,
                Kind::Segment(_) => DefinitionKind::Segment,
                Kind::JourneyMap(_) => DefinitionKind::JourneyMap,
                Kind::Source(_) => DefinitionKind::Source,
                _ => DefinitionKind::Unspecified,
            };
            Some(i32::from(kind))
        }));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return kinds;
        }
    }
}

#[tokio::test]
async fn a_bundle_is_split_checked_whole_and_listed_in_the_order_of_kinds() {
    let (_site, _dev, gateway) = start().await;
    let mut client = DefinitionServiceClient::new(gateway.channel().await);
    let kinds = || {
        vec![
            map("funnel", "buyers"),
            source("shop"),
            segment("buyers", "events(\"purchase\").count() >= 2"),
        ]
    };
    // Every fault of every part, by its place in the bundle, and nothing is applied.
    let faulty = vec![
        map("funnel", "nobody"),
        source("shop"),
        segment("buyers", "events("),
    ];
    let status = client
        .apply_definitions(bundle("one", faulty))
        .await
        .expect_err("faults");
    assert_eq!(status.code(), Code::InvalidArgument);
    let found = fields(&status);
    assert!(
        found
            .iter()
            .any(|it| it.starts_with("definitions[0].journey_map.")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|it| it.starts_with("definitions[2].segment.")),
        "{found:?}"
    );
    assert_eq!(list(&mut client, 100).await, [0_i32; 0]);
    // The answer is in the order of the bundle, and the same again for the same request.
    let applied = client
        .apply_definitions(bundle("two", kinds()))
        .await
        .expect("applied");
    let applied = applied.into_inner();
    let names: Vec<&str> = applied.applied.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["funnel", "shop", "buyers"]);
    let again = client
        .apply_definitions(bundle("two", kinds()))
        .await
        .expect("applied");
    assert_eq!(again.into_inner(), applied);
    let other = bundle("two", vec![source("x"), segment("y", "true")]);
    let status = client
        .apply_definitions(other)
        .await
        .expect_err("another body");
    assert_eq!(status.code(), Code::FailedPrecondition);
    let expected = [
        DefinitionKind::Segment,
        DefinitionKind::JourneyMap,
        DefinitionKind::Source,
    ];
    for size in 1..=4 {
        assert_eq!(
            list(&mut client, size).await,
            expected.map(i32::from),
            "{size}"
        );
    }
}

#[tokio::test]
async fn one_definition_is_read_changed_and_deleted_where_it_is_kept() {
    let (_site, _dev, gateway) = start().await;
    let mut client = DefinitionServiceClient::new(gateway.channel().await);
    let kinds = vec![segment("a", "events(\"x\").count() > 1"), source("b")];
    let applied = client
        .apply_definitions(bundle("one", kinds.clone()))
        .await
        .expect("applied");
    // An etag that is no longer so, told by its place in the bundle.
    let etags = applied.into_inner().applied.into_iter().map(|it| it.etag);
    let mut request = bundle("two", kinds);
    request.if_match = etags.collect();
    request.if_match[1] = "1-x".to_owned();
    let status = client
        .apply_definitions(request)
        .await
        .expect_err("another version");
    assert_eq!(
        (status.code(), fields(&status)),
        (Code::Aborted, vec!["if_match[1]".to_owned()])
    );
    for (kind, name) in [
        (DefinitionKind::Segment, "a"),
        (DefinitionKind::Source, "b"),
    ] {
        let asked = GetDefinitionRequest {
            kind: kind.into(),
            name: name.to_owned(),
            version: 0,
        };
        client.get_definition(asked.clone()).await.expect("there");
        let delete = DeleteDefinitionRequest {
            request_id: format!("delete {name}"),
            kind: kind.into(),
            name: name.to_owned(),
            ..DeleteDefinitionRequest::default()
        };
        client.delete_definition(delete).await.expect("deleted");
        let status = client.get_definition(asked).await.expect_err("gone");
        assert_eq!(status.code(), Code::NotFound);
    }
    let rotate = RotateSecretsRequest {
        request_id: "three".to_owned(),
        validate_only: true,
    };
    // The services have keys for secrets, the gateway has none and needs none.
    client.rotate_secrets(rotate).await.expect("counted");
}

#[tokio::test]
async fn partitions_of_all_services_are_told_together() {
    let (_site, _dev, gateway) = start().await;
    let mut client = PartitionServiceClient::new(gateway.channel().await);
    let told = client
        .get_installation(GetInstallationRequest {})
        .await
        .expect("told");
    let told = told.into_inner();
    assert_eq!(told.partition_count, 2);
    assert!(told.services.iter().any(|it| it == "gateway"));
    client
        .await_idle(AwaitIdleRequest::default())
        .await
        .expect("idle");
    let listed = client.list_partitions(ListPartitionsRequest {
        service: "journey".to_owned(),
        ..ListPartitionsRequest::default()
    });
    let listed = listed.await.expect("listed").into_inner().partitions;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|it| it.service == "journey"));
    for service in ["gateway", "nobody"] {
        let asked = ListQuarantinedRecordsRequest {
            service: service.to_owned(),
            ..ListQuarantinedRecordsRequest::default()
        };
        let status = client
            .list_quarantined_records(asked)
            .await
            .expect_err("no such service");
        assert_eq!(status.code(), Code::NotFound);
    }
}
