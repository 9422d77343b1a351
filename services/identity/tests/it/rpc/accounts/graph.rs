//! Accounts joined and taken apart, with their members, and explained.

use proto::identity::v1;
use proto::identity::v1::unmerge_accounts_request::By;
use tonic::Code;

use super::{NO_ACCOUNT, World, account_of, by_id, fresh, identifier};
use crate::rpc::{fields, reason};

fn merge(accounts: &[&str]) -> v1::MergeAccountsRequest {
    v1::MergeAccountsRequest {
        request_id: fresh(),
        account_ids: accounts.iter().map(|id| (*id).to_owned()).collect(),
        reason: "one firm".to_owned(),
    }
}

fn unmerge(account: &str, by: By) -> v1::UnmergeAccountsRequest {
    v1::UnmergeAccountsRequest {
        request_id: fresh(),
        account_id: account.to_owned(),
        by: Some(by),
        ..Default::default()
    }
}

#[tokio::test]
async fn accounts_are_joined_with_their_members_and_come_apart_with_their_own() {
    let mut world = World::open().await;
    let old = world.account("account=a1").await;
    let new = world.account("account=a2").await;
    let one = world.customer("user_id=u1").await;
    let two = world.customer("user_id=u2").await;
    world.join(&one, &old, "admin").await;
    world.join(&two, &new, "admin").await;
    let request = merge(&[&new, &old]);
    let merged = world.accounts.merge_accounts(request.clone()).await;
    let merged = merged.expect("one account").into_inner();
    assert_eq!(merged.merged_account_ids, [new.as_str()]);
    assert!(!merged.position.is_empty());
    let account = account_of(merged.account.clone());
    assert_eq!(account.account_id, old);
    assert_eq!(account.identifiers.len(), 2, "whatever the limit says");
    let again = world.accounts.merge_accounts(request).await;
    assert_eq!(again.expect("one account").into_inner(), merged);
    assert_eq!(world.members(&new).await, [one.as_str(), &two]);
    assert_eq!(world.member_count(&old).await, 2);

    let dry = v1::UnmergeAccountsRequest {
        dry_run: true,
        ..unmerge(&old, By::FragmentId(new.clone()))
    };
    let told = world.accounts.unmerge_accounts(dry).await;
    let told = told.expect("told").into_inner();
    assert_eq!(told.accounts.len(), 2);
    assert!(told.operation_id.is_empty());
    assert_eq!(world.member_count(&old).await, 2, "nothing changed");

    let request = unmerge("", By::FragmentId(new.clone()));
    let apart = world.accounts.unmerge_accounts(request.clone()).await;
    let apart = apart.expect("two accounts").into_inner();
    let ids = apart.accounts.iter().map(|it| it.account_id.as_str());
    assert_eq!(ids.collect::<Vec<_>>(), [old.as_str(), &new]);
    assert!(!apart.operation_id.is_empty() && !apart.position.is_empty());
    let again = world.accounts.unmerge_accounts(request).await;
    let again = again.expect("two accounts").into_inner();
    assert_eq!(again, apart);
    assert_eq!(world.members(&old).await, [one.as_str()]);
    assert_eq!(world.members(&new).await, [two.as_str()]);
    assert_eq!(world.member_count(&new).await, 1);
}

#[tokio::test]
async fn an_identifier_leaves_as_an_account_of_its_own() {
    let mut world = World::open().await;
    let account = world.account("account=a1 domain=acme.com").await;
    let request = unmerge(&account, By::Identifier(identifier("domain=acme.com")));
    let apart = world.accounts.unmerge_accounts(request).await;
    let apart = apart.expect("two accounts").into_inner().accounts;
    assert_eq!(apart.len(), 2);
    assert_eq!(apart[0].account_id, account);
    let id: kernel::CustomerId = apart[1].account_id.parse().expect("an id");
    assert!(id.is_account(), "{id}");
    assert_eq!(apart[1].identifiers, [identifier("domain=acme.com")]);
    let found = world
        .accounts
        .get_account(by_id(&apart[1].account_id))
        .await;
    assert_eq!(
        account_of(found.expect("known").into_inner().account),
        apart[1]
    );
}

#[tokio::test]
async fn what_put_joined_comes_apart_by_its_operation() {
    let mut world = World::open().await;
    let one = world.account("account=a1").await;
    let two = world.account("crm_account_id=c1").await;
    world.put("account=a1 crm_account_id=c1").await;
    let request = v1::ListHistoryRequest {
        key: Some(v1::list_history_request::Key::CustomerId(two.clone())),
        ..Default::default()
    };
    let history = world.resolution.list_history(request).await;
    let history = history.expect("a history").into_inner().operations;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].to_customer_ids, [one.as_str()]);
    let by = By::OperationId(history[0].operation_id.clone());
    let apart = world.accounts.unmerge_accounts(unmerge("", by)).await;
    let apart = apart.expect("two accounts").into_inner().accounts;
    let ids = apart.iter().map(|it| it.account_id.as_str());
    assert_eq!(ids.collect::<Vec<_>>(), [one.as_str(), &two]);
}

#[tokio::test]
async fn an_account_is_explained_by_its_id_and_by_what_names_it() {
    use v1::explain_identity_request::Key;
    let mut world = World::open().await;
    let account = world.account("account=a1 domain=acme.com").await;
    for key in [
        Key::CustomerId(account.clone()),
        Key::Identifier(identifier("domain=www.acme.com")),
    ] {
        let request = v1::ExplainIdentityRequest { key: Some(key) };
        let answer = world.resolution.explain_identity(request).await;
        let answer = answer.expect("explained").into_inner();
        let shown = answer.customer.expect("an account");
        assert_eq!(shown.customer_id, account);
        assert_eq!(answer.evidence.len(), 2);
        let first = answer.sentences.first().expect("a sentence");
        assert!(
            first.starts_with(&format!("Account {account} was")),
            "{first}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_merge_is_told() {
    let mut world = World::open().await;
    let account = world.account("account=a1").await;
    let customer = world.customer("user_id=u1").await;
    let capitals = account.to_uppercase();
    for (ids, code, expected) in [
        (
            [&account, &customer],
            Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
        (
            [&account, &capitals],
            Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
        (
            [&account, &account],
            Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
        (
            [&account, &NO_ACCOUNT.to_owned()],
            Code::NotFound,
            "ACCOUNT_NOT_FOUND",
        ),
    ] {
        let request = merge(&[ids[0], ids[1]]);
        let refused = world.accounts.merge_accounts(request).await;
        let refused = refused.expect_err("refused");
        assert_eq!(refused.code(), code, "{refused}");
        assert_eq!(reason(&refused), expected, "{refused}");
        if code == Code::InvalidArgument && ids[0] != ids[1] {
            assert_eq!(fields(&refused), ["account_ids[1]"]);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_unmerge_is_told() {
    let mut world = World::open().await;
    let account = world.account("account=a1").await;
    let customer = world.customer("user_id=u1").await;
    let own = world.customer("user_id=u2").await;
    for (request, expected) in [
        (
            unmerge(NO_ACCOUNT, By::FragmentId(account.clone())),
            "ACCOUNT_NOT_FOUND",
        ),
        (
            unmerge(&customer, By::FragmentId(account.clone())),
            "IS_CUSTOMER",
        ),
        (unmerge("", By::FragmentId(own)), "IS_CUSTOMER"),
        (
            unmerge("", By::FragmentId(NO_ACCOUNT.to_owned())),
            "EVIDENCE_NOT_FOUND",
        ),
        (unmerge("", By::OperationId(fresh())), "EVIDENCE_NOT_FOUND"),
        (
            unmerge(&account, By::FragmentId(account.clone())),
            "UNMERGE_REFUSED",
        ),
        (
            unmerge(&account, By::EventId("none".to_owned())),
            "EVIDENCE_NOT_FOUND",
        ),
        (
            unmerge("", By::EventId("none".to_owned())),
            "INVALID_REQUEST",
        ),
        (
            unmerge(&account, By::Identifier(identifier("user_id=u1"))),
            "INVALID_REQUEST",
        ),
    ] {
        let shown = format!("{request:?}");
        let refused = world.accounts.unmerge_accounts(request).await;
        let refused = refused.expect_err("refused");
        assert_eq!(reason(&refused), expected, "{shown}: {refused}");
        let words = refused.message();
        let names_both = ["IS_CUSTOMER", "INVALID_REQUEST"].contains(&expected);
        assert!(names_both || !words.contains("customer"), "{words}");
    }
}
