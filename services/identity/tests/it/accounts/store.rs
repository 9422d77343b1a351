//! The contract of the tables of accounts, the same on both databases.

use identity::limits;
use identity::store::{AccountError, IdentityStore, MembershipPut, MembershipSource, Slot};
use kernel::{CustomerId, Duration, FragmentId};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::store_town::{Town, acted, said};
use crate::fixture::Sql;

const BOTH: [Sql; 2] = [Sql::Sqlite, Sql::Postgres];

/// Customers and accounts of a town.
async fn open(sql: Sql, customers: usize, accounts: usize) -> (Town, Vec<FragmentId>) {
    let mut town = Town::open(sql).await;
    let mut all = Vec::new();
    for _ in 0..customers {
        all.push(town.customer().await);
    }
    for _ in 0..accounts {
        all.push(town.account().await);
    }
    (town, all)
}

async fn put(town: &mut Town, put: MembershipPut<'_>) -> Uuid {
    town.pass(1);
    let written = town.store.put_membership(put, town.moment()).await;
    let written = written.expect("writes");
    town.tell(&written.news).await;
    written.membership.id
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_and_accounts_have_lists_of_their_own() {
    for sql in BOTH {
        let (mut town, mut customers) = open(sql, 3, 0).await;
        let mut accounts = vec![town.account().await, town.account().await];
        town.pass(1);
        customers.push(town.customer().await);
        accounts.push(town.account().await);
        let ids = |of: &[FragmentId]| -> Vec<CustomerId> {
            of.iter().copied().map(CustomerId::from).collect()
        };
        for (is_account, expected) in [(false, ids(&customers)), (true, ids(&accounts))] {
            let mut listed = Vec::new();
            let mut after = None;
            loop {
                let page = match is_account {
                    true => town.store.list_accounts(after, 2).await,
                    false => town.store.list(after, 2).await,
                };
                let page = page.expect("lists");
                after = page.last().map(|it| (it.create_time, it.id)).or(after);
                listed.extend(page.iter().map(|it| it.id));
                if page.len() < 2 {
                    break;
                }
            }
            assert_eq!(listed, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_membership_is_kept_of_a_customer_an_account_a_role_and_a_source() {
    for sql in BOTH {
        let (mut town, all) = open(sql, 1, 2).await;
        let [ann, acme, other] = all[..] else {
            panic!("three");
        };
        let first = put(&mut town, said(ann, acme, "admin")).await;
        let mut again = said(ann, acme, "admin");
        again.confidence = 0.5;
        again.is_primary = true;
        assert_eq!(put(&mut town, again).await, first);
        put(&mut town, said(ann, other, "")).await;
        let own = town.memberships(ann.into(), town.now, 1).await;
        let shown: Vec<_> = own
            .iter()
            .map(|it| (it.role.as_str(), it.confidence, it.is_primary))
            .collect();
        assert_eq!(shown, [("admin", 0.5, true), ("", 1.0, false)]);
        // Another one is the primary one, and this one is no longer.
        let mut primary = said(ann, other, "");
        primary.is_primary = true;
        put(&mut town, primary).await;
        let own = town.memberships(ann.into(), town.now, 1).await;
        let shown: Vec<_> = own.iter().map(|it| (it.account, it.is_primary)).collect();
        assert_eq!(shown, [(other.into(), true), (acme.into(), false)]);
        let told: Vec<_> = town.told.values().copied().collect();
        assert_eq!(told.len(), 2);
        assert!(told.contains(&(true, true)) && told.contains(&(true, false)));

        let nobody = FragmentId::new(Uuid::now_v7());
        let moment = town.moment();
        let unknown = town.store.put_membership(said(nobody, acme, ""), moment);
        assert!(matches!(unknown.await, Err(AccountError::NoCustomer)));
        let unknown = said(ann, nobody.into_account(), "");
        let unknown = town.store.put_membership(unknown, moment).await;
        assert!(matches!(unknown, Err(AccountError::NoAccount)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_that_ended_is_listed_as_of_earlier_times_and_revived_by_newer_events() {
    for sql in BOTH {
        let (mut town, all) = open(sql, 1, 1).await;
        let (ann, acme) = (all[0], all[1]);
        let begin = town.now;
        let moment = town.moment();
        let first = [acted(ann, acme, begin)];
        let taken = town.store.take_memberships(&first, moment);
        let taken = taken.await.expect("takes");
        assert_eq!(taken.news.len(), 1);
        town.tell(&taken.news).await;
        // Known, and earlier: no import says so.
        let earlier = begin - Duration::from_millis(50);
        let again = [acted(ann, acme, earlier), acted(ann, acme, begin)];
        let again = town.store.take_memberships(&again, moment).await;
        assert_eq!(again.expect("takes").news, []);
        let members = town.members(acme.into(), begin, 10).await;
        assert_eq!(members[0].valid_from, begin);
        let mut import = acted(ann, acme, earlier);
        import.lowers = true;
        let imported = town.store.take_memberships(&[import], moment).await;
        imported.expect("takes");
        assert_eq!(town.members(acme.into(), earlier, 10).await.len(), 1);

        town.pass(100);
        let end = town.now;
        let id = members[0].id;
        let ended = town
            .store
            .end_membership(id, Some(end), town.moment())
            .await;
        let ended = ended.expect("ends");
        assert_eq!(ended.membership.valid_to, Some(end));
        assert_eq!(ended.pairs, [(ann, acme)]);
        town.tell(&ended.news).await;
        assert_eq!(town.counts[&acme.into()].1, 0);
        assert_eq!(town.members(acme.into(), end, 10).await.len(), 0);
        assert_eq!(town.members(acme.into(), begin, 10).await.len(), 1);

        town.pass(100);
        let moment = town.moment();
        let older = acted(ann, acme, end - Duration::from_millis(1));
        let taken = town.store.take_memberships(&[older], moment).await;
        let taken = taken.expect("takes");
        assert_eq!((taken.ended, taken.news.len()), (vec![0], 0));
        let newer = [acted(ann, acme, end)];
        let newer = town.store.take_memberships(&newer, moment);
        town.tell(&newer.await.expect("takes").news).await;
        assert_eq!(town.counts[&acme.into()].1, 1);
        let too_early = begin - Duration::from_millis(100);
        let too_early = town.store.end_membership(id, Some(too_early), moment).await;
        assert!(matches!(
            too_early,
            Err(AccountError::EndsBeforeBegin { begin }) if begin == earlier
        ));
        let unknown = town.store.end_membership(Uuid::now_v7(), None, moment);
        let unknown = unknown.await;
        assert!(matches!(unknown, Err(AccountError::NotFound)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_begins_and_ends_later_is_told_then() {
    for sql in BOTH {
        let (mut town, all) = open(sql, 1, 1).await;
        let (ann, acme) = (all[0], all[1]);
        let mut later = said(ann, acme, "admin");
        later.valid_from = Some(town.now + Duration::from_millis(1_000));
        later.valid_to = Some(town.now + Duration::from_millis(2_000));
        put(&mut town, later).await;
        assert_eq!(town.tell_all().await, []);
        for (is_member, count) in [(true, 1), (false, 0)] {
            town.pass(1_000);
            let news = town.tell_all().await;
            let told: Vec<_> = news
                .iter()
                .map(|it| (it.is_member, it.member_count))
                .collect();
            assert_eq!(told, [(is_member, count)]);
        }
        town.pass(100_000);
        assert_eq!(town.tell_all().await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn news_are_claimed_once_and_keep_their_number() {
    for sql in BOTH {
        let (mut town, all) = open(sql, 1, 1).await;
        let (ann, acme) = (all[0], all[1]);
        let moment = town.moment();
        let written = town.store.put_membership(said(ann, acme, ""), moment).await;
        let written = written.expect("writes");
        let first = &written.news[0];
        assert!(first.is_member && first.tells_customer && first.tells_account);
        assert_eq!(first.member_count, 1);
        // The caller has it, for some seconds.
        assert_eq!(
            town.store.claim_account_news(moment).await.expect("claims"),
            []
        );
        town.now = town.now + limits::ANNOUNCE_CLAIM;
        let moment = town.moment();
        let claimed = town.store.claim_account_news(moment).await;
        let claimed = claimed.expect("claims");
        assert_eq!(claimed.len(), 1, "its caller died");
        assert_eq!(claimed[0].number, first.number);
        assert_eq!(
            town.store.claim_account_news(moment).await.expect("claims"),
            []
        );
        // A change meanwhile is owed, whoever says that the other is told.
        let id = written.membership.id;
        let ended = town.store.end_membership(id, None, moment).await;
        assert_eq!(ended.expect("ends").news, []);
        town.tell(&claimed).await;
        let news = town.tell_all().await;
        assert_eq!(news.len(), 1);
        assert!(!news[0].is_member && news[0].number > first.number);
        assert_eq!(town.tell_all().await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_memberships_than_may_be_are_refused() {
    for sql in BOTH {
        let (town, all) = open(sql, 2, 2).await;
        let [ann, bob, acme, other] = all[..] else {
            panic!("four");
        };
        let moment = town.moment();
        let mut rows = String::new();
        let [one, two, full] = [ann, acme, other].map(|it| town.literal(it.uuid()));
        for number in 0..limits::MEMBERSHIPS_OF_CUSTOMER {
            let id = town.literal(Uuid::now_v7());
            let comma = if number == 0 { "" } else { ", " };
            let row = format!("{comma}({id}, {one}, {two}, 'r{number}', 1, 1, 0, NULL)");
            rows.push_str(&row);
        }
        let orm = town.store.database().orm();
        let insert = format!(
            "INSERT INTO identity_membership (membership_id, customer_fragment_id, \
             account_fragment_id, role, source, confidence, valid_from, valid_to) VALUES {rows}"
        );
        orm.execute_unprepared(&insert).await.expect("inserts");
        let beyond = town.store.put_membership(said(ann, other, ""), moment);
        let beyond = beyond.await;
        assert!(
            matches!(beyond, Err(AccountError::TooManyOfCustomer)),
            "{beyond:?}"
        );
        let known = town.store.put_membership(said(ann, acme, "r7"), moment);
        assert!(!known.await.expect("known").is_new);
        let count = limits::MEMBERSHIPS_OF_ACCOUNT;
        let full = format!(
            "INSERT INTO identity_account_tally (fragment_id, membership_count, news_number) \
             VALUES ({full}, {count}, 0)"
        );
        orm.execute_unprepared(&full).await.expect("inserts");
        let beyond = town.store.put_membership(said(bob, other, ""), moment);
        assert!(matches!(beyond.await, Err(AccountError::TooManyOfAccount)));
        let acts = [(ann, acme), (bob, other), (bob, acme)];
        let acts = acts.map(|(one, two)| acted(one, two, moment.at));
        let taken = town.store.take_memberships(&acts, moment).await;
        let taken = taken.expect("takes");
        assert_eq!((taken.over_limit, taken.news.len()), (vec![0, 1], 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn puts_at_the_same_time_make_one_row_and_wait_for_nobody_for_good() {
    for sql in BOTH {
        let (town, all) = open(sql, 4, 2).await;
        let town = std::sync::Arc::new(town);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..24_usize {
            let store: IdentityStore = town.store.clone();
            let moment = town.moment();
            let (customer, account) = (all[number % 4], all[4 + number % 2]);
            tasks.spawn(async move {
                let acts = [(customer, account)].map(|(a, b)| acted(a, b, moment.at));
                store.take_memberships(&acts, moment).await.expect("takes");
                let mut put = said(customer, account, "");
                put.is_primary = true;
                let written = store.put_membership(put, moment).await;
                usize::from(written.expect("writes").is_new)
            });
        }
        // Merges go on beside them.
        town.merge(all[0], all[1]).await;
        town.merge(all[4], all[5]).await;
        let new: usize = tasks.join_all().await.into_iter().sum();
        let root = town.root(all[4]).await;
        let members = town.members(root, town.now, 3).await;
        let calls = members.iter();
        let calls = calls.filter(|it| it.source == MembershipSource::Call);
        assert_eq!(calls.count(), 3);
        assert!((3..=4).contains(&new), "each is new once: {new}");
        let count = town.store.member_count(root, town.now).await;
        assert_eq!(count.expect("counts"), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_of_many_members_is_told_some_at_a_time() {
    let (mut town, all) = open(Sql::Sqlite, 120, 2).await;
    let (old, new) = (all[120], all[121]);
    let acts: Vec<_> = all[..120]
        .iter()
        .map(|it| acted(*it, new, town.now))
        .collect();
    let taken = town.store.take_memberships(&acts, town.moment()).await;
    town.tell(&taken.expect("takes").news).await;
    town.merge(old, new).await;
    let owed = town.store.owed_account_news(town.now).await.expect("reads");
    assert_eq!((owed.news, owed.moves), (0, 1));
    let news = town.tell_all().await;
    assert!(news.iter().any(|it| it.is_bulk));
    let live = news.iter().filter(|it| !it.is_bulk).count();
    assert_eq!((news.len(), live), (240, 100));
    let of = |account: FragmentId| news.iter().filter(move |it| it.account == account.into());
    assert!(of(new).all(|it| !it.is_member && !it.tells_account && it.tells_customer));
    assert!(of(old).all(|it| it.is_member && it.tells_account));
    assert_eq!(town.counts[&old.into()].1, 120);
    town.unmerge(new).await;
    town.tell_all().await;
    let counts = [old, new].map(|it| town.counts[&it.into()].1);
    assert_eq!(counts, [0, 120]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_is_no_member_and_has_none() {
    for sql in BOTH {
        let (mut town, all) = open(sql, 2, 2).await;
        let [ann, bob, acme, other] = all[..] else {
            panic!("four");
        };
        for (customer, account) in [(ann, acme), (bob, acme), (bob, other)] {
            put(&mut town, said(customer, account, "")).await;
        }
        let slots = |customers: Vec<FragmentId>| {
            let role = "decision_maker".to_owned();
            [Slot {
                role,
                required_count: 2,
                customers,
            }]
        };
        let moment = town.moment();
        let group = slots(vec![ann, bob]);
        let group = town
            .store
            .put_buying_group(acme, "o", &group, moment.at)
            .await;
        let (group, _) = group.expect("writes");
        let of_other = slots(vec![bob]);
        let of_other = town
            .store
            .put_buying_group(other, "o", &of_other, moment.at);
        of_other.await.expect("writes");
        town.erase(&[ann.into(), other.into()], &[ann, other]).await;
        let news = town.tell_all().await;
        let mut told: Vec<_> = news
            .iter()
            .map(|it| {
                (
                    it.customer,
                    it.tells_customer,
                    it.tells_account,
                    it.is_member,
                )
            })
            .collect();
        told.sort_unstable();
        let expected = [
            (ann.into(), false, true, false),
            (bob.into(), true, false, false),
        ];
        assert_eq!(told, expected);
        assert_eq!(town.counts[&acme.into()].1, 1);
        assert_eq!(town.memberships(bob.into(), town.now, 10).await.len(), 1);
        let groups = town.store.buying_groups(None, town.now, None, 10).await;
        let groups = groups.expect("lists");
        let left: Vec<_> = groups.iter().map(|it| (it.id, it.completeness)).collect();
        assert_eq!(left, [(group.id, 0.5)]);
        let moment = town.moment();
        let gone = town.store.put_membership(said(ann, acme, ""), moment).await;
        assert!(matches!(gone, Err(AccountError::NoCustomer)));
        let acts = [acted(bob, other, moment.at)];
        let taken = town.store.take_memberships(&acts, moment).await;
        assert_eq!(taken.expect("takes").unknown, [0]);
    }
}
