//! Channels: what they refuse and what they add to calls; [`replicas`] has where these go.

mod replicas;

use std::time::Duration;

use super::*;

#[tokio::test]
async fn what_is_no_address_is_refused() {
    for address in ["", "http://", "a b"] {
        assert!(connect(address).is_err(), "{address}");
    }
    assert!(connect("127.0.0.1:7001").is_ok());
    assert!(connect("http://identity:7001").is_ok());
}

#[tokio::test]
async fn a_call_carries_the_context_of_its_cause() {
    let parent = TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let deadline = Some(Deadline::after(Duration::from_secs(60)));
    let work = async { Outgoing::default().call(Request::new(())) };
    let request = Deadline::scope(deadline, TraceParent::scope(parent, work))
        .await
        .expect("within the deadline");
    assert!(request.metadata().contains_key("grpc-timeout"));
    let sent = request
        .metadata()
        .get("traceparent")
        .and_then(|value| value.to_str().ok());
    assert_eq!(sent.and_then(TraceParent::parse), parent);
}

#[tokio::test]
async fn a_call_presents_the_credential_that_there_is_by_then() {
    let presented = Presented::default();
    let mut outgoing = Outgoing {
        presented: presented.clone(),
    };
    let request = outgoing.call(Request::new(())).expect("sent");
    assert!(!request.metadata().contains_key("authorization"));
    presented.set("a.b.c").expect("a header");
    let request = outgoing.call(Request::new(())).expect("sent");
    let value = request.metadata().get("authorization").expect("there");
    assert_eq!(value.to_str().ok(), Some("Bearer a.b.c"));
    assert!(value.is_sensitive());
    assert!(presented.set("a\nb").is_err());
    assert!(!format!("{outgoing:?} {request:?}").contains("a.b.c"));
}

#[tokio::test]
async fn nothing_is_called_after_the_deadline() {
    let work = async { Outgoing::default().call(Request::new(())) };
    let refused = Deadline::scope(Some(Deadline::after(Duration::ZERO)), work).await;
    assert_eq!(
        refused.expect_err("too late").code(),
        tonic::Code::DeadlineExceeded
    );
}
