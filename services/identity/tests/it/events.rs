//! `ListEvents`: what a client finds of the events that were accepted.

use engine::TimeSource;
use hot::{Cursor, Origin, StreamId, StreamName, Writer};
use identity_core::Rules;
use journal::{EntryRow, EventLog, Log as _, SqlLog};
use kernel::Timestamp;
use proto::convert::timestamp;
use proto::identity::v1::event::{ContextForm, PropertiesForm, TraitsForm};
use proto::identity::v1::list_events_request::By;
use proto::identity::v1::{self, Lane};
use tonic::{Code, Status};

use crate::fixture::{Fixture, Sql, event};
use crate::rpc::{Client, connect_with, fields, ingest, reason};

const DAY: i64 = 86_400;

/// A service with an event log, and the log.
pub(crate) async fn serve() -> (Client, Fixture, SqlLog) {
    serve_at(TimeSource::system()).await
}

/// As [`serve`], on this clock.
async fn serve_at(time: TimeSource) -> (Client, Fixture, SqlLog) {
    let fixture = Fixture::open(Sql::Sqlite, time, Rules::default()).await;
    let database = fixture.identity.database.clone();
    let log = SqlLog::open(database.clone()).await.expect("tables");
    let events = EventLog::open(database, fixture.partitions)
        .await
        .expect("opens");
    let client = connect_with(&fixture, Some(events)).await;
    (client, fixture, log)
}

/// Puts what was accepted into the log, as a hot store with a journal does before it takes it.
pub(crate) async fn log_accepted(fixture: &Fixture, log: &SqlLog) {
    for name in [StreamName::Events, StreamName::EventsBulk] {
        for partition in fixture.partitions.iter() {
            let stream = StreamId { name, partition };
            let entries = fixture.hot.poll(stream, Cursor::START, 1_000).await;
            for (entry, seq) in entries.expect("polls").into_iter().zip(1..) {
                log.append_entry(EntryRow {
                    stream,
                    origin: Origin {
                        writer: Writer::process(1),
                        seq,
                    },
                    source: None,
                    payload: entry.payload,
                })
                .await
                .expect("appends");
            }
        }
    }
}

/// The event `visit` of a day of 2017.
fn visit(identifiers: &str, day: i64) -> v1::Event {
    v1::Event {
        event_id: format!("{identifiers} {day}"),
        time: Some(prost_types::Timestamp {
            seconds: 1_483_228_800 + day * DAY,
            nanos: 0,
        }),
        ..event(identifiers)
    }
}

fn day(day: i64) -> Option<prost_types::Timestamp> {
    visit("user_id=u1", day).time
}

async fn send(client: &mut Client, events: Vec<v1::Event>, lane: Lane) {
    let request = v1::IngestRequest {
        events,
        lane: lane.into(),
        ..Default::default()
    };
    client.ingest(request).await.expect("ingests");
}

/// All pages of a request: the ids of the events, and how many pages there were.
async fn list(
    client: &mut Client,
    mut request: v1::ListEventsRequest,
) -> Result<(Vec<String>, usize), Status> {
    let mut ids = Vec::new();
    for pages in 1..100 {
        let page = client.list_events(request.clone()).await?.into_inner();
        ids.extend(
            page.events
                .into_iter()
                .filter_map(|logged| Some(logged.event?.event_id)),
        );
        if page.next_page_token.is_empty() {
            return Ok((ids, pages));
        }
        request.page_token = page.next_page_token;
    }
    panic!("the pages do not end");
}

pub(crate) fn of(by: By) -> v1::ListEventsRequest {
    v1::ListEventsRequest {
        by: Some(by),
        ..Default::default()
    }
}

pub(crate) fn named(value: &str) -> By {
    By::Identifier(v1::Identifier {
        namespace: "user_id".to_owned(),
        value: value.to_owned(),
    })
}

#[tokio::test]
async fn an_event_that_counted_is_listed_by_partition_also_where_its_customer_had_other_ids() {
    let (mut client, fixture, log) = serve_at(TimeSource::Stream).await;
    let at = |event_id: &str, identifiers: &str, hours: i64| v1::Event {
        event_id: event_id.to_owned(),
        time: Some(timestamp(Timestamp::from_millis(hours * 3_600_000))),
        ..event(identifiers)
    };
    // The event counts for the one who is joined; for the survivor it is a repetition at first.
    let events = vec![
        at("first", "user_id=u1", 1),
        at("e", "anonymous_id=a1", 2),
        at("joins", "user_id=u1 anonymous_id=a1", 3),
        at("e", "user_id=u1", 4),
        at("e", "user_id=u1", 27),
        at("alone", "user_id=u2", 27),
        at("alone", "user_id=u2", 27),
    ];
    send(&mut client, events, Lane::Live).await;
    log_accepted(&fixture, &log).await;
    let mut listed = Vec::new();
    for partition in fixture.partitions.iter() {
        let by = By::Partition(partition.number().into());
        let page = client.list_events(of(by)).await.expect("lists");
        let events = page.into_inner().events.into_iter();
        listed.extend(events.filter_map(|logged| {
            let event = logged.event?;
            Some((event.time?.seconds / 3_600, event.event_id))
        }));
    }
    let hours = |id: &str| -> Vec<i64> {
        let own = listed.iter().filter(|(_, own)| own == id);
        let mut hours: Vec<i64> = own.map(|(hour, _)| *hour).collect();
        hours.sort_unstable();
        hours
    };
    assert_eq!(hours("e"), [2, 4, 27], "which did not count cannot be told");
    assert_eq!(hours("alone"), [27]);
}

#[tokio::test]
async fn events_of_a_customer_are_found_also_from_before_a_merge() {
    let (mut client, fixture, log) = serve().await;
    // Two customers at first, in any of the partitions, and a third who stays apart.
    send(&mut client, vec![visit("anonymous_id=a1", 1)], Lane::Live).await;
    send(&mut client, vec![visit("user_id=u1", 2)], Lane::Bulk).await;
    send(&mut client, vec![visit("user_id=u2", 2)], Lane::Live).await;
    let joining = visit("anonymous_id=a1 user_id=u1", 3);
    send(&mut client, vec![joining], Lane::Live).await;
    send(&mut client, vec![visit("user_id=u1", 4)], Lane::Live).await;
    log_accepted(&fixture, &log).await;

    let expected = [
        "anonymous_id=a1 1",
        "user_id=u1 2",
        "anonymous_id=a1 user_id=u1 3",
        "user_id=u1 4",
    ];
    for page_size in [0, 1, 3] {
        let request = v1::ListEventsRequest {
            page_size,
            ..of(named("u1"))
        };
        let (ids, _) = list(&mut client, request).await.expect("lists");
        assert_eq!(ids, expected, "{page_size} a page");
    }
    let customer = client
        .get_customer(v1::GetCustomerRequest {
            key: Some(v1::get_customer_request::Key::Identifier(v1::Identifier {
                namespace: "user_id".to_owned(),
                value: "u1".to_owned(),
            })),
            after: String::new(),
        })
        .await
        .expect("is there")
        .into_inner()
        .customer
        .expect("a customer");
    assert_eq!(customer.fragment_ids.len(), 2);
    for id in customer.fragment_ids {
        let (ids, _) = list(&mut client, of(By::CustomerId(id)))
            .await
            .expect("lists");
        assert_eq!(ids, expected, "by any fragment");
    }
}

#[tokio::test]
async fn a_range_of_time_begins_with_its_start_and_ends_before_its_end() {
    let (mut client, fixture, log) = serve().await;
    let events = (1..=5).map(|day| visit("user_id=u1", day)).collect();
    send(&mut client, events, Lane::Live).await;
    log_accepted(&fixture, &log).await;
    for (start_time, end_time, days) in [
        (None, None, 1..=5),
        (day(2), day(4), 2..=3),
        (day(4), None, 4..=5),
        (None, day(2), 1..=1),
    ] {
        let request = v1::ListEventsRequest {
            start_time,
            end_time,
            page_size: 2,
            ..of(named("u1"))
        };
        let (ids, _) = list(&mut client, request).await.expect("lists");
        let expected: Vec<String> = days.map(|day| format!("user_id=u1 {day}")).collect();
        assert_eq!(ids, expected);
    }
}

#[tokio::test]
async fn an_event_is_listed_as_it_was_sent() {
    let (mut client, fixture, log) = serve().await;
    let mut sent = visit("user_id=u1 email=E@x.io", 1);
    let json = r#"{"Order ID":9007199254740993,"a.b":null,"address":{"city":"Graz"},"products":[{"sku":"a b","n":[1]},"x"]}"#;
    sent.properties_form = Some(PropertiesForm::PropertiesJson(json.to_owned()));
    sent.traits_form = Some(TraitsForm::TraitsJson(r#"{"$plan":"pro"}"#.to_owned()));
    sent.context_form = Some(ContextForm::ContextJson(r#"{"ip":"::1"}"#.to_owned()));
    sent.groups = [("account".to_owned(), "acme".to_owned())].into();
    sent.other_identifiers = vec![v1::Identifier {
        namespace: "email".to_owned(),
        value: "f@x.io".to_owned(),
    }];
    send(&mut client, vec![sent.clone()], Lane::Bulk).await;
    log_accepted(&fixture, &log).await;
    let page = client.list_events(of(named("u1"))).await.expect("lists");
    let logged = &page.into_inner().events[0];
    sent.identifiers.insert("email".into(), "e@x.io".into());
    assert_eq!(logged.event.as_ref(), Some(&sent));
    assert_eq!(logged.lane(), Lane::Bulk);
    assert!(!logged.customer_id.is_empty());
}

#[tokio::test]
async fn events_of_a_partition_are_those_of_all_its_customers() {
    let (mut client, fixture, log) = serve().await;
    let events = (1..=20)
        .map(|n| visit(&format!("user_id=u{n}"), n))
        .collect();
    send(&mut client, events, Lane::Live).await;
    log_accepted(&fixture, &log).await;
    let mut found = Vec::new();
    for partition in fixture.partitions.iter() {
        let by = By::Partition(partition.number().into());
        let (ids, _) = list(&mut client, of(by)).await.expect("lists");
        found.extend(ids);
    }
    found.sort();
    let mut expected: Vec<String> = (1..=20).map(|n| format!("user_id=u{n} {n}")).collect();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_said() {
    let (mut client, _fixture, _log) = serve().await;
    ingest(&mut client, "", &["user_id=u1"])
        .await
        .expect("ingests");
    let nobody = uuid::Uuid::from_u128(7).to_string();
    for (by, code, expected) in [
        (
            Some(By::CustomerId(nobody)),
            Code::NotFound,
            "CUSTOMER_NOT_FOUND",
        ),
        (Some(named("u9")), Code::NotFound, "CUSTOMER_NOT_FOUND"),
        (
            Some(By::CustomerId("x".into())),
            Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
        (
            Some(By::Partition(4)),
            Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
        (
            Some(By::Partition(1_024)),
            Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
        (None, Code::InvalidArgument, "INVALID_REQUEST"),
    ] {
        let request = v1::ListEventsRequest {
            by: by.clone(),
            ..Default::default()
        };
        let refused = client.list_events(request).await.expect_err("refused");
        assert_eq!(refused.code(), code, "{by:?}");
        assert_eq!(reason(&refused), expected, "{by:?}");
    }
    let backwards = v1::ListEventsRequest {
        start_time: day(2),
        end_time: day(2),
        ..of(named("u1"))
    };
    let refused = client.list_events(backwards).await.expect_err("refused");
    assert_eq!(fields(&refused), ["end_time"]);
    let large = v1::ListEventsRequest {
        page_size: 1_001,
        ..of(named("u1"))
    };
    let refused = client.list_events(large).await.expect_err("refused");
    assert_eq!(fields(&refused), ["page_size"]);
}

#[tokio::test]
async fn the_token_of_another_search_is_refused() {
    let (mut client, fixture, log) = serve().await;
    let events = (1..=3).map(|day| visit("user_id=u1", day)).collect();
    send(&mut client, events, Lane::Live).await;
    log_accepted(&fixture, &log).await;
    let request = v1::ListEventsRequest {
        page_size: 1,
        ..of(named("u1"))
    };
    let page = client.list_events(request.clone()).await.expect("lists");
    let page_token = page.into_inner().next_page_token;
    let further = v1::ListEventsRequest {
        page_token,
        ..request
    };
    for other in [
        v1::ListEventsRequest {
            by: Some(By::Partition(1)),
            ..further.clone()
        },
        v1::ListEventsRequest {
            end_time: Some(timestamp(Timestamp::from_millis(5))),
            ..further.clone()
        },
    ] {
        let refused = client.list_events(other).await.expect_err("refused");
        assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
    }
    let (ids, _) = list(&mut client, further).await.expect("lists");
    assert_eq!(ids, ["user_id=u1 2", "user_id=u1 3"]);
}

#[tokio::test]
async fn a_deployment_without_an_event_log_says_so() {
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), Rules::default()).await;
    let mut client = connect_with(&fixture, None).await;
    ingest(&mut client, "", &["user_id=u1"])
        .await
        .expect("ingests");
    let refused = client
        .list_events(of(named("u1")))
        .await
        .expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "EVENT_LOG_ABSENT");
}
