//! The layer around calls: what is recorded of each, and what is not shown because it cannot be.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use audit::{AuditLayer, Operation, Origin};
use http::{Extensions, Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer as _, Service as _, service_fn};

use crate::fixture::{World, ann, customer};

const GET_CUSTOMER: &str = "/happypath.identity.v1.IdentityService/GetCustomer";
const SET_CONSENT: &str = "/happypath.activation.v1.ActivationService/SetConsent";
const MERGE: &str = "/happypath.identity.v1.IdentityService/MergeCustomers";
const DISCARD: &str = "/happypath.engine.v1.PartitionService/DiscardQuarantinedRecords";
const LIST_SEGMENTS: &str = "/happypath.segmentation.v1.SegmentationService/ListSegments";

fn origin_of(_: &Extensions) -> Origin {
    ann()
}

type Answer = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

/// Calls a handler through the layer, and returns the code that the caller sees.
async fn call(world: &World, path: &str, handler: fn() -> Answer) -> Code {
    let inner = service_fn(move |_: Request<Body>| async move {
        Ok::<_, Infallible>(match handler().await {
            Ok(()) => Response::new(Body::empty()),
            Err(status) => status.into_http(),
        })
    });
    let mut service = AuditLayer::new(world.log.clone(), origin_of).layer(inner);
    let request = Request::builder()
        .uri(path)
        .body(Body::empty())
        .expect("a request");
    let response = service.call(request).await.expect("it never fails");
    let code = response.headers().get("grpc-status");
    code.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

async fn recorded(world: &World) -> Vec<(String, String)> {
    world.log.close().await;
    let entries = world.all().await.into_iter();
    entries.map(|it| (it.action, it.outcome)).collect()
}

fn texts(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    let entries = entries.iter();
    entries
        .map(|(action, outcome)| ((*action).to_owned(), (*outcome).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_read_is_recorded_for_each_customer_with_its_outcome() {
    let world = World::new().await;
    let read = || -> Answer {
        Box::pin(async {
            audit::subjects([customer(1), customer(2), customer(1)]);
            Ok(())
        })
    };
    assert_eq!(call(&world, GET_CUSTOMER, read).await, Code::Ok);
    let missing = || -> Answer { Box::pin(async { Err(Status::not_found("nobody")) }) };
    assert_eq!(call(&world, GET_CUSTOMER, missing).await, Code::NotFound);
    let name = "identity.get_customer";
    let expected = texts(&[(name, "OK"), (name, "OK"), (name, "NOT_FOUND")]);
    assert_eq!(recorded(&world).await, expected);
    assert_eq!(world.about(customer(1)).await.len(), 1);
    assert_eq!(world.about(customer(2)).await.len(), 1);
}

#[tokio::test]
async fn a_read_that_cannot_be_recorded_is_not_answered() {
    let world = World::new().await;
    world.log.close().await;
    let read = || -> Answer { Box::pin(async { Ok(()) }) };
    assert_eq!(call(&world, GET_CUSTOMER, read).await, Code::Unavailable);
    // A call that tells nothing of a customer needs no record.
    assert_eq!(call(&world, LIST_SEGMENTS, read).await, Code::Ok);
}

#[tokio::test]
async fn a_change_is_recorded_by_who_makes_it_and_here_where_it_fails() {
    let world = World::new().await;
    let done = || -> Answer { Box::pin(async { Ok(()) }) };
    assert_eq!(call(&world, MERGE, done).await, Code::Ok);
    let refused = || -> Answer { Box::pin(async { Err(Status::failed_precondition("no")) }) };
    assert_eq!(call(&world, MERGE, refused).await, Code::FailedPrecondition);
    let asked = || -> Answer {
        Box::pin(async {
            let operation = Operation::current().expect("a call");
            operation.ask("grant", customer(1)).await?;
            Ok(())
        })
    };
    assert_eq!(call(&world, SET_CONSENT, asked).await, Code::Ok);
    let expected = texts(&[
        ("identity.merge_customers", "FAILED_PRECONDITION"),
        ("activation.set_consent", "ASKED"),
        ("activation.set_consent", "OK"),
    ]);
    assert_eq!(recorded(&world).await, expected);
    assert_eq!(world.about(customer(1)).await.len(), 2);
}

#[tokio::test]
async fn a_call_that_is_given_up_is_on_record_where_something_may_be_done() {
    let world = World::new().await;
    let hangs = || -> Answer { Box::pin(std::future::pending()) };
    let asks = || -> Answer {
        Box::pin(async {
            let operation = Operation::current().expect("a call");
            operation.ask("grant", customer(1)).await?;
            std::future::pending().await
        })
    };
    for (path, handler) in [
        (DISCARD, hangs as fn() -> Answer),
        (SET_CONSENT, asks),
        // Nothing was shown.
        (GET_CUSTOMER, hangs),
        // Nothing was changed, or its maker has put it on record.
        (MERGE, hangs),
    ] {
        let call = call(&world, path, handler);
        let ended = tokio::time::timeout(std::time::Duration::from_millis(300), call).await;
        ended.expect_err("it hangs");
    }
    // The ends are put on record beside the calls.
    tokio::task::yield_now().await;
    let mut found = recorded(&world).await;
    found.sort();
    let expected = texts(&[
        ("activation.set_consent", "ASKED"),
        ("activation.set_consent", "CANCELLED"),
        ("engine.discard_quarantined_records", "CANCELLED"),
    ]);
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_task_of_its_own_carries_the_call_on() {
    let world = World::new().await;
    let read = || -> Answer {
        Box::pin(async {
            let work = Operation::carry(async { audit::subject(customer(7)) });
            tokio::spawn(work).await.expect("no panic");
            Ok(())
        })
    };
    assert_eq!(call(&world, GET_CUSTOMER, read).await, Code::Ok);
    world.log.close().await;
    assert_eq!(world.about(customer(7)).await.len(), 1);
}
