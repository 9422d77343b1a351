//! Members by events and by domains of e-mail addresses.

use std::sync::Arc;

use hot::StreamName;
use identity::store::{IdentityStore, MembershipSource, Moment};
use identity::{Intake, Source, import_digest};
use identity_core::Rules;
use kernel::{CustomerId, Duration, Timestamp};
use proto::identity::v1;

use super::world::{BEGIN, NOW, World, account, acted, customer, domains, take, take_from};
use crate::fixture::Sql;

fn at(second: i64) -> Timestamp {
    BEGIN + Duration::from_millis(second * 1_000)
}

#[tokio::test]
async fn a_membership_begins_with_the_earliest_event_and_is_told_once() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let world = World::open(sql, Rules::default()).await;
        let intake = world.process().await;
        let events = vec![
            acted("user_id=ann", "account=acme", 7),
            acted("user_id=ann", "account=acme", 5),
            acted("user_id=bob", "account=acme", 6),
        ];
        let first = take(&intake, events).await;
        let (ann, acme) = (customer(&first.events[0]), account(&first.events[0]));
        let members = world.members(acme, NOW).await;
        assert_eq!(members.len(), 2);
        let own = members
            .iter()
            .find(|it| it.customer == ann)
            .expect("a member");
        assert_eq!(
            (own.source, own.valid_from),
            (MembershipSource::Event, at(5))
        );
        assert!(own.role.is_empty() && own.valid_to.is_none());
        let told = world.told(ann, StreamName::Events).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].is_member && told[0].account_id.as_ref() == acme.as_bytes());
        let counts = world.told(acme, StreamName::Events).await;
        let newest = counts.iter().max_by_key(|it| it.number).expect("two");
        assert_eq!((counts.len(), newest.member_count), (2, 2));

        // Another process does not know it, and writes nothing.
        let other = world.process().await;
        take(&other, vec![acted("user_id=ann", "account=acme", 3)]).await;
        world.pass();
        world.announce(&other).await;
        assert_eq!(world.told(ann, StreamName::Events).await.len(), 1);
        let members = world.members(acme, NOW).await;
        let own = members
            .iter()
            .find(|it| it.customer == ann)
            .expect("a member");
        assert_eq!(own.valid_from, at(5), "only an import moves it");
    }
}

#[tokio::test]
async fn an_import_of_the_past_moves_the_beginning_of_a_membership() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let first = take(&intake, vec![acted("user_id=ann", "account=acme", 50)]).await;
    let acme = account(&first.events[0]);
    let digest = import_digest("history.csv");
    let mut earlier = acted("user_id=ann", "account=acme", 10);
    earlier.event_id = "h1".to_owned();
    take_from(&intake, vec![earlier], Source::Import(&digest)).await;
    assert_eq!(world.members(acme, NOW).await[0].valid_from, at(10));
}

#[tokio::test]
async fn whoever_left_is_a_member_again_by_a_later_event_alone() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let first = take(&intake, vec![acted("user_id=ann", "account=acme", 5)]).await;
    let acme = account(&first.events[0]);
    let id = world.members(acme, NOW).await[0].id;
    let now = Moment { at: NOW, own: NOW };
    let ended = world
        .store()
        .end_membership(id, Some(at(20)), now)
        .await
        .expect("ends");
    assert_eq!(ended.pairs.len(), 1);
    // This process has not heard of it.
    let other = world.process().await;
    take(&other, vec![acted("user_id=ann", "account=acme", 15)]).await;
    assert!(world.members(acme, NOW).await.is_empty());
    // Of several events at once the latest one counts, too.
    let events = [12, 30, 15].map(|second| acted("user_id=ann", "account=acme", second));
    take(&other, events.to_vec()).await;
    let members = world.members(acme, NOW).await;
    assert_eq!((members.len(), members[0].valid_from), (1, at(30)));
    let before = world.members(acme, at(19)).await;
    assert_eq!((before.len(), before[0].valid_to), (1, Some(at(20))));
    assert_eq!(world.members(acme, at(25)).await, []);
}

/// The accounts that a customer is a member of by domain, with their keys.
async fn by_domain(store: &IdentityStore, customer: CustomerId) -> Vec<(CustomerId, f64)> {
    let all = store
        .memberships(customer, NOW, None, 100)
        .await
        .expect("reads");
    let by_domain = all
        .iter()
        .filter(|it| it.source == MembershipSource::Domain);
    by_domain.map(|it| (it.account, it.confidence)).collect()
}

async fn put(intake: &Arc<Intake>, groups: &str) -> CustomerId {
    let taken = take(intake, vec![acted("", groups, 0)]).await;
    account(&taken.events[0])
}

#[tokio::test]
async fn a_new_address_says_of_which_known_account_somebody_is() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let acme = put(&intake, "domain=acme.co.uk").await;
    let events = vec![
        acted("user_id=ann email=Ann@mail.ACME.co.uk", "", 1),
        acted("user_id=bob email=bob@gmail.com", "", 1),
        acted("user_id=eve email=eve@unknown.example.com", "", 1),
    ];
    let taken = take(&intake, events).await;
    let store = world.store();
    let [ann, bob, eve] = [0, 1, 2].map(|place: usize| customer(&taken.events[place]));
    assert_eq!(by_domain(&store, ann).await, [(acme, 0.5)]);
    assert_eq!(by_domain(&store, bob).await, []);
    assert_eq!(by_domain(&store, eve).await, []);
    assert_eq!(world.told(ann, StreamName::Events).await.len(), 1);
    assert_eq!(world.told(acme, StreamName::Events).await.len(), 1);
}

#[tokio::test]
async fn accounts_are_made_of_new_domains_where_the_policy_says_so_and_of_none_where_it_is_off() {
    let made = World::open(Sql::Sqlite, domains(v1::DomainRule::Create)).await;
    let intake = made.process().await;
    let events = vec![
        acted("user_id=ann email=ann@acme.com", "", 1),
        acted("user_id=bob email=bob@eu.acme.com", "workspace=w1", 2),
        acted("user_id=eve email=eve@excluded.com", "", 3),
        acted("user_id=kim email=kim@outlook.com", "", 3),
    ];
    let taken = take(&intake, events).await;
    let store = made.store();
    let [ann, bob, eve, kim] = [0, 1, 2, 3].map(|place: usize| customer(&taken.events[place]));
    let own = by_domain(&store, ann).await;
    assert_eq!(own.len(), 1);
    assert_eq!(by_domain(&store, bob).await, own);
    assert!(own[0].0.is_account() && own[0].0 != account(&taken.events[1]));
    assert!(by_domain(&store, eve).await.is_empty() && by_domain(&store, kim).await.is_empty());
    assert_eq!(
        account(
            &take(&intake, vec![acted("", "domain=acme.com", 9)])
                .await
                .events[0]
        ),
        own[0].0
    );

    let off = World::open(Sql::Sqlite, domains(v1::DomainRule::Off)).await;
    let intake = off.process().await;
    put(&intake, "domain=acme.com").await;
    let taken = take(
        &intake,
        vec![acted("user_id=ann email=ann@acme.com", "", 1)],
    )
    .await;
    assert!(
        by_domain(&off.store(), customer(&taken.events[0]))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn an_address_that_somebody_links_or_identifies_says_so_too() {
    use proto::identity::v1::resolution_service_server::ResolutionService as _;
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let acme = put(&intake, "domain=acme.com").await;
    let resolution = world.resolution().await;
    let identifier = |namespace: &str, value: &str| v1::Identifier {
        namespace: namespace.to_owned(),
        value: value.to_owned(),
    };
    let link = v1::LinkRequest {
        request_id: "l1".to_owned(),
        identifiers: vec![
            identifier("user_id", "ann"),
            identifier("email", "ann@acme.com"),
        ],
        ..Default::default()
    };
    let identify = v1::IdentifyRequest {
        request_id: "i1".to_owned(),
        identifiers: vec![
            identifier("user_id", "bob"),
            identifier("email", "bob@acme.com"),
        ],
        ..Default::default()
    };
    for _ in 0..2 {
        let linked = resolution.link(tonic::Request::new(link.clone())).await;
        let linked = linked.expect("links").into_inner();
        assert!(!linked.position.is_empty());
        let identified = resolution.identify(tonic::Request::new(identify.clone()));
        let identified = identified.await.expect("identifies").into_inner();
        for customer in [linked.customer, identified.customer] {
            let id: CustomerId = customer.expect("one").customer_id.parse().expect("an id");
            assert_eq!(by_domain(&world.store(), id).await, [(acme, 0.5)]);
            assert_eq!(world.told(id, StreamName::Events).await.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_merge_of_members_is_told_by_whoever_looks_for_what_is_overdue() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let events = vec![
        acted("user_id=ann", "account=acme", 1),
        acted("anonymous_id=x", "account=acme", 2),
    ];
    let first = take(&intake, events).await;
    let (ann, acme) = (customer(&first.events[0]), account(&first.events[0]));
    take(&intake, vec![acted("user_id=ann anonymous_id=x", "", 3)]).await;
    world.pass();
    for _ in 0..3 {
        world.announce(&intake).await;
    }
    let told = world.told(acme, StreamName::Events).await;
    let newest = told.iter().max_by_key(|it| it.number).expect("some");
    assert_eq!(newest.member_count, 1, "{told:?}");
    assert_eq!(world.members(acme, NOW).await.len(), 1);
    let own = world.told(ann, StreamName::Events).await;
    assert!(own.iter().all(|it| it.is_member), "{own:?}");
}
