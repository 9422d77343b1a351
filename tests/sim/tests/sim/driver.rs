//! Plays a scenario line by line, each to quiescence before the next, and writes the transcript.
//!
//! After each line every partition shows the same time, and time moves from one due instant to the
//! next. So nothing in a transcript depends on which partition a customer happens to be in, or on
//! how fast deliveries are.

use kernel::{Duration, Timestamp};
use proto::activation::v1::SetConsentRequest;
use proto::convert::{instant, timestamp};
use proto::identity::v1::event::{PropertiesForm, TraitsForm};
use proto::identity::v1::{Event, IngestRequest, MergeCustomersRequest, ResolvedEvent};
use proto::journey::v1::GetCustomerJourneysRequest;
use proto::segmentation::v1::ExplainMembershipRequest;
use sha2::{Digest, Sha256};
use tonic::Code;
use uuid::Uuid;

use crate::answers::answer;
use crate::format::object;
use crate::installation::{Installation, request_id, taken};
use crate::news::News;
use crate::people::People;
use crate::script::{Act, Happening, Line};
use crate::stores::Stores;

/// What the shares of a split sum to.
const BUCKETS: u64 = 10_000;
/// Customers tried until one falls into a range of buckets: beyond this the range is empty.
const CANDIDATES: u32 = 200;

/// A scenario under way.
struct Driver {
    on: Installation,
    people: People,
    news: News,
    clock: Timestamp,
}

/// Plays a scenario on stores, and returns the transcript.
pub(crate) async fn play(script: Vec<Line>, stores: &Stores) -> String {
    let mut driver = Driver {
        on: Installation::start(&stores.options()).await,
        people: People::default(),
        news: News::default(),
        clock: Timestamp::MIN,
    };
    let mut transcript = String::new();
    for line in script {
        transcript += &format!("> {}\n", line.text);
        let said = driver.take(line.act).await;
        let news = driver.news.tell(&mut driver.on, &driver.people).await;
        for told in said.into_iter().chain(news) {
            transcript += &format!("  {told}\n");
        }
    }
    driver.on.stop().await;
    transcript
}

impl Driver {
    /// Does what a line asks for, and returns what the services answered.
    async fn take(&mut self, act: Act) -> Vec<String> {
        match act {
            Act::Define(definitions) => self.on.apply(definitions).await,
            Act::Happen { time, event } => self.happen(time, event).await,
            Act::Pick {
                time,
                name,
                buckets,
                salt,
            } => {
                self.pick(time, &name, &buckets, &salt).await;
                Vec::new()
            }
            Act::Advance(time) => self.advance(time).await,
            Act::Merge(names) => self.merge(&names).await,
            Act::Consent {
                name,
                purpose,
                channel,
                granted,
            } => {
                let request = SetConsentRequest {
                    request_id: request_id(),
                    customer_id: self.people.id(&name),
                    purpose,
                    channel,
                    granted,
                    source: "scenario".to_owned(),
                };
                taken(self.on.activation.set_consent(request).await);
                self.on.settle().await;
                Vec::new()
            }
            Act::Ask(question) => answer(&mut self.on, &self.people, &question).await,
        }
    }

    async fn happen(&mut self, time: Timestamp, happening: Happening) -> Vec<String> {
        let mut said = self.pass_dues(time).await;
        let (_, name) = happening.identifiers[0].clone();
        let resolved = self.ingest(time, happening).await;
        if self.people.meet(&name, &resolved.customer_id) {
            said.push(format!("{name} is new"));
        }
        for from in &resolved.merged_customer_ids {
            said.push(self.joined(from, &resolved.customer_id));
        }
        for dropped in &resolved.dropped_identifiers {
            said.push(format!(
                "{} {} was left out: {}",
                dropped.namespace, dropped.value, dropped.reason
            ));
        }
        said
    }

    /// Sends one event, and lets the other partitions know how late it is.
    async fn ingest(&mut self, time: Timestamp, happening: Happening) -> ResolvedEvent {
        let identifiers = happening.identifiers.into_iter();
        let event = Event {
            event_id: happening.id,
            name: happening.name,
            time: Some(timestamp(time)),
            identifiers: identifiers
                .map(|(namespace, value)| (namespace, self.people.user_id(&value)))
                .collect(),
            properties_form: Some(PropertiesForm::Properties(object(&happening.properties))),
            traits_form: Some(TraitsForm::Traits(object(&happening.traits))),
            ..Event::default()
        };
        let request = IngestRequest {
            events: vec![event],
            ..IngestRequest::default()
        };
        let mut results = taken(self.on.identity.ingest(request).await).results;
        self.on.settle().await;
        if time > self.clock {
            self.on.advance(time).await;
            self.clock = time;
        }
        results.pop().expect("one result for one event")
    }

    /// Finds a customer whose bucket in a split of this salt lies in a range. Ids are drawn by the
    /// services, so several may have to be tried.
    async fn pick(
        &mut self,
        time: Timestamp,
        name: &str,
        buckets: &std::ops::Range<u64>,
        salt: &str,
    ) {
        for candidate in 0..CANDIDATES {
            let user_id = format!("{name}-{candidate}");
            let happening = Happening {
                identifiers: vec![("user_id".to_owned(), user_id.clone())],
                name: "picked".to_owned(),
                id: String::new(),
                properties: Vec::new(),
                traits: Vec::new(),
            };
            let customer = self.ingest(time, happening).await.customer_id;
            if buckets.contains(&bucket(salt, &customer)) {
                self.people.alias(name, &user_id);
                self.people.meet(name, &customer);
                return;
            }
        }
        panic!("nobody falls into {buckets:?} of {salt}");
    }

    async fn merge(&mut self, names: &[String]) -> Vec<String> {
        let request = MergeCustomersRequest {
            request_id: request_id(),
            customer_ids: names.iter().map(|name| self.people.id(name)).collect(),
            reason: "scenario".to_owned(),
        };
        let merged = taken(self.on.identity.merge_customers(request).await);
        self.on.settle().await;
        let into = merged
            .customer
            .expect("a merge answers with the customer")
            .customer_id;
        merged
            .merged_customer_ids
            .iter()
            .map(|from| self.joined(from, &into))
            .collect()
    }

    fn joined(&mut self, from: &str, into: &str) -> String {
        self.news.merge(from, into);
        let (from, into) = self.people.merge(from, into);
        format!("{from} was joined into {into}")
    }

    async fn advance(&mut self, time: Timestamp) -> Vec<String> {
        let said = self.pass_dues(time).await;
        self.on.advance(time).await;
        self.clock = time;
        said
    }

    /// Moves the clock from one due instant to the next, as far as they lie before a time.
    async fn pass_dues(&mut self, time: Timestamp) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(due) = self.next_due().await.filter(|due| *due < time) {
            self.on.advance(due).await;
            self.clock = due;
            said.extend(self.news.tell(&mut self.on, &self.people).await);
        }
        said
    }

    /// The next instant at which something changes for a customer by time alone.
    async fn next_due(&mut self) -> Option<Timestamp> {
        let mut dues = Vec::new();
        for (customer_id, _) in self.people.everybody() {
            let request = GetCustomerJourneysRequest {
                customer_id: customer_id.clone(),
                after: String::new(),
            };
            match self.on.journey.get_customer_journeys(request).await {
                Err(status) if status.code() == Code::NotFound => {}
                answer => {
                    let customer = taken(answer);
                    dues.extend(
                        customer
                            .runs
                            .iter()
                            .filter_map(|run| run.due_time.as_ref())
                            .map(instant),
                    );
                    let deadlines = customer
                        .happy_paths
                        .iter()
                        .filter_map(|path| path.due_time.as_ref());
                    // At exactly a deadline nothing is missed yet.
                    dues.extend(deadlines.map(|due| instant(due) + Duration::from_millis(1)));
                }
            }
            let request = ExplainMembershipRequest {
                customer_id,
                ..ExplainMembershipRequest::default()
            };
            match self.on.segmentation.explain_membership(request).await {
                Err(status) if status.code() == Code::NotFound => {}
                answer => {
                    let explained = taken(answer).explanations;
                    dues.extend(
                        explained
                            .iter()
                            .filter_map(|own| own.next_change_time.as_ref())
                            .map(instant),
                    );
                }
            }
        }
        dues.into_iter().filter(|due| *due > self.clock).min()
    }
}

/// The bucket of a customer in a split: SHA-256 over the salt and the customer id, as the journey
/// service documents it.
pub(crate) fn bucket(salt: &str, customer: &str) -> u64 {
    let customer: Uuid = customer.parse().expect("a customer id is a UUID");
    let mut hash = Sha256::new();
    hash.update(salt.as_bytes());
    hash.update([0]);
    hash.update(customer.as_bytes());
    let digest = hash.finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes) % BUCKETS
}
