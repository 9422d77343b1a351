//! Deliveries against real HTTP servers on this machine.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use decision::{Names, Source};
use engine::VirtualClock;
use hot::{Cursor, EmbeddedStore, HotStore, StreamId, StreamName};
use http::StatusCode;
use kernel::{PartitionCount, Timestamp};
use prost::Message as _;
use proto::activation::v1 as api;
use proto::definition::v1::definition::Kind;
use proto::stream::v1::{Batch, Delivery, DeliveryResult, Outcome, record::Body};
use testkit::{Answer, Receiver};

use super::*;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const PARTITION: PartitionId = PartitionId::new(3);

/// A deliverer with its store.
struct Bench {
    hot: Arc<EmbeddedStore>,
    deliverer: Deliverer,
    wakes: hot::WakeReceiver,
    cursor: Cursor,
    definitions: watch::Sender<Arc<Definitions>>,
    _folder: tempfile::TempDir,
}

fn webhook(name: &str, url: String, allow_private_network: bool) -> api::Channel {
    api::Channel {
        name: name.to_owned(),
        kind: Some(api::channel::Kind::Webhook(api::WebhookChannel {
            url,
            secret: SECRET.to_owned(),
            allow_private_network,
        })),
        ..api::Channel::default()
    }
}

fn compile(channels: &[api::Channel]) -> Arc<Definitions> {
    let kinds: Vec<Kind> = channels.iter().cloned().map(Kind::Channel).collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    let compiled = Definitions::compile(&sources, &Names::default());
    Arc::new(compiled.expect("valid channels"))
}

impl Bench {
    async fn new(channels: &[api::Channel]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hot = EmbeddedStore::open(folder.path(), PartitionCount::DEFAULT)
            .await
            .expect("a store");
        let hot = Arc::new(hot);
        let wakes = hot
            .subscribe(&[StreamName::Outcomes])
            .await
            .expect("a subscription");
        let definitions = watch::Sender::new(compile(channels));
        let shared: SharedHotStore = hot.clone();
        let deliverer = Deliverer::start(DelivererConfig {
            allowed: OutboundAddresses::ANY,
            clock: Arc::new(VirtualClock::new(Timestamp::from_millis(1_614_265_330_500))),
            timeouts: Timeouts {
                connect: Duration::from_secs(2),
                total: Duration::from_secs(2),
                body: Duration::from_millis(200),
            },
            ..DelivererConfig::new(shared, definitions.subscribe())
        });
        Self {
            hot,
            deliverer,
            wakes,
            cursor: Cursor::START,
            definitions,
            _folder: folder,
        }
    }

    fn dispatch(&self, channel: &str, visit: u32, attempt: u32) {
        self.deliverer.dispatch(
            PARTITION,
            Record {
                customer_id: Bytes::from_static(&[1; 16]),
                time_ms: 1_000,
                trace_parent: String::new(),
                body: Some(Body::Delivery(Delivery {
                    run_id: Bytes::from_static(&[5; 16]),
                    visit,
                    attempt,
                    journey: "welcome".to_owned(),
                    step: "mail".to_owned(),
                    channel: channel.to_owned(),
                    template: "hello".to_owned(),
                    subject: "Hi".to_owned(),
                    body: "Hello \"Ada\"".to_owned(),
                })),
                ..Record::default()
            },
        );
    }

    /// The next outcomes, once there are this many.
    async fn outcomes(&mut self, count: usize) -> Vec<Outcome> {
        let stream = StreamId {
            name: StreamName::Outcomes,
            partition: PARTITION,
        };
        let mut found = Vec::new();
        while found.len() < count {
            let entries = self
                .hot
                .poll(stream, self.cursor, 100)
                .await
                .expect("a poll");
            if entries.is_empty() {
                tokio::time::timeout(Duration::from_secs(30), self.wakes.recv())
                    .await
                    .expect("an outcome in time");
            }
            for entry in entries {
                self.cursor = entry.cursor;
                for record in Batch::decode(entry.payload).expect("a batch").records {
                    assert_eq!(record.time_ms, 1_000, "an outcome has its attempt's time");
                    let Some(Body::Outcome(outcome)) = record.body else {
                        panic!("only outcomes are appended")
                    };
                    found.push(outcome);
                }
            }
        }
        found
    }

    async fn one(&mut self) -> Outcome {
        let mut outcomes = self.outcomes(1).await;
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0)
    }
}

/// Delivers once to a server that answers so.
async fn check(answer: Answer, result: DeliveryResult, detail: &str) -> Outcome {
    let server = Receiver::start(answer).await;
    let mut bench = Bench::new(&[webhook("hook", server.url(), true)]).await;
    bench.dispatch("hook", 1, 1);
    let outcome = bench.one().await;
    assert_eq!(outcome.result(), result, "{outcome:?}");
    assert!(outcome.detail.contains(detail), "{outcome:?}");
    outcome
}

#[tokio::test]
async fn a_webhook_is_signed_over_the_bytes_that_arrive() {
    let server = Receiver::start(Answer::Fixed(StatusCode::OK, None, "thanks")).await;
    let mut bench = Bench::new(&[webhook("hook", server.url(), true)]).await;
    bench.dispatch("hook", 7, 2);
    let outcome = bench.one().await;
    assert_eq!(outcome.result(), DeliveryResult::Delivered);
    assert_eq!((outcome.visit, outcome.attempt), (7, 2));
    assert_eq!(outcome.detail, "200 OK");

    let seen = server.requests();
    let (head, body) = &seen[0];
    let header = |name: &str| head.headers[name].to_str().expect("text").to_owned();
    let id = "05050505-0505-0505-0505-050505050505-7";
    assert_eq!(header("webhook-id"), id);
    assert_eq!(header("webhook-timestamp"), "1614265330");
    let key = STANDARD
        .decode(SECRET.trim_start_matches("whsec_"))
        .expect("base64");
    assert_eq!(
        header("webhook-signature"),
        destination::sign(&key, id, 1_614_265_330, body)
    );
    let message: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(message["type"], "activation");
    assert_eq!(message["timestamp"], "1970-01-01T00:00:01Z");
    assert_eq!(message["data"]["activation_id"], id);
    assert_eq!(message["data"]["body"], "Hello \"Ada\"");
}

#[tokio::test]
async fn each_answer_means_what_it_says() {
    use DeliveryResult::{Delivered, Rejected, Retry};
    let fixed = |status, text| Answer::Fixed(status, None, text);
    check(fixed(StatusCode::NO_CONTENT, ""), Delivered, "204").await;
    check(fixed(StatusCode::GONE, ""), Rejected, "410 Gone").await;
    check(fixed(StatusCode::BAD_REQUEST, ""), Rejected, "400").await;
    check(fixed(StatusCode::BAD_GATEWAY, ""), Retry, "502").await;
    let busy = Answer::Fixed(
        StatusCode::TOO_MANY_REQUESTS,
        Some(("retry-after", "7".to_owned())),
        "",
    );
    assert_eq!(check(busy, Retry, "429").await.retry_after_ms, 7_000);
    check(Answer::Silence, Retry, "no answer in time").await;
    check(Answer::Close, Retry, "").await;
}

#[tokio::test]
async fn a_dead_destination_delays_no_healthy_one() {
    let dead = Receiver::start(Answer::Silence).await;
    let healthy = Receiver::start(Answer::Fixed(StatusCode::OK, None, "")).await;
    let channels = [
        webhook("dead", dead.url(), true),
        webhook("healthy", healthy.url(), true),
    ];
    let mut bench = Bench::new(&channels).await;
    for visit in 0..300 {
        bench.dispatch("dead", visit, 1);
    }
    for visit in 1_000..1_200 {
        bench.dispatch("healthy", visit, 1);
    }
    let outcomes = bench.outcomes(200).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.result() == DeliveryResult::Delivered),
        "every healthy delivery ended before any dead one"
    );
    assert_eq!(healthy.requests().len(), 200);
    assert!(dead.connections() <= limits::WINDOW_FIRST);
    assert!(bench.deliverer.in_flight() >= 300);
    bench.deliverer.shutdown().await;
    assert_eq!(bench.deliverer.in_flight(), 0);
    assert_eq!(bench.outcomes(1).await.len(), limits::WINDOW_FIRST);
}

#[tokio::test]
async fn what_is_under_way_is_not_sent_twice_and_answers_to_its_newest_attempt() {
    let (release, held) = watch::channel(false);
    let server = Receiver::start(Answer::Held(held)).await;
    let mut bench = Bench::new(&[webhook("hook", server.url(), true)]).await;
    bench.dispatch("hook", 1, 1);
    bench.dispatch("hook", 1, 2);
    assert_eq!(bench.deliverer.in_flight(), 1);
    release.send(true).expect("a server");
    let outcome = bench.one().await;
    assert_eq!(
        (outcome.attempt, outcome.result()),
        (2, DeliveryResult::Delivered)
    );
    // Asked again before the core has read it, the outcome is told again.
    bench.dispatch("hook", 1, 3);
    let outcome = bench.one().await;
    assert_eq!(
        (outcome.attempt, outcome.result()),
        (3, DeliveryResult::Delivered)
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_log_takes_everything_and_a_deleted_channel_nothing() {
    let log = api::Channel {
        name: "log".to_owned(),
        kind: Some(api::channel::Kind::Log(api::LogChannel {})),
        ..api::Channel::default()
    };
    let mut bench = Bench::new(&[log]).await;
    bench.dispatch("log", 1, 1);
    assert_eq!(bench.one().await.result(), DeliveryResult::Delivered);
    bench.definitions.send_replace(compile(&[]));
    bench.dispatch("log", 2, 1);
    let outcome = bench.one().await;
    assert_eq!(outcome.result(), DeliveryResult::Rejected);
    assert_eq!(outcome.detail, "the channel was deleted");
}
