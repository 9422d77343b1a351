//! A service that dies under load and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest};
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::Channel;
use tonic_types::StatusExt as _;

use crate::process::{Gateway, PATIENCE, Site, eventually};

/// Callers at the same time.
const CALLERS: usize = 8;

fn request(id: &str) -> IngestRequest {
    IngestRequest {
        request_id: id.to_owned(),
        events: vec![Event {
            event_id: id.to_owned(),
            name: "purchase".to_owned(),
            identifiers: [("user_id".to_owned(), format!("customer-{id}"))].into(),
            ..Event::default()
        }],
        ..IngestRequest::default()
    }
}

/// Sends requests until it is over, each again until it is taken. Returns how many were taken, and
/// the codes of all that were not.
async fn load(
    mut client: IdentityServiceClient<Channel>,
    caller: usize,
    is_over: Arc<AtomicBool>,
) -> (usize, Vec<Code>) {
    let (mut taken, mut codes) = (0, Vec::new());
    while !is_over.load(Ordering::Relaxed) {
        let id = format!("{caller}-{taken}");
        let begun = Instant::now();
        loop {
            let mut call = tonic::Request::new(request(&id));
            call.set_timeout(Duration::from_secs(30));
            match client.ingest(call).await {
                Ok(_) => break,
                Err(status) => {
                    if status.code() == Code::Unavailable {
                        let details = status.get_error_details();
                        assert!(details.retry_info().is_some(), "{status:?}");
                        assert!(!status.message().contains("127.0.0.1"), "{status:?}");
                    }
                    assert!(begun.elapsed() < PATIENCE, "{id}: {status:?}");
                    codes.push(status.code());
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        taken += 1;
    }
    (taken, codes)
}

#[tokio::test]
async fn callers_of_a_service_that_dies_are_told_to_come_again_and_are_served_by_the_next() {
    let site = Site::new();
    let (mut dev, services) = site.dev("127.0.0.1:0", &[]);
    let gateway = Gateway::start(&site, &format!("http://{services}"), &[]).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let client = IdentityServiceClient::new(gateway.channel().await);
        callers.push(tokio::spawn(load(client, caller, Arc::clone(&is_over))));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    dev.kill();
    let (_dev, again) = site.dev(&services.to_string(), &[]);
    assert_eq!(again, services);
    let mut client = IdentityServiceClient::new(gateway.channel().await);
    eventually(async || client.ingest(request("after")).await.ok()).await;
    is_over.store(true, Ordering::Relaxed);
    let mut refused = Vec::new();
    for caller in callers {
        let (taken, codes) = caller.await.expect("no panic");
        assert!(taken > 0);
        refused.extend(codes);
    }
    let is_told = |code: &Code| *code == Code::Unavailable;
    assert!(refused.iter().all(is_told), "{refused:?}");
}
