//! Erasure and suppression against real databases: who is gone stays gone, whoever sends their
//! events again, at whichever process.

mod accounts;

use std::sync::Arc;
use std::time::Duration;

use decision::{Names, Source};
use engine::TimeSource;
use hot::StreamName;
use identity::erasure::{export_tombstones, import_tombstones};
use identity::{ErasureRpc, IdentityRpc, Intake};
use identity_core::Rules;
use proto::definition::v1::definition;
use proto::identity::v1;
use proto::identity::v1::erasure_service_server::ErasureService as _;
use proto::identity::v1::identity_service_server::IdentityService as _;
use proto::stream::v1::record::Body;
use rpc::Idempotency;
use sea_orm::ConnectionTrait as _;
use storage::Requests;
use tonic::{Code, Request, Status};

use crate::fixture::{Fixture, Sql, event};

/// One process.
struct Process {
    intake: Arc<Intake>,
    events: IdentityRpc,
    erasures: ErasureRpc,
}

impl Process {
    async fn over(fixture: &Fixture) -> Self {
        let intake = fixture.identity.clone().open().await.expect("opens");
        let idempotency = Idempotency::new(Requests::new(fixture.identity.database.clone()));
        Self {
            events: IdentityRpc::new(intake.clone(), idempotency.clone()),
            erasures: ErasureRpc::new(Arc::clone(&intake), idempotency),
            intake,
        }
    }

    /// Sends an event with a time, and returns whose it is.
    async fn send(&self, identifiers: &str, time: Option<i64>) -> Result<String, Status> {
        let event = v1::Event {
            time: time.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
            ..event(identifiers)
        };
        let request = v1::IngestRequest {
            events: vec![event],
            ..Default::default()
        };
        let answer = self
            .events
            .ingest(Request::new(request))
            .await?
            .into_inner();
        Ok(answer.results[0].customer_id.clone())
    }

    async fn erase(&self, request: v1::EraseRequest) -> Result<v1::Erasure, Status> {
        let answer = self.erasures.erase(Request::new(request)).await?;
        Ok(answer.into_inner().erasure.expect("an erasure"))
    }
}

fn identifier(pair: &str) -> v1::Identifier {
    let (namespace, value) = pair.split_once('=').expect("namespace=value");
    v1::Identifier {
        namespace: namespace.to_owned(),
        value: value.to_owned(),
    }
}

fn of(id: &str, pairs: &[&str]) -> v1::EraseRequest {
    v1::EraseRequest {
        request_id: id.to_owned(),
        identifiers: pairs.iter().map(|pair| identifier(pair)).collect(),
        ..Default::default()
    }
}

async fn fixtures() -> Vec<Fixture> {
    let mut all = Vec::new();
    for sql in [Sql::Sqlite, Sql::Postgres] {
        all.push(Fixture::open(sql, TimeSource::system(), Rules::default()).await);
    }
    all
}

fn refused(answer: Result<String, Status>, word: &str) {
    let status = answer.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(format!("{status:?}").contains(word), "{status:?}");
}

/// Waits until a clock that counts milliseconds has moved.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// The number of rows of a table that have a text in a column.
async fn rows_with(fixture: &Fixture, table: &str, column: &str, text: &str) -> usize {
    let orm = fixture.identity.database.orm();
    let sql = format!("SELECT 1 FROM {table} WHERE {column} LIKE '%{text}%'");
    let statement = sea_orm::Statement::from_string(orm.get_database_backend(), sql);
    orm.query_all_raw(statement).await.expect("reads").len()
}

/// Holds that the person of `user_id=ann anonymous_id=a1` does not come back at any process, and
/// that what they send later is of somebody new.
async fn stays_gone(fixture: &Fixture, known: &[&Process], bob: &str, ids: &[&String]) {
    // By processes that know, that the database tells when they write, and by a new one.
    let new = Process::over(fixture).await;
    for process in known.iter().copied().chain([&new]) {
        refused(process.send("user_id=ann", Some(1_000)).await, "ERASED");
        let with_another = "user_id=ann anonymous_id=new";
        refused(process.send(with_another, Some(1_000)).await, "ERASED");
    }
    let kept = known[0]
        .send("user_id=bob anonymous_id=a1", Some(1_000))
        .await;
    assert_eq!(kept.expect("Bob's"), bob);
    a_moment().await;
    let later = new.send("user_id=ann", None).await.expect("somebody new");
    assert!(!ids.contains(&&later));
}

#[tokio::test]
async fn who_was_erased_does_not_come_back_and_who_comes_later_is_somebody_new() {
    for fixture in fixtures().await {
        let (one, two) = (Process::over(&fixture).await, Process::over(&fixture).await);
        let late = Process::over(&fixture).await;
        let first = one
            .send("anonymous_id=a1", Some(1_000))
            .await
            .expect("taken");
        let merged = two
            .send("user_id=ann email=ann@x.de", None)
            .await
            .expect("taken");
        let both = two
            .send("user_id=ann anonymous_id=a1", None)
            .await
            .expect("taken");
        assert_eq!(both, first);
        let bob = one.send("user_id=bob", None).await.expect("taken");

        let dry = v1::EraseRequest {
            dry_run: true,
            ..of("1", &["email=Ann@x.de"])
        };
        let told = one.erase(dry).await.expect("told");
        assert_eq!((told.fragment_count, told.identifier_count), (2, 3));
        assert_eq!(told.operation_id, "");
        let erased = one
            .erase(of("1", &["email=Ann@x.de"]))
            .await
            .expect("erased");
        assert_eq!(erased.customer_ids, std::slice::from_ref(&first));
        assert_eq!((erased.found_count, erased.not_found_count), (1, 0));
        let again = one
            .erase(of("1", &["email=Ann@x.de"]))
            .await
            .expect("the same");
        assert_eq!(again, erased);
        for table in ["identity_identifier", "identity_evidence"] {
            assert_eq!(
                rows_with(&fixture, table, "value", "ann").await,
                0,
                "{table}"
            );
        }

        stays_gone(&fixture, &[&one, &late], &bob, &[&first, &merged]).await;

        let words = fixture.records(StreamName::Events).await;
        let words = words
            .iter()
            .filter(|it| matches!(it.body, Some(Body::Erased(_))));
        assert_eq!(words.count(), 2, "one for each fragment");
        let merge = v1::MergeCustomersRequest {
            request_id: "m".to_owned(),
            customer_ids: vec![bob, first],
            reason: String::new(),
        };
        let status = one.events.merge_customers(Request::new(merge)).await;
        assert_eq!(status.expect_err("gone").code(), Code::NotFound);
    }
}

#[tokio::test]
async fn somebody_who_was_never_seen_is_held_against_later_events_too() {
    for fixture in fixtures().await {
        let process = Process::over(&fixture).await;
        let erased = process
            .erase(of("1", &["user_id=ann"]))
            .await
            .expect("erased");
        assert_eq!((erased.found_count, erased.not_found_count), (0, 1));
        assert_eq!((erased.fragment_count, erased.identifier_count), (0, 1));
        refused(process.send("user_id=ann", Some(1_000)).await, "ERASED");
        let bad = process
            .erase(of("2", &["user_id=null"]))
            .await
            .expect_err("nobody");
        assert_eq!(bad.code(), Code::InvalidArgument);
        let nobody = process.erase(of("3", &[])).await.expect_err("nobody");
        assert_eq!(nobody.code(), Code::InvalidArgument);
        let list = v1::ListErasuresRequest::default();
        let list = process.erasures.list_erasures(Request::new(list)).await;
        assert_eq!(list.expect("listed").into_inner().erasures.len(), 1);
    }
}

#[tokio::test]
async fn who_is_suppressed_is_dropped_until_that_is_taken_back() {
    for fixture in fixtures().await {
        let process = Process::over(&fixture).await;
        let id = process
            .send("user_id=ann email=ann@x.de", None)
            .await
            .expect("taken");
        let suppress = v1::SuppressRequest {
            request_id: "1".to_owned(),
            identifiers: vec![identifier("email=ann@x.de")],
        };
        let answer = process.erasures.suppress(Request::new(suppress)).await;
        assert_eq!(answer.expect("suppressed").into_inner().suppressed_count, 2);
        refused(process.send("user_id=ann", None).await, "SUPPRESSED");
        refused(
            process.send("user_id=ann anonymous_id=new", None).await,
            "SUPPRESSED",
        );
        // One that names somebody else first goes on without it.
        let other = process.send("user_id=eve email=ann@x.de", None).await;
        assert_ne!(other.expect("taken"), id);
        let unsuppress = v1::UnsuppressRequest {
            request_id: "2".to_owned(),
            identifiers: vec![identifier("user_id=ann")],
        };
        let answer = process.erasures.unsuppress(Request::new(unsuppress)).await;
        assert_eq!(
            answer.expect("taken back").into_inner().unsuppressed_count,
            2
        );
        assert_eq!(process.send("user_id=ann", None).await.expect("taken"), id);
    }
}

#[tokio::test]
async fn a_value_that_others_have_is_held_against_nobody() {
    let till = definition::Kind::Namespace(v1::Namespace {
        name: "till".to_owned(),
        priority: 9,
        limit: 5,
        uniqueness: v1::Uniqueness::Shared.into(),
        ..Default::default()
    });
    let rules = Rules::compile(&[Source::current(&till)], &Names::default()).expect("rules");
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let fixture = Fixture::open(sql, TimeSource::system(), rules.clone()).await;
        let process = Process::over(&fixture).await;
        for person in ["user_id=ann till=t7", "user_id=bob till=t7"] {
            process.send(person, None).await.expect("taken");
        }
        let erased = process.erase(of("1", &["user_id=ann"])).await;
        assert_eq!(erased.expect("erased").identifier_count, 1);
        assert_eq!(
            rows_with(&fixture, "identity_shared", "value", "t7").await,
            1
        );
        let alone = process.send("till=t7", Some(1_000)).await;
        alone.expect("the till is nobody's who was erased");
        refused(
            process.send("user_id=ann till=t7", Some(1_000)).await,
            "ERASED",
        );
    }
}

#[tokio::test]
async fn a_restored_backup_erases_again_whom_the_tombstones_name() {
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), Rules::default()).await;
    let backup = Fixture::open(Sql::Sqlite, TimeSource::system(), Rules::default()).await;
    let (process, restored) = (Process::over(&fixture).await, Process::over(&backup).await);
    for process in [&process, &restored] {
        process.send("user_id=ann", None).await.expect("taken");
        process.send("user_id=bob", None).await.expect("taken");
    }
    a_moment().await;
    process
        .erase(of("1", &["user_id=ann"]))
        .await
        .expect("erased");
    let text = export_tombstones(&fixture.identity.database, None).await;
    let text = text.expect("written");
    assert!(!text.contains("ann"), "{text}");
    let now = engine::Clock::now(&engine::SystemClock);
    let taken = import_tombstones(&backup.identity.database, None, &text, now).await;
    let taken = taken.expect("taken");
    assert_eq!((taken.tombstones, taken.customers), (1, 1));
    assert_eq!(
        rows_with(&backup, "identity_identifier", "value", "ann").await,
        0
    );
    assert_eq!(
        rows_with(&backup, "identity_identifier", "value", "bob").await,
        1
    );
    let restored = Process::over(&backup).await;
    refused(restored.send("user_id=ann", Some(1_000)).await, "ERASED");
    // The same again finds nobody.
    let again = import_tombstones(&backup.identity.database, None, &text, now).await;
    assert_eq!(again.expect("taken").customers, 0);
}

#[tokio::test]
async fn an_erasure_and_an_event_at_once_leave_nobody_whoever_is_first() {
    for fixture in fixtures().await {
        let (one, two) = (Process::over(&fixture).await, Process::over(&fixture).await);
        for number in 0..25 {
            let user = format!("user_id=u{number}");
            let id = format!("e{number}");
            let pair = [user.as_str()];
            let (sent, erased) =
                tokio::join!(one.send(&user, Some(1_000)), two.erase(of(&id, &pair)));
            erased.expect("erased");
            if let Err(status) = sent {
                assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
            }
        }
        assert_eq!(
            rows_with(&fixture, "identity_identifier", "value", "u").await,
            0
        );
        assert_eq!(
            rows_with(&fixture, "identity_customer", "identifier_counts", "user").await,
            0
        );
    }
}
