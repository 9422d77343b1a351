//! Traces that are kept because somebody asked for it, because something failed, or because it was
//! slow; and no others.

use std::net::SocketAddr;
use std::time::Duration;

use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest};
use tokio::io::AsyncWriteExt as _;
use tonic::Request;

use super::collector::Collector;
use super::purchase;
use crate::process::free_port;
use crate::suite::{IDENTITY, PATIENCE, Suite};

/// From how long on something is slow here.
const SLOW: Duration = Duration::from_secs(1);
/// The trace of the caller who keeps it.
const KEPT: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Sends to a destination that takes its time, and to one that is not there.
fn definitions(slow: SocketAddr, dead: u16) -> String {
    let channel = |name: &str, url: &str| {
        format!(
            "channel:\n  name: {name}\n  webhook: {{url: \"http://{url}/\", \
             secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz, allow_private_network: true}}\n---\n"
        )
    };
    let (slow, dead) = (
        channel("slow", &slow.to_string()),
        channel("dead", &format!("127.0.0.1:{dead}")),
    );
    format!(
        r#"
{slow}{dead}template: {{name: thanks, text: {{body: 'Thank you'}}}}
---
journey:
  name: thank_buyers
  entry: {{triggers: [{{event: purchase}}], reentry: REENTRY_NEVER}}
  steps:
    - id: thank
      send: {{channel: slow, template: thanks, purpose: transactional}}
    - id: thank_again
      send: {{channel: dead, template: thanks, purpose: transactional}}
---
policy: {{name: default, consent_by_default: true}}
"#
    )
}

/// A destination that answers after it has waited for longer than what is slow.
async fn answer_slowly() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                tokio::time::sleep(SLOW + SLOW / 2).await;
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
                // The request is read, or the answer is lost with the connection.
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_share_of_zero_failures_slow_work_and_what_a_caller_keeps_are_traced_and_nothing_else()
{
    let collector = Collector::start().await;
    let suite = Suite::start(super::PARTITIONS, |_| {
        let endpoint = collector.url();
        let slow = format!("{}s", SLOW.as_secs());
        let settings = ["--otlp-endpoint", &endpoint, "--trace-ratio", "0"];
        let settings = [&settings[..], &["--trace-slow", &slow]].concat();
        settings.into_iter().map(str::to_owned).collect()
    })
    .await;
    suite.apply(&definitions(answer_slowly().await, free_port()));
    for _ in 0..20 {
        purchase(&suite).await;
    }
    let identity = IdentityServiceClient::connect(suite.url(IDENTITY)).await;
    let event = Event {
        name: "seen".to_owned(),
        identifiers: [("user_id".to_owned(), "bea".to_owned())].into(),
        ..Event::default()
    };
    let mut request = Request::new(IngestRequest {
        events: vec![event],
        ..IngestRequest::default()
    });
    let parent = format!("00-{KEPT}-00f067aa0ba902b7-01");
    let parent = parent.parse().expect("a header");
    request.metadata_mut().insert("traceparent", parent);
    let accepted = identity.expect("identity").ingest(request).await;
    accepted.expect("an accepted event");

    let took = |start: u64, end: u64| Duration::from_nanos(end.saturating_sub(start));
    let is_kept = |trace: &[u8]| kernel::to_hex(trace) == KEPT;
    let deliver = "activation.deliver";
    let slow = collector.span_that(PATIENCE, |span| {
        span.name == deliver && !span.has_failed && took(span.start, span.end) >= SLOW
    });
    let slow = slow.await;
    let failed = collector.span_that(PATIENCE, |span| span.name == deliver && span.has_failed);
    let failed = failed.await;
    // Both are of the trace of the purchase, which nobody keeps as a whole.
    assert_eq!(slow.trace, failed.trace);
    for name in ["identity.ingest", "segmentation.step"] {
        let span = collector.span_that(PATIENCE, |span| span.name == name && is_kept(&span.trace));
        assert!(!span.await.has_failed, "{name}");
    }
    for service in suite.services {
        assert!(service.terminate());
    }
    for span in collector.spans() {
        let is_slow = took(span.start, span.end) >= SLOW;
        assert!(
            is_kept(&span.trace) || span.has_failed || is_slow,
            "{span:?}"
        );
    }
}
