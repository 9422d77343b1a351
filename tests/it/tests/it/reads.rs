//! Reading one's own write, over four processes on real stores: no read that comes after a write
//! misses it, whatever it went through.

use std::collections::HashMap;
use std::time::Duration;

use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::activation::v1::{GetConsentRequest, ListActivationsRequest, SetConsentRequest};
use proto::identity::v1::event::PropertiesForm;
use proto::identity::v1::get_customer_request::Key;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::list_events_request::By;
use proto::identity::v1::{
    Event, GetCustomerRequest, IngestRequest, Lane, ListEventsRequest, MergeCustomersRequest,
};
use proto::journey::v1::GetCustomerJourneysRequest;
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use proto::segmentation::v1::{ExplainMembershipRequest, GetProfileRequest};
use rpc::PeerChannel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::faults::installation::{Durability, Installation};
use crate::faults::shared_machine;
use crate::suite::{ACTIVATION, IDENTITY, JOURNEY, PATIENCE, SEGMENTATION};

/// Writes of each kind, one after another. Of each customer fewer than the 20 newest runs and the
/// 100 newest activations that are shown.
const ROUNDS: u32 = 40;
/// Customers who are written of in turn.
const USERS: u32 = 5;
/// A read that is to fail waits so long.
const IMPATIENCE: Duration = Duration::from_millis(800);

/// Each event begins a run, which asks for an activation at once.
const NOTE: &str = r"
journey:
  name: note
  entry: {triggers: [{event: noted}], key: order, reentry: REENTRY_AFTER_EXIT}
  steps:
    - id: thank
      send: {channel: shop, template: thanks, purpose: marketing}
    - id: done
      exit: {outcome: RUN_OUTCOME_SUCCESS}
";

/// A call that waits as long as it takes.
fn ask<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// The services' view of a customer.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    customer_id: String,
    events: u64,
    runs: usize,
    activations: usize,
}

/// Connections to the four services.
struct Clients {
    identity: IdentityServiceClient<PeerChannel>,
    segmentation: SegmentationServiceClient<PeerChannel>,
    journey: JourneyServiceClient<PeerChannel>,
    activation: ActivationServiceClient<PeerChannel>,
    /// The number of the last order.
    orders: u32,
}

impl Clients {
    fn of(installation: &Installation) -> Self {
        Self {
            identity: IdentityServiceClient::new(installation.channel(IDENTITY)),
            segmentation: SegmentationServiceClient::new(installation.channel(SEGMENTATION)),
            journey: JourneyServiceClient::new(installation.channel(JOURNEY)),
            activation: ActivationServiceClient::new(installation.channel(ACTIVATION)),
            orders: 0,
        }
    }

    /// Writes events of users, and returns the customer of the last one and the position.
    async fn note(&mut self, users: &[String], lane: Lane) -> (String, String) {
        let mut events = Vec::new();
        for user in users {
            self.orders += 1;
            let order = prost_types::Value {
                kind: Some(prost_types::value::Kind::StringValue(
                    self.orders.to_string(),
                )),
            };
            events.push(Event {
                name: "noted".to_owned(),
                identifiers: HashMap::from([("user_id".to_owned(), user.clone())]),
                properties_form: Some(PropertiesForm::Properties(prost_types::Struct {
                    fields: [("order".to_owned(), order)].into(),
                })),
                ..Event::default()
            });
        }
        let request = IngestRequest {
            request_id: format!("order-{}", self.orders),
            events,
            lane: lane.into(),
        };
        let answer = self.identity.ingest(ask(request)).await;
        let answer = answer.expect("accepted").into_inner();
        let last = answer.results.last().expect("a result");
        (last.customer_id.clone(), answer.position)
    }

    /// Reads a customer everywhere, after a write.
    async fn see(&mut self, customer_id: &str, after: &str) -> Seen {
        let (customer_id, after) = (customer_id.to_owned(), after.to_owned());
        let journeys = GetCustomerJourneysRequest {
            customer_id: customer_id.clone(),
            after: after.clone(),
        };
        let activations = ListActivationsRequest {
            customer_id: customer_id.clone(),
            page_size: 100,
            after: after.clone(),
            ..ListActivationsRequest::default()
        };
        // At once, so that none comes later because of another.
        let (profile, journeys, activations) = tokio::join!(
            self.segmentation
                .get_profile(ask(GetProfileRequest { customer_id, after })),
            self.journey.get_customer_journeys(ask(journeys)),
            self.activation.list_activations(ask(activations)),
        );
        let profile = profile.expect("a profile").into_inner().profile;
        let profile = profile.expect("a profile");
        let mut events = profile.events.iter();
        let noted = events.find(|event| event.name == "noted");
        Seen {
            events: noted.map_or(0, |event| event.count),
            customer_id: profile.customer_id,
            runs: journeys.expect("journeys").into_inner().runs.len(),
            activations: activations.expect("a page").into_inner().activations.len(),
        }
    }

    /// Records a word of a customer and reads it back.
    async fn consent(&mut self, customer_id: &str, granted: bool) {
        self.orders += 1;
        let request = SetConsentRequest {
            request_id: format!("word-{}", self.orders),
            customer_id: customer_id.to_owned(),
            purpose: "news".to_owned(),
            granted,
            ..SetConsentRequest::default()
        };
        let answer = self.activation.set_consent(ask(request)).await;
        let request = GetConsentRequest {
            customer_id: customer_id.to_owned(),
            after: answer.expect("taken").into_inner().position,
        };
        let found = self.activation.get_consent(ask(request)).await;
        let consents = found.expect("consents").into_inner().consents;
        let news = consents.iter().find(|consent| consent.purpose == "news");
        assert_eq!(news.map(|consent| consent.granted), Some(granted));
    }

    async fn merge(&mut self, customer_ids: [&str; 2]) -> (String, String) {
        let request = MergeCustomersRequest {
            request_id: customer_ids.concat(),
            customer_ids: customer_ids.map(str::to_owned).to_vec(),
            reason: String::new(),
        };
        let answer = self.identity.merge_customers(ask(request)).await;
        let answer = answer.expect("merged").into_inner();
        let customer = answer.customer.expect("a customer");
        (customer.customer_id, answer.position)
    }
}

fn seen(customer_id: &str, count: u32) -> Seen {
    Seen {
        customer_id: customer_id.to_owned(),
        events: count.into(),
        runs: count as usize,
        activations: count as usize,
    }
}

fn user(number: u32) -> String {
    format!("reader-{number}")
}

/// Each write is read back at once, in all services.
async fn every_write_is_read_back(clients: &mut Clients) {
    for round in 0..ROUNDS {
        let (customer, position) = clients.note(&[user(round % USERS)], Lane::Live).await;
        let expected = seen(&customer, round / USERS + 1);
        assert_eq!(clients.see(&customer, &position).await, expected, "{round}");
        clients.consent(&customer, round.is_multiple_of(2)).await;
    }
}

/// A write to the low-priority lane is read back behind all that waits there.
async fn bulk_writes_are_read_back(clients: &mut Clients) {
    for round in 1..=4 {
        let others: Vec<String> = (0..400).map(|number| format!("other-{number}")).collect();
        clients.note(&others, Lane::Bulk).await;
        let (customer, position) = clients.note(&["bulky".to_owned()], Lane::Bulk).await;
        assert_eq!(
            clients.see(&customer, &position).await,
            seen(&customer, round)
        );
        // A live one is not lost behind it.
        let (lively, position) = clients.note(&["lively".to_owned()], Lane::Live).await;
        assert_eq!(clients.see(&lively, &position).await, seen(&lively, round));
    }
}

/// By the id of who is merged, a read shows what both did, and what follows.
async fn merges_are_read_back(clients: &mut Clients) {
    for round in 0..6 {
        let names = ["older", "younger"].map(|name| format!("{name}-{round}"));
        let (older, _) = clients.note(&names[..1], Lane::Live).await;
        let (younger, _) = clients.note(&names[1..], Lane::Live).await;
        clients.note(&names[1..], Lane::Live).await;
        let (survivor, position) = clients.merge([&younger, &older]).await;
        assert_eq!(survivor, older);
        assert_eq!(
            clients.see(&younger, &position).await,
            seen(&older, 3),
            "{round}"
        );
        // It goes to the partition of the one, and from there to that of the other.
        clients.consent(&younger, round % 2 == 0).await;
        let (after, position) = clients.note(&names[1..], Lane::Live).await;
        assert_eq!(after, older);
        assert_eq!(
            clients.see(&younger, &position).await,
            seen(&older, 4),
            "{round}"
        );
    }
}

/// Where a service is away, the reason names it, before the caller's deadline; once it is back, the
/// same read is answered.
async fn a_service_that_is_away_is_told(installation: &mut Installation, clients: &mut Clients) {
    installation.services[SEGMENTATION].kill();
    let (customer_id, after) = clients.note(&["patient".to_owned()], Lane::Live).await;
    let request = GetCustomerJourneysRequest {
        customer_id: customer_id.clone(),
        after: after.clone(),
    };
    let mut impatient = Request::new(request);
    impatient.set_timeout(IMPATIENCE);
    let refused = clients.journey.get_customer_journeys(impatient).await;
    let status = refused.expect_err("nobody has taken it");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(
        status.message().starts_with("segmentation has not taken"),
        "{status:?}"
    );
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    assert_eq!(reason.as_deref(), Some("POSITION_NOT_REACHED"));
    assert!(details.retry_info().is_some());
    let known = GetCustomerRequest {
        key: Some(Key::CustomerId(customer_id.clone())),
        after: after.clone(),
    };
    let known = clients.identity.get_customer(ask(known)).await;
    assert!(known.is_ok(), "identity waits for nobody: {known:?}");
    installation.services[SEGMENTATION].respawn();
    installation.services[SEGMENTATION].ready().await;
    assert_eq!(
        clients.see(&customer_id, &after).await,
        seen(&customer_id, 1)
    );
}

/// Anything but a position is refused by every read, with the field at fault.
async fn what_is_no_position_is_refused(clients: &mut Clients) {
    let customer_id = "0198c000-0000-7000-8000-000000000000".to_owned();
    for after in ["nonsense".to_owned(), "A".repeat(101)] {
        let (id, after) = (|| customer_id.clone(), || after.clone());
        let get = GetCustomerRequest {
            key: Some(Key::CustomerId(id())),
            after: after(),
        };
        let list = ListEventsRequest {
            by: Some(By::CustomerId(id())),
            after: after(),
            ..ListEventsRequest::default()
        };
        let explain = ExplainMembershipRequest {
            customer_id: id(),
            after: after(),
            ..ExplainMembershipRequest::default()
        };
        let activations = ListActivationsRequest {
            customer_id: id(),
            after: after(),
            ..ListActivationsRequest::default()
        };
        let profile = GetProfileRequest {
            customer_id: id(),
            after: after(),
        };
        let journeys = GetCustomerJourneysRequest {
            customer_id: id(),
            after: after(),
        };
        let consent = GetConsentRequest {
            customer_id: id(),
            after: after(),
        };
        let activation = &mut clients.activation;
        let refusals: [Option<Status>; 7] = [
            clients.identity.get_customer(get).await.err(),
            clients.identity.list_events(list).await.err(),
            clients.segmentation.get_profile(profile).await.err(),
            clients.segmentation.explain_membership(explain).await.err(),
            clients.journey.get_customer_journeys(journeys).await.err(),
            activation.list_activations(activations).await.err(),
            activation.get_consent(consent).await.err(),
        ];
        for (place, status) in refusals.into_iter().enumerate() {
            let status = status.expect("it is refused");
            assert_eq!(status.code(), Code::InvalidArgument, "{place}: {status:?}");
            let details = status.get_error_details();
            let bad = details.bad_request().expect("a field at fault");
            assert_eq!(bad.field_violations[0].field, "after", "{place}");
        }
    }
}

async fn check(durability: Durability) {
    let _machine = shared_machine().await;
    let mut installation = Installation::start(durability).await;
    installation.apply(NOTE).await;
    let mut clients = Clients::of(&installation);
    every_write_is_read_back(&mut clients).await;
    bulk_writes_are_read_back(&mut clients).await;
    merges_are_read_back(&mut clients).await;
    what_is_no_position_is_refused(&mut clients).await;
    a_service_that_is_away_is_told(&mut installation, &mut clients).await;
    installation.assert_running();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_after_a_write_misses_it_at_level_hot() {
    check(Durability::Hot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_after_a_write_misses_it_at_level_journal() {
    check(Durability::Journal).await;
}
