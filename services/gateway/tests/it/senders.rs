//! The sender of a call, as the services behind the gateway see them.

use proto::audit::v1::audit_service_client::AuditServiceClient;
use proto::audit::v1::{EntryFilter, ListEntriesRequest};
use proto::segmentation::v1::GetProfileRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;

use crate::process::{Gateway, Site, eventually};

/// A customer who is not there.
const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn with<T>(message: T, key: &str, more: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {key}")).expect("ascii");
    request.metadata_mut().insert("authorization", value);
    for (name, value) in more {
        request
            .metadata_mut()
            .insert(*name, value.parse().expect("ascii"));
    }
    request
}

async fn read_from(url: &str, from: [u8; 4], key: &str, more: &[(&'static str, &str)]) {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("a URL");
    let endpoint = endpoint.local_address(Some(from.into()));
    let channel = endpoint.connect().await.expect("it listens");
    let message = GetProfileRequest {
        customer_id: NOBODY.to_owned(),
        ..GetProfileRequest::default()
    };
    // Nobody is found, which is on record too.
    let mut client = SegmentationServiceClient::new(channel);
    let read = client.get_profile(with(message, key, more));
    assert_eq!(
        read.await.expect_err("nobody").code(),
        tonic::Code::NotFound
    );
}

#[tokio::test]
async fn the_audit_log_of_a_service_has_the_address_of_the_sender_and_believes_no_stranger() {
    let site = Site::new();
    let key = site.bootstrap();
    let (_dev, services) = site.dev("127.0.0.1:0", &["--access", "required"]);
    let services = format!("http://{services}");
    let gateway = Gateway::start(&site, &services, &["--access", "required"]).await;
    read_from(&gateway.url(), [127, 0, 0, 21], &key, &[]).await;
    let lies = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-happypath-relay-key", key.as_str()),
    ];
    read_from(&gateway.url(), [127, 0, 0, 22], &key, &lies).await;
    read_from(&services, [127, 0, 0, 23], &key, &lies).await;
    let addresses = eventually(async || {
        let channel = gateway.channel().await;
        let asked = ListEntriesRequest {
            filter: Some(EntryFilter {
                action: "segmentation.get_profile".to_owned(),
                ..EntryFilter::default()
            }),
            ..ListEntriesRequest::default()
        };
        let answer = AuditServiceClient::new(channel)
            .list_entries(with(asked, &key, &[]))
            .await;
        let entries = answer.expect("an answer").into_inner().entries;
        let addresses: Vec<String> = entries.into_iter().map(|it| it.address).collect();
        (addresses.len() >= 3).then_some(addresses)
    })
    .await;
    assert_eq!(addresses, ["127.0.0.21", "127.0.0.22", "127.0.0.23"]);
}
