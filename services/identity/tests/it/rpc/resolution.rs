//! Customers, as a client asks for them: found, linked, taken apart, explained, tried.

use engine::TimeSource;
use identity::{IdentityRpc, ResolutionRpc};
use journal::{EventLog, SqlLog};
use proto::identity::v1::resolution_service_client::ResolutionServiceClient;
use proto::identity::v1::unmerge_customers_request::By;
use proto::identity::v1::{self, explain_identity_request, list_history_request};
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::transport::{Channel, Server};

use super::{Client, connect_with, fields, ingest, open, reason, serve};
use crate::events::log_accepted;
use crate::fixture::{Fixture, Sql, namespaces};

type Resolution = ResolutionServiceClient<Channel>;

/// Serves both, over the same stores.
async fn both() -> (Client, Resolution, Fixture) {
    let (client, fixture) = serve(TimeSource::system()).await;
    let resolution = connect(open(&fixture).await).await;
    (client, resolution, fixture)
}

async fn connect(rpc: IdentityRpc) -> Resolution {
    let server = ResolutionRpc::new(rpc).into_server();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(
        Server::builder()
            .layer(rpc::ServerLayer::default())
            .add_service(server)
            .serve_with_incoming(incoming),
    );
    Resolution::connect(format!("http://{address}"))
        .await
        .expect("connects")
}

/// Identifiers such as `user_id=u1 email=a@x.io`.
fn identifiers(text: &str) -> Vec<v1::Identifier> {
    let pairs = text.split_whitespace();
    let pairs = pairs.map(|pair| pair.split_once('=').expect("namespace=value"));
    pairs
        .map(|(namespace, value)| v1::Identifier {
            namespace: namespace.to_owned(),
            value: value.to_owned(),
        })
        .collect()
}

fn identifier(text: &str) -> v1::Identifier {
    identifiers(text).remove(0)
}

fn look_up(text: &str) -> v1::ResolveRequest {
    v1::ResolveRequest {
        identifiers: identifiers(text),
    }
}

#[tokio::test]
async fn whom_an_event_would_go_to_is_told_and_nothing_changes() {
    let (mut client, mut resolution, _fixture) = both().await;
    let sent = ["user_id=u1 email=e@x.io", "anonymous_id=a1", "user_id=u2"];
    let sent = ingest(&mut client, "", &sent).await.expect("ingests");
    let ids: Vec<&str> = sent.iter().map(|it| it.customer_id.as_str()).collect();
    // Twice, so that the cache answers too.
    for _ in 0..2 {
        for (asked, customer, is_known, merged, dropped) in [
            ("user_id=u1", ids[0], true, vec![], vec![]),
            ("email=E@x.io", ids[0], true, vec![], vec![]),
            ("anonymous_id=a1", ids[1], false, vec![], vec![]),
            (
                "user_id=u1 anonymous_id=a1",
                ids[0],
                true,
                vec![ids[1]],
                vec![],
            ),
            (
                "user_id=u2 email=e@x.io",
                ids[2],
                true,
                vec![],
                vec!["LIMIT_EXCEEDED"],
            ),
            ("user_id=u9", "", false, vec![], vec![]),
            ("user_id=null", "", false, vec![], vec!["BLOCKED_VALUE"]),
            ("badge=7", "", false, vec![], vec!["UNKNOWN_NAMESPACE"]),
        ] {
            let answer = resolution.resolve(look_up(asked)).await.expect("answers");
            let answer = answer.into_inner();
            assert_eq!(answer.customer_id, customer, "{asked}");
            assert_eq!(answer.known, is_known, "{asked}");
            assert_eq!(answer.would_merge_customer_ids, merged, "{asked}");
            let reasons = answer.dropped_identifiers.iter();
            let reasons: Vec<&str> = reasons.map(|it| it.reason.as_str()).collect();
            assert_eq!(reasons, dropped, "{asked}");
        }
    }
    let refused = resolution.resolve(look_up("")).await.expect_err("refused");
    assert_eq!(fields(&refused), ["identifiers"]);
}

#[tokio::test]
async fn a_stream_answers_in_order_until_a_request_is_wrong() {
    let (mut client, mut resolution, _fixture) = both().await;
    let sent = ingest(&mut client, "", &["user_id=u1"]).await;
    let sent = sent.expect("ingests").remove(0);
    let ask = |text: &str, tag: usize| v1::ResolveStreamRequest {
        request: Some(look_up(text)),
        tag: tag.to_string(),
    };
    let mut requests: Vec<_> = (0..3_000)
        .map(|tag| match tag % 3 {
            0 => ask("user_id=u1", tag),
            1 => ask(&format!("user_id=other{tag}"), tag),
            _ => ask("email=null user_id=u1", tag),
        })
        .collect();
    requests.push(ask("User=x", 3_000));
    requests.push(ask("user_id=u1", 3_001));
    let answers = resolution
        .resolve_stream(tokio_stream::iter(requests))
        .await;
    let mut answers = answers.expect("a stream").into_inner();
    for tag in 0..3_000 {
        let answer = answers.next().await.expect("an answer").expect("right");
        assert_eq!(answer.tag, tag.to_string());
        let response = answer.response.expect("set");
        let expected = if tag % 3 == 1 { "" } else { &sent.customer_id };
        assert_eq!(response.customer_id, expected, "{tag}");
    }
    let refused = answers.next().await.expect("an end").expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(fields(&refused), ["request.identifiers[0].namespace"]);
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn a_customer_is_said_to_be_somebody_once() {
    let (_client, mut resolution, _fixture) = both().await;
    let request = v1::IdentifyRequest {
        request_id: "r1".to_owned(),
        identifiers: identifiers("user_id=u1 anonymous_id=a1 anonymous_id=a2 email=null"),
        traits: None,
    };
    let first = resolution.identify(request.clone()).await.expect("taken");
    let first = first.into_inner();
    assert!(first.created);
    assert_eq!(first.dropped_identifiers[0].reason, "BLOCKED_VALUE");
    let customer = first.customer.as_ref().expect("set");
    assert_eq!(customer.identifiers.len(), 3);
    let again = resolution.identify(request).await.expect("taken");
    assert_eq!(again.into_inner(), first);
    let nobody = v1::IdentifyRequest {
        request_id: "r2".to_owned(),
        identifiers: identifiers("email=null"),
        traits: None,
    };
    let refused = resolution.identify(nobody).await.expect_err("refused");
    assert_eq!(fields(&refused), ["identifiers"]);
}

#[tokio::test]
async fn what_is_linked_comes_apart_again_and_both_are_in_the_history() {
    let (mut client, mut resolution, _fixture) = both().await;
    let sent = ["user_id=u1", "user_id=u2 anonymous_id=a2"];
    let sent = ingest(&mut client, "", &sent).await.expect("ingests");
    let link = v1::LinkRequest {
        request_id: "l1".to_owned(),
        identifiers: identifiers("user_id=u1 user_id=u2"),
        reason: "one person".to_owned(),
        ..v1::LinkRequest::default()
    };
    let linked = resolution.link(link.clone()).await.expect("linked");
    let linked = linked.into_inner();
    assert_eq!(linked.merged_customer_ids, [sent[1].customer_id.clone()]);
    let again = resolution.link(link).await.expect("linked");
    assert_eq!(again.into_inner(), linked);

    let explain = v1::ExplainIdentityRequest {
        key: Some(explain_identity_request::Key::Identifier(identifier(
            "anonymous_id=a2",
        ))),
    };
    let explained = resolution.explain_identity(explain).await.expect("told");
    let explained = explained.into_inner();
    let kinds: Vec<_> = explained.evidence.iter().map(|it| it.kind()).collect();
    assert!(kinds.contains(&v1::EvidenceKind::Forced), "{kinds:?}");
    assert!(explained.sentences.len() > 3, "{:?}", explained.sentences);

    let unmerge = |id: &str, dry_run: bool| v1::UnmergeCustomersRequest {
        request_id: id.to_owned(),
        by: Some(By::OperationId(linked.operation_id.clone())),
        dry_run,
        ..v1::UnmergeCustomersRequest::default()
    };
    let planned = resolution.unmerge_customers(unmerge("d1", true)).await;
    let planned = planned.expect("planned").into_inner();
    assert_eq!(planned.operation_id, "");
    assert!(!planned.indivisible.is_empty());
    let done = resolution.unmerge_customers(unmerge("u1", false)).await;
    let done = done.expect("done").into_inner();
    assert_eq!(done.customers, planned.customers);
    let again = resolution.unmerge_customers(unmerge("u1", false)).await;
    assert_eq!(again.expect("done").into_inner(), done);
    let ids: Vec<_> = done.customers.iter().map(|it| &it.customer_id).collect();
    assert_eq!(ids, [&sent[0].customer_id, &sent[1].customer_id]);

    let history = v1::ListHistoryRequest {
        key: Some(list_history_request::Key::Identifier(identifier(
            "user_id=u2",
        ))),
        ..v1::ListHistoryRequest::default()
    };
    let history = resolution.list_history(history).await.expect("listed");
    let operations = history.into_inner().operations;
    let kinds: Vec<_> = operations
        .iter()
        .map(|it| (it.kind(), it.retracted))
        .collect();
    assert_eq!(
        kinds,
        [
            (v1::IdentityOperationKind::Unmerge, false),
            (v1::IdentityOperationKind::Merge, true)
        ]
    );
}

#[tokio::test]
async fn what_an_identifier_taught_that_leaves_alone_stays_with_its_fragment() {
    let (mut client, mut resolution, _fixture) = both().await;
    let mut sent = Vec::new();
    for event in [
        "anonymous_id=a1 email=e@x.io",
        "anonymous_id=a2 phone=+4930123456",
        "anonymous_id=a2 email=e@x.io",
    ] {
        sent.extend(ingest(&mut client, "", &[event]).await.expect("ingests"));
    }
    assert_eq!(sent[2].customer_id, sent[0].customer_id);
    for (id, dry_run) in [("d", true), ("u", false), ("u", false)] {
        let request = v1::UnmergeCustomersRequest {
            request_id: id.to_owned(),
            by: Some(By::Identifier(identifier("anonymous_id=a2"))),
            dry_run,
            ..v1::UnmergeCustomersRequest::default()
        };
        let apart = resolution.unmerge_customers(request).await.expect("apart");
        let told = apart.into_inner().indivisible.join("\n");
        // The other fragment, which comes apart too and is not the one that keeps the id.
        let stays = format!("what its events taught stays with {}.", sent[1].customer_id);
        assert!(told.contains(&stays), "{told}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let (mut client, mut resolution, _fixture) = both().await;
    ingest(&mut client, "", &["user_id=u1"])
        .await
        .expect("ingests");
    let nobody = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23".to_owned();
    for (by, expected) in [
        (By::OperationId(nobody.clone()), "EVIDENCE_NOT_FOUND"),
        (By::FragmentId(nobody.clone()), "EVIDENCE_NOT_FOUND"),
        (
            By::Identifier(identifier("user_id=u9")),
            "EVIDENCE_NOT_FOUND",
        ),
        (By::Identifier(identifier("user_id=u1")), "UNMERGE_REFUSED"),
    ] {
        let request = v1::UnmergeCustomersRequest {
            request_id: "r".to_owned(),
            by: Some(by.clone()),
            ..v1::UnmergeCustomersRequest::default()
        };
        let refused = resolution.unmerge_customers(request).await;
        let refused = refused.expect_err("refused");
        assert_eq!(reason(&refused), expected, "{by:?}");
    }
    let history = v1::ListHistoryRequest {
        key: Some(list_history_request::Key::CustomerId(nobody)),
        ..v1::ListHistoryRequest::default()
    };
    let refused = resolution.list_history(history).await.expect_err("none");
    assert_eq!(reason(&refused), "CUSTOMER_NOT_FOUND");
    for (asked, state) in [("user_id=u9", ""), ("email=null", "BLOCKED_VALUE")] {
        let explain = v1::ExplainIdentityRequest {
            key: Some(explain_identity_request::Key::Identifier(identifier(asked))),
        };
        let told = resolution.explain_identity(explain).await.expect("told");
        let told = told.into_inner();
        assert_eq!(
            (told.customer, told.identifier_state.as_str()),
            (None, state)
        );
        assert_eq!(told.sentences.len(), 1, "{asked}");
    }
}

#[tokio::test]
async fn a_rule_is_tried_on_events() {
    let (_client, mut resolution, _fixture) = both().await;
    let event = |text: &str| v1::SimulatedEvent {
        time: None,
        identifiers: identifiers(text)
            .into_iter()
            .map(|own| v1::RawIdentifier {
                namespace: own.namespace,
                value: own.value,
            })
            .collect(),
    };
    let request = |rule: v1::ConflictRule| v1::SimulateRequest {
        events: vec![
            event("user_id=u1 anonymous_id=a1"),
            event("user_id=u2 anonymous_id=a1"),
            event("user_id=null"),
        ],
        conflict_rule: rule.into(),
        ..v1::SimulateRequest::default()
    };
    for (rule, customers) in [
        (v1::ConflictRule::Unspecified, ["c1", "c2", ""]),
        (v1::ConflictRule::UnionAll, ["c1", "c1", ""]),
    ] {
        let told = resolution.simulate(request(rule)).await.expect("tried");
        let told = told.into_inner();
        let found: Vec<_> = told.events.iter().map(|it| it.customer.as_str()).collect();
        assert_eq!(found, customers, "{rule:?}");
    }
    let wrong = v1::SimulateRequest {
        namespaces: vec![v1::Namespace {
            name: "x".to_owned(),
            priority: 1,
            limit: 1,
            blocked_patterns: vec!["(".to_owned()],
            ..v1::Namespace::default()
        }],
        ..request(v1::ConflictRule::UnionAll)
    };
    let refused = resolution.simulate(wrong).await.expect_err("refused");
    let found = fields(&refused);
    assert!(
        found[0].starts_with("namespaces[0].blocked_patterns"),
        "{found:?}"
    );
}

/// The documented mistake of a login id that only a device ties to somebody.
#[tokio::test]
async fn a_login_that_a_device_ties_to_somebody_is_named() {
    let rules = namespaces(&[("crm_id", 1), ("login_id", 10), ("ecid", 20)]);
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), rules).await;
    let database = fixture.identity.database.clone();
    let log = SqlLog::open(database.clone()).await.expect("tables");
    let events = EventLog::open(database, fixture.partitions).await;
    let events = Some(events.expect("opens"));
    let mut client = connect_with(&fixture, events.clone()).await;
    let sent = [
        "crm_id=Tom login_id=ID_A",
        "crm_id=Tom login_id=ID_B",
        "login_id=ID_A ecid=111",
        "login_id=ID_C ecid=111",
    ];
    ingest(&mut client, "r", &sent).await.expect("ingests");
    log_accepted(&fixture, &log).await;
    let mut resolution = connect(open(&fixture).await.with_event_log(events)).await;
    let explain = v1::ExplainIdentityRequest {
        key: Some(explain_identity_request::Key::Identifier(identifier(
            "crm_id=Tom",
        ))),
    };
    let explained = resolution.explain_identity(explain).await.expect("told");
    let explained = explained.into_inner();
    assert_eq!(explained.dangling_identifiers, identifiers("login_id=ID_C"));
    let of = |value: &str| {
        let mut evidence = explained.evidence.iter();
        let own = evidence.find(|it| it.identifier.as_ref().is_some_and(|it| it.value == value));
        own.map(|it| (it.kind(), it.count))
    };
    assert_eq!(of("ID_A"), Some((v1::EvidenceKind::Attached, 2)));
    assert_eq!(of("111"), Some((v1::EvidenceKind::Attached, 2)));
    let sentence = "login_id:ID_C never came with a value that names a person";
    let told = explained.sentences.iter();
    assert!(told.clone().any(|it| it.starts_with(sentence)), "{told:?}");
}
