//! Requests are carried out once.

use std::sync::atomic::{AtomicU32, Ordering};

use proto::identity::v1::{
    AdvanceClockResponse, Event, IngestRequest, MergeCustomersRequest, MergeCustomersResponse,
};
use storage::{Begun, Database, DatabaseUrl};
use tonic::Code;

use super::*;

const METHOD: &str = "happypath.identity.v1.IdentityService/MergeCustomers";

async fn idempotency(folder: &tempfile::TempDir) -> Idempotency {
    let url: DatabaseUrl = format!("sqlite:{}", folder.path().join("test.db").display())
        .parse()
        .expect("a url");
    let database = Database::connect(&url).await.expect("a database");
    database.migrate("rpc", &[]).await.expect("migrated");
    Idempotency::new(Requests::new(database))
}

fn body(reason: &str) -> MergeCustomersRequest {
    MergeCustomersRequest {
        reason: reason.to_owned(),
        ..Default::default()
    }
}

fn answer(id: &str) -> MergeCustomersResponse {
    MergeCustomersResponse {
        merged_customer_ids: vec![id.to_owned()],
        ..Default::default()
    }
}

#[tokio::test]
async fn the_same_request_gets_the_first_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let idempotency = idempotency(&folder).await;
    let first = idempotency
        .run(METHOD, "r1", &body("a"), || async {
            Ok::<_, Failure>(answer("1"))
        })
        .await;
    let again = idempotency
        .run(METHOD, "r1", &body("a"), || async {
            Ok::<_, Failure>(answer("2"))
        })
        .await;
    assert_eq!(first.expect("done"), answer("1"));
    assert_eq!(again.expect("replayed"), answer("1"));
}

#[tokio::test]
async fn the_same_id_with_another_body_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let idempotency = idempotency(&folder).await;
    let work = || async { Ok::<_, Failure>(answer("1")) };
    idempotency
        .run(METHOD, "r1", &body("a"), work)
        .await
        .expect("done");
    let refused = idempotency
        .run(METHOD, "r1", &body("b"), work)
        .await
        .expect_err("reused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let other = idempotency
        .run("another/Method", "r1", &body("b"), || async {
            Ok::<_, Failure>(AdvanceClockResponse {
                position: String::new(),
            })
        })
        .await;
    assert!(other.is_ok(), "ids belong to a method");
}

#[tokio::test]
async fn a_request_that_failed_can_be_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let idempotency = idempotency(&folder).await;
    let fail = || async {
        Err::<MergeCustomersResponse, _>(Failure::new(ErrorReason::IdentityContended, "x"))
    };
    assert!(
        idempotency
            .run(METHOD, "r1", &body("a"), fail)
            .await
            .is_err()
    );
    let again = idempotency
        .run(METHOD, "r1", &body("a"), || async {
            Ok::<_, Failure>(answer("2"))
        })
        .await;
    assert_eq!(again.expect("done"), answer("2"));
}

#[tokio::test]
async fn duplicates_at_once_run_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let idempotency = idempotency(&folder).await;
    // Another process has its own locks and meets us in the database only.
    let elsewhere = Idempotency::new(idempotency.requests.clone());
    let runs = AtomicU32::new(0);
    let request = body("a");
    let work = || async {
        runs.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok::<_, Failure>(answer("1"))
    };
    let (a, b, c) = tokio::join!(
        idempotency.run(METHOD, "r1", &request, work),
        idempotency.run(METHOD, "r1", &request, work),
        elsewhere.run(METHOD, "r1", &request, work),
    );
    assert!(
        [a, b, c]
            .into_iter()
            .all(|result| result.expect("an answer") == answer("1"))
    );
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_dead_process_began_is_done_again_where_that_does_no_harm() {
    let folder = tempfile::tempdir().expect("a folder");
    let idempotency = idempotency(&folder).await;
    let request = body("a");
    let key = RequestKey {
        request_id: "r1",
        method: METHOD,
    };
    let begun = idempotency.requests.begin(key, &body_hash(&request)).await;
    assert!(matches!(begun.expect("a row"), Begun::New(_)));
    let work = |id: &'static str| move || async move { Ok::<_, Failure>(answer(id)) };
    let repeated = idempotency
        .run_repeatable(METHOD, "r1", &request, work("2"))
        .await;
    assert_eq!(repeated.expect("done again"), answer("2"));
    let replayed = idempotency.run(METHOD, "r1", &request, work("3")).await;
    assert_eq!(replayed.expect("an answer"), answer("2"));
}

#[tokio::test]
async fn a_call_that_ended_before_its_work_leaves_the_request_to_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let idempotency = idempotency(&folder).await;
    let elsewhere = Idempotency::new(idempotency.requests.clone());
    let request = body("a");
    for (process, id) in [(&idempotency, "r1"), (&elsewhere, "r2")] {
        let begun = tokio::sync::Notify::new();
        let endless = || async {
            begun.notify_one();
            std::future::pending::<Result<MergeCustomersResponse, Failure>>().await
        };
        // The deadline of the call.
        tokio::select! {
            biased;
            _ = idempotency.run(METHOD, id, &request, endless) => panic!("it has no end"),
            () = begun.notified() => {}
        }
        let work = || async { Ok::<_, Failure>(answer("2")) };
        let again = process.run(METHOD, id, &request, work).await;
        assert_eq!(again.expect("done"), answer("2"));
    }
}

#[tokio::test]
async fn what_a_dead_process_began_is_another_ones_after_a_while() {
    let folder = tempfile::tempdir().expect("a folder");
    let idempotency = idempotency(&folder).await;
    let request = body("a");
    let key = RequestKey {
        request_id: "r1",
        method: METHOD,
    };
    let requests = idempotency.requests.clone();
    let begun = requests.begin(key, &body_hash(&request)).await;
    let Begun::New(turn) = begun.expect("a row") else {
        panic!("it is new");
    };
    let later = requests.later(storage::limits::REQUEST_UNDER_WAY);
    let idempotency = Idempotency::new(later);
    let work = || async {
        // It comes back, and is not to end what it lost.
        let held = requests.hold(key, turn).await;
        assert_eq!(held.expect("an answer"), None);
        requests.abandon(key, turn).await.expect("nothing");
        Ok::<_, Failure>(answer("2"))
    };
    let done = idempotency.run(METHOD, "r1", &request, work).await;
    assert_eq!(done.expect("done"), answer("2"));
    let work = || async { Ok::<_, Failure>(answer("3")) };
    let replayed = idempotency.run(METHOD, "r1", &request, work).await;
    assert_eq!(replayed.expect("an answer"), answer("2"));
}

#[test]
fn the_order_of_a_map_makes_no_other_body() {
    let request = |names: [&str; 3]| IngestRequest {
        events: vec![Event {
            identifiers: names
                .map(|name| (name.to_owned(), name.to_owned()))
                .into_iter()
                .collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let hash = body_hash(&request(["a", "b", "c"]));
    assert_eq!(hash, body_hash(&request(["c", "b", "a"])));
    assert_ne!(hash, body_hash(&request(["a", "b", "d"])));
}

/// Looks so often whether a call is done, and then gives it up.
async fn give_up_after<T>(looks: u32, call: impl Future<Output = T>) {
    let mut call = std::pin::pin!(call);
    for _ in 0..looks {
        if futures::poll!(&mut call).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_that_ends_at_any_moment_holds_nothing_up_and_repeats_no_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let idempotency = idempotency(&folder).await;
    let request = body("a");
    for round in 0..45_u32 {
        let id = format!("r{round}");
        let changes = AtomicU32::new(0);
        let call = || {
            idempotency.run(METHOD, &id, &request, || async {
                tokio::task::yield_now().await;
                changes.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Failure>(answer("1"))
            })
        };
        give_up_after(1 << (round / 3), call()).await;
        assert_eq!(call().await.expect("not locked"), answer("1"), "{round}");
        assert_eq!(changes.load(Ordering::SeqCst), 1, "{round}");
    }
}
