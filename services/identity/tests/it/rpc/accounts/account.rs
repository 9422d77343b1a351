//! Accounts made, found and listed.

use hot::StreamName;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use proto::identity::v1;
use proto::stream::v1::record::Body;
use tonic::Code;

use super::{NO_ACCOUNT, World, account_of, by_id, by_identifier, identifiers, put};
use crate::rpc::{fields, ingest, reason};

fn traits(pairs: &[(&str, &str)]) -> Struct {
    let pairs = pairs.iter().map(|(name, value)| {
        let kind = Some(Kind::StringValue((*value).to_owned()));
        ((*name).to_owned(), Value { kind })
    });
    Struct {
        fields: pairs.collect(),
    }
}

#[tokio::test]
async fn an_account_is_made_and_found_by_all_that_names_it() {
    let mut world = World::open().await;
    let answer = world.put("domain=https://www.Acme.com/x account=a1").await;
    assert!(answer.created && answer.merged_account_ids.is_empty());
    assert!(!answer.position.is_empty());
    let account = account_of(answer.account);
    assert_eq!(account.r#type, "account");
    assert_eq!(account.fragment_ids, [account.account_id.as_str()]);
    assert_eq!(
        account.identifiers,
        identifiers("account=a1 domain=acme.com")
    );
    assert!(account.create_time.is_some());
    for asked in [
        by_id(&account.account_id),
        by_identifier("account=a1"),
        by_identifier("domain=shop.ACME.com"),
    ] {
        let found = world.accounts.get_account(asked).await.expect("an account");
        assert_eq!(account_of(found.into_inner().account), account);
    }
    for (asked, expected) in [
        (by_id(NO_ACCOUNT), "ACCOUNT_NOT_FOUND"),
        (by_identifier("account=other"), "ACCOUNT_NOT_FOUND"),
        // An id of neither.
        (
            by_id("7b3d1a52-6c53-4f0e-9d2c-5f0b8a6c1d23"),
            "ACCOUNT_NOT_FOUND",
        ),
    ] {
        let missing = world.accounts.get_account(asked).await.expect_err("nobody");
        assert_eq!(missing.code(), Code::NotFound);
        assert_eq!(reason(&missing), expected);
    }
}

#[tokio::test]
async fn what_is_put_of_a_known_account_joins_it() {
    let mut world = World::open().await;
    let by_crm = world.account("crm_account_id=c1").await;
    let by_key = world.account("account=a1").await;
    let answer = world.put("account=a1 crm_account_id=c1").await;
    assert!(!answer.created);
    assert_eq!(answer.merged_account_ids, [by_key.as_str()]);
    let account = account_of(answer.account);
    assert_eq!(account.account_id, by_crm);
    assert_eq!(account.fragment_ids, [by_crm.as_str(), by_key.as_str()]);
    let found = world.accounts.get_account(by_id(&by_key)).await;
    let found = account_of(found.expect("an account").into_inner().account);
    assert_eq!(found.account_id, by_crm, "the id before redirects");
    // A second key of one account is left out, and says why.
    let answer = world.put("crm_account_id=c1 account=a2").await;
    let dropped = answer.dropped_identifiers.iter();
    let dropped: Vec<_> = dropped.map(|it| (&*it.value, &*it.reason)).collect();
    assert_eq!(dropped.len(), 1, "{dropped:?}");
    let types = [
        ("workspace=w1", "workspace"),
        ("household=h1 domain=family.com", "household"),
        ("domain=globex.com", "account"),
    ];
    for (text, expected) in types {
        let account = account_of(world.put(text).await.account);
        assert_eq!(account.r#type, expected, "{text}");
    }
}

#[tokio::test]
async fn traits_go_to_the_account_alone_as_an_event() {
    let mut world = World::open().await;
    let request = v1::PutAccountRequest {
        traits: Some(traits(&[("plan", "team")])),
        ..put("account=a1")
    };
    let answer = world.try_put(request).await.expect("an account");
    let account = account_of(answer.account);
    let records = world.fixture.records(StreamName::Events).await;
    let events = records.iter().filter_map(|record| match &record.body {
        Some(Body::Event(event)) => Some((record, event)),
        _ => None,
    });
    let events: Vec<_> = events.collect();
    let [(record, event)] = events.as_slice() else {
        panic!("{events:?}");
    };
    let id: kernel::CustomerId = account.account_id.parse().expect("an id");
    assert!(id.is_account());
    assert_eq!(record.customer_id, id.as_bytes().as_slice());
    assert_eq!(event.name, "account");
    assert_eq!(event.traits.len(), 1);
    assert_eq!(event.traits[0].name, "plan");
    assert!(event.member_id.is_empty() && event.properties.is_empty());
}

#[tokio::test]
async fn a_request_that_is_sent_again_puts_once() {
    let mut world = World::open().await;
    let request = put("account=a1");
    let first = world.try_put(request.clone()).await.expect("an account");
    let again = world.try_put(request.clone()).await.expect("an account");
    assert_eq!(first, again);
    assert!(first.created);
    assert_eq!(world.fixture.records(StreamName::Events).await.len(), 1);
    let other = v1::PutAccountRequest {
        identifiers: identifiers("account=a2"),
        ..request.clone()
    };
    let refused = world.try_put(other).await.expect_err("refused");
    assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
    // Events may have the same id.
    let sent = ingest(&mut world.events, &request.request_id, &["user_id=u1"]).await;
    assert!(sent.expect("ingests")[0].created);
}

#[tokio::test]
async fn what_is_wrong_with_an_account_is_told_by_its_field() {
    let mut world = World::open().await;
    let long = "x".repeat(401);
    for (text, expected) in [
        ("", vec!["identifiers"]),
        (
            "account=a1 email=a@acme.com",
            vec!["identifiers[1].namespace"],
        ),
        ("user_id=u1", vec!["identifiers[0].namespace"]),
        ("badge=7", vec!["identifiers"]),
        ("account=null", vec!["identifiers"]),
        ("domain=gmail.com", vec!["identifiers"]),
        (&format!("account={long}"), vec!["identifiers[0].value"]),
    ] {
        let refused = world.try_put(put(text)).await.expect_err(text);
        assert_eq!(refused.code(), Code::InvalidArgument, "{text}");
        assert_eq!(fields(&refused), expected, "{text}: {refused}");
    }
    let nameless = v1::PutAccountRequest {
        request_id: String::new(),
        ..put("account=a1")
    };
    let refused = world.try_put(nameless).await.expect_err("refused");
    assert_eq!(fields(&refused), ["request_id"]);
    let deep = v1::PutAccountRequest {
        traits: Some(traits(&[(&"n".repeat(1_000), "x")])),
        ..put("account=a1")
    };
    let refused = world.try_put(deep).await.expect_err("refused");
    assert!(fields(&refused)[0].starts_with("traits"), "{refused}");
    // An identifier that is not defined is left out where something else names the account.
    let answer = world.put("account=a1 badge=7").await;
    let dropped = &answer.dropped_identifiers;
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0].reason, "UNKNOWN_NAMESPACE");
}

#[tokio::test]
async fn accounts_are_listed_oldest_first_and_apart_from_customers() {
    let mut world = World::open().await;
    let mut expected = Vec::new();
    for number in 0..5 {
        expected.push(world.account(&format!("account=a{number}")).await);
        world.customer(&format!("user_id=u{number}")).await;
    }
    let (mut token, mut found) = (String::new(), Vec::new());
    loop {
        let request = v1::ListAccountsRequest {
            page_size: 2,
            page_token: token,
        };
        let page = world.accounts.list_accounts(request).await.expect("a page");
        let page = page.into_inner();
        assert!(page.accounts.len() <= 2);
        found.extend(page.accounts.into_iter().map(|it| it.account_id));
        token = page.next_page_token;
        if found.len() == 2 {
            // Somebody who comes meanwhile is on a later page.
            expected.push(world.account("account=late").await);
        }
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found, expected);
    let customers = world
        .events
        .list_customers(v1::ListCustomersRequest::default());
    let customers = customers.await.expect("customers").into_inner().customers;
    assert_eq!(customers.len(), 5);
    assert!(customers.iter().all(|it| !found.contains(&it.customer_id)));
    for (size, token, field) in [(1_001, "", "page_size"), (1, "!", "page_token")] {
        let request = v1::ListAccountsRequest {
            page_size: size,
            page_token: token.to_owned(),
        };
        let refused = world.accounts.list_accounts(request).await;
        assert_eq!(fields(&refused.expect_err("refused")), [field]);
    }
    let request = v1::GetAccountRequest { key: None };
    let refused = world.accounts.get_account(request).await;
    assert_eq!(refused.expect_err("refused").code(), Code::InvalidArgument);
}
