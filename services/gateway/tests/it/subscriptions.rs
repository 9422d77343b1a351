//! Subscriptions of whole processes: with real events, and with processes that die.

use std::time::{Duration, Instant};

use changes::{ChangeLog, ChangeSink as _, Pending, Place, Scribe};
use http::StatusCode;
use kernel::{Owner, PartitionId};
use prost::Message as _;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::definition::v1::{ApplyDefinitionsRequest, Definition};
use proto::gateway::v1::change_service_client::ChangeServiceClient;
use proto::gateway::v1::{ListSubscriptionsRequest, Subscription, SubscriptionStatus};
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest};
use proto::segmentation::v1::Segment;
use proto::stream::v1::change_record::Kind as ChangeKind;
use proto::stream::v1::{ChangeBatch, ChangeRecord, SegmentChange};
use serde_json::Value;
use storage::Database;
use testkit::{Answer, Receiver};
use tokio::sync::watch;

use crate::process::{Gateway, Site, eventually, told_by};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9";
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn subscription(name: &str, receiver: &Receiver) -> Kind {
    Kind::Subscription(Subscription {
        name: name.to_owned(),
        url: receiver.url(),
        secret: SECRET.to_owned(),
        allow_private_network: true,
        max_delay: "50ms".to_owned(),
        ..Subscription::default()
    })
}

/// Starts a gateway that opens what `happypath dev` has sealed, and posts to this machine.
async fn gateway(site: &Site) -> Gateway {
    let keys = site.folder.path().join("secret.keys");
    let keys = keys.to_str().expect("text");
    let settings = ["--secret-keys", keys, "--outbound-allow", "public,private"];
    Gateway::start(site, NOWHERE, &settings).await
}

async fn apply(url: &str, kinds: Vec<Kind>) {
    let client = DefinitionServiceClient::connect(url.to_owned()).await;
    let definitions = kinds
        .into_iter()
        .map(|kind| Definition { kind: Some(kind) });
    let request = ApplyDefinitionsRequest {
        request_id: uuid::Uuid::now_v7().to_string(),
        definitions: definitions.collect(),
        ..ApplyDefinitionsRequest::default()
    };
    let applied = client.expect("it listens").apply_definitions(request).await;
    applied.expect("right definitions");
}

async fn ingest(url: &str, user: &str) -> String {
    let client = IdentityServiceClient::connect(url.to_owned()).await;
    let request = IngestRequest {
        request_id: user.to_owned(),
        events: vec![Event {
            name: "seen".to_owned(),
            identifiers: [("user_id".to_owned(), user.to_owned())].into(),
            ..Event::default()
        }],
        ..IngestRequest::default()
    };
    let answer = client.expect("it listens").ingest(request).await;
    let mut results = answer.expect("taken").into_inner().results;
    results.remove(0).customer_id
}

async fn list(url: &str) -> Vec<SubscriptionStatus> {
    let client = ChangeServiceClient::connect(url.to_owned()).await;
    let request = ListSubscriptionsRequest::default();
    let listed = client
        .expect("it listens")
        .list_subscriptions(request)
        .await;
    listed.expect("a page").into_inner().subscriptions
}

/// Returns the posts that a receiver gets, each with its id, once there are so many.
async fn posts(receiver: &Receiver, count: usize) -> Vec<(String, Value)> {
    let read = |(head, body): (http::request::Parts, bytes::Bytes)| {
        let id = head.headers["webhook-id"].to_str().expect("text");
        let body = serde_json::from_slice(&body).expect("JSON");
        (id.to_owned(), body)
    };
    eventually(async || {
        let seen = receiver.requests();
        (seen.len() >= count).then(|| seen.into_iter().map(read).collect())
    })
    .await
}

/// Writes a change to the log of an installation whose services are gone.
async fn write(site: &Site, seq: u64) {
    let url = site.database().parse().expect("a URL");
    let database = Database::connect(&url).await.expect("it opens");
    let log = ChangeLog::open(database).await.expect("a log");
    let scribe = Scribe::new(log);
    let (owner, partition, epoch) = (Owner::Segmentation, PartitionId::new(0), 1_000_000);
    scribe.open(owner, partition, epoch, Vec::new());
    let change = ChangeRecord {
        customer_id: vec![7; 16].into(),
        time_ms: 1_800_000_000_000,
        kind: Some(ChangeKind::Membership(SegmentChange {
            segment: "seen".to_owned(),
            entered: true,
            ..SegmentChange::default()
        })),
    };
    let batch = ChangeBatch {
        changes: vec![change],
    };
    let pending = Pending {
        place: Place { epoch, seq },
        changes: batch.encode_to_vec().into(),
    };
    scribe.push(owner, partition, pending);
    scribe.flush().await.expect("written");
}

#[tokio::test]
async fn an_event_of_a_customer_is_a_post_to_a_subscriber() {
    let site = Site::new();
    let receiver = Receiver::start(Answer::Fixed(StatusCode::GONE, None, "")).await;
    let (_dev, address) = site.dev("127.0.0.1:0", &[]);
    let url = format!("http://{address}");
    let segment = Kind::Segment(Segment {
        name: "seen".to_owned(),
        expression: "events(\"seen\").count() >= 1".to_owned(),
        ..Segment::default()
    });
    apply(&url, vec![segment, subscription("warehouse", &receiver)]).await;
    let customer = ingest(&url, "ada").await;
    let refused = posts(&receiver, 1).await.remove(0);
    assert_eq!(refused.1["changes"][0]["customerId"], customer);
    assert_eq!(refused.1["changes"][0]["membership"]["segment"], "seen");
    // A receiver that is gone is asked no more, and by command again.
    let stopped = eventually(async || {
        let listed = told_by(&["subscriptions", "list", "--json", "--address", &url]);
        let listed: Value = serde_json::from_str(&listed).ok()?;
        let own = listed["subscriptions"][0].clone();
        (own["state"] == "SUBSCRIPTION_STATE_STOPPED").then_some(own)
    });
    assert_eq!(stopped.await["last_error"], "410 Gone");
    let status = told_by(&["status", "--address", &url]);
    assert!(
        status.contains("the subscription warehouse is stopped"),
        "{status}"
    );
    receiver.answer(Answer::Fixed(StatusCode::OK, None, ""));
    let resumed = told_by(&["subscriptions", "resume", "warehouse", "--address", &url]);
    assert!(resumed.starts_with("warehouse goes on"), "{resumed}");
    assert_eq!(posts(&receiver, 2).await[1], refused, "the same post");
    eventually(async || (list(&url).await[0].lag == 0).then_some(())).await;
    let status = told_by(&["status", "--address", &url]);
    assert!(!status.contains("is stopped"), "{status}");
}

#[tokio::test]
async fn another_process_posts_the_batch_of_one_that_was_killed_before_it_noted_the_answer() {
    let site = Site::new();
    let (release, held) = watch::channel(false);
    let receiver = Receiver::start(Answer::Held(held)).await;
    let (mut dev, address) = site.dev("127.0.0.1:0", &[]);
    let url = format!("http://{address}");
    apply(&url, vec![subscription("warehouse", &receiver)]).await;
    // A new customer moves nowhere yet: the change is written, as of a worker.
    write(&site, 1).await;
    posts(&receiver, 1).await;
    dev.kill();
    let killed = Instant::now();
    release.send(true).expect("a receiver");
    let gateway = gateway(&site).await;
    let both = posts(&receiver, 2).await;
    assert!(
        killed.elapsed() < Duration::from_secs(15),
        "{:?}",
        killed.elapsed()
    );
    assert_eq!(both[0], both[1], "the same id, and the same body");
    eventually(async || (list(&gateway.url()).await[0].lag == 0).then_some(())).await;
    write(&site, 2).await;
    assert_ne!(posts(&receiver, 3).await[2].0, both[0].0);
}

#[tokio::test]
async fn processes_share_subscriptions_and_who_is_left_posts_for_all() {
    let site = Site::new();
    let receiver = Receiver::start(Answer::Fixed(StatusCode::OK, None, "")).await;
    let (mut dev, address) = site.dev("127.0.0.1:0", &[]);
    let names: Vec<String> = (0..8).map(|number| format!("s{number}")).collect();
    let all = names.iter().map(|name| subscription(name, &receiver));
    apply(&format!("http://{address}"), all.collect()).await;
    let mut one = gateway(&site).await;
    let other = gateway(&site).await;
    write(&site, 1).await;
    assert_eq!(posts(&receiver, 8).await.len(), 8);
    // A batch whose answer is not noted yet would come again.
    eventually(async || {
        let listed = list(&other.url()).await;
        listed.iter().all(|it| it.lag == 0).then_some(())
    })
    .await;
    dev.kill();
    one.process.kill();
    let killed = Instant::now();
    write(&site, 2).await;
    let all = posts(&receiver, 16).await;
    assert!(
        killed.elapsed() < Duration::from_secs(15),
        "{:?}",
        killed.elapsed()
    );
    for name in &names {
        let own = all
            .iter()
            .filter(|(_, body)| body["subscription"] == **name);
        let ids: Vec<&Value> = own.map(|(_, body)| &body["changes"][0]["id"]).collect();
        assert_eq!(ids.len(), 2, "{name}");
        assert_ne!(ids[0], ids[1], "{name}");
    }
    let listed = list(&other.url()).await;
    assert_eq!(listed.len(), 8);
}
