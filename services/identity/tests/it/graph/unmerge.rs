//! Customers taken apart, who stay so.

use hot::StreamName;
use identity::store::{EvidenceRecord, News, OperationKind, SentAs};
use identity::{Announcer, Unmerge, UnmergeBy, UnmergeError, Unmerged};
use identity_core::{DropReason, EvidenceKind, Rules};
use kernel::CustomerId;
use proto::identity::v1::ConflictRule as Rule;
use proto::stream::v1::record::Body;

use super::{World, identifier, merges, rules, time_of};
use crate::fixture::Sql;

const BOTH: [Sql; 2] = [Sql::Sqlite, Sql::Postgres];

impl World {
    async fn unmerge(&self, by: UnmergeBy, request_id: &str) -> Result<Unmerged, UnmergeError> {
        let request = Unmerge {
            is_account: false,
            customer: None,
            by,
            is_dry_run: request_id == "dry",
            reason: "a family's tablet".to_owned(),
            request_id: request_id.to_owned(),
        };
        let now = time_of(self.events + 1);
        self.resolver.unmerge(&self.store, &request, now).await
    }
}

fn ids(unmerged: &Unmerged) -> Vec<CustomerId> {
    unmerged.customers.iter().map(|it| it.id).collect()
}

const EVENTS: [&str; 3] = [
    "user_id=u1 email=a@x.io",
    "anonymous_id=d1 email=b@x.io",
    "user_id=u1 anonymous_id=d1",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_is_undone_stays_so_when_its_events_are_sent_again() {
    for sql in BOTH {
        let mut world = World::open(sql, Rules::default()).await;
        let names = [1, 2, 3];
        let first = world.batch(&EVENTS, &names).await;
        let [[from, into]] = merges(&first.news)[..] else {
            panic!("one merge: {:?}", first.news);
        };
        let operation = first.news[0].id();
        let before = world.picture().await;
        assert_eq!(before, ["d1 a@x.io b@x.io u1"]);

        let dry = world.unmerge(UnmergeBy::Operation(operation), "dry").await;
        assert_eq!(ids(&dry.expect("plans")), [into, from]);
        assert_eq!(world.picture().await, before, "nothing was changed");

        let unmerged = world.unmerge(UnmergeBy::Operation(operation), "r1").await;
        let unmerged = unmerged.expect("comes apart");
        assert_eq!(ids(&unmerged), [into, from]);
        assert_eq!(world.picture().await, ["a@x.io u1", "d1 b@x.io"]);
        world.check_counts().await;
        let again = world.unmerge(UnmergeBy::Operation(operation), "r1").await;
        let again = again.expect("the same");
        assert_eq!(ids(&again), [into, from]);
        assert_eq!(again.operation_id, unmerged.operation_id);
        let other = world.unmerge(UnmergeBy::Operation(operation), "r2").await;
        assert!(matches!(other, Err(UnmergeError::NotFound(_))), "{other:?}");

        // Sent again, under their names and under none.
        let again = world.batch(&EVENTS, &names).await;
        assert!(merges(&again.news).is_empty(), "{:?}", again.news);
        assert_eq!(again.resolutions[1].customer, from);
        let last = world.event(EVENTS[2]).await;
        assert_eq!((last.customer, last.merged.len()), (into, 0));
        assert_eq!(last.dropped[0].reason, DropReason::CannotLink);
        assert_eq!(world.picture().await, ["a@x.io u1", "d1 b@x.io"]);
        let barred = world.store.cannot_links(into).await.expect("reads");
        assert_eq!(barred, [from.fragment()]);

        let history = world.store.history(into, None, 10).await.expect("reads");
        let kinds: Vec<_> = history.iter().map(|it| it.kind).collect();
        assert_eq!(kinds, [OperationKind::Unmerge, OperationKind::Merge]);
        assert_eq!(history[1].retracted_by, unmerged.operation_id);
        assert_eq!(history[1].event_id, "e3");
        let older = (history[0].time, history[0].id);
        let older = world.store.history(from, Some(older), 10).await;
        assert_eq!(older.expect("reads"), history[1..]);

        let evidence = world.store.evidence(into, 100).await.expect("reads");
        let joined = evidence.iter().find(|it| it.kind == EvidenceKind::Joined);
        let joined = joined.expect("the merge");
        assert_eq!(joined.event_id, "e3");
        assert_eq!(joined.operation, Some(operation));
        assert_eq!(joined.retracted_by, unmerged.operation_id);
        let demoted = evidence.iter().find(|it| it.kind == EvidenceKind::Demoted);
        assert_eq!(demoted.expect("left out").reason, "CANNOT_LINK");
        let attached = evidence.iter().find(|it| it.kind == EvidenceKind::Attached);
        let attached = attached.expect("attached");
        assert_eq!(
            (attached.event_id.as_str(), attached.source.as_str()),
            ("e1", "test")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmerge_is_told_to_whoever_comes_out_though_its_process_died() {
    let mut world = World::open(Sql::Sqlite, Rules::default()).await;
    let first = world.batch(&EVENTS, &[]).await;
    let [[from, into]] = merges(&first.news)[..] else {
        panic!("one merge: {:?}", first.news);
    };
    let unmerged = world
        .unmerge(UnmergeBy::Event("e3".to_owned()), "r")
        .await
        .expect("comes apart");
    assert_eq!(ids(&unmerged).len(), 2);
    let intake = world.fixture.identity.clone().open().await.expect("opens");
    let mut announcer = Announcer::new(intake);
    announcer.tick().await;
    announcer.finish().await;
    let records = world.fixture.records(StreamName::Events).await;
    let splits = records.iter().filter_map(|record| match &record.body {
        Some(Body::Split(split)) => Some((record, split)),
        _ => None,
    });
    let splits: Vec<_> = splits.collect();
    let [(record, split)] = splits.as_slice() else {
        panic!("one: {splits:?}");
    };
    assert_eq!(CustomerId::try_from_bytes(&record.customer_id), Ok(from));
    assert_eq!(
        CustomerId::try_from_bytes(&split.from_customer_id),
        Ok(into)
    );
    assert!(split.merge_time_ms > 0 && !split.asks && split.fragment_ids.is_empty());
    announcer.tick().await;
    announcer.finish().await;
    let again = world.fixture.records(StreamName::Events).await;
    assert_eq!(again.len(), records.len(), "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_evidence_holds_together_does_not_come_apart() {
    let mut world = World::open(Sql::Sqlite, Rules::default()).await;
    let nothing = world.event("user_id=u1 email=a@x.io").await.customer;
    let by = UnmergeBy::Fragment(nothing.fragment());
    let refused = world.unmerge(by, "r0").await;
    assert!(matches!(refused, Err(UnmergeError::Nothing)), "{refused:?}");
    let missing = UnmergeBy::Event("e77".to_owned());
    let refused = world.unmerge(missing, "r1").await;
    assert!(
        matches!(refused, Err(UnmergeError::NotFound(_))),
        "{refused:?}"
    );
    // An identifier that shares its fragment with others leaves alone, and stays away.
    let by = UnmergeBy::Identifier(identifier("email=a@x.io"));
    let unmerged = world.unmerge(by, "r2").await.expect("leaves");
    assert_eq!(ids(&unmerged).len(), 2);
    assert_eq!(world.picture().await, ["u1", "a@x.io"]);
    world.check_counts().await;
    world.event("user_id=u1 email=a@x.io").await;
    assert_eq!(world.picture().await, ["u1", "a@x.io"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_merge_lifts_what_an_unmerge_said() {
    for sql in BOTH {
        let mut world = World::open(sql, Rules::default()).await;
        let first = world.batch(&EVENTS, &[]).await;
        let by = UnmergeBy::Event("e3".to_owned());
        let unmerged = world.unmerge(by, "r").await.expect("comes apart");
        let both = ids(&unmerged);
        let cause = identity::store::Cause {
            reason: "they are one",
            request_id: "m",
            time: time_of(100),
            looks_back: true,
            origins: &(),
            policy_version: 0,
            held: identity::erasure::Held::ANY,
        };
        let merged = world.resolver.merge(&world.rules, &both, cause).await;
        let (into, news) = merged.expect("merges");
        world.store.mark_announced(&news).await.expect("marks");
        assert_eq!(world.store.cannot_links(into).await.expect("reads"), []);
        assert_eq!(world.picture().await, ["d1 a@x.io b@x.io u1"]);
        let sent = SentAs::merge("m").expect("a name");
        let made = world.store.merges_sent_as(&[(sent, into.fragment())]).await;
        let made = made.expect("reads");
        assert_eq!(made.len(), 1);
        // Each word is newer than the one before, and its row keeps the number.
        let told = [&first.news[0], &unmerged.news[0], &news[0]];
        let [joined, apart, again] = told.map(News::graph_epoch);
        assert!(0 < joined && joined < apart && apart < again, "{told:?}");
        assert_eq!(news[0].merge(), Some(made[0].1));
        let by = UnmergeBy::Operation(news[0].id());
        let apart = world.unmerge(by, "r2").await.expect("comes apart again");
        assert_eq!(ids(&apart), both);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_goes_to_the_newest_owner_is_told_as_a_split_and_a_merge() {
    let mut world = World::open(Sql::Sqlite, rules(&[], Rule::ReassignNewest)).await;
    world.event("user_id=tom anonymous_id=d").await;
    let resolved = world.batch(&["user_id=summer anonymous_id=d"], &[5]).await;
    assert_eq!(world.picture().await, ["tom", "d summer"]);
    let splits = resolved.news.iter().filter_map(News::split);
    assert_eq!(splits.count(), 1, "{:?}", resolved.news);
    let again = world.batch(&["user_id=summer anonymous_id=d"], &[5]).await;
    assert_eq!(
        again.resolutions[0].customer,
        resolved.resolutions[0].customer
    );
    world.check_counts().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_goes_to_another_customer_is_in_the_history_and_evidence_of_both() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        // The device is the older fragment of who had it, or the newer one.
        for own in [
            ["anonymous_id=d", "user_id=tom"],
            ["user_id=tom", "anonymous_id=d"],
        ] {
            let mut world = World::open(sql, rules(&[], Rule::ReassignNewest)).await;
            for event in own {
                world.event(event).await;
            }
            world.event("user_id=tom anonymous_id=d").await;
            let summer = world.event("user_id=summer anonymous_id=d").await.customer;
            let tom = world.event("user_id=tom").await.customer;
            assert_ne!(tom, summer);
            for customer in [tom, summer] {
                let history = world.store.history(customer, None, 10).await;
                let history = history.expect("reads");
                let moved = history.iter().find(|it| it.kind == OperationKind::Move);
                let moved = moved.unwrap_or_else(|| panic!("{customer}: {history:?}"));
                assert_eq!(moved.to, [summer], "{moved:?}");
                assert_eq!(moved.event_id, "e4");
                let evidence = world.store.evidence(customer, 100).await.expect("reads");
                let is_moved = |it: &&EvidenceRecord| it.kind == EvidenceKind::Moved;
                let told = evidence.iter().find(is_moved).expect("told to both");
                let ends = [Some(told.fragment), told.joined];
                assert!(ends.contains(&Some(tom.fragment())), "{told:?}");
            }
            let evidence = world.store.evidence(tom, 100).await.expect("reads");
            let ties = evidence.iter().filter(|it| it.kind == EvidenceKind::Joined);
            let ties: Vec<_> = ties.map(|it| it.retracted_by.is_some()).collect();
            assert_eq!(ties, [true], "the old link was taken back: {evidence:?}");
            world.check_counts().await;
        }
    }
}
