//! Calls that the gateway refuses itself, before anything reaches a service.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{
    Event, GetCustomerRequest, GetCustomerResponse, IngestRequest, IngestStreamRequest,
};
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use crate::played::{self, Played, framed};
use crate::process::{Gateway, Site};

/// A gateway that asks for credentials, in front of a service that counts its calls and keeps the
/// last credential.
struct Guarded {
    key: String,
    calls: Arc<AtomicUsize>,
    credentials: tokio::sync::mpsc::UnboundedReceiver<Option<String>>,
    client: IdentityServiceClient<Channel>,
    _parts: (Site, Gateway),
}

async fn guarded() -> Guarded {
    let calls = Arc::new(AtomicUsize::new(0));
    let (sender, credentials) = tokio::sync::mpsc::unbounded_channel();
    let counted = Arc::clone(&calls);
    let played = Played::start(move |request: http::Request<hyper::body::Incoming>| {
        counted.fetch_add(1, Ordering::SeqCst);
        let shown = request.headers().get("authorization");
        let shown = shown.and_then(|it| it.to_str().ok()).map(str::to_owned);
        sender.send(shown).expect("a test");
        async {
            let body = played::read(request.into_body()).await;
            drop(body);
            played::answer(
                vec![framed(&GetCustomerResponse::default())],
                &[("grpc-status", "0")],
            )
        }
    })
    .await;
    let site = Site::new();
    let key = site.bootstrap();
    let gateway = Gateway::start(&site, &played.url(), &["--access", "required"]).await;
    let client = IdentityServiceClient::new(gateway.channel().await);
    Guarded {
        key,
        calls,
        credentials,
        client,
        _parts: (site, gateway),
    }
}

fn with<T>(message: T, credential: &str) -> Request<T> {
    let mut request = Request::new(message);
    if !credential.is_empty() {
        let value = MetadataValue::try_from(format!("Bearer {credential}"));
        request
            .metadata_mut()
            .insert("authorization", value.expect("ascii"));
    }
    request
}

#[tokio::test]
async fn strangers_are_refused_before_a_byte_goes_on_and_callers_show_their_own_credential() {
    let mut guarded = guarded().await;
    for stranger in ["", "hpk_0123456789abcdef_x_y", "a.token.of-nobody"] {
        let request = with(GetCustomerRequest::default(), stranger);
        let status = guarded
            .client
            .get_customer(request)
            .await
            .expect_err("refused");
        assert_eq!(status.code(), Code::Unauthenticated, "{stranger}");
        let details = status.get_error_details();
        let info = details.error_info().expect("a reason");
        assert!(info.reason.starts_with("CREDENTIAL_"), "{info:?}");
    }
    assert_eq!(guarded.calls.load(Ordering::SeqCst), 0);
    let request = with(GetCustomerRequest::default(), &guarded.key);
    guarded.client.get_customer(request).await.expect("let in");
    let shown = guarded.credentials.recv().await.expect("a call");
    assert_eq!(shown, Some(format!("Bearer {}", guarded.key)));
}

#[tokio::test]
async fn messages_that_no_service_takes_are_refused_with_their_reason() {
    let mut guarded = guarded().await;
    let event = Event {
        name: "x".repeat(9 << 20),
        ..Event::default()
    };
    let whole = IngestRequest {
        events: vec![event.clone()],
        ..IngestRequest::default()
    };
    let key = guarded.key.clone();
    let status = guarded
        .client
        .ingest(with(whole, &key))
        .await
        .expect_err("too large");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(
        status.message().contains("at most 8388608 are taken"),
        "{status:?}"
    );
    assert_eq!(guarded.calls.load(Ordering::SeqCst), 0);
    // On a stream the messages before it go on, and the reason is told all the same.
    let part = IngestStreamRequest {
        events: vec![event],
        ..IngestStreamRequest::default()
    };
    let messages = futures::stream::iter([IngestStreamRequest::default(), part]);
    let sent = guarded.client.ingest_stream(with(messages, &key)).await;
    let status = match sent {
        Err(status) => status,
        Ok(answers) => {
            let mut answers = answers.into_inner();
            loop {
                match answers.message().await {
                    Err(status) => break status,
                    Ok(answer) => assert!(answer.is_some(), "the stream ended well"),
                }
            }
        }
    };
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(
        status.message().contains("at most 8388608 are taken"),
        "{status:?}"
    );
}

#[tokio::test]
async fn methods_of_nobody_are_not_implemented() {
    let mut guarded = guarded().await;
    let channel = guarded._parts.1.channel().await;
    let mut grpc = tonic::client::Grpc::new(channel);
    for path in ["/happypath.identity.v2.IdentityService/Ingest", "/x.Y/Z"] {
        grpc.ready().await.expect("ready");
        let request = with(GetCustomerRequest::default(), &guarded.key);
        let codec: tonic_prost::ProstCodec<GetCustomerRequest, GetCustomerResponse> =
            tonic_prost::ProstCodec::default();
        let path = http::uri::PathAndQuery::from_static(path);
        let status = grpc.unary(request, path, codec).await.expect_err("nobody");
        assert_eq!(status.code(), Code::Unimplemented);
    }
    assert!(guarded.credentials.try_recv().is_err());
}
