//! Many clients at once, and the other database.

use std::collections::BTreeSet;

use futures::future::join_all;
use proto::identity::v1;
use proto::identity::v1::account_service_client::AccountServiceClient;

use super::{World, account_of, by_identifier, fresh, member, put, serve};
use crate::fixture::Sql;

/// Clients at once.
const CLIENTS: usize = 32;

async fn many_at_once(sql: Sql) {
    let mut world = World::over(sql).await;
    let mut customers = Vec::new();
    for number in 0..CLIENTS {
        customers.push(world.customer(&format!("user_id=u{number}")).await);
    }
    // Half of them by another process, which knows nothing of what this one remembers.
    let other = AccountServiceClient::new(serve(&world.fixture).await);
    let clients = customers.iter().enumerate().map(|(number, customer)| {
        let mut accounts = match number % 2 {
            0 => world.accounts.clone(),
            _ => other.clone(),
        };
        async move {
            let answer = accounts
                .put_account(put("account=a1 domain=acme.com"))
                .await;
            let answer = answer.expect("an account").into_inner();
            let id = account_of(answer.account).account_id;
            let joined = accounts.put_membership(member(customer, &id, "user"));
            joined.await.expect("a membership");
            (id, answer.created)
        }
    });
    let put = join_all(clients).await;
    let ids: BTreeSet<&str> = put.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids.len(), 1, "one account: {ids:?}");
    assert_eq!(put.iter().filter(|(_, created)| *created).count(), 1);
    let id = put[0].0.clone();
    let members: BTreeSet<String> = world.members(&id).await.into_iter().collect();
    assert_eq!(members, customers.iter().cloned().collect());
    assert_eq!(world.member_count(&id).await, 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_put_one_account_and_join_it_lose_nothing() {
    many_at_once(Sql::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_put_one_account_lose_nothing_on_postgres() {
    many_at_once(Sql::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_put_one_membership_make_one() {
    let mut world = World::open().await;
    let account = world.account("account=a1").await;
    let customer = world.customer("user_id=u1").await;
    let clients = (0..CLIENTS).map(|_| {
        let mut accounts = world.accounts.clone();
        let request = member(&customer, &account, "user");
        async move {
            let answer = accounts.put_membership(request).await;
            answer.expect("a membership").into_inner().created
        }
    });
    let created = join_all(clients).await;
    assert_eq!(created.into_iter().filter(|it| *it).count(), 1);
    assert_eq!(world.members(&account).await, [customer.as_str()]);
}

#[tokio::test]
async fn every_call_answers_on_postgres() {
    let mut world = World::over(Sql::Postgres).await;
    let old = world.account("account=a1 domain=acme.com").await;
    let new = world.account("workspace=w1").await;
    let customer = world.customer("user_id=u1").await;
    let membership = world.join(&customer, &new, "champion").await;
    let request = v1::PutBuyingGroupRequest {
        request_id: fresh(),
        account: super::account_key(&new),
        opportunity: "crm-1".to_owned(),
        slots: vec![v1::RoleSlot {
            role: "champion".to_owned(),
            required_count: 1,
            customer_ids: vec![customer.clone()],
        }],
    };
    let group = world.accounts.put_buying_group(request).await;
    let group = group.expect("a group").into_inner().buying_group;
    let group = group.expect("a group");
    assert!((group.completeness - 1.0).abs() < 1e-9);
    let merge = v1::MergeAccountsRequest {
        request_id: fresh(),
        account_ids: vec![old.clone(), new.clone()],
        reason: String::new(),
    };
    world.accounts.merge_accounts(merge).await.expect("merges");
    assert_eq!(world.members(&old).await, [customer.as_str()]);
    let found = world.accounts.get_account(by_identifier("workspace=w1"));
    let found = account_of(found.await.expect("an account").into_inner().account);
    assert_eq!((&*found.account_id, found.member_count), (&*old, 1));
    let list = v1::ListBuyingGroupsRequest {
        account_id: old.clone(),
        ..Default::default()
    };
    let groups = world.accounts.list_buying_groups(list).await;
    let groups = groups.expect("groups").into_inner().buying_groups;
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].account_id, old);
    let apart = v1::UnmergeAccountsRequest {
        request_id: fresh(),
        account_id: old.clone(),
        by: Some(v1::unmerge_accounts_request::By::FragmentId(new.clone())),
        ..Default::default()
    };
    world.accounts.unmerge_accounts(apart).await.expect("apart");
    assert!(world.members(&old).await.is_empty());
    let end = v1::EndMembershipRequest {
        request_id: fresh(),
        membership_id: membership.membership_id,
        end_time: None,
    };
    world.accounts.end_membership(end).await.expect("ends");
    assert_eq!(world.member_count(&new).await, 0);
    let delete = v1::DeleteBuyingGroupRequest {
        request_id: fresh(),
        buying_group_id: group.buying_group_id,
    };
    let deleted = world.accounts.delete_buying_group(delete).await;
    deleted.expect("deletes");
    let list = v1::ListAccountsRequest::default();
    let accounts = world.accounts.list_accounts(list).await;
    assert_eq!(accounts.expect("a list").into_inner().accounts.len(), 2);
}
