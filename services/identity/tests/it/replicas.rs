//! Two processes over one database: what one takes apart or moves, the other knows by its next
//! look.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use decision::{Names, Source as Defined};
use engine::TimeSource;
use identity::store::{IdentityStore, Moment};
use identity::{IdentityRpc, Intake, ResolutionRpc};
use identity_core::Rules;
use kernel::{CustomerId, FragmentId, Timestamp};
use proto::definition::v1::definition::Kind;
use proto::identity::v1;
use proto::identity::v1::identity_service_server::IdentityService as _;
use proto::identity::v1::resolution_service_server::ResolutionService as _;
use proto::identity::v1::unmerge_customers_request::By;
use rpc::Idempotency;
use sea_orm::ConnectionTrait as _;
use storage::Requests;
use tonic::Request;

use crate::fixture::{Fixture, Sql, event};

struct Process {
    intake: Arc<Intake>,
    events: IdentityRpc,
    resolution: ResolutionRpc,
}

impl Process {
    async fn over(fixture: &Fixture) -> Self {
        let intake = fixture.identity.clone().open().await.expect("opens");
        let idempotency = Idempotency::new(Requests::new(fixture.identity.database.clone()));
        let events = IdentityRpc::new(Arc::clone(&intake), idempotency);
        let process = Self {
            resolution: ResolutionRpc::new(events.clone()),
            intake,
            events,
        };
        process.look().await;
        process
    }

    /// Reads what others changed, as the worker does twice a second.
    async fn look(&self) {
        self.intake.catch_up().await.expect("reads");
    }

    async fn send(&self, identifiers: &str) -> String {
        self.send_for(identifiers, &[]).await
    }

    /// Sends an event of a customer for an account of each type.
    async fn send_for(&self, identifiers: &str, types: &[&str]) -> String {
        let mut sent = event(identifiers);
        let groups = types.iter().map(|it| ((*it).to_owned(), "one".to_owned()));
        sent.groups = groups.collect();
        let request = v1::IngestRequest {
            events: vec![sent],
            ..v1::IngestRequest::default()
        };
        let answer = self.events.ingest(Request::new(request)).await;
        let answer = answer.expect("taken").into_inner();
        answer.results[0].customer_id.clone()
    }

    async fn unmerge(&self, id: &str, namespace: &str, value: &str) {
        let request = v1::UnmergeCustomersRequest {
            request_id: id.to_owned(),
            by: Some(By::Identifier(v1::Identifier {
                namespace: namespace.to_owned(),
                value: value.to_owned(),
            })),
            ..v1::UnmergeCustomersRequest::default()
        };
        let apart = self.resolution.unmerge_customers(Request::new(request));
        apart.await.expect("apart");
    }
}

fn rules(rule: v1::ConflictRule) -> Rules {
    let policy = Kind::IdentityPolicy(v1::IdentityPolicy {
        name: "default".to_owned(),
        conflict_rule: rule.into(),
        ..v1::IdentityPolicy::default()
    });
    Rules::compile(&[Defined::current(&policy)], &Names::default()).expect("rules")
}

#[tokio::test]
async fn another_process_knows_of_an_unmerge_by_its_next_look() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let fixture = Fixture::open(sql, TimeSource::system(), Rules::default()).await;
        let (one, other) = (Process::over(&fixture).await, Process::over(&fixture).await);
        let known = one.send("user_id=u1").await;
        let device = one.send("anonymous_id=a1").await;
        // The other one joins them, and so has a redirect, and who holds what.
        assert_eq!(other.send("anonymous_id=a1").await, device);
        assert_eq!(other.send("user_id=u1 anonymous_id=a1").await, known);
        assert_eq!(other.send("anonymous_id=a1").await, known);
        let bystander = other.send("user_id=u2").await;

        one.unmerge("u", "anonymous_id", "a1").await;
        assert_eq!(one.send("anonymous_id=a1").await, device, "at once");
        assert_eq!(other.send("anonymous_id=a1").await, known, "not yet");
        other.look().await;
        assert_eq!(other.send("anonymous_id=a1").await, device);
        assert_eq!(other.send("user_id=u1").await, known);
        assert_eq!(other.send("user_id=u2").await, bystander);
        // Nothing is told twice, and who is joined again is so everywhere.
        other.look().await;
        assert_eq!(other.send("anonymous_id=a1").await, device);
    }
}

#[tokio::test]
async fn another_process_knows_of_an_identifier_that_left_alone_by_its_next_look() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let fixture = Fixture::open(sql, TimeSource::system(), Rules::default()).await;
        let (one, other) = (Process::over(&fixture).await, Process::over(&fixture).await);
        let both = other.send("user_id=u1 anonymous_id=a1").await;
        assert_eq!(other.send("anonymous_id=a1").await, both);
        one.unmerge("u", "anonymous_id", "a1").await;
        other.look().await;
        let alone = other.send("anonymous_id=a1").await;
        assert_ne!(alone, both);
        assert_eq!(one.send("anonymous_id=a1").await, alone);
        assert_eq!(other.send("user_id=u1").await, both);
    }
}

#[tokio::test]
async fn another_process_knows_of_a_device_that_moved_by_its_next_look() {
    for rule in [
        v1::ConflictRule::ReassignNewest,
        v1::ConflictRule::SwitchSession,
        v1::ConflictRule::AmbiguousAnonymous,
    ] {
        for sql in [Sql::Sqlite, Sql::Postgres] {
            let fixture = Fixture::open(sql, TimeSource::system(), rules(rule)).await;
            let (one, other) = (Process::over(&fixture).await, Process::over(&fixture).await);
            let first = other.send("user_id=u1 anonymous_id=a1").await;
            assert_eq!(other.send("anonymous_id=a1").await, first);
            let second = one.send("user_id=u2 anonymous_id=a1").await;
            assert_ne!(second, first, "{rule:?}");
            other.look().await;
            let now = other.send("anonymous_id=a1").await;
            assert_eq!(now, one.send("anonymous_id=a1").await, "{rule:?}");
            assert_ne!(now, first, "{rule:?}");
        }
    }
}

/// The number of the last change, without what it was.
async fn version(store: &IdentityStore) -> i64 {
    store.moved(None).await.expect("reads").version
}

async fn moved(store: &IdentityStore, since: i64) -> (i64, Option<HashSet<FragmentId>>) {
    let moved = store.moved(Some(since)).await.expect("reads");
    (moved.version, moved.fragments)
}

#[tokio::test]
async fn a_change_that_is_committed_late_is_not_passed_over() {
    let fixture = Fixture::open(Sql::Postgres, TimeSource::system(), Rules::default()).await;
    let one = Process::over(&fixture).await;
    let both = one.send("user_id=u1 anonymous_id=a1").await;
    let database = &fixture.identity.database;
    let store = IdentityStore::new(database.clone());
    let since = version(&store).await;
    // A change has its number and is not committed, while another one wants the next number.
    let late = database.begin_write().await.expect("begins");
    let fragment = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23";
    let number = "INSERT INTO identity_moved_version (id, version) VALUES (1, 1) \
        ON CONFLICT (id) DO UPDATE SET version = identity_moved_version.version + 1";
    let row = format!(
        "INSERT INTO identity_moved_fragment (version, fragment_id) \
         SELECT version, '{fragment}' FROM identity_moved_version"
    );
    for sql in [number, &row] {
        late.execute_unprepared(sql).await.expect("writes");
    }
    let look_and_commit = async {
        assert_eq!(moved(&store, since).await, (since, Some(HashSet::new())));
        late.commit().await.expect("commits");
    };
    tokio::join!(one.unmerge("u", "anonymous_id", "a1"), look_and_commit);
    let (version, fragments) = moved(&store, since).await;
    let fragments = fragments.expect("few");
    let id = |text: &str| text.parse::<CustomerId>().expect("an id").fragment();
    assert_eq!(version, since + 2);
    assert!(fragments.contains(&id(fragment)), "{fragments:?}");
    assert!(fragments.contains(&id(&both)), "{fragments:?}");
}

#[tokio::test]
async fn who_has_not_looked_for_too_long_forgets_everything() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let fixture = Fixture::open(sql, TimeSource::system(), Rules::default()).await;
        let (one, other) = (Process::over(&fixture).await, Process::over(&fixture).await);
        let both = other.send("user_id=u1 anonymous_id=a1").await;
        one.unmerge("u", "anonymous_id", "a1").await;
        let database = &fixture.identity.database;
        let store = IdentityStore::new(database.clone());
        let newer = "UPDATE identity_moved_version SET version = version + 1000000";
        let newer = database.orm().execute_unprepared(newer).await;
        newer.expect("writes");
        let version = version(&store).await;
        store.prune_moved(version).await.expect("removes");
        assert_eq!(moved(&store, 0).await, (version, None));
        assert_eq!(
            moved(&store, version - 1).await,
            (version, Some(HashSet::new()))
        );
        other.look().await;
        assert_ne!(other.send("anonymous_id=a1").await, both);
    }
}

#[tokio::test]
async fn whose_membership_ended_elsewhere_is_a_member_again_by_a_later_event() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let fixture = Fixture::open(sql, TimeSource::system(), Rules::default()).await;
        let other = Process::over(&fixture).await;
        let store = IdentityStore::new(fixture.identity.database.clone());
        let customer = other
            .send_for("user_id=u1", &["account", "workspace"])
            .await;
        let customer: CustomerId = customer.parse().expect("an id");
        let now = || {
            let now = Timestamp::from(SystemTime::now());
            Moment { at: now, own: now }
        };
        let members = async || {
            let found = store.memberships(customer, now().at, None, 10).await;
            found.expect("reads").len()
        };
        // It knows both memberships, so that later events write nothing.
        other
            .send_for("user_id=u1", &["account", "workspace"])
            .await;
        let all = store.memberships(customer, now().at, None, 10).await;
        let ended = all.expect("reads")[0].id;
        let ended = store.end_membership(ended, None, now()).await;
        ended.expect("ends");
        assert_eq!(members().await, 1);
        other
            .send_for("user_id=u1", &["account", "workspace"])
            .await;
        assert_eq!(members().await, 1, "it has not looked");
        other.look().await;
        other
            .send_for("user_id=u1", &["account", "workspace"])
            .await;
        assert_eq!(members().await, 2, "{sql:?}");
    }
}
