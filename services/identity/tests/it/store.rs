//! The contract of the tables, the same on both databases.

use std::collections::HashSet;
use std::sync::Arc;

use engine::TimeSource;
use hot::StreamName;
use identity::erasure::Held;
use identity::store::{Cause, CommitError, IdentityStore, MIGRATIONS, SentAs, SentBy};
use identity::{Intake, ResolveError, Resolver, Source, Subject, limits};
use identity_core::{FanOut, HolderState, Identifier, Overlay, Rules, screen};
use kernel::{CustomerId, Duration, FragmentId, Timestamp};
use uuid::Uuid;

use crate::fixture::{Fixture, Sql, event, namespaces};

const CAUSE: Cause<'static> = Cause {
    reason: "test",
    request_id: "",
    time: Timestamp::from_millis(1),
    looks_back: false,
    origins: &(),
    policy_version: 0,
    held: Held::ANY,
};

fn subject(identifiers: &str) -> Subject {
    let pairs = event(identifiers).identifiers;
    Subject {
        screened: screen(&Rules::default(), pairs),
        time: Timestamp::from_millis(5),
        event_time: Timestamp::from_millis(5),
        sent: None,
    }
}

async fn resolve(resolver: &Resolver, events: &[&str]) -> Vec<CustomerId> {
    let subjects = events.iter().map(|event| subject(event)).collect();
    let resolved = resolver
        .resolve(&Rules::default(), subjects, CAUSE)
        .await
        .expect("resolves");
    resolved
        .resolutions
        .iter()
        .map(|resolution| resolution.customer)
        .collect()
}

/// Everything that the tables promise.
async fn keeps_the_contract(sql: Sql) {
    let fixture = Fixture::open(sql, TimeSource::system(), Rules::default()).await;
    let database = fixture.identity.database.clone();
    database
        .migrate("identity", MIGRATIONS)
        .await
        .expect("migrates");
    let store = IdentityStore::new(database.clone());
    let resolver = Resolver::new(store.clone());

    what_was_resolved_is_found_by_another_process(&resolver, &store).await;
    a_merge_is_followed_from_every_fragment(&resolver, &store).await;
    a_stale_plan_changes_nothing(&resolver, &store).await;
    pages_hold_every_customer_once(&store).await;
    an_unannounced_merge_is_claimed_once(&resolver, &store).await;
    a_merge_is_found_by_its_sender_among_its_own_customers(&resolver, &store).await;
    the_virtual_clock_is_kept_and_never_set_back(&store).await;
}

async fn what_was_resolved_is_found_by_another_process(resolver: &Resolver, store: &IdentityStore) {
    let first = resolve(
        resolver,
        &["user_id=u1 email=A@x.io", "email=a@x.io", "user_id=u2"],
    )
    .await;
    assert_eq!(first[0], first[1]);
    assert_ne!(first[0], first[2]);
    let other = Resolver::new(store.clone());
    assert_eq!(
        resolve(&other, &["user_id=u1", "email=a@x.io", "user_id=u2"]).await,
        first
    );
}

async fn a_merge_is_followed_from_every_fragment(resolver: &Resolver, store: &IdentityStore) {
    let ids = resolve(
        resolver,
        &["anonymous_id=m1", "anonymous_id=m2", "email=m@x.io"],
    )
    .await;
    let joined = resolve(
        resolver,
        &[
            "anonymous_id=m2 email=m@x.io",
            "anonymous_id=m1 email=m@x.io",
        ],
    )
    .await;
    assert_eq!(
        joined,
        [ids[1], ids[0]],
        "the oldest survives, one merge after the other"
    );
    for id in &ids {
        let record = store
            .customer(id.fragment())
            .await
            .expect("reads")
            .expect("there");
        assert_eq!(record.id, ids[0]);
        let fragments: Vec<CustomerId> = record.fragments.iter().map(|id| (*id).into()).collect();
        assert_eq!(fragments, ids);
        let values: Vec<&str> = record
            .identifiers
            .iter()
            .map(|i| i.value.as_str())
            .collect();
        assert_eq!(values, ["m1", "m2", "m@x.io"]);
    }
    assert_eq!(
        resolve(resolver, &["anonymous_id=m2", "email=m@x.io"]).await,
        [ids[0], ids[0]]
    );
}

async fn a_stale_plan_changes_nothing(resolver: &Resolver, store: &IdentityStore) {
    let ids = resolve(resolver, &["user_id=s1", "anonymous_id=s2"]).await;
    let namespaces = Rules::default();
    let join = subject("user_id=s1 anonymous_id=s2 email=s@x.io");
    let known: HashSet<&Identifier> = join
        .screened
        .kept
        .iter()
        .map(|(_, identifier)| identifier)
        .collect();
    let found = store.find(&known).await.expect("finds");
    let mut overlay = Overlay::new(&namespaces);
    for known in &found.identifiers {
        overlay.hold(
            known.identifier.clone(),
            known.fragment,
            known.customer,
            HolderState::Live,
            FanOut::default(),
        );
    }
    for (view, epoch) in found.customers.values() {
        overlay.know(view.clone(), *epoch);
    }
    let fragment = || FragmentId::new(Uuid::now_v7());
    overlay
        .resolve(&join.screened, fragment, Timestamp::from_millis(9))
        .expect("loaded");
    let changes = overlay.into_changes();
    // Somebody else attaches an identifier in between: the plan is for an older epoch.
    resolve(resolver, &["user_id=s1 email=other@x.io"]).await;
    assert!(matches!(
        store.commit(&changes, CAUSE, &SentBy::default()).await,
        Err(CommitError::Raced)
    ));
    let record = store
        .customer(ids[1].fragment())
        .await
        .expect("reads")
        .expect("there");
    assert_eq!((record.id, record.identifiers.len()), (ids[1], 1));
    // The identifier of the refused plan is free.
    let free = subject("email=s@x.io");
    let free: HashSet<&Identifier> = free
        .screened
        .kept
        .iter()
        .map(|(_, identifier)| identifier)
        .collect();
    assert!(
        store
            .find(&free)
            .await
            .expect("finds")
            .identifiers
            .is_empty()
    );
}

async fn pages_hold_every_customer_once(store: &IdentityStore) {
    let all = store.list(None, 1_000).await.expect("lists");
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(after, 2).await.expect("lists");
        let Some(last) = page.last() else { break };
        after = Some((last.create_time, last.id));
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert!(all.is_sorted_by_key(|record| (record.create_time, record.id)));
}

async fn a_merge_is_found_by_its_sender_among_its_own_customers(
    resolver: &Resolver,
    store: &IdentityStore,
) {
    let joined = resolve(resolver, &["user_id=sent1", "user_id=sent2"]).await;
    let others = resolve(resolver, &["user_id=sent3", "user_id=sent4"]).await;
    let cause = Cause {
        request_id: "joins two",
        ..CAUSE
    };
    let namespaces = Rules::default();
    let merge = resolver.merge(&namespaces, &joined, cause).await;
    let (into, merges) = merge.expect("merges");
    let sent = SentAs::merge(cause.request_id).expect("it has an id");
    // Whoever survives them all is one of them too.
    let both = [into, others[0]];
    let merge = resolver.merge(&namespaces, &both, CAUSE).await;
    let (last, _) = merge.expect("merges");
    for (whose, is_found) in [
        (joined[0], true),
        (joined[1], true),
        (others[0], true),
        (last, true),
        (others[1], false),
        (CustomerId::new(Uuid::from_u128(7)), false),
    ] {
        let found = store.merges_sent_as(&[(sent, whose.fragment())]).await;
        let expected = merges.iter().filter_map(|it| Some((sent, it.merge()?)));
        let expected: Vec<_> = expected.filter(|_| is_found).collect();
        assert_eq!(found.expect("reads"), expected, "{whose}");
    }
    let other = SentAs::merge("joins nobody").expect("it has an id");
    let found = store.merges_sent_as(&[(other, into.fragment())]).await;
    assert_eq!(found.expect("reads"), []);
}

async fn an_unannounced_merge_is_claimed_once(resolver: &Resolver, store: &IdentityStore) {
    resolve(
        resolver,
        &[
            "anonymous_id=c1",
            "email=c@x.io",
            "anonymous_id=c1 email=c@x.io",
        ],
    )
    .await;
    let now = Timestamp::from_millis(100_000);
    let claimed = store.claim_unannounced(now).await.expect("claims");
    assert_eq!(claimed.len(), 3, "this merge and those before");
    assert_eq!(store.claim_unannounced(now).await.expect("claims"), []);
    store.mark_announced(&claimed[1..]).await.expect("marks");
    // Whoever claimed it is still at it, and then not any more.
    let claim = limits::ANNOUNCE_CLAIM;
    let at_it = now + claim - Duration::from_millis(1);
    assert!(
        at_it > now + Duration::from_millis(2_000),
        "it tries so long"
    );
    for (time, expected) in [(at_it, &claimed[..0]), (now + claim, &claimed[..1])] {
        let again = store.claim_unannounced(time).await.expect("claims");
        assert_eq!(again, expected);
    }
    // Whoever claimed it last had a clock that was far ahead.
    let earlier = store.claim_unannounced(now - claim).await.expect("claims");
    assert_eq!(earlier, claimed[..1]);
}

async fn the_virtual_clock_is_kept_and_never_set_back(store: &IdentityStore) {
    for (time, expected) in [(50, 50), (20, 50), (60, 60)] {
        store
            .keep_virtual_time(Timestamp::from_millis(time))
            .await
            .expect("keeps");
        let kept = store.virtual_time().await.expect("reads");
        assert_eq!(kept, Some(Timestamp::from_millis(expected)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() {
    keeps_the_contract(Sql::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_contract() {
    keeps_the_contract(Sql::Postgres).await;
}

/// Sends events from many tasks, in different orders, and again where it was told to.
async fn contend(intakes: &[Arc<Intake>]) {
    let tasks: Vec<_> = (0..64_usize)
        .map(|task| {
            let intake = Arc::clone(&intakes[task % intakes.len()]);
            tokio::spawn(async move {
                for round in 0..4 {
                    let (one, other) = ((task + round) % 8, (task * 3 + round * 5 + 1) % 8);
                    let pair = format!(
                        "user_id=only device{task}=own phone{one}=shared email{other}=shared"
                    );
                    loop {
                        let source = Source::None;
                        let accepted = intake
                            .accept(vec![event(&pair)], source, StreamName::Events)
                            .await;
                        match accepted {
                            Ok(accepted) => {
                                intake
                                    .append(accepted.outbound, None)
                                    .await
                                    .expect("appends");
                                break;
                            }
                            Err(ResolveError::Contended) => {}
                            Err(error) => panic!("neither done nor told to try again: {error}"),
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("ends");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_over_shared_identifiers_end_as_one_customer() {
    // Eight shared identifiers twice, and one of its own for each task; the caps allow all of them in one customer.
    let mut names: Vec<String> = vec!["user_id".to_owned()];
    names.extend((0..8).map(|n| format!("phone{n}")));
    names.extend((0..8).map(|n| format!("email{n}")));
    names.extend((0..64).map(|n| format!("device{n}")));
    let limits: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let fixture = Fixture::open(Sql::Postgres, TimeSource::system(), namespaces(&limits)).await;
    // Two intakes are two processes: their caches know nothing of each other.
    let intakes = [
        fixture.identity.clone().open().await.expect("opens"),
        fixture.identity.clone().open().await.expect("opens"),
    ];
    contend(&intakes).await;
    let store = IdentityStore::new(fixture.identity.database.clone());
    let customers = store.list(None, 100).await.expect("lists");
    assert_eq!(customers.len(), 1);
    assert_eq!(
        customers[0].identifiers.len(),
        names.len(),
        "no identifier was lost"
    );
    let records = fixture.records(StreamName::Events).await;
    let events = records
        .iter()
        .filter(|record| matches!(record.body, Some(proto::stream::v1::record::Body::Event(_))))
        .count();
    assert_eq!(events, 64 * 4);
}
