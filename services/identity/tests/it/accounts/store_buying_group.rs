//! Buying groups in the tables.

use identity::limits;
use identity::store::{AccountError, BuyingGroupRecord, Slot};
use kernel::FragmentId;
use uuid::Uuid;

use super::store_town::{Town, said};
use crate::fixture::Sql;

fn slot(role: &str, required_count: u32, customers: &[FragmentId]) -> Slot<FragmentId> {
    Slot {
        role: role.to_owned(),
        required_count,
        customers: customers.to_vec(),
    }
}

async fn read(town: &Town, id: Uuid) -> BuyingGroupRecord {
    let group = town.store.buying_group(id, town.now).await;
    group.expect("reads").expect("there")
}

/// Puts two members into an account, and returns their memberships.
async fn with_members(town: &mut Town, acme: FragmentId, customers: [FragmentId; 2]) -> [Uuid; 2] {
    let mut ids = [Uuid::nil(); 2];
    for (id, customer) in ids.iter_mut().zip(customers) {
        let moment = town.moment();
        let put = town
            .store
            .put_membership(said(customer, acme, "user"), moment);
        let written = put.await.expect("writes");
        town.tell(&written.news).await;
        *id = written.membership.id;
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_as_complete_as_members_fill_its_places_now() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let mut town = Town::open(sql).await;
        let acme = town.account().await;
        let (ann, bob) = (town.customer().await, town.customer().await);
        let ids = with_members(&mut town, acme, [ann, bob]).await;
        let slots = [
            slot("decision_maker", 1, &[ann]),
            slot("champion", 2, &[ann, bob]),
            slot("influencer", 0, &[]),
            slot("blocker", 1, &[]),
        ];
        let put = town.store.put_buying_group(acme, "crm-1", &slots, town.now);
        let (group, is_new) = put.await.expect("writes");
        assert!(is_new);
        assert!((group.completeness - 0.75).abs() < 1e-9);
        let roles: Vec<_> = group.slots.iter().map(|it| it.role.as_str()).collect();
        let expected = ["decision_maker", "champion", "influencer", "blocker"];
        assert_eq!(roles, expected);
        assert_eq!(read(&town, group.id).await, group);

        // Joined, the two are one person, in one place of each role.
        town.merge(ann, bob).await;
        let one = read(&town, group.id).await;
        assert_eq!(one.slots[1].customers, [ann.into()]);
        assert!((one.completeness - 0.5).abs() < 1e-9);
        town.unmerge(bob).await;
        assert_eq!(read(&town, group.id).await, group);

        town.pass(10);
        let ended = town.store.end_membership(ids[1], None, town.moment()).await;
        ended.expect("ends");
        let fewer = read(&town, group.id).await;
        assert_eq!(fewer.slots[1].customers, [ann.into()]);
        assert!((fewer.completeness - 0.5).abs() < 1e-9);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_of_members_and_another_of_its_opportunity_takes_its_place() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let mut town = Town::open(sql).await;
        let (acme, other) = (town.account().await, town.account().await);
        let (ann, bob, eve) = (
            town.customer().await,
            town.customer().await,
            town.customer().await,
        );
        with_members(&mut town, acme, [ann, bob]).await;
        let slots = [slot("champion", 2, &[ann, bob])];
        let put = town.store.put_buying_group(acme, "crm-1", &slots, town.now);
        let (group, _) = put.await.expect("writes");
        town.pass(10);
        let stranger = [slot("user", 1, &[ann]), slot("champion", 1, &[ann, eve])];
        let put = town
            .store
            .put_buying_group(acme, "crm-1", &stranger, town.now);
        let (slot_at, customer_at) = match put.await {
            Err(AccountError::NotMember { slot, customer }) => (slot, customer),
            put => panic!("a stranger: {put:?}"),
        };
        assert_eq!((slot_at, customer_at), (1, 1));
        let nothing = [slot("champion", 0, &[])];
        let put = town
            .store
            .put_buying_group(acme, "crm-1", &nothing, town.now);
        let (replaced, is_new) = put.await.expect("writes");
        assert_eq!(
            (replaced.id, is_new, replaced.slots.len()),
            (group.id, false, 1)
        );
        assert!((replaced.completeness - 1.0).abs() < 1e-9);
        assert!(replaced.update_time > replaced.create_time);
        are_listed_and_deleted(&town, other, group.id, &nothing).await;
    }
}

/// Holds that groups are listed by account and one after the other, and are gone once deleted.
async fn are_listed_and_deleted(
    town: &Town,
    other: FragmentId,
    first: Uuid,
    nothing: &[Slot<FragmentId>],
) {
    let put = town
        .store
        .put_buying_group(other, "crm-1", nothing, town.now);
    let (of_other, is_new) = put.await.expect("writes");
    assert!(is_new);
    let listed = town
        .store
        .buying_groups(Some(other.into()), town.now, None, 10);
    let listed: Vec<Uuid> = listed
        .await
        .expect("lists")
        .iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(listed, [of_other.id]);
    let behind = town.store.buying_groups(None, town.now, Some(first), 10);
    let behind: Vec<Uuid> = behind
        .await
        .expect("lists")
        .iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(behind, [of_other.id]);
    let nobody = FragmentId::new(Uuid::now_v7()).into_account();
    let put = town.store.put_buying_group(nobody, "x", nothing, town.now);
    assert!(matches!(put.await, Err(AccountError::NoAccount)));
    for is_there in [true, false] {
        let deleted = town.store.delete_buying_group(first).await;
        assert_eq!(deleted.expect("deletes"), is_there);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_groups_than_may_be_are_refused() {
    let mut town = Town::in_memory().await;
    let acme = town.account().await;
    let slots = [slot("champion", 1, &[])];
    for number in 0..limits::BUYING_GROUPS_OF_ACCOUNT {
        let opportunity = format!("o{number}");
        let put = town
            .store
            .put_buying_group(acme, &opportunity, &slots, town.now);
        put.await.expect("writes");
    }
    let beyond = town
        .store
        .put_buying_group(acme, "one more", &slots, town.now);
    assert!(matches!(beyond.await, Err(AccountError::TooManyGroups)));
    let known = town.store.put_buying_group(acme, "o7", &slots, town.now);
    assert!(!known.await.expect("writes").1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_merged_accounts_both_groups_are_kept_and_that_of_the_first_is_replaced() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        for is_first_younger in [false, true] {
            let mut town = Town::open(sql).await;
            let (acme, other) = (town.account().await, town.account().await);
            let slots = [slot("champion", 1, &[])];
            let mut order = [acme, other];
            if is_first_younger {
                order.reverse();
            }
            let mut ids = Vec::new();
            for account in order {
                town.pass(10);
                let put = town
                    .store
                    .put_buying_group(account, "crm-1", &slots, town.now);
                ids.push(put.await.expect("writes").0.id);
            }
            let of_acme = ids[usize::from(is_first_younger)];
            town.merge(acme, other).await;
            assert_eq!(town.root(other).await, acme.into());
            town.pass(10);
            for account in [acme, other] {
                let put = town.store.put_buying_group(account, "crm-1", &[], town.now);
                let (replaced, is_new) = put.await.expect("writes");
                assert_eq!((replaced.id, is_new), (of_acme, false));
            }
            let all = town
                .store
                .buying_groups(Some(acme.into()), town.now, None, 10);
            let all = all.await.expect("lists");
            let slots: Vec<_> = all
                .iter()
                .map(|it| (it.id == of_acme, it.slots.len()))
                .collect();
            let mut expected = [(true, 0), (false, 1)];
            if is_first_younger {
                expected.reverse();
            }
            assert_eq!(slots, expected);
        }
    }
}
