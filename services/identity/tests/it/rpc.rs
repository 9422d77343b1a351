//! Every RPC, as a client sees it: success, bad input, replay, missing, paging.

use engine::TimeSource;
use hot::{Append, Appended, StreamId, StreamName};
use identity::IdentityRpc;
use identity_core::Namespaces;
use journal::EventLog;
use kernel::CustomerId;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use proto::identity::v1::{self, get_customer_request::Key};
use proto::stream::v1::record::Body;
use rpc::Idempotency;
use storage::Requests;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::fixture::{Fixture, Sql, event};

pub(crate) type Client = IdentityServiceClient<Channel>;

/// Serves an identity on a free port until the test ends.
async fn serve(time: TimeSource) -> (Client, Fixture) {
    let fixture = Fixture::open(Sql::Sqlite, time, Namespaces::default()).await;
    let client = connect(&fixture).await;
    (client, fixture)
}

/// One more process over the same stores.
async fn connect(fixture: &Fixture) -> Client {
    connect_with(fixture, None).await
}

/// One more process, over an event log.
pub(crate) async fn connect_with(fixture: &Fixture, events: Option<EventLog>) -> Client {
    let intake = fixture.identity.clone().open().await.expect("opens");
    let idempotency = Idempotency::new(Requests::new(fixture.identity.database.clone()));
    let server =
        IdentityServiceServer::new(IdentityRpc::new(intake, idempotency).with_event_log(events));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(
        Server::builder()
            .add_service(server)
            .serve_with_incoming(incoming),
    );
    Client::connect(format!("http://{address}"))
        .await
        .expect("connects")
}

pub(crate) fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}

pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let bad = details.bad_request().expect("a BadRequest");
    bad.field_violations
        .iter()
        .map(|violation| violation.field.clone())
        .collect()
}

pub(crate) async fn ingest(
    client: &mut Client,
    request_id: &str,
    events: &[&str],
) -> Result<Vec<v1::ResolvedEvent>, Status> {
    let request = v1::IngestRequest {
        request_id: request_id.to_owned(),
        events: events
            .iter()
            .map(|identifiers| event(identifiers))
            .collect(),
        lane: 0,
    };
    Ok(client.ingest(request).await?.into_inner().results)
}

async fn stream(
    client: &mut Client,
    batches: Vec<v1::IngestStreamRequest>,
) -> Result<Vec<v1::IngestStreamResponse>, Status> {
    let mut answers = client
        .ingest_stream(tokio_stream::iter(batches))
        .await?
        .into_inner();
    let mut received = Vec::new();
    while let Some(answer) = answers.message().await? {
        received.push(answer);
    }
    Ok(received)
}

#[tokio::test]
async fn ingest_says_who_each_event_happened_to_and_a_replay_gives_the_first_answer() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let events = [
        "anonymous_id=a1",
        "email=e@x.io",
        "anonymous_id=a1 email=E@x.io user_id=null",
    ];
    let first = ingest(&mut client, "r1", &events).await.expect("ingests");
    assert_eq!(
        first.iter().map(|it| it.created).collect::<Vec<_>>(),
        [true, true, false]
    );
    assert_eq!(first[2].customer_id, first[0].customer_id);
    assert_eq!(first[2].merged_customer_ids, [first[1].customer_id.clone()]);
    let dropped = &first[2].dropped_identifiers[0];
    assert_eq!(
        (dropped.value.as_str(), dropped.reason.as_str()),
        ("null", "BLOCKED_VALUE")
    );

    assert_eq!(
        ingest(&mut client, "r1", &events).await.expect("replays"),
        first
    );
    let records = fixture.records(StreamName::Events).await;
    assert_eq!(records.len(), 4, "three events and one merge, once");
    let merged = records
        .iter()
        .find(|record| matches!(record.body, Some(Body::Merged(_))))
        .expect("a merge");
    let loser: CustomerId = first[1].customer_id.parse().expect("an id");
    assert_eq!(merged.customer_id.as_ref(), loser.as_bytes());

    let refused = ingest(&mut client, "r1", &events[..1])
        .await
        .expect_err("another body");
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "REQUEST_ID_REUSED")
    );
}

#[tokio::test]
async fn a_bad_event_refuses_the_whole_request_and_names_every_fault() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let mut request = v1::IngestRequest {
        events: vec![
            event("user_id=u1"),
            event("user_id=null"),
            v1::Event::default(),
        ],
        ..Default::default()
    };
    let refused = client.ingest(request.clone()).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(
        fields(&refused),
        [
            "events[1].identifiers",
            "events[2].name",
            "events[2].identifiers"
        ]
    );
    request.events.clear();
    request.lane = 9;
    request.request_id = "x".repeat(101);
    let refused = client.ingest(request).await.expect_err("refused");
    assert_eq!(fields(&refused), ["request_id", "events", "lane"]);
    assert_eq!(fixture.records(StreamName::Events).await, []);
    let listed = client
        .list_customers(v1::ListCustomersRequest::default())
        .await
        .expect("lists");
    assert_eq!(
        listed.into_inner().customers,
        [],
        "nothing was half-applied"
    );
}

#[tokio::test]
async fn a_stream_answers_each_batch_and_a_bad_event_does_not_stop_the_others() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let batch = |events: &[&str]| v1::IngestStreamRequest {
        events: events
            .iter()
            .map(|identifiers| event(identifiers))
            .collect(),
        lane: v1::Lane::Bulk.into(),
        ..Default::default()
    };
    let mut bad = batch(&["user_id=u1", "user_id=u2", "user_id=u1"]);
    bad.events[1].name = "Not A Name".to_owned();
    let answers = stream(&mut client, vec![bad, batch(&["user_id=u1", "user_id=u3"])])
        .await
        .expect("answers");
    let counts: Vec<_> = answers
        .iter()
        .map(|it| (it.accepted_count, it.created_count))
        .collect();
    assert_eq!(counts, [(2, 1), (2, 1)]);
    assert_eq!(
        (
            answers[0].rejected[0].index,
            answers[0].rejected[0].field.as_str()
        ),
        (1, "name")
    );
    assert_eq!(fixture.records(StreamName::EventsBulk).await.len(), 4);
    assert_eq!(fixture.records(StreamName::Events).await, []);

    let refused = stream(&mut client, vec![v1::IngestStreamRequest::default()])
        .await
        .expect_err("empty");
    assert_eq!(
        (refused.code(), fields(&refused)),
        (Code::InvalidArgument, vec!["events".to_owned()])
    );
}

#[tokio::test]
async fn a_source_that_is_sent_again_has_no_effect_above_what_is_new() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let batch = |range: std::ops::RangeInclusive<u64>| v1::IngestStreamRequest {
        events: range
            .map(|sequence| v1::Event {
                sequence,
                ..event(&format!("user_id=u{}", sequence % 7))
            })
            .collect(),
        source: "file".to_owned(),
        lane: 0,
    };
    let first = stream(&mut client, vec![batch(1..=40)])
        .await
        .expect("answers");
    assert_eq!((first[0].accepted_count, first[0].replayed_count), (40, 0));
    // Another process, as after a crash of the first one.
    let mut client = connect(&fixture).await;
    let again = stream(&mut client, vec![batch(21..=60), batch(1..=10)])
        .await
        .expect("answers");
    assert_eq!((again[0].accepted_count, again[0].replayed_count), (40, 20));
    assert_eq!(again[1].replayed_count, 10);
    let mut ids: Vec<String> = fixture
        .records(StreamName::Events)
        .await
        .into_iter()
        .filter_map(|record| match record.body {
            Some(Body::Event(event)) => Some(event.event_id),
            _ => None,
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 60);

    let mut backwards = batch(70..=71);
    backwards.events.reverse();
    let answers = stream(&mut client, vec![backwards]).await.expect("answers");
    assert_eq!(answers[0].rejected[0].field, "sequence");
}

#[tokio::test]
async fn a_customer_is_found_by_every_id_and_identifier() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    let results = ingest(
        &mut client,
        "",
        &[
            "anonymous_id=a1",
            "email=e@x.io",
            "anonymous_id=a1 email=e@x.io",
        ],
    )
    .await
    .expect("ingests");
    let by_email = |value: &str| {
        Key::Identifier(v1::Identifier {
            namespace: "email".to_owned(),
            value: value.to_owned(),
        })
    };
    for key in [
        Key::CustomerId(results[0].customer_id.clone()),
        Key::CustomerId(results[1].customer_id.clone()),
        by_email(" E@X.io"),
    ] {
        let request = v1::GetCustomerRequest { key: Some(key) };
        let customer = client
            .get_customer(request)
            .await
            .expect("there")
            .into_inner()
            .customer
            .expect("set");
        assert_eq!(customer.customer_id, results[0].customer_id);
        assert_eq!(customer.fragment_ids.len(), 2);
        assert_eq!(customer.identifiers.len(), 2);
    }
    let missing = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23".to_owned();
    for (key, code) in [
        (Some(Key::CustomerId(missing)), Code::NotFound),
        (Some(by_email("nobody@x.io")), Code::NotFound),
        (Some(Key::CustomerId("x".to_owned())), Code::InvalidArgument),
        (None, Code::InvalidArgument),
    ] {
        let refused = client
            .get_customer(v1::GetCustomerRequest { key })
            .await
            .expect_err("refused");
        assert_eq!(refused.code(), code);
    }
}

#[tokio::test]
async fn customers_are_listed_in_pages() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    ingest(&mut client, "", &["user_id=u1", "user_id=u2", "user_id=u3"])
        .await
        .expect("ingests");
    let mut request = v1::ListCustomersRequest {
        page_size: 2,
        page_token: String::new(),
    };
    let first = client
        .list_customers(request.clone())
        .await
        .expect("lists")
        .into_inner();
    request.page_token = first.next_page_token;
    let second = client
        .list_customers(request.clone())
        .await
        .expect("lists")
        .into_inner();
    let values: Vec<String> = first
        .customers
        .into_iter()
        .chain(second.customers)
        .flat_map(|customer| {
            customer
                .identifiers
                .into_iter()
                .map(|identifier| identifier.value)
        })
        .collect();
    assert_eq!(
        (values.as_slice(), second.next_page_token.as_str()),
        (["u1", "u2", "u3"].map(str::to_owned).as_slice(), "")
    );
    request.page_token = "nonsense".to_owned();
    let refused = client.list_customers(request).await.expect_err("refused");
    assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
    let large = v1::ListCustomersRequest {
        page_size: 1_001,
        page_token: String::new(),
    };
    assert_eq!(
        client
            .list_customers(large)
            .await
            .expect_err("refused")
            .code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_forced_merge_is_answered_the_same_on_replay() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let results = ingest(&mut client, "", &["user_id=u1", "user_id=u2"])
        .await
        .expect("ingests");
    let request = v1::MergeCustomersRequest {
        request_id: "m1".to_owned(),
        customer_ids: results
            .iter()
            .rev()
            .map(|it| it.customer_id.clone())
            .collect(),
        reason: "the same person".to_owned(),
    };
    let first = client
        .merge_customers(request.clone())
        .await
        .expect("merges")
        .into_inner();
    assert_eq!(first.merged_customer_ids, [results[1].customer_id.clone()]);
    assert_eq!(
        first.customer.as_ref().map(|it| it.identifiers.len()),
        Some(2)
    );
    assert_eq!(
        client
            .merge_customers(request.clone())
            .await
            .expect("replays")
            .into_inner(),
        first
    );
    let merges = fixture.records(StreamName::Events).await;
    assert_eq!(
        merges
            .iter()
            .filter(|record| matches!(record.body, Some(Body::Merged(_))))
            .count(),
        1
    );
    let now = ingest(&mut client, "", &["user_id=u2"])
        .await
        .expect("ingests");
    assert_eq!(
        now[0].customer_id, results[0].customer_id,
        "the cache knows of the merge"
    );

    let missing = v1::MergeCustomersRequest {
        request_id: "m2".to_owned(),
        customer_ids: vec![
            results[0].customer_id.clone(),
            "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23".to_owned(),
        ],
        ..Default::default()
    };
    assert_eq!(
        reason(&client.merge_customers(missing).await.expect_err("missing")),
        "CUSTOMER_NOT_FOUND"
    );
    let alone = v1::MergeCustomersRequest {
        request_id: "m3".to_owned(),
        ..request
    };
    let alone = v1::MergeCustomersRequest {
        customer_ids: vec!["x".to_owned()],
        ..alone
    };
    assert_eq!(
        client.merge_customers(alone).await.expect_err("bad").code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn the_virtual_clock_moves_forward_only_and_ticks_everywhere() {
    let (mut client, fixture) = serve(TimeSource::Stream).await;
    let at = |seconds| v1::AdvanceClockRequest {
        time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
    };
    client.advance_clock(at(1_000)).await.expect("moves");
    let ticks = fixture.records(StreamName::Events).await;
    assert_eq!(ticks.len(), usize::from(fixture.partitions.get()));
    assert!(
        ticks
            .iter()
            .all(|tick| tick.time_ms == 1_000_000 && matches!(tick.body, Some(Body::Tick(_))))
    );
    ingest(&mut client, "", &["user_id=u1"])
        .await
        .expect("ingests");
    let records = fixture.records(StreamName::Events).await;
    let event = records
        .iter()
        .find(|record| matches!(record.body, Some(Body::Event(_))))
        .expect("an event");
    assert_eq!(
        event.time_ms, 1_000_000,
        "an event without a time happens now"
    );
    // A process that starts later knows how far time has come.
    let mut client = connect(&fixture).await;
    assert_eq!(
        reason(&client.advance_clock(at(999)).await.expect_err("backwards")),
        "CLOCK_BACKWARDS"
    );
    let none = v1::AdvanceClockRequest { time: None };
    assert_eq!(
        client.advance_clock(none).await.expect_err("bad").code(),
        Code::InvalidArgument
    );

    let (mut wall, _fixture) = serve(TimeSource::system()).await;
    assert_eq!(
        reason(&wall.advance_clock(at(1)).await.expect_err("wall")),
        "CLOCK_NOT_VIRTUAL"
    );
}

#[tokio::test]
async fn a_full_stream_refuses_with_a_delay_and_takes_nothing() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    for partition in fixture.partitions.iter() {
        let append = Append {
            to: StreamId {
                name: StreamName::Events,
                partition,
            },
            payload: bytes::Bytes::new(),
            source: None,
            origin: None,
        };
        while fixture.hot.append(&append).await.expect("appends") == Appended::Applied {}
    }
    for _ in 0..2 {
        let refused = ingest(&mut client, "full", &["user_id=u1"])
            .await
            .expect_err("full");
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::ResourceExhausted, "STREAM_FULL")
        );
        assert!(refused.get_error_details().retry_info().is_some());
    }
    assert!(fixture.records(StreamName::Events).await.is_empty());
    for partition in fixture.partitions.iter() {
        let stream = StreamId {
            name: StreamName::Events,
            partition,
        };
        let entries = fixture
            .hot
            .poll(stream, hot::Cursor::START, 10_000)
            .await
            .expect("polls");
        let last = entries.last().expect("full").cursor;
        fixture.hot.trim(stream, last).await.expect("trims");
    }
    ingest(&mut client, "full", &["user_id=u1"])
        .await
        .expect("there is room again");
}
