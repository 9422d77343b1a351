//! Explanations: where evidence comes from, which identifier found the customer, and how often
//! identifiers were seen, also while they were joined with others.

use access::{Caller, CallerKind, Scopes};
use engine::TimeSource;
use identity::{IdentityRpc, ResolutionRpc};
use identity_core::Rules;
use journal::{EventLog, SqlLog};
use proto::identity::v1;
use proto::identity::v1::explain_identity_request::Key;
use proto::identity::v1::identity_service_server::IdentityService as _;
use proto::identity::v1::resolution_service_server::ResolutionService as _;
use proto::identity::v1::unmerge_customers_request::By;
use tonic::Request;

use super::open;
use crate::events::log_accepted;
use crate::fixture::{Fixture, Sql, event, namespaces};

struct Process {
    events: IdentityRpc,
    resolution: ResolutionRpc,
}

impl Process {
    async fn over(fixture: &Fixture, log: Option<EventLog>) -> Self {
        let events = open(fixture).await.with_event_log(log);
        Self {
            resolution: ResolutionRpc::new(events.clone()),
            events,
        }
    }

    /// Sends events, each as a request of its own, by a caller.
    async fn send(&self, caller: Option<&Caller>, events: &[&str]) {
        for (place, identifiers) in events.iter().enumerate() {
            let event = v1::Event {
                event_id: format!("{identifiers} {place}"),
                ..event(identifiers)
            };
            let mut request = Request::new(v1::IngestRequest {
                events: vec![event],
                ..v1::IngestRequest::default()
            });
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller.clone());
            }
            self.events.ingest(request).await.expect("taken");
        }
    }

    async fn explain(&self, pair: &str) -> v1::ExplainIdentityResponse {
        let request = v1::ExplainIdentityRequest {
            key: Some(Key::Identifier(identifier(pair))),
        };
        let told = self.resolution.explain_identity(Request::new(request));
        told.await.expect("told").into_inner()
    }
}

fn identifier(pair: &str) -> v1::Identifier {
    let (namespace, value) = pair.split_once('=').expect("namespace=value");
    v1::Identifier {
        namespace: namespace.to_owned(),
        value: value.to_owned(),
    }
}

/// The evidence that attached a value.
fn attached<'a>(told: &'a v1::ExplainIdentityResponse, value: &str) -> &'a v1::IdentityEvidence {
    let mut all = told.evidence.iter();
    let own = all.find(|it| {
        let identifier = it.identifier.as_ref();
        it.kind() == v1::EvidenceKind::Attached && identifier.is_some_and(|it| it.value == value)
    });
    own.expect("evidence")
}

#[tokio::test]
async fn evidence_names_its_sender_and_the_identifier_that_found_the_customer() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let fixture = Fixture::open(sql, TimeSource::system(), Rules::default()).await;
        let process = Process::over(&fixture, None).await;
        let till = Caller::new(CallerKind::Key, "k1", "till", Scopes::all());
        let web = till.clone().of_source("web_shop");
        process.send(Some(&web), &["anonymous_id=a1"]).await;
        process
            .send(Some(&till), &["anonymous_id=a1 user_id=u1"])
            .await;
        process.send(None, &["user_id=u1 email=e@x.io"]).await;
        let told = process.explain("user_id=u1").await;
        for (value, source, found_by) in [
            ("a1", "web_shop", ""),
            ("u1", "till", "anonymous_id"),
            ("e@x.io", "", "user_id"),
        ] {
            let own = attached(&told, value);
            assert_eq!(
                (own.source.as_str(), own.found_by.as_str()),
                (source, found_by)
            );
        }
        let sentence = "by event anonymous_id=a1 user_id=u1 0 from till, where anonymous_id named \
            the customer.";
        let all = told.sentences.join("\n");
        assert!(all.contains(sentence), "{all}");
    }
}

#[tokio::test]
async fn without_a_log_only_a_login_that_a_device_ties_is_suspected() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let rules = namespaces(&[("crm_id", 1), ("login_id", 10), ("ecid", 20)]);
        let fixture = Fixture::open(sql, TimeSource::system(), rules).await;
        let process = Process::over(&fixture, None).await;
        process
            .send(
                None,
                &[
                    "crm_id=Tom login_id=ID_A",
                    // A later login: the person themselves brings it.
                    "crm_id=Tom login_id=ID_B",
                    "login_id=ID_A ecid=111",
                    // And one that comes by the device.
                    "login_id=ID_C ecid=111",
                ],
            )
            .await;
        let told = process.explain("crm_id=Tom").await;
        assert_eq!(told.dangling_identifiers, [identifier("login_id=ID_C")]);
    }
}

#[tokio::test]
async fn events_that_were_logged_while_joined_count_for_those_who_came_apart() {
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), Rules::default()).await;
    let database = fixture.identity.database.clone();
    let log = SqlLog::open(database.clone()).await.expect("tables");
    let events = EventLog::open(database, fixture.partitions).await;
    let process = Process::over(&fixture, Some(events.expect("opens"))).await;
    process
        .send(
            None,
            &[
                "user_id=u1",
                "anonymous_id=a1",
                "user_id=u1 anonymous_id=a1",
                "anonymous_id=a1",
                "anonymous_id=a1",
            ],
        )
        .await;
    log_accepted(&fixture, &log).await;
    let together = process.explain("anonymous_id=a1").await;
    assert_eq!(attached(&together, "a1").count, 4);
    let request = v1::UnmergeCustomersRequest {
        request_id: "u".to_owned(),
        by: Some(By::Identifier(identifier("anonymous_id=a1"))),
        ..v1::UnmergeCustomersRequest::default()
    };
    let apart = process.resolution.unmerge_customers(Request::new(request));
    apart.await.expect("apart");
    let device = process.explain("anonymous_id=a1").await;
    assert_eq!(attached(&device, "a1").count, 4);
    let known = process.explain("user_id=u1").await;
    assert_eq!(attached(&known, "u1").count, 2);
    assert!(
        known
            .evidence
            .iter()
            .all(|it| it.retracted || it.identifier != Some(identifier("anonymous_id=a1")))
    );
}
