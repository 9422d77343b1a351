//! Memberships said, ended and listed.

use std::time::{Duration, SystemTime};

use hot::StreamName;
use proto::identity::v1;
use proto::stream::v1::record::Body;
use tonic::Code;

use super::{
    NO_ACCOUNT, NO_CUSTOMER, World, account_key, customer_key, fresh, identifier, member,
    of_account, of_customer,
};
use crate::rpc::{fields, reason};

/// A time so many days from now.
fn day(days: i64) -> prost_types::Timestamp {
    let day = Duration::from_secs(86_400);
    let whole = u32::try_from(days.unsigned_abs()).expect("few days");
    let now = SystemTime::now();
    let time = match days < 0 {
        true => now - day * whole,
        false => now + day * whole,
    };
    prost_types::Timestamp::from(time)
}

fn end(membership: &str) -> v1::EndMembershipRequest {
    v1::EndMembershipRequest {
        request_id: fresh(),
        membership_id: membership.to_owned(),
        end_time: None,
    }
}

impl World {
    async fn of(&mut self, customer: &str) -> Vec<v1::Membership> {
        let answer = self.accounts.list_memberships(of_customer(customer)).await;
        answer.expect("memberships").into_inner().memberships
    }
}

#[tokio::test]
async fn a_membership_is_said_changed_and_ended() {
    let mut world = World::open().await;
    let account = world.account("account=a1").await;
    let customer = world.customer("user_id=u1").await;
    let request = v1::PutMembershipRequest {
        confidence: Some(0.8),
        ..member(&customer, &account, "champion")
    };
    let said = world.accounts.put_membership(request.clone()).await;
    let said = said.expect("a membership").into_inner();
    assert!(said.created && !said.position.is_empty());
    let membership = said.membership.clone().expect("a membership");
    assert_eq!(membership.customer_id, customer);
    assert_eq!(membership.account_id, account);
    assert_eq!(membership.role, "champion");
    assert_eq!(membership.source(), v1::MembershipSource::Call);
    assert!((membership.confidence - 0.8).abs() < 1e-9);
    assert!(membership.valid_from.is_some() && membership.valid_to.is_none());
    assert!(!membership.is_primary);
    let again = world.accounts.put_membership(request.clone()).await;
    assert_eq!(again.expect("the same").into_inner(), said);
    let other = v1::PutMembershipRequest {
        is_primary: true,
        ..request
    };
    let reused = world.accounts.put_membership(other.clone()).await;
    assert_eq!(reason(&reused.expect_err("refused")), "REQUEST_ID_REUSED");

    let changed = v1::PutMembershipRequest {
        request_id: fresh(),
        ..other
    };
    let changed = world.accounts.put_membership(changed).await;
    let changed = changed.expect("a membership").into_inner();
    assert!(!changed.created);
    let primary = changed.membership.expect("a membership");
    assert_eq!(primary.membership_id, membership.membership_id);
    assert!(primary.is_primary);
    assert_eq!(primary.valid_from, membership.valid_from);
    assert_eq!(world.of(&customer).await, [primary]);
    assert_eq!(world.member_count(&account).await, 1);

    let request = end(&membership.membership_id);
    let ended = world.accounts.end_membership(request.clone()).await;
    let ended = ended.expect("ended").into_inner();
    assert!(!ended.position.is_empty());
    let shown = ended.membership.clone().expect("a membership");
    assert_eq!(shown.membership_id, membership.membership_id);
    assert!(shown.valid_to.is_some());
    let again = world.accounts.end_membership(request).await;
    assert_eq!(again.expect("the same").into_inner(), ended);
    assert!(world.of(&customer).await.is_empty());
    assert!(world.members(&account).await.is_empty());
    assert_eq!(world.member_count(&account).await, 0);
}

#[tokio::test]
async fn who_changes_membership_is_told_to_the_account_and_to_the_member() {
    let mut world = World::open().await;
    let account = world.account("account=a1").await;
    let customer = world.customer("user_id=u1").await;
    let membership = world.join(&customer, &account, "admin").await;
    let request = end(&membership.membership_id);
    world.accounts.end_membership(request).await.expect("ended");
    let records = world.fixture.records(StreamName::Events).await;
    let told = |id: &str| -> Vec<(bool, u32)> {
        let id: kernel::CustomerId = id.parse().expect("an id");
        let own = records
            .iter()
            .filter(|it| it.customer_id == id.as_bytes().as_slice());
        own.filter_map(|record| match &record.body {
            Some(Body::Membership(it)) => {
                assert_eq!(it.role, "admin");
                Some((it.is_member, it.member_count))
            }
            _ => None,
        })
        .collect()
    };
    assert_eq!(told(&account), [(true, 1), (false, 0)]);
    let told: Vec<bool> = told(&customer).into_iter().map(|it| it.0).collect();
    assert_eq!(told, [true, false]);
}

/// An account with seven members, of whom the last is none any more, and every other an admin.
async fn seven_members() -> (World, String, Vec<String>) {
    let mut world = World::open().await;
    let account = world.account("account=a1 domain=acme.com").await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let customer = world.customer(&format!("user_id=u{number}")).await;
        let role = if number % 2 == 0 { "admin" } else { "user" };
        let request = v1::PutMembershipRequest {
            valid_from: Some(day(-10)),
            valid_to: (number == 6).then(|| day(-5)),
            ..member(&customer, &account, role)
        };
        world.accounts.put_membership(request).await.expect("said");
        expected.push(customer);
    }
    (world, account, expected)
}

fn ids(answer: v1::ListMembersResponse) -> Vec<String> {
    let all = answer.memberships.into_iter();
    all.map(|it| it.customer_id).collect()
}

#[tokio::test]
async fn memberships_are_listed_as_of_a_time_and_by_role() {
    let (mut world, account, expected) = seven_members().await;
    let by_name = v1::ListMembersRequest {
        key: Some(v1::list_members_request::Key::Identifier(identifier(
            "domain=acme.com",
        ))),
        ..Default::default()
    };
    for (request, wanted) in [
        (by_name, expected[..6].to_vec()),
        (
            v1::ListMembersRequest {
                at: Some(day(-6)),
                ..of_account(&account)
            },
            expected.clone(),
        ),
        (
            v1::ListMembersRequest {
                at: Some(day(-11)),
                ..of_account(&account)
            },
            Vec::new(),
        ),
        (
            v1::ListMembersRequest {
                role: "admin".to_owned(),
                ..of_account(&account)
            },
            vec![
                expected[0].clone(),
                expected[2].clone(),
                expected[4].clone(),
            ],
        ),
    ] {
        let found = world.accounts.list_members(request).await.expect("members");
        assert_eq!(ids(found.into_inner()), wanted);
    }
}

#[tokio::test]
async fn members_are_listed_by_pages() {
    let (mut world, account, mut expected) = seven_members().await;
    let (mut token, mut found) = (String::new(), Vec::new());
    loop {
        let request = v1::ListMembersRequest {
            page_size: 2,
            page_token: token.clone(),
            ..of_account(&account)
        };
        let page = world.accounts.list_members(request).await.expect("a page");
        let page = page.into_inner();
        token.clone_from(&page.next_page_token);
        if found.is_empty() {
            // Somebody who comes meanwhile is on a later page.
            let late = world.customer("user_id=late").await;
            world.join(&late, &account, "").await;
            expected.insert(6, late);
            let other = v1::ListMembersRequest {
                page_token: token.clone(),
                role: "admin".to_owned(),
                ..of_account(&account)
            };
            let refused = world.accounts.list_members(other).await;
            let refused = refused.expect_err("a token of another request");
            assert_eq!(fields(&refused), ["page_token"]);
        }
        found.extend(ids(page));
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found, expected[..7]);
}

#[tokio::test]
async fn the_primary_account_is_first_and_one_alone() {
    let mut world = World::open().await;
    let customer = world.customer("user_id=u1").await;
    let mut accounts = Vec::new();
    for number in 0..3 {
        let account = world.account(&format!("account=a{number}")).await;
        let request = v1::PutMembershipRequest {
            is_primary: number > 0,
            ..member(&customer, &account, "")
        };
        world.accounts.put_membership(request).await.expect("said");
        accounts.push(account);
    }
    let of = world.of(&customer).await;
    let shown: Vec<_> = of
        .iter()
        .map(|it| (&*it.account_id, it.is_primary))
        .collect();
    let expected = [
        (&*accounts[2], true),
        (&*accounts[0], false),
        (&*accounts[1], false),
    ];
    assert_eq!(shown, expected);
    let (mut token, mut found) = (String::new(), Vec::new());
    loop {
        let request = v1::ListMembershipsRequest {
            page_size: 1,
            page_token: token,
            ..of_customer(&customer)
        };
        let page = world.accounts.list_memberships(request).await;
        let page = page.expect("a page").into_inner();
        found.extend(page.memberships);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found, of);
}

#[tokio::test]
async fn what_is_wrong_with_a_membership_is_told() {
    let mut world = World::open().await;
    let account = world.account("account=a1").await;
    let customer = world.customer("user_id=u1").await;
    let own = member(&customer, &account, "admin");
    let with = |change: &dyn Fn(&mut v1::PutMembershipRequest)| {
        let mut request = v1::PutMembershipRequest {
            request_id: fresh(),
            ..own.clone()
        };
        change(&mut request);
        request
    };
    let by_mail = Some(v1::AccountKey {
        key: Some(v1::account_key::Key::Identifier(identifier(
            "email=a@acme.com",
        ))),
    });
    let wrong = [
        (with(&|it| it.customer = None), "customer"),
        (with(&|it| it.role = "Admin".to_owned()), "role"),
        (with(&|it| it.confidence = Some(0.0)), "confidence"),
        (with(&|it| it.confidence = Some(1.5)), "confidence"),
        (with(&|it| it.confidence = Some(f64::NAN)), "confidence"),
        (
            with(&|it| {
                it.valid_from = Some(day(2));
                it.valid_to = Some(day(1));
            }),
            "valid_to",
        ),
        (with(&|it| it.valid_to = Some(day(-1))), "valid_to"),
        (
            with(&|it| it.account.clone_from(&by_mail)),
            "account.identifier.namespace",
        ),
    ];
    for (request, field) in wrong {
        let refused = world.accounts.put_membership(request).await;
        let refused = refused.expect_err(field);
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}: {refused}");
        assert_eq!(fields(&refused), [field], "{refused}");
    }
}

#[tokio::test]
async fn a_membership_of_nobody_is_told() {
    let mut world = World::open().await;
    let account = world.account("account=a1").await;
    let customer = world.customer("user_id=u1").await;
    let with = |change: &dyn Fn(&mut v1::PutMembershipRequest)| {
        let mut request = member(&customer, &account, "admin");
        change(&mut request);
        request
    };
    for (request, expected) in [
        (
            with(&|it| it.customer = customer_key(NO_CUSTOMER)),
            "CUSTOMER_NOT_FOUND",
        ),
        (
            with(&|it| it.account = account_key(NO_ACCOUNT)),
            "ACCOUNT_NOT_FOUND",
        ),
        (
            with(&|it| it.customer = customer_key(&account)),
            "IS_ACCOUNT",
        ),
        (
            with(&|it| it.account = account_key(&customer)),
            "IS_CUSTOMER",
        ),
    ] {
        let refused = world.accounts.put_membership(request).await;
        let refused = refused.expect_err(expected);
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
        assert_eq!(reason(&refused), expected, "{refused}");
    }
    let missing = world.accounts.end_membership(end(NO_CUSTOMER)).await;
    assert_eq!(
        reason(&missing.expect_err("nothing")),
        "MEMBERSHIP_NOT_FOUND"
    );
    let membership = world.join(&customer, &account, "").await;
    let early = v1::EndMembershipRequest {
        end_time: Some(day(-2)),
        ..end(&membership.membership_id)
    };
    let refused = world.accounts.end_membership(early).await;
    assert_eq!(fields(&refused.expect_err("refused")), ["end_time"]);
    for (customer, expected) in [
        (NO_CUSTOMER, "CUSTOMER_NOT_FOUND"),
        (&account, "IS_ACCOUNT"),
    ] {
        let refused = world.accounts.list_memberships(of_customer(customer)).await;
        assert_eq!(reason(&refused.expect_err(expected)), expected);
    }
    for (account, expected) in [
        (NO_ACCOUNT, "ACCOUNT_NOT_FOUND"),
        (&customer, "IS_CUSTOMER"),
    ] {
        let refused = world.accounts.list_members(of_account(account)).await;
        assert_eq!(reason(&refused.expect_err(expected)), expected);
    }
}
