//! A load of changes and reads, each under a name of its own and none sent again, so that it can be
//! told afterwards which of them took effect.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::access::v1::key_service_client::KeyServiceClient;
use proto::access::v1::{CreateKeyRequest, RevokeKeyRequest};
use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::activation::v1::{
    GetConsentRequest, SetConsentRequest, Template, TextContent, template,
};
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::definition::v1::{
    ApplyDefinitionsRequest, Definition, DefinitionKind, DeleteDefinitionRequest, definition,
};
use proto::identity::v1::get_customer_request::Key;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, GetCustomerRequest, IngestRequest, MergeCustomersRequest};
use rpc::PeerChannel;
use tokio::task::JoinSet;
use tonic::{Request, Status};

use crate::faults::installation::channel;
use crate::suite::{PAUSE, eventually};

/// The time that a client waits for an answer before it goes on with something else.
const ANSWER: Duration = Duration::from_secs(2);
/// The pause of each client between two calls: the machine has other work too.
const BREATH: Duration = Duration::from_millis(15);

/// The purposes that each customer consents to: fewer than are kept.
const PURPOSES: u64 = 50;

/// A read that was answered.
#[derive(Debug, Clone)]
pub(super) struct Read {
    /// The id of its trace, by which its entry is known.
    pub(super) trace: String,
    /// The time of the answer.
    pub(super) time: Instant,
}

/// The work of a client, again and again.
#[derive(Debug, Clone, Copy)]
enum Work {
    Define,
    ChangeKeys,
    JoinCustomers,
    Consent,
    Read,
}

/// Clients of two services, until they are stopped.
pub(super) struct Client {
    identity: PeerChannel,
    activation: PeerChannel,
    /// The customer who is read.
    customer_id: String,
    /// Customers who consent, the newest last.
    consenting: Mutex<Vec<String>>,
    /// The number of consents that were tried.
    consent_count: AtomicU64,
    /// The last number that was given.
    number: AtomicU64,
    is_stopped: AtomicBool,
    reads: Mutex<Vec<Read>>,
}

/// A call that does not wait for long.
fn ask<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(ANSWER);
    request
}

impl Client {
    pub(super) async fn new(identity: String, activation: String) -> Self {
        let mut client = Self {
            identity: channel(&identity),
            activation: channel(&activation),
            customer_id: String::new(),
            consenting: Mutex::default(),
            consent_count: AtomicU64::new(0),
            number: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
            reads: Mutex::default(),
        };
        let first = client.ingest(&[("user_id", "reader".to_owned())]).await;
        client.customer_id = first.expect("a customer");
        client
    }

    /// Begins to change and read.
    pub(super) fn start(self: &Arc<Self>, load: &mut JoinSet<()>) {
        for work in [
            Work::Define,
            Work::ChangeKeys,
            Work::JoinCustomers,
            Work::Consent,
            Work::Read,
        ] {
            load.spawn(Arc::clone(self).run(work));
        }
    }

    /// Lets calls under way end, and makes no others.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Returns the reads that were answered.
    pub(super) fn reads(&self) -> Vec<Read> {
        self.reads.lock().expect("no panic before").clone()
    }

    /// Returns the purposes that customers have consented to, once all that was asked for took
    /// effect.
    pub(super) async fn consents(&self) -> Vec<String> {
        let mut purposes = Vec::new();
        let customers = self.consenting.lock().expect("no panic before").clone();
        for customer in customers {
            let last = format!("p{}", self.number());
            self.grant(&customer, &last).await.expect("a consent");
            let found = eventually(async || {
                let found = self.consents_of(&customer).await.ok()?;
                found.contains(&last).then_some(found)
            });
            purposes.extend(found.await.expect("the last consent"));
        }
        purposes
    }

    async fn consents_of(&self, customer_id: &str) -> Result<Vec<String>, Status> {
        let request = GetConsentRequest {
            customer_id: customer_id.to_owned(),
            after: String::new(),
        };
        let mut client = ActivationServiceClient::new(self.activation.clone());
        let answer = client.get_consent(ask(request)).await?.into_inner();
        let purposes = answer.consents.into_iter().map(|it| it.purpose);
        Ok(purposes.collect())
    }

    async fn run(self: Arc<Self>, work: Work) {
        while !self.is_stopped.load(Ordering::Relaxed) {
            let done = match work {
                Work::Define => self.define().await,
                Work::ChangeKeys => self.change_keys().await,
                Work::JoinCustomers => self.join_customers().await,
                Work::Consent => self.consent().await,
                Work::Read => self.read().await,
            };
            // It may have taken effect, or not: that is what is looked at afterwards.
            let pause = match done {
                Ok(()) => BREATH,
                Err(_) => PAUSE,
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// Creates a template, changes it and deletes it.
    async fn define(&self) -> Result<(), Status> {
        let name = format!("crash_{}", self.number());
        let mut client = DefinitionServiceClient::new(self.activation.clone());
        for body in ["one", "two"] {
            let text = TextContent {
                subject: String::new(),
                body: body.to_owned(),
            };
            let template = Template {
                name: name.clone(),
                medium: Some(template::Medium::Text(text)),
            };
            let kind = Some(definition::Kind::Template(template));
            let request = ApplyDefinitionsRequest {
                request_id: format!("{name} {body}"),
                definitions: vec![Definition { kind }],
                ..ApplyDefinitionsRequest::default()
            };
            client.apply_definitions(ask(request)).await?;
        }
        let request = DeleteDefinitionRequest {
            request_id: format!("{name} deleted"),
            kind: DefinitionKind::Template.into(),
            name,
            if_match: String::new(),
        };
        client.delete_definition(ask(request)).await?;
        Ok(())
    }

    /// Creates a key and revokes it.
    async fn change_keys(&self) -> Result<(), Status> {
        let number = self.number();
        let channels = [&self.identity, &self.activation];
        let channel = channels[usize::from(number.is_multiple_of(2))];
        let mut client = KeyServiceClient::new(channel.clone());
        let id = format!("{number:016}");
        let request = CreateKeyRequest {
            request_id: format!("{id} created"),
            id: id.clone(),
            hash: format!("{number:064x}"),
            name: "crash".to_owned(),
            scopes: vec!["metrics:read".to_owned()],
            expire_time: None,
            source: String::new(),
        };
        client.create_key(ask(request)).await?;
        let request = RevokeKeyRequest {
            request_id: format!("{id} revoked"),
            id,
        };
        client.revoke_key(ask(request)).await?;
        Ok(())
    }

    /// Joins two customers by an event that names both, and the next two by order.
    async fn join_customers(&self) -> Result<(), Status> {
        let number = self.number();
        let anonymous = ("anonymous_id", format!("a{number}"));
        let user = ("user_id", format!("u{number}"));
        let one = self.ingest(std::slice::from_ref(&anonymous)).await?;
        let other = self.ingest(std::slice::from_ref(&user)).await?;
        if number.is_multiple_of(2) {
            self.ingest(&[anonymous, user]).await?;
            return Ok(());
        }
        let request = MergeCustomersRequest {
            request_id: format!("merge {number}"),
            customer_ids: vec![one, other],
            reason: String::new(),
        };
        let mut client = IdentityServiceClient::new(self.identity.clone());
        client.merge_customers(ask(request)).await?;
        Ok(())
    }

    /// Sends an event, and returns the customer.
    async fn ingest(&self, identifiers: &[(&str, String)]) -> Result<String, Status> {
        let identifiers = identifiers.iter();
        let event = Event {
            name: "seen".to_owned(),
            identifiers: identifiers
                .map(|(namespace, value)| ((*namespace).to_owned(), value.clone()))
                .collect(),
            ..Event::default()
        };
        let request = IngestRequest {
            request_id: format!("event {}", self.number()),
            events: vec![event],
            ..IngestRequest::default()
        };
        let mut client = IdentityServiceClient::new(self.identity.clone());
        let answer = client.ingest(ask(request)).await?.into_inner();
        Ok(answer.results[0].customer_id.clone())
    }

    fn newest_consenting(&self) -> Option<String> {
        let customers = self.consenting.lock().expect("no panic before");
        customers.last().cloned()
    }

    async fn consent(&self) -> Result<(), Status> {
        let number = self.number();
        let count = self.consent_count.fetch_add(1, Ordering::Relaxed);
        let newest = self.newest_consenting();
        let customer = match newest.filter(|_| !count.is_multiple_of(PURPOSES)) {
            Some(customer) => customer,
            None => {
                let user = ("user_id", format!("c{number}"));
                let customer = self.ingest(&[user]).await?;
                let mut customers = self.consenting.lock().expect("no panic before");
                customers.push(customer.clone());
                customer
            }
        };
        self.grant(&customer, &format!("p{number}")).await
    }

    async fn grant(&self, customer_id: &str, purpose: &str) -> Result<(), Status> {
        let request = SetConsentRequest {
            request_id: format!("consent {purpose}"),
            customer_id: customer_id.to_owned(),
            purpose: purpose.to_owned(),
            granted: true,
            ..SetConsentRequest::default()
        };
        let mut client = ActivationServiceClient::new(self.activation.clone());
        client.set_consent(ask(request)).await?;
        Ok(())
    }

    async fn read(&self) -> Result<(), Status> {
        let trace = format!("{:032x}", self.number() + 1);
        let mut request = ask(GetCustomerRequest {
            key: Some(Key::CustomerId(self.customer_id.clone())),
            after: String::new(),
        });
        let parent = format!("00-{trace}-00000000000000aa-01");
        let parent = parent.parse().expect("a header");
        request.metadata_mut().insert("traceparent", parent);
        let mut client = IdentityServiceClient::new(self.identity.clone());
        client.get_customer(request).await?;
        let time = Instant::now();
        let mut reads = self.reads.lock().expect("no panic before");
        reads.push(Read { trace, time });
        Ok(())
    }
}
