//! Memberships that ended and began again, and their counts.

use identity::store::{AccountError, EndedMembership, MembershipRecord, Moment};
use kernel::{Duration, FragmentId, Timestamp};
use uuid::Uuid;

use super::store_town::{BEGIN, Town, acted, said};
use crate::fixture::Sql;

const BOTH: [Sql; 2] = [Sql::Sqlite, Sql::Postgres];

fn at(second: i64) -> Timestamp {
    BEGIN + Duration::from_millis(second * 1_000)
}

async fn one_and_one(sql: Sql) -> (Town, FragmentId, FragmentId) {
    let mut town = Town::open(sql).await;
    let (ann, acme) = (town.customer().await, town.account().await);
    (town, ann, acme)
}

async fn act(town: &mut Town, ann: FragmentId, acme: FragmentId, seconds: &[i64]) {
    for second in seconds {
        let acts = [acted(ann, acme, at(*second))];
        let taken = town.store.take_memberships(&acts, town.moment()).await;
        town.tell(&taken.expect("takes").news).await;
    }
}

async fn end(
    town: &mut Town,
    id: Uuid,
    end: Option<Timestamp>,
) -> Result<EndedMembership, AccountError> {
    let ended = town.store.end_membership(id, end, town.moment()).await?;
    town.tell(&ended.news).await;
    Ok(ended)
}

/// Beginning and end, in seconds, of what an account shows as of a second, which is what the
/// customer shows.
async fn shown(town: &Town, acme: FragmentId, second: i64) -> Vec<(i64, Option<i64>)> {
    let members = town.members(acme.into(), at(second), 10).await;
    for it in &members {
        let own = town.memberships(it.customer, at(second), 10).await;
        assert_eq!(own, members);
    }
    let count = town.store.member_count(acme.into(), at(second)).await;
    let count = usize::try_from(count.expect("counts"));
    assert_eq!(count, Ok(members.len()));
    let second = |it: Timestamp| (it.as_millis() - BEGIN.as_millis()) / 1_000;
    let shown = |it: &MembershipRecord| (second(it.valid_from), it.valid_to.map(second));
    members.iter().map(shown).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_begins_anew_and_the_end_is_kept() {
    for sql in BOTH {
        let (mut town, ann, acme) = one_and_one(sql).await;
        town.now = at(100);
        act(&mut town, ann, acme, &[10]).await;
        let first = town.members(acme.into(), town.now, 10).await[0].id;
        end(&mut town, first, Some(at(30))).await.expect("ends");
        // Late, from before the end; then from after it; then late, from between the two.
        act(&mut town, ann, acme, &[20]).await;
        assert_eq!(shown(&town, acme, 100).await, []);
        act(&mut town, ann, acme, &[60, 40]).await;
        for (second, expected) in [
            (5, vec![]),
            (20, vec![(10, Some(30))]),
            (30, vec![]),
            (45, vec![]),
            (60, vec![(60, None)]),
            (100, vec![(60, None)]),
        ] {
            assert_eq!(shown(&town, acme, second).await, expected, "at {second}");
        }
        assert_eq!(town.counts[&acme.into()].1, 1);
        let second = town.members(acme.into(), town.now, 10).await[0].id;
        assert_ne!(second, first);
        let one = town.store.membership(first).await.expect("reads");
        assert_eq!(one.and_then(|it| it.valid_to), Some(at(30)));
        let other = town.store.membership(second).await.expect("reads");
        assert_eq!(other.map(|it| it.valid_to), Some(None));
        // An import says since when it is again, and not before the end.
        let mut imported = acted(ann, acme, at(35));
        imported.lowers = true;
        let imported = [imported];
        let taken = town.store.take_memberships(&imported, town.moment());
        taken.await.expect("takes");
        assert_eq!(shown(&town, acme, 100).await, [(35, None)]);
        assert_eq!(shown(&town, acme, 32).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_moves_by_an_earlier_word_alone() {
    for sql in BOTH {
        let (mut town, ann, acme) = one_and_one(sql).await;
        town.now = at(100);
        let mut put = said(ann, acme, "admin");
        put.valid_from = Some(at(10));
        let written = town.store.put_membership(put, town.moment()).await;
        let id = written.expect("writes").membership.id;
        let planned = end(&mut town, id, Some(at(200))).await.expect("ends");
        assert_eq!(planned.membership.valid_to, Some(at(200)));
        // One that holds takes any end.
        let later = end(&mut town, id, Some(at(300))).await.expect("ends");
        assert_eq!(later.membership.valid_to, Some(at(300)));
        for (word, expected) in [
            (Some(at(50)), 50),
            (None, 50),
            (Some(at(60)), 50),
            (Some(at(50)), 50),
            (Some(at(40)), 40),
        ] {
            town.pass(1_000);
            let ended = end(&mut town, id, word).await.expect("ends");
            assert_eq!(ended.membership.valid_to, Some(at(expected)));
            assert_eq!(shown(&town, acme, 20).await, [(10, Some(expected))]);
            assert_eq!(shown(&town, acme, 70).await, []);
        }
        let before = end(&mut town, id, Some(at(10))).await;
        assert!(matches!(before, Err(AccountError::EndsBeforeBegin { begin }) if begin == at(10)));
        // Said again, it begins now; the end of the first one changes nothing of that.
        town.now = at(120);
        let moment = town.moment();
        let again = town.store.put_membership(said(ann, acme, "admin"), moment);
        let again = again.await.expect("writes");
        assert!(again.is_new && again.membership.id != id);
        town.tell(&again.news).await;
        town.pass(1_000);
        let first = end(&mut town, id, None).await.expect("ends");
        assert_eq!(first.membership.valid_to, Some(at(40)));
        assert_eq!(shown(&town, acme, 20).await, [(10, Some(40))]);
        assert_eq!(shown(&town, acme, 70).await, []);
        assert_eq!(shown(&town, acme, 121).await, [(120, None)]);
        assert_eq!(town.counts[&acme.into()].1, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_that_is_said_again_takes_the_place_of_its_own() {
    let (mut town, ann, acme) = one_and_one(Sql::Sqlite).await;
    town.now = at(100);
    let history = [(10, Some(20)), (30, Some(40)), (60, None)];
    for round in 0..2 {
        for (from, to) in history {
            let mut put = said(ann, acme, "");
            (put.valid_from, put.valid_to) = (Some(at(from)), to.map(at));
            let written = town.store.put_membership(put, town.moment()).await;
            let written = written.expect("writes");
            assert_eq!(written.is_new, round == 0);
            town.tell(&written.news).await;
        }
    }
    for (second, expected) in [
        (15, vec![(10, Some(20))]),
        (25, vec![]),
        (35, vec![(30, Some(40))]),
        (50, vec![]),
        (70, vec![(60, None)]),
    ] {
        assert_eq!(shown(&town, acme, second).await, expected, "at {second}");
    }
    // Without a beginning the one that holds is meant.
    let mut put = said(ann, acme, "");
    put.valid_to = Some(at(90));
    let written = town.store.put_membership(put, town.moment()).await;
    assert!(!written.expect("writes").is_new);
    assert_eq!(shown(&town, acme, 70).await, [(60, Some(90))]);
    assert_eq!(shown(&town, acme, 35).await, [(30, Some(40))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tells_late_counts_those_who_came_meanwhile() {
    for sql in BOTH {
        let (mut town, ann, acme) = one_and_one(sql).await;
        let (bob, eve) = (town.customer().await, town.customer().await);
        let other = town.account().await;
        town.now = at(10);
        act(&mut town, ann, acme, &[10]).await;
        act(&mut town, bob, other, &[10]).await;
        town.merge(acme, other).await;
        // Somebody looks for what is overdue, and another member is told before the look is over.
        let look = town.now;
        town.now = at(20);
        act(&mut town, eve, other, &[20]).await;
        let late = Moment {
            at: look,
            own: at(30),
        };
        let news = town.store.claim_account_news(late).await.expect("claims");
        assert!(!news.is_empty());
        town.tell(&news).await;
        assert_eq!(town.counts[&acme.into()].1, 3);
        town.now = at(31);
        town.tell_all().await;
        assert_eq!(town.counts[&acme.into()].1, 3);
        // Later ones count on from there.
        let kim = town.customer().await;
        act(&mut town, kim, acme, &[31]).await;
        assert_eq!(town.counts[&acme.into()].1, 4);
    }
}
