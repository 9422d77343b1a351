//! Buying groups made, read and deleted.

use proto::identity::v1;
use tonic::Code;

use super::{NO_ACCOUNT, NO_CUSTOMER, World, account_key, fresh};
use crate::rpc::{fields, reason};

fn slot(role: &str, required_count: u32, customers: &[&str]) -> v1::RoleSlot {
    v1::RoleSlot {
        role: role.to_owned(),
        required_count,
        customer_ids: customers.iter().map(|id| (*id).to_owned()).collect(),
    }
}

fn group(account: &str, slots: Vec<v1::RoleSlot>) -> v1::PutBuyingGroupRequest {
    v1::PutBuyingGroupRequest {
        request_id: fresh(),
        account: account_key(account),
        opportunity: "crm-1".to_owned(),
        slots,
    }
}

impl World {
    async fn group(&mut self, request: v1::PutBuyingGroupRequest) -> v1::PutBuyingGroupResponse {
        let answer = self.accounts.put_buying_group(request).await;
        answer.expect("a group").into_inner()
    }

    async fn read_group(&mut self, id: &str) -> v1::BuyingGroup {
        let request = v1::GetBuyingGroupRequest {
            buying_group_id: id.to_owned(),
        };
        let answer = self.accounts.get_buying_group(request).await;
        let answer = answer.expect("a group").into_inner();
        answer.buying_group.expect("a group")
    }
}

#[tokio::test]
async fn a_buying_group_is_as_complete_as_its_members_make_it() {
    let mut world = World::open().await;
    let account = world.account("account=a1").await;
    let one = world.customer("user_id=u1").await;
    let two = world.customer("user_id=u2").await;
    world.join(&one, &account, "").await;
    let membership = world.join(&two, &account, "").await;
    let request = group(
        &account,
        vec![
            slot("decision_maker", 1, &[&one]),
            slot("champion", 2, &[&two]),
            slot("user", 0, &[]),
        ],
    );
    let made = world.group(request.clone()).await;
    assert!(made.created);
    let shown = made.buying_group.clone().expect("a group");
    assert_eq!(shown.account_id, account);
    assert_eq!(shown.opportunity, "crm-1");
    assert_eq!(shown.slots, request.slots);
    assert!((shown.completeness - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!(world.group(request).await, made, "the same again");
    assert_eq!(world.read_group(&shown.buying_group_id).await, shown);

    // Whoever is no member any more fills no place.
    let end = v1::EndMembershipRequest {
        request_id: fresh(),
        membership_id: membership.membership_id,
        end_time: None,
    };
    world.accounts.end_membership(end).await.expect("ended");
    let later = world.read_group(&shown.buying_group_id).await;
    assert!((later.completeness - 1.0 / 3.0).abs() < 1e-9, "{later:?}");

    let replaced = group(&account, vec![slot("user", 0, &[])]);
    let replaced = world.group(replaced).await;
    assert!(!replaced.created);
    let replaced = replaced.buying_group.expect("a group");
    assert_eq!(replaced.buying_group_id, shown.buying_group_id);
    assert!((replaced.completeness - 1.0).abs() < 1e-9);
    assert_eq!(replaced.create_time, shown.create_time);
}

#[tokio::test]
async fn buying_groups_are_listed_and_deleted() {
    let mut world = World::open().await;
    let mut made = Vec::new();
    let accounts = [
        world.account("account=a1").await,
        world.account("account=a2").await,
    ];
    for number in 0..5 {
        let request = v1::PutBuyingGroupRequest {
            opportunity: format!("crm-{number}"),
            ..group(&accounts[number % 2], vec![slot("user", 1, &[])])
        };
        made.extend(world.group(request).await.buying_group);
    }
    for (account, expected) in [("", 5), (&*accounts[0], 3), (&accounts[1], 2)] {
        let (mut token, mut found) = (String::new(), Vec::new());
        loop {
            let request = v1::ListBuyingGroupsRequest {
                account_id: account.to_owned(),
                page_size: 2,
                page_token: token,
            };
            let page = world.accounts.list_buying_groups(request).await;
            let page = page.expect("a page").into_inner();
            found.extend(page.buying_groups);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(found.len(), expected);
        let own = made
            .iter()
            .filter(|it| account.is_empty() || it.account_id == account);
        assert!(found.iter().eq(own), "{found:?}");
    }
    let delete = v1::DeleteBuyingGroupRequest {
        request_id: fresh(),
        buying_group_id: made[0].buying_group_id.clone(),
    };
    for _ in 0..2 {
        let deleted = world.accounts.delete_buying_group(delete.clone()).await;
        deleted.expect("deleted, and the same again");
    }
    let another = v1::DeleteBuyingGroupRequest {
        request_id: fresh(),
        ..delete.clone()
    };
    let missing = world.accounts.delete_buying_group(another).await;
    assert_eq!(
        reason(&missing.expect_err("gone")),
        "BUYING_GROUP_NOT_FOUND"
    );
    let request = v1::GetBuyingGroupRequest {
        buying_group_id: delete.buying_group_id,
    };
    let missing = world.accounts.get_buying_group(request).await;
    let missing = missing.expect_err("gone");
    assert_eq!(missing.code(), Code::NotFound);
    assert_eq!(reason(&missing), "BUYING_GROUP_NOT_FOUND");
}

#[tokio::test]
async fn what_is_wrong_with_a_buying_group_is_told() {
    let mut world = World::open().await;
    let account = world.account("account=a1").await;
    let member = world.customer("user_id=u1").await;
    let stranger = world.customer("user_id=u2").await;
    world.join(&member, &account, "").await;
    for (slots, code, field) in [
        (vec![], Code::InvalidArgument, "slots"),
        (
            vec![slot("user", 1, &[]), slot("user", 2, &[])],
            Code::InvalidArgument,
            "slots[1].role",
        ),
        (
            vec![slot("User", 1, &[])],
            Code::InvalidArgument,
            "slots[0].role",
        ),
        (
            vec![slot("user", 21, &[])],
            Code::InvalidArgument,
            "slots[0].required_count",
        ),
        (
            vec![slot("user", 1, &[&member, &account])],
            Code::InvalidArgument,
            "slots[0].customer_ids[1]",
        ),
        (
            vec![
                slot("admin", 1, &[]),
                slot("user", 1, &[&member, &stranger]),
            ],
            Code::FailedPrecondition,
            "slots[1].customer_ids[1]",
        ),
        (
            vec![slot("user", 1, &[NO_CUSTOMER])],
            Code::FailedPrecondition,
            "slots[0].customer_ids[0]",
        ),
    ] {
        let refused = world
            .accounts
            .put_buying_group(group(&account, slots))
            .await;
        let refused = refused.expect_err(field);
        assert_eq!(refused.code(), code, "{refused}");
        assert_eq!(fields(&refused), [field], "{refused}");
        if code == Code::FailedPrecondition {
            assert_eq!(reason(&refused), "NOT_A_MEMBER");
        }
    }
}

#[tokio::test]
async fn a_buying_group_of_no_account_is_told() {
    let mut world = World::open().await;
    let account = world.account("account=a1").await;
    let member = world.customer("user_id=u1").await;
    for (account, expected) in [(NO_ACCOUNT, "ACCOUNT_NOT_FOUND"), (&member, "IS_CUSTOMER")] {
        let request = group(account, vec![slot("user", 1, &[])]);
        let refused = world.accounts.put_buying_group(request).await;
        assert_eq!(reason(&refused.expect_err(expected)), expected);
        let request = v1::ListBuyingGroupsRequest {
            account_id: account.to_owned(),
            ..Default::default()
        };
        let refused = world.accounts.list_buying_groups(request).await;
        assert_eq!(reason(&refused.expect_err(expected)), expected);
    }
    let unnamed = v1::PutBuyingGroupRequest {
        opportunity: String::new(),
        ..group(&account, vec![slot("user", 1, &[])])
    };
    let refused = world.accounts.put_buying_group(unnamed).await;
    assert_eq!(fields(&refused.expect_err("refused")), ["opportunity"]);
}
