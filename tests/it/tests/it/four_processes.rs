//! Four services, each its own process, on a real Redis and a real PostgreSQL: one event's way from end to end.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest};
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::journey::v1::{GetCustomerJourneysRequest, GetFlowRequest, GetFlowResponse};
use proto::segmentation::v1::GetProfileRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use testkit::{PostgresServer, RedisServer};

use crate::process::{self, Hook, Service};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";
/// How long anything may take on a busy machine; nothing waits for it where all goes well.
const PATIENCE: Duration = Duration::from_secs(60);

fn definitions(hook: &str) -> String {
    format!(
        r#"
segment: {{name: buyers, expression: 'events("purchase").count() >= 2'}}
---
channel:
  name: shop
  webhook: {{url: "{hook}", secret: {SECRET}, allow_private_network: true}}
---
template: {{name: thanks, body: 'Thank you, {{{{ profile.name }}}}, for {{{{ event.value }}}}'}}
---
journey:
  name: thank_buyers
  entry: {{trigger: {{event: purchase}}, reentry: REENTRY_AFTER_EXIT}}
  steps:
    - id: until_they_are_buyers
      wait_for:
        branches: [{{trigger: {{segment_entered: buyers}}, next: thank}}]
        timeout: 1h
        on_timeout: give_up
    - id: give_up
      exit: {{outcome: RUN_OUTCOME_FAILURE}}
    - id: thank
      send: {{channel: shop, template: thanks, purpose: marketing}}
    - id: until_it_arrived
      wait_for:
        branches: [{{trigger: {{event: activation_delivered}}, next: done}}]
        timeout: 1h
        on_timeout: give_up
    - id: done
      exit: {{outcome: RUN_OUTCOME_SUCCESS}}
"#
    )
}

/// The four services, with what they share.
struct Suite {
    identity: Service,
    segmentation: Service,
    journey: Service,
    activation: Service,
    stores: Vec<String>,
}

impl Suite {
    async fn start(redis: &RedisServer, database: &str) -> Self {
        let ports = [(); 4].map(|()| process::free_port());
        let stores = [
            ("--hot-store", redis.url()),
            ("--database", database.to_owned()),
            ("--partitions", "8".to_owned()),
            ("--lease-ttl", "2s".to_owned()),
        ];
        let stores: Vec<String> = stores
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect();
        let names = ["identity", "segmentation", "journey", "activation"];
        let peers = names.iter().zip(ports).flat_map(|(name, port)| {
            [
                format!("--{name}-address"),
                format!("http://127.0.0.1:{port}"),
            ]
        });
        let arguments: Vec<String> = stores.iter().cloned().chain(peers).collect();
        let start = |place: usize| Service::start(names[place], ports[place], arguments.clone());
        // At the same time, as an operator would: they must not trip over one another's migrations.
        let (identity, segmentation, journey, activation) =
            tokio::join!(start(0), start(1), start(2), start(3));
        Self {
            identity,
            segmentation,
            journey,
            activation,
            stores,
        }
    }

    fn apply(&self, file: &std::path::Path) {
        let file = file.display().to_string();
        let urls = [
            &self.identity,
            &self.segmentation,
            &self.journey,
            &self.activation,
        ]
        .map(|service| (format!("--{}-address", service.name), service.url()));
        let mut arguments = vec!["apply", "-f", &file];
        arguments.extend(
            urls.iter()
                .flat_map(|(flag, url)| [flag.as_str(), url.as_str()]),
        );
        let applied = process::run("happypath", &arguments);
        assert!(
            applied.status.success(),
            "{}",
            String::from_utf8_lossy(&applied.stderr)
        );
    }

    /// Sends an event and returns the customer.
    async fn purchase(&self, request_id: &str, user: &str, value: f64) -> String {
        let number = |value| prost_types::Value {
            kind: Some(prost_types::value::Kind::NumberValue(value)),
        };
        let text = |text: &str| prost_types::Value {
            kind: Some(prost_types::value::Kind::StringValue(text.to_owned())),
        };
        let object = |name: &str, value| prost_types::Struct {
            fields: [(name.to_owned(), value)].into_iter().collect(),
        };
        let event = Event {
            name: "purchase".to_owned(),
            identifiers: HashMap::from([("user_id".to_owned(), user.to_owned())]),
            properties: Some(object("value", number(value))),
            traits: Some(object("name", text(user))),
            ..Event::default()
        };
        let mut identity = IdentityServiceClient::connect(self.identity.url())
            .await
            .expect("identity");
        let request = IngestRequest {
            request_id: request_id.to_owned(),
            events: vec![event],
            ..IngestRequest::default()
        };
        let answer = identity
            .ingest(request)
            .await
            .expect("an accepted event")
            .into_inner();
        answer.results[0].customer_id.clone()
    }

    async fn flow(&self) -> GetFlowResponse {
        let mut journey = JourneyServiceClient::connect(self.journey.url())
            .await
            .expect("journey");
        let request = GetFlowRequest {
            journey: "thank_buyers".to_owned(),
            version: 0,
        };
        journey
            .get_flow(request)
            .await
            .expect("a flow")
            .into_inner()
    }

    /// Returns when the customer's newest run has ended, with the reason.
    async fn run_ended(&self, customer_id: &str) -> String {
        let mut journey = JourneyServiceClient::connect(self.journey.url())
            .await
            .expect("journey");
        eventually(async || {
            let request = GetCustomerJourneysRequest {
                customer_id: customer_id.to_owned(),
            };
            let runs = journey
                .get_customer_journeys(request)
                .await
                .ok()?
                .into_inner()
                .runs;
            runs.first()
                .map(|run| run.end_reason.clone())
                .filter(|reason| !reason.is_empty())
        })
        .await
    }
}

/// Asks again until there is an answer.
async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "it did not happen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Checks the signature by hand, as the Standard Webhooks specification says.
fn assert_signed(hook: &Hook) {
    let key = BASE64_STANDARD
        .decode(&SECRET["whsec_".len()..])
        .expect("a key");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("any length will do");
    let signed = format!(
        "{}.{}.{}",
        hook.header("webhook-id"),
        hook.header("webhook-timestamp"),
        hook.body
    );
    mac.update(signed.as_bytes());
    let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(hook.header("webhook-signature"), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_goes_from_ingest_to_a_signed_webhook_and_its_receipt_back_into_the_journey() {
    let redis = RedisServer::start().expect("a Redis");
    let postgres = PostgresServer::start().expect("a PostgreSQL");
    let database = postgres.create_database().expect("a database");
    let mut suite = Suite::start(&redis, &database).await;
    let (address, mut hooks) = process::receive_hooks().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("definitions.yaml");
    std::fs::write(&file, definitions(&format!("http://{address}/hook"))).expect("a file");
    suite.apply(&file);

    // A replayed request is answered like the first, and counts once.
    let customer = suite.purchase("first", "ann", 20.0).await;
    assert_eq!(suite.purchase("first", "ann", 20.0).await, customer);
    // The service that holds the waiting run dies, and another process goes on.
    suite.journey.kill_and_restart().await;
    assert_eq!(suite.purchase("second", "ann", 30.0).await, customer);

    let hook = tokio::time::timeout(PATIENCE, hooks.recv())
        .await
        .expect("a webhook")
        .expect("a webhook");
    assert_signed(&hook);
    let body: serde_json::Value = serde_json::from_str(&hook.body).expect("JSON");
    assert_eq!(body["data"]["customer_id"], customer.as_str());
    assert_eq!(body["data"]["body"], "Thank you, ann, for 20");
    assert_eq!(suite.run_ended(&customer).await, "COMPLETED");

    // The receipt came back as an event of the customer.
    let mut segmentation = SegmentationServiceClient::connect(suite.segmentation.url())
        .await
        .expect("segmentation");
    let request = GetProfileRequest {
        customer_id: customer.clone(),
    };
    let profile = segmentation
        .get_profile(request)
        .await
        .expect("a profile")
        .into_inner()
        .profile;
    let counts: HashMap<String, u64> = profile
        .expect("a profile")
        .events
        .into_iter()
        .map(|event| (event.name, event.count))
        .collect();
    assert_eq!(counts["purchase"], 2);
    assert_eq!(counts["activation_delivered"], 1);

    let flow = suite.flow().await;
    for step in &flow.steps {
        assert_eq!(
            step.in_count,
            step.out_count + step.present_count,
            "{}",
            step.step
        );
    }
    assert!(hooks.try_recv().is_err(), "one activation is one webhook");

    refuses_another_partition_count(&suite);
    for service in [
        suite.identity,
        suite.segmentation,
        suite.journey,
        suite.activation,
    ] {
        let name = service.name;
        assert!(service.terminate(), "{name} did not end in order");
    }
}

fn refuses_another_partition_count(suite: &Suite) {
    let mut arguments: Vec<&str> = suite.stores.iter().map(String::as_str).collect();
    let place = arguments
        .iter()
        .position(|argument| *argument == "--partitions")
        .expect("a flag");
    arguments[place + 1] = "16";
    arguments.extend(["--listen", "127.0.0.1:0"]);
    let refused = process::run("segmentation", &arguments);
    assert!(!refused.status.success());
    let reason = String::from_utf8_lossy(&refused.stderr);
    assert!(
        reason.contains('8') && reason.contains("16") && reason.contains("partition"),
        "{reason}"
    );
}
