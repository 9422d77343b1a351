//! Four services, each its own process, on a real Redis and a real PostgreSQL: one event's way from
//! end to end.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proto::identity::v1::Event;
use proto::identity::v1::event::{PropertiesForm, TraitsForm};
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::journey::v1::{GetCustomerJourneysRequest, GetFlowRequest, GetFlowResponse};
use proto::segmentation::v1::GetProfileRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;

use crate::process::{self, Hook};
use crate::suite::{self, BUYERS, JOURNEY, PATIENCE, SECRET, SEGMENTATION, Suite, eventually};

fn definitions(hook: &str) -> String {
    let shop = suite::shop(hook);
    format!(
        r#"
{BUYERS}
---
{shop}
---
template: {{name: thanks, text: {{body: 'Thank you, {{{{ profile.name }}}}, for {{{{ event.value }}}}'}}}}
---
journey:
  name: thank_buyers
  entry: {{triggers: [{{event: purchase}}], reentry: REENTRY_AFTER_EXIT}}
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

/// Sends a purchase and returns the customer.
async fn purchase(suite: &Suite, request_id: &str, user: &str, value: f64) -> String {
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
        properties_form: Some(PropertiesForm::Properties(object("value", number(value)))),
        traits_form: Some(TraitsForm::Traits(object("name", text(user)))),
        ..Event::default()
    };
    suite.ingest(request_id, event).await
}

async fn flow(suite: &Suite) -> GetFlowResponse {
    let mut journey = JourneyServiceClient::connect(suite.url(JOURNEY))
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
async fn run_ended(suite: &Suite, customer_id: &str) -> String {
    let mut journey = JourneyServiceClient::connect(suite.url(JOURNEY))
        .await
        .expect("journey");
    eventually(async || {
        let request = GetCustomerJourneysRequest {
            customer_id: customer_id.to_owned(),
            after: String::new(),
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
    .expect("the run ends")
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
    let lease = ["--lease-ttl", "2s"].map(str::to_owned);
    let mut suite = Suite::start(8, |_| lease.to_vec()).await;
    let (address, mut hooks) = process::receive_hooks().await;
    suite.apply(&definitions(&format!("http://{address}/hook")));

    // A replayed request is answered like the first, and counts once.
    let customer = purchase(&suite, "first", "ann", 20.0).await;
    assert_eq!(purchase(&suite, "first", "ann", 20.0).await, customer);
    // The service that holds the waiting run dies, and another process goes on.
    suite.services[JOURNEY].kill_and_restart().await;
    assert_eq!(purchase(&suite, "second", "ann", 30.0).await, customer);

    let hook = tokio::time::timeout(PATIENCE, hooks.recv())
        .await
        .expect("a webhook")
        .expect("a webhook");
    assert_signed(&hook);
    let body: serde_json::Value = serde_json::from_str(&hook.body).expect("JSON");
    assert_eq!(body["data"]["customer_id"], customer.as_str());
    assert_eq!(body["data"]["body"], "Thank you, ann, for 20");
    assert_eq!(run_ended(&suite, &customer).await, "COMPLETED");

    // The receipt came back as an event of the customer.
    let mut segmentation = SegmentationServiceClient::connect(suite.url(SEGMENTATION))
        .await
        .expect("segmentation");
    let request = GetProfileRequest {
        customer_id: customer.clone(),
        after: String::new(),
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

    let flow = flow(&suite).await;
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
    for service in suite.services {
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
