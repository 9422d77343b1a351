//! Calls about customers that get an account's id say where to turn.

use proto::identity::v1;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{World, fresh, identifier};
use crate::rpc::{fields, reason};

fn check(refused: &Status, code: Code, expected: (&str, &str)) {
    assert_eq!(refused.code(), code, "{refused}");
    assert_eq!(reason(refused), expected.0, "{refused}");
    assert_eq!(fields(refused), [expected.1], "{refused}");
}

#[tokio::test]
async fn a_customers_call_with_an_accounts_id_says_whom_to_call() {
    let mut world = World::open().await;
    let account = world.account("account=a1 domain=acme.com").await;
    let customer = world.customer("user_id=u1").await;
    let get = |key| v1::GetCustomerRequest {
        key: Some(key),
        after: String::new(),
    };
    let by_id = get(v1::get_customer_request::Key::CustomerId(account.clone()));
    let refused = world.events.get_customer(by_id).await.expect_err("refused");
    check(&refused, Code::NotFound, ("IS_ACCOUNT", "customer_id"));
    let details = refused.get_error_details();
    let resource = details.resource_info().expect("a resource");
    assert!(resource.description.contains("AccountService/GetAccount"));
    let by_name = v1::get_customer_request::Key::Identifier(identifier("domain=acme.com"));
    let refused = world.events.get_customer(get(by_name)).await;
    let refused = refused.expect_err("refused");
    let expected = ("INVALID_REQUEST", "identifier.namespace");
    check(&refused, Code::InvalidArgument, expected);
    assert!(refused.message().contains("names accounts"), "{refused}");

    let merge = |other| v1::MergeCustomersRequest {
        request_id: fresh(),
        customer_ids: vec![customer.clone(), other],
        reason: String::new(),
    };
    // An id in another writing is the same one.
    for other in [account, customer.to_uppercase()] {
        let refused = world.events.merge_customers(merge(other)).await;
        let refused = refused.expect_err("refused");
        let expected = ("INVALID_REQUEST", "customer_ids[1]");
        check(&refused, Code::InvalidArgument, expected);
    }
}

#[tokio::test]
async fn a_call_of_resolution_with_an_accounts_id_says_whom_to_call() {
    let mut world = World::open().await;
    let account = world.account("account=a1 domain=acme.com").await;
    let customer = world.customer("user_id=u1").await;
    let link = v1::LinkRequest {
        request_id: fresh(),
        customer_id: account.clone(),
        identifiers: vec![identifier("user_id=u1")],
        ..Default::default()
    };
    let refused = world.resolution.link(link.clone()).await;
    let expected = ("INVALID_REQUEST", "customer_id");
    check(
        &refused.expect_err("refused"),
        Code::InvalidArgument,
        expected,
    );
    let link = v1::LinkRequest {
        customer_id: customer.clone(),
        identifiers: vec![identifier("account=a1")],
        ..link
    };
    let refused = world.resolution.link(link).await;
    let expected = ("INVALID_REQUEST", "identifiers[0].namespace");
    check(
        &refused.expect_err("refused"),
        Code::InvalidArgument,
        expected,
    );

    let unmerge = |by| v1::UnmergeCustomersRequest {
        request_id: fresh(),
        by: Some(by),
        ..Default::default()
    };
    let by = v1::unmerge_customers_request::By::FragmentId(account.clone());
    let refused = world.resolution.unmerge_customers(unmerge(by)).await;
    let refused = refused.expect_err("refused");
    check(&refused, Code::NotFound, ("IS_ACCOUNT", "fragment_id"));
    // Nothing joined the two.
    assert_eq!(world.customer("user_id=u1").await, customer);
}
