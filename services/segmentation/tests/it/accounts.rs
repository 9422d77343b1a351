//! Profiles of accounts, which are in no segment.

use hot::EmbeddedStore;
use kernel::{CustomerId, PartitionCount};
use proto::segmentation::v1 as api;
use proto::segmentation::v1::segmentation_service_server::SegmentationService as _;
use proto::stream::v1::{MembershipChanged, record::Body};
use segmentation::SegmentationRpc;
use tonic::{Code, Request, Status};

use super::{answering, check_refused, compiled, customer, purchase, take};

fn account(number: u8) -> CustomerId {
    customer(number).fragment().into_account().into()
}

fn profile_request(who: CustomerId) -> Request<api::GetProfileRequest> {
    Request::new(api::GetProfileRequest {
        customer_id: who.to_string(),
        after: String::new(),
    })
}

async fn explained(rpc: &SegmentationRpc, who: CustomerId, expression: &str) -> Status {
    let request = api::ExplainMembershipRequest {
        customer_id: who.to_string(),
        expression: expression.to_owned(),
        ..api::ExplainMembershipRequest::default()
    };
    let answer = rpc.explain_membership(Request::new(request)).await;
    answer.expect_err("accounts are in no segments")
}

/// Account 3 has an event, account 4 has members.
async fn rpc(folder: &tempfile::TempDir) -> SegmentationRpc {
    let store = EmbeddedStore::open(folder.path(), PartitionCount::DEFAULT)
        .await
        .expect("a store");
    let definitions = compiled();
    take(&store, &definitions, account(3), purchase()).await;
    let told = Body::Membership(MembershipChanged {
        account_id: account(4).as_bytes().to_vec().into(),
        member_id: customer(1).as_bytes().to_vec().into(),
        is_member: true,
        member_count: 12,
        number: 3,
        ..MembershipChanged::default()
    });
    take(&store, &definitions, account(4), told).await;
    answering(store, definitions)
}

#[tokio::test]
async fn the_profile_of_an_account_has_no_segments_and_the_number_of_its_members() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let found = rpc.get_profile(profile_request(account(3))).await;
    let found = found.expect("a profile").into_inner();
    let profile = found.profile.expect("a profile");
    assert_eq!(profile.customer_id, account(3).to_string());
    assert_eq!((profile.memberships, profile.member_count), (vec![], None));
    assert!(profile.traits.expect("traits").fields.contains_key("plan"));
    assert_eq!(profile.events[0].count, 1);
    assert_eq!(profile.recent_events[0].event_id, "e-1");
    let found = rpc.get_profile(profile_request(account(4))).await;
    let found = found.expect("a profile").into_inner();
    let profile = found.profile.expect("a profile");
    assert_eq!(profile.member_count, Some(12));
    assert!(profile.events.is_empty() && profile.first_seen_time.is_none());
}

#[tokio::test]
async fn accounts_are_in_no_list_of_segmentation() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let names = rpc.list_event_names(Request::new(api::ListEventNamesRequest::default()));
    let names = names.await.expect("a page").into_inner();
    assert_eq!(names, api::ListEventNamesResponse::default());
    let segments = rpc.list_segments(Request::new(api::ListSegmentsRequest::default()));
    let segments = segments.await.expect("a page").into_inner().segments;
    assert!(
        segments.iter().all(|it| it.member_count == 0),
        "{segments:?}"
    );
}

#[tokio::test]
async fn what_is_asked_of_an_account_that_has_none_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let status = rpc.get_profile(profile_request(account(9))).await;
    let status = status.expect_err("nothing is known of it");
    check_refused(&status, Code::NotFound, "PROFILE_NOT_FOUND", None);
    assert!(status.message().contains("account"), "{}", status.message());
    for (who, expression) in [(account(3), ""), (account(3), "true"), (account(9), "")] {
        let status = explained(&rpc, who, expression).await;
        let field = Some("customer_id");
        check_refused(&status, Code::NotFound, "IS_ACCOUNT", field);
    }
}
