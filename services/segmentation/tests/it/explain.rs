//! Explanations of many segments: by name, by page, and never more than an answer may weigh.

use std::sync::Arc;

use decision::{Names, Source};
use hot::EmbeddedStore;
use kernel::PartitionCount;
use prost::Message as _;
use proto::definition::v1::definition::Kind;
use proto::segmentation::v1 as api;
use proto::segmentation::v1::segmentation_service_server::SegmentationService as _;
use segmentation::SegmentationRpc;
use segmentation_core::Definitions;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::{answering, check_refused, customer, purchase, rpc, take};

/// Bytes that clients take of one answer by default.
const CLIENT_BYTES: usize = 4 * 1024 * 1024;
/// As many segments as the largest page holds.
const SEGMENTS: usize = 1_000;

/// The service with a thousand segments of nearly 4 kB, and one customer.
async fn many(folder: &tempfile::TempDir) -> SegmentationRpc {
    let store = EmbeddedStore::open(folder.path(), PartitionCount::DEFAULT).await;
    let store = store.expect("a store");
    let kinds: Vec<Kind> = (0..SEGMENTS)
        .map(|number| {
            let text = format!("profile.plan == \"{}\"", "x".repeat(4_000));
            Kind::Segment(api::Segment {
                name: format!("s{number:04}"),
                expression: text,
                ..api::Segment::default()
            })
        })
        .collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    let compiled = Definitions::compile(&sources, &Names::default());
    let definitions = Arc::new(compiled.expect("valid segments"));
    take(&store, &definitions, customer(1), purchase()).await;
    answering(store, definitions)
}

fn request(page_size: u32) -> api::ExplainMembershipRequest {
    api::ExplainMembershipRequest {
        customer_id: customer(1).to_string(),
        page_size,
        ..api::ExplainMembershipRequest::default()
    }
}

async fn explain(
    rpc: &SegmentationRpc,
    request: &api::ExplainMembershipRequest,
) -> Result<api::ExplainMembershipResponse, Status> {
    let answer = rpc.explain_membership(Request::new(request.clone())).await;
    answer.map(tonic::Response::into_inner)
}

fn names(answer: &api::ExplainMembershipResponse) -> Vec<&str> {
    let explanations = answer.explanations.iter();
    explanations.map(|it| it.segment.as_str()).collect()
}

#[tokio::test]
async fn pages_of_large_segments_fit_clients_and_hold_each_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = many(&folder).await;
    let mut request = request(1_000);
    let mut found = Vec::new();
    loop {
        let page = explain(&rpc, &request).await.expect("a page");
        assert!(page.encoded_len() < CLIENT_BYTES, "{}", page.encoded_len());
        assert!(!page.explanations.is_empty());
        found.extend(names(&page).into_iter().map(str::to_owned));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let all: Vec<String> = (0..SEGMENTS)
        .map(|number| format!("s{number:04}"))
        .collect();
    assert_eq!(found, all);

    let mut list = api::ListSegmentsRequest {
        page_size: 1_000,
        page_token: String::new(),
    };
    let mut count = 0;
    loop {
        let page = rpc.list_segments(Request::new(list.clone())).await;
        let page = page.expect("a page").into_inner();
        assert!(page.encoded_len() < CLIENT_BYTES, "{}", page.encoded_len());
        count += page.segments.len();
        list.page_token = page.next_page_token;
        if list.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(count, SEGMENTS);
}

#[tokio::test]
async fn named_segments_are_explained_and_no_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let mut request = request(1);
    request.segments = vec!["pro_buyers".to_owned(), "buyers".to_owned()];
    let first = explain(&rpc, &request).await.expect("a page");
    assert_eq!(names(&first), ["buyers"], "by name");
    request.page_token = first.next_page_token;
    let last = explain(&rpc, &request).await.expect("a page");
    assert_eq!(names(&last), ["pro_buyers"]);
    assert_eq!(last.next_page_token, "");

    // The token is of these segments.
    request.segments.pop();
    let refused = explain(&rpc, &request).await.expect_err("another request");
    let field = Some("page_token");
    check_refused(&refused, Code::InvalidArgument, "PAGE_TOKEN_INVALID", field);
}

#[tokio::test]
async fn what_cannot_be_explained_is_refused_with_every_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let check = async |segments: &[&str], expression: &str, expected: &[&str]| {
        let mut request = request(0);
        request.segments = segments.iter().map(|&name| name.to_owned()).collect();
        request.expression = expression.to_owned();
        let status = explain(&rpc, &request).await.expect_err("refused");
        let details = status.get_error_details();
        let fields = &details.bad_request().expect("fields").field_violations;
        let found: Vec<&str> = fields.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(found, expected);
        status.code()
    };
    let unknown = check(&["pro", "buyer", "x"], "", &["segments[1]", "segments[2]"]).await;
    assert_eq!(unknown, Code::NotFound);
    for code in [
        check(&["pro"], "true", &["segments"]).await,
        check(&["pro", "pro"], "", &["segments[1]"]).await,
        check(&["Pro"], "", &["segments[0]"]).await,
    ] {
        assert_eq!(code, Code::InvalidArgument);
    }
    let too_many: Vec<String> = (0..101).map(|number| format!("s{number}")).collect();
    let too_many: Vec<&str> = too_many.iter().map(String::as_str).collect();
    let code = check(&too_many, "", &["segments"]).await;
    assert_eq!(code, Code::InvalidArgument);
}
