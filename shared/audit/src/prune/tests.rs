//! Old entries are pruned, and what is left is verified.

use kernel::{CustomerId, Duration};
use proto::audit::v1::audit_service_server::AuditService as _;
use proto::audit::v1::{ExportEntriesRequest, PruneEntriesRequest, PruneEntriesResponse};
use rpc::Idempotency;
use sea_orm::{ConnectionTrait as _, DbErr};
use storage::{DatabaseUrl, Requests};
use testkit::PostgresServer;
use tokio_stream::StreamExt as _;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::*;
use crate::append::Told;
use crate::{AuditRpc, Class, Entry, FaultKind, Head, Origin, Verdict, Verifier};

/// The age of old entries, in days.
const OLD: i64 = 100;

struct World {
    log: AuditLog,
    rpc: AuditRpc,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
        Self::on(&url, folder).await
    }

    async fn on(url: &DatabaseUrl, folder: tempfile::TempDir) -> Self {
        let database = Database::connect(url).await.expect("it opens");
        let log = AuditLog::open(database.clone(), "worker").await;
        let log = log.expect("a log");
        // As if the process had begun long ago.
        let old = days_ago(OLD + 1).as_millis();
        let began = format!("UPDATE audit_chain SET open_time = {old}");
        let world = Self {
            rpc: AuditRpc::new(log.clone(), Idempotency::new(Requests::new(database))),
            log,
            _folder: folder,
        };
        world.sql(&began).await.expect("older");
        world
    }

    /// A chain of another process with so many old entries, and so many of today.
    async fn add_chain(&self, old: usize, young: usize) -> AuditLog {
        let log = AuditLog::open(self.log.database().clone(), "other").await;
        let log = log.expect("a log");
        // The entry that opens the chain is of today: it goes, and the head with it.
        let id = log.chain().0.simple();
        let blob = if self.is_postgres() {
            format!("'{id}'")
        } else {
            format!("X'{id}'")
        };
        let opened = days_ago(OLD).as_millis();
        for statement in [
            format!(
                "UPDATE audit_chain SET sequence = 0, hash = {}, open_time = {opened} WHERE chain_id = {blob}",
                self.zeros()
            ),
            format!(
                "INSERT INTO audit_pruned VALUES ({blob}, 1, {}, 0, 0, 0)",
                self.zeros()
            ),
            format!("DELETE FROM audit_entry WHERE chain_id = {blob}"),
            format!("DELETE FROM audit_pruned WHERE chain_id = {blob}"),
        ] {
            self.sql(&statement).await.expect(&statement);
        }
        append(&log, old, days_ago(OLD)).await;
        append(&log, young, now()).await;
        log
    }

    fn is_postgres(&self) -> bool {
        self.log.database().orm().get_database_backend() == sea_orm::DbBackend::Postgres
    }

    fn zeros(&self) -> String {
        let zeros = "00".repeat(32);
        if self.is_postgres() {
            format!("'\\x{zeros}'")
        } else {
            format!("X'{zeros}'")
        }
    }

    async fn sql(&self, statement: &str) -> Result<(), DbErr> {
        let done = self
            .log
            .database()
            .orm()
            .execute_unprepared(statement)
            .await;
        done.map(|_| ())
    }

    async fn prune(&self, id: &str, days: Option<i64>) -> Result<PruneEntriesResponse, Status> {
        let request = PruneEntriesRequest {
            request_id: id.to_owned(),
            before_time: days.map(|days| proto::convert::timestamp(days_ago(days))),
        };
        let answer = self.rpc.prune_entries(Request::new(request)).await;
        answer.map(tonic::Response::into_inner)
    }

    async fn verify(&self) -> Verdict {
        let request = Request::new(ExportEntriesRequest::default());
        let answers = self.rpc.export_entries(request).await.expect("an export");
        let mut answers = answers.into_inner();
        let mut verifier = Verifier::default();
        while let Some(answer) = answers.next().await {
            let answer = answer.expect("an answer");
            if let Some(head) = answer.head {
                let own = Head::try_from(&head).expect("a head");
                verifier.head(own, head.pruned.as_ref().map(Into::into));
            }
            for entry in answer.entries {
                verifier.entry(&Entry::try_from(entry).expect("an entry"));
            }
        }
        verifier.finish()
    }

    async fn kinds(&self) -> Vec<FaultKind> {
        let faults = self.verify().await.faults;
        faults.into_iter().map(|fault| fault.kind).collect()
    }
}

fn days_ago(days: i64) -> Timestamp {
    now() - Duration::from_days(days)
}

/// Appends entries of a time to the chain of a log.
async fn append(log: &AuditLog, count: usize, time: Timestamp) {
    let told = (0..count).map(|number| Told {
        time,
        class: Class::PersonalRead,
        origin: Origin::process("other"),
        trace: String::new(),
        act: Act::done("read", "").of(CustomerId::new(Uuid::from_u128(number as u128 % 7))),
    });
    let told: Vec<Told> = told.collect();
    let transaction = log.database().begin_write().await.expect("begun");
    log.append(&transaction, &told).await.expect("appended");
    transaction.commit().await.expect("committed");
}

#[tokio::test]
async fn old_entries_go_and_the_rest_is_verified_with_what_is_gone() {
    prune_all(World::new().await).await;
}

#[tokio::test]
async fn old_entries_go_on_postgres_too() {
    let server = PostgresServer::start().expect("a server");
    let folder = tempfile::tempdir().expect("a folder");
    let url = server.url().parse().expect("a URL");
    prune_all(World::on(&url, folder).await).await;
}

async fn prune_all(world: World) {
    let (one, other) = (
        world.add_chain(1_500, 3).await,
        world.add_chain(20, 0).await,
    );
    let before = world.verify().await;
    assert!(before.is_clean(), "{:?}", before.faults);
    assert_eq!(before.pruned, None);

    // Some at a time.
    let some = prune(&world.log, days_ago(40), 1_000)
        .await
        .expect("pruned");
    assert_eq!((some.entries, some.has_more), (1_000, true));
    assert!(
        world.verify().await.is_clean(),
        "{:?}",
        world.verify().await.faults
    );
    let answer = world.prune("rest", Some(40)).await.expect("pruned");
    assert_eq!((answer.removed_count, answer.has_more), (520, false));
    assert_eq!(answer.changed_chain_ids, Vec::<String>::new());

    let verdict = world.verify().await;
    assert!(verdict.is_clean(), "{:?}", verdict.faults);
    let pruned = verdict.pruned.expect("it says so");
    assert_eq!((pruned.chains, pruned.entries), (2, 1_520));
    assert!(pruned.first_time <= pruned.last_time && pruned.last_time < days_ago(40));
    assert_eq!(pruned.caller, "process:worker");
    // Heads that were kept before fit what is left, and chains go on.
    append(&one, 2, now()).await;
    append(&other, 2, now()).await;
    assert!(
        world.verify().await.is_clean(),
        "{:?}",
        world.verify().await.faults
    );
    // The rest is still kept from mistakes.
    world
        .sql("DELETE FROM audit_entry")
        .await
        .expect_err("refused");
    world
        .sql("UPDATE audit_entry SET object = 'x'")
        .await
        .expect_err("refused");
}

#[tokio::test]
async fn a_request_is_refused_for_young_entries_and_replayed_otherwise() {
    let world = World::new().await;
    world.add_chain(5, 1).await;
    for (days, expected) in [
        (None, "required"),
        (Some(29), "entries are kept for 30d"),
        (Some(-1), "kept"),
    ] {
        let refused = world.prune("a", days).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        let violations = refused.get_details_bad_request().expect("violations");
        let violation = &violations.field_violations[0];
        assert_eq!(violation.field, "before_time");
        assert!(
            violation.description.contains(expected),
            "{}",
            violation.description
        );
    }
    let nothing = world.prune("", Some(40)).await.expect_err("refused");
    assert_eq!(nothing.code(), Code::InvalidArgument);
    // There is none as old as that.
    assert_eq!(
        world
            .prune("b", Some(400))
            .await
            .expect("done")
            .removed_count,
        0
    );
    assert!(world.verify().await.pruned.is_none());

    let time = Some(proto::convert::timestamp(days_ago(40)));
    let request = PruneEntriesRequest {
        request_id: "c".to_owned(),
        before_time: time,
    };
    let first = world
        .rpc
        .prune_entries(Request::new(request.clone()))
        .await
        .expect("done");
    assert_eq!(first.get_ref().removed_count, 5);
    let again = world
        .rpc
        .prune_entries(Request::new(request))
        .await
        .expect("done");
    assert_eq!(again.get_ref(), first.get_ref());
    let reused = world.prune("c", Some(50)).await.expect_err("another body");
    assert!(
        reused
            .get_details_error_info()
            .is_some_and(|it| it.reason == "REQUEST_ID_REUSED")
    );
}

#[tokio::test]
async fn a_chain_that_was_changed_is_left_as_it_is() {
    let world = World::new().await;
    let changed = world.add_chain(10, 0).await;
    world.add_chain(3, 0).await;
    for statement in [
        "DROP TRIGGER audit_entry_kept".to_owned(),
        format!(
            "UPDATE audit_entry SET object = 'x' WHERE sequence = 5 AND chain_id = X'{}'",
            changed.chain().0.simple()
        ),
    ] {
        world.sql(&statement).await.expect(&statement);
    }
    let answer = world.prune("a", Some(40)).await.expect("pruned");
    assert_eq!(answer.removed_count, 3);
    assert_eq!(answer.changed_chain_ids, [changed.chain().to_string()]);
    assert_eq!(world.kinds().await, [FaultKind::Changed]);
}

#[tokio::test]
async fn entries_that_are_gone_without_a_word_of_the_log_are_missed() {
    let world = World::new().await;
    let other = world.add_chain(10, 1).await;
    let id = other.chain().0.simple();
    for statement in [
        format!(
            "INSERT INTO audit_pruned SELECT chain_id, sequence, hash, time, time, time FROM audit_entry WHERE chain_id = X'{id}' AND sequence = 4"
        ),
        format!("DELETE FROM audit_entry WHERE chain_id = X'{id}' AND sequence <= 4"),
    ] {
        world.sql(&statement).await.expect(&statement);
    }
    assert_eq!(world.kinds().await, [FaultKind::Unsealed]);
}

#[tokio::test]
async fn the_word_of_what_was_pruned_is_renewed_before_it_is_pruned_itself() {
    let world = World::new().await;
    world.add_chain(10, 1).await;
    world.prune("a", Some(40)).await.expect("pruned");
    let seals = async || {
        let query = "SELECT 1 FROM audit_entry WHERE action = 'audit.prune'";
        let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, query);
        let rows = world.log.database().orm().query_all_raw(statement).await;
        rows.expect("rows").len()
    };
    assert_eq!(seals().await, 1);
    world.prune("b", Some(40)).await.expect("nothing to prune");
    assert_eq!(seals().await, 1);
    // As if that had been long ago.
    let old = days_ago(OLD).as_millis();
    let aged = format!("UPDATE audit_pruned SET record_time = {old}");
    world.sql(&aged).await.expect("aged");
    world.prune("c", Some(40)).await.expect("nothing to prune");
    assert_eq!(seals().await, 2);
    assert!(
        world.verify().await.is_clean(),
        "{:?}",
        world.verify().await.faults
    );
}

#[tokio::test]
async fn many_prune_and_write_at_once_and_nothing_is_torn() {
    let server = PostgresServer::start().expect("a server");
    let folder = tempfile::tempdir().expect("a folder");
    let url = server.url().parse().expect("a URL");
    let world = World::on(&url, folder).await;
    let logs = [
        world.add_chain(2_500, 1).await,
        world.add_chain(2_500, 1).await,
    ];
    let mut tasks = tokio::task::JoinSet::new();
    for log in logs.iter().chain([&world.log]) {
        let own = log.clone();
        tasks.spawn(async move {
            prune(&own, days_ago(40), u64::MAX).await.expect("pruned");
        });
        let own = log.clone();
        tasks.spawn(async move {
            for _ in 0..10 {
                append(&own, 2, now()).await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no panic");
    }
    let verdict = world.verify().await;
    assert!(verdict.is_clean(), "{:?}", verdict.faults);
    assert_eq!(verdict.pruned.map(|it| it.entries), Some(5_000));
}
