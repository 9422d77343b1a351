//! Pages of definitions, and what they weigh.

use prost::Message as _;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::definition_service_server::DefinitionService as _;
use proto::definition::v1::{
    ApplyDefinitionsRequest, Definition, DefinitionKind, ListDefinitionsRequest,
};
use proto::journey::v1::{BranchArm, BranchStep, Journey, Step, step};
use proto::segmentation::v1::Segment;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use crate::fixture::{World, world};

/// Bytes that clients take of one answer by default.
const CLIENT_BYTES: usize = 4 * 1024 * 1024;

fn request(id: &str, definitions: Vec<Definition>) -> ApplyDefinitionsRequest {
    ApplyDefinitionsRequest {
        request_id: id.to_owned(),
        definitions,
        ..ApplyDefinitionsRequest::default()
    }
}

/// Lists everything in pages of so many, and returns how many definitions each page had.
async fn pages(world: &World, kind: DefinitionKind, page_size: u32) -> Vec<usize> {
    let mut request = ListDefinitionsRequest {
        kind: kind.into(),
        page_size,
        page_token: String::new(),
    };
    let mut sizes = Vec::new();
    let mut names = Vec::new();
    loop {
        let page = world
            .rpc
            .list_definitions(Request::new(request.clone()))
            .await;
        let page = page.expect("a page").into_inner();
        assert!(page.encoded_len() < CLIENT_BYTES, "{}", page.encoded_len());
        sizes.push(page.definitions.len());
        let found = page
            .definitions
            .iter()
            .filter_map(|it| it.definition.as_ref());
        names.extend(found.filter_map(definitions::key_of));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(names.is_sorted_by(|a, b| a < b), "each once, in order");
    assert_eq!(names.len(), sizes.iter().sum::<usize>());
    sizes
}

#[tokio::test]
async fn pages_of_large_definitions_end_early_and_hold_each_once() {
    let world = world().await;
    let segment = |number: usize| Definition {
        kind: Some(Kind::Segment(Segment {
            name: format!("s{number:04}"),
            expression: "x".repeat(4_096),
            ..Segment::default()
        })),
    };
    for half in 0..2 {
        let some = (half * 500..(half + 1) * 500).map(segment).collect();
        let applied = world
            .rpc
            .apply_definitions(Request::new(request(&half.to_string(), some)));
        applied.await.expect("applied");
    }
    for kind in [DefinitionKind::Segment, DefinitionKind::Unspecified] {
        let sizes = pages(&world, kind, 1_000).await;
        assert!(sizes.len() > 1, "{sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), 1_000);
    }
    assert_eq!(
        pages(&world, DefinitionKind::Segment, 300).await,
        [300, 300, 300, 100]
    );
    assert_eq!(
        pages(&world, DefinitionKind::Segment, 500).await,
        [500, 500]
    );
}

#[tokio::test]
async fn a_definition_that_no_answer_could_hold_is_refused() {
    let world = world().await;
    let arm = BranchArm {
        when: "x".repeat(4_096),
        next: "a".to_owned(),
    };
    let branch = |number: usize| Step {
        id: format!("s{number}"),
        kind: Some(step::Kind::Branch(BranchStep {
            arms: vec![arm.clone(); 20],
            otherwise: "a".to_owned(),
        })),
        ..Step::default()
    };
    let journey = Definition {
        kind: Some(Kind::Journey(Journey {
            name: "large".to_owned(),
            entry: definitions::parse("t.yaml", crate::fixture::JOURNEY)
                .expect("a journey")
                .into_iter()
                .find_map(|it| match it.value.kind {
                    Some(Kind::Journey(journey)) => journey.entry,
                    _ => None,
                }),
            steps: (0..20).map(branch).collect(),
            ..Journey::default()
        })),
    };
    let refused = world
        .rpc
        .apply_definitions(Request::new(request("1", vec![journey])));
    let status = refused.await.expect_err("too large");
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let fields = &details.bad_request().expect("fields").field_violations;
    assert_eq!(fields[0].field, "definitions[0]");
    assert!(fields[0].description.contains("split it"), "{fields:?}");
}
