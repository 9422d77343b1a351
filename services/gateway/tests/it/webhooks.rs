//! Posts of webhooks while identity is slow or away: their senders wait for 5 seconds, and come
//! again.

use std::time::{Duration, Instant};

use http::Request;
use hyper::body::Incoming;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::definition::v1::{ApplyDefinitionsRequest, Definition};
use proto::gateway::v1::signature::Kind as SignatureKind;
use proto::gateway::v1::{EventMapping, Signature, Source, UnsignedPosts, WebhookReading};
use proto::identity::v1::IngestResponse;

use crate::played::{self, Played, framed};
use crate::process::{Gateway, Site};
use crate::web::ask;

/// The time that Shopify, HubSpot and Intercom wait for an answer.
const WAITED: Duration = Duration::from_secs(5);

/// The names of events by which the service that is played knows how to answer.
const SLOW: &[u8] = b"never_answered";
const BUSY: &[u8] = b"too_busy";

/// A gateway that takes webhooks, in front of a service that answers as events say.
async fn start() -> (Site, Gateway) {
    let played = Played::start(|request: Request<Incoming>| async {
        let is_ingest = request.uri().path().ends_with("/Ingest");
        let body = played::read(request.into_body()).await;
        let has = |name: &[u8]| is_ingest && body.windows(name.len()).any(|it| it == name);
        if has(SLOW) {
            std::future::pending::<()>().await;
        }
        let code = if has(BUSY) { "8" } else { "0" };
        let trailers = [("grpc-status", code)];
        played::answer(vec![framed(&IngestResponse::default())], &trailers)
    })
    .await;
    let site = Site::new();
    let gateway = Gateway::start(&site, &played.url(), &[]).await;
    let reading = WebhookReading {
        signature: Some(Signature {
            kind: Some(SignatureKind::Unsigned(UnsignedPosts {})),
        }),
        events: vec![EventMapping {
            name: "item.name".to_owned(),
            identifiers: [("email".to_owned(), "item.email".to_owned())].into(),
            ..EventMapping::default()
        }],
        ..WebhookReading::default()
    };
    let source = Source {
        name: "shop".to_owned(),
        webhook: Some(reading),
        ..Source::default()
    };
    let request = ApplyDefinitionsRequest {
        definitions: vec![Definition {
            kind: Some(Kind::Source(source)),
        }],
        request_id: "one".to_owned(),
        ..ApplyDefinitionsRequest::default()
    };
    let mut client = DefinitionServiceClient::new(gateway.channel().await);
    client.apply_definitions(request).await.expect("applied");
    (site, gateway)
}

async fn post(gateway: &Gateway, name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let body = format!("{{\"name\":\"{name}\",\"email\":\"a@example.com\"}}");
    ask(gateway, "POST /v1/webhooks/shop", &[], body.as_bytes()).await
}

#[tokio::test]
async fn a_post_is_answered_before_its_sender_gives_up_whatever_identity_does() {
    let (_site, gateway) = start().await;
    let answer = post(&gateway, b"order").await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    for name in [SLOW, BUSY] {
        let start = Instant::now();
        let answer = post(&gateway, name).await;
        assert!(start.elapsed() < WAITED, "{:?}", start.elapsed());
        assert!(answer.starts_with("http/1.1 503"), "{answer}");
        assert!(answer.contains("\r\nretry-after: "), "{answer}");
    }
}
