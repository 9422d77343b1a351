//! Customers: found, listed, merged.

use engine::TimeSource;
use hot::{Owner, Slot, StreamName};
use proto::identity::v1::{self, get_customer_request::Key};
use proto::stream::v1::record::Body;
use runtime::{PositionScope, read_after};
use sea_orm::ConnectionTrait as _;
use tonic::Code;

use super::intake::{fill, make_room};
use super::{ingest, reason, serve};
use crate::fixture::Fixture;

#[tokio::test]
async fn a_customer_is_found_by_every_id_and_identifier() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    let results = ingest(
        &mut client,
        "",
        &[
            "anonymous_id=a1",
            "email=e@x.io",
            "anonymous_id=a1 email=e@x.io",
        ],
    )
    .await
    .expect("ingests");
    let by_email = |value: &str| {
        Key::Identifier(v1::Identifier {
            namespace: "email".to_owned(),
            value: value.to_owned(),
        })
    };
    for key in [
        Key::CustomerId(results[0].customer_id.clone()),
        Key::CustomerId(results[1].customer_id.clone()),
        by_email(" E@X.io"),
    ] {
        let request = v1::GetCustomerRequest {
            key: Some(key),
            after: String::new(),
        };
        let customer = client
            .get_customer(request)
            .await
            .expect("there")
            .into_inner()
            .customer
            .expect("set");
        assert_eq!(customer.customer_id, results[0].customer_id);
        assert_eq!(customer.fragment_ids.len(), 2);
        assert_eq!(customer.identifiers.len(), 2);
    }
    let missing = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23".to_owned();
    for (key, code) in [
        (Some(Key::CustomerId(missing)), Code::NotFound),
        (Some(by_email("nobody@x.io")), Code::NotFound),
        (Some(Key::CustomerId("x".to_owned())), Code::InvalidArgument),
        (None, Code::InvalidArgument),
    ] {
        let refused = client
            .get_customer(v1::GetCustomerRequest {
                key,
                after: String::new(),
            })
            .await
            .expect_err("refused");
        assert_eq!(refused.code(), code);
    }
}

#[tokio::test]
async fn customers_are_listed_in_pages() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    ingest(&mut client, "", &["user_id=u1", "user_id=u2", "user_id=u3"])
        .await
        .expect("ingests");
    let mut request = v1::ListCustomersRequest {
        page_size: 2,
        page_token: String::new(),
    };
    let first = client
        .list_customers(request.clone())
        .await
        .expect("lists")
        .into_inner();
    request.page_token = first.next_page_token;
    let second = client
        .list_customers(request.clone())
        .await
        .expect("lists")
        .into_inner();
    let values: Vec<String> = first
        .customers
        .into_iter()
        .chain(second.customers)
        .flat_map(|customer| {
            customer
                .identifiers
                .into_iter()
                .map(|identifier| identifier.value)
        })
        .collect();
    assert_eq!(
        (values.as_slice(), second.next_page_token.as_str()),
        (["u1", "u2", "u3"].map(str::to_owned).as_slice(), "")
    );
    request.page_token = "nonsense".to_owned();
    let refused = client.list_customers(request).await.expect_err("refused");
    assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
    let large = v1::ListCustomersRequest {
        page_size: 1_001,
        page_token: String::new(),
    };
    assert_eq!(
        client
            .list_customers(large)
            .await
            .expect_err("refused")
            .code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_forced_merge_is_answered_the_same_on_replay() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let results = ingest(&mut client, "", &["user_id=u1", "user_id=u2"])
        .await
        .expect("ingests");
    let request = v1::MergeCustomersRequest {
        request_id: "m1".to_owned(),
        customer_ids: results
            .iter()
            .rev()
            .map(|it| it.customer_id.clone())
            .collect(),
        reason: "the same person".to_owned(),
    };
    let first = client
        .merge_customers(request.clone())
        .await
        .expect("merges")
        .into_inner();
    assert_eq!(first.merged_customer_ids, [results[1].customer_id.clone()]);
    assert_eq!(
        first.customer.as_ref().map(|it| it.identifiers.len()),
        Some(2)
    );
    assert_eq!(
        client
            .merge_customers(request.clone())
            .await
            .expect("replays")
            .into_inner(),
        first
    );
    let merges = fixture.records(StreamName::Events).await;
    assert_eq!(
        merges
            .iter()
            .filter(|record| matches!(record.body, Some(Body::Merged(_))))
            .count(),
        1
    );
    let now = ingest(&mut client, "", &["user_id=u2"])
        .await
        .expect("ingests");
    assert_eq!(
        now[0].customer_id, results[0].customer_id,
        "the cache knows of the merge"
    );
}

/// The merges that the streams tell of.
async fn announced(fixture: &Fixture) -> usize {
    let records = fixture.records(StreamName::Events).await;
    let merges = records
        .iter()
        .filter(|it| matches!(it.body, Some(Body::Merged(_))));
    merges.count()
}

#[tokio::test]
async fn a_merge_that_was_made_and_not_announced_is_announced_by_the_same_request() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let results = ingest(&mut client, "", &["user_id=u1", "user_id=u2", "user_id=u3"]).await;
    let results = results.expect("ingests");
    fill(&fixture).await;
    let request = v1::MergeCustomersRequest {
        request_id: "m1".to_owned(),
        customer_ids: results.iter().map(|it| it.customer_id.clone()).collect(),
        ..Default::default()
    };
    let refused = client.merge_customers(request.clone()).await;
    assert_eq!(reason(&refused.expect_err("full")), "STREAM_FULL");
    make_room(&fixture).await;
    let merged = client.merge_customers(request.clone()).await;
    let merged = merged.expect("merges").into_inner();
    let others = results[1..].iter().map(|it| it.customer_id.clone());
    assert_eq!(merged.merged_customer_ids, others.collect::<Vec<_>>());
    assert_eq!(announced(&fixture).await, 2);
    // An answer that was lost before it was kept.
    let orm = fixture.identity.database.orm();
    orm.execute_unprepared("DELETE FROM request")
        .await
        .expect("deletes");
    let again = client.merge_customers(request).await;
    let again = again.expect("merges").into_inner();
    assert_eq!(again.merged_customer_ids, merged.merged_customer_ids);
    assert_eq!(announced(&fixture).await, 2);

    for position in [merged.position, again.position] {
        let written = read_after(PositionScope::of(fixture.hot.as_ref()), &position);
        let written = written.expect("a position").expect("of something");
        assert_eq!(written.stream, StreamName::Events);
        for partition in fixture.partitions.iter() {
            let slot = Slot {
                owner: Owner::Segmentation,
                partition,
            };
            let unread = fixture.hot.unread(slot, &[StreamName::Events]).await;
            let oldest = unread.expect("it answers").oldest;
            assert!(oldest.is_none_or(|oldest| oldest <= written.time));
        }
    }
}

#[tokio::test]
async fn a_merge_of_an_unknown_customer_or_of_one_alone_is_refused() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    let results = ingest(&mut client, "", &["user_id=u1"]).await;
    let results = results.expect("ingests");
    let missing = v1::MergeCustomersRequest {
        request_id: "m1".to_owned(),
        customer_ids: vec![
            results[0].customer_id.clone(),
            "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23".to_owned(),
        ],
        ..Default::default()
    };
    assert_eq!(
        reason(&client.merge_customers(missing).await.expect_err("missing")),
        "CUSTOMER_NOT_FOUND"
    );
    let alone = v1::MergeCustomersRequest {
        request_id: "m2".to_owned(),
        customer_ids: vec!["x".to_owned()],
        ..Default::default()
    };
    assert_eq!(
        client.merge_customers(alone).await.expect_err("bad").code(),
        Code::InvalidArgument
    );
}
