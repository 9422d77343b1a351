//! An event of the log tells of its way in: how it named its customer, and when it happened by
//! which clock.

use std::time::SystemTime;

use engine::TimeSource;
use hot::StreamName;
use identity::store::{IdentityStore, News, SourceMark};
use identity::{Accepted, Intake, Resolver, Source, Unmerge, UnmergeBy};
use identity_core::Rules;
use kernel::Timestamp;
use proto::convert::{instant, timestamp};
use proto::identity::v1::{self, ResolvedEvent};

use crate::events::{log_accepted, named, of, serve as serve_with_log};
use crate::fixture::{Fixture, Sql, event};
use crate::rpc::intake::{fill, make_room};
use crate::rpc::{Client, ingest, reason, serve, stream};

const MINUTE_MS: i64 = 60_000;

/// The instant so many minutes from now.
fn in_minutes(minutes: i64) -> Timestamp {
    let now = Timestamp::from(SystemTime::now());
    Timestamp::from_millis(now.as_millis() + minutes * MINUTE_MS)
}

/// An event that happened and was sent so many minutes from now, by the sender's clock.
fn sent(identifiers: &str, time: i64, sent: i64) -> v1::Event {
    v1::Event {
        time: Some(timestamp(in_minutes(time))),
        sent_time: Some(timestamp(in_minutes(sent))),
        ..event(identifiers)
    }
}

async fn send(client: &mut Client, event: v1::Event) -> ResolvedEvent {
    let request = v1::IngestRequest {
        events: vec![event],
        ..Default::default()
    };
    let answer = client.ingest(request).await.expect("ingests");
    answer.into_inner().results.remove(0)
}

/// The events of `user_id:u1` in the log.
async fn logged(client: &mut Client) -> Vec<v1::LoggedEvent> {
    let page = client.list_events(of(named("u1"))).await.expect("lists");
    page.into_inner().events
}

/// Each identifier of an event with its fragment, and whether the event attached it.
fn evidence(logged: &v1::LoggedEvent) -> Vec<(&str, &str, bool)> {
    let lines = logged.evidence.iter();
    lines
        .map(|line| {
            let identifier = line.identifier.as_ref().expect("an identifier");
            let namespace = identifier.namespace.as_str();
            (namespace, line.fragment_id.as_str(), line.attached)
        })
        .collect()
}

#[tokio::test]
async fn an_event_tells_which_claims_matched_and_whom_it_joined() {
    let (mut client, fixture, log) = serve_with_log().await;
    let events = [
        "anonymous_id=a1",
        "user_id=u1",
        "anonymous_id=a1 user_id=u1 email=e@x.io",
        "anonymous_id=a1 user_id=u1",
    ];
    let mut answers = Vec::new();
    for identifiers in events {
        answers.extend(
            ingest(&mut client, "", &[identifiers])
                .await
                .expect("ingests"),
        );
    }
    log_accepted(&fixture, &log).await;
    let (a, u) = (
        answers[0].customer_id.as_str(),
        answers[1].customer_id.as_str(),
    );
    let found = logged(&mut client).await;
    let told: Vec<_> = found.iter().map(evidence).collect();
    assert_eq!(told[0], [("anonymous_id", a, true)]);
    assert_eq!(told[1], [("user_id", u, true)]);
    assert_eq!(
        told[2],
        [
            ("anonymous_id", a, false),
            // Under the claim that names the customer.
            ("email", u, true),
            ("user_id", u, false)
        ]
    );
    assert_eq!(told[3], [("anonymous_id", a, false), ("user_id", u, false)]);
    let joined: Vec<_> = found
        .iter()
        .map(|it| it.merged_customer_ids.clone())
        .collect();
    assert_eq!(joined, [vec![], vec![], vec![u.to_owned()], vec![]]);
}

/// Events of one source: the first joins two customers and names a third identifier, the second is
/// of somebody new, the third of somebody known.
fn joining(source: Source<'_>) -> Vec<v1::Event> {
    let events = [
        "anonymous_id=a1 user_id=u1 email=e@x.io",
        "user_id=n1",
        "user_id=k1",
    ];
    let events = (1..).zip(events).map(|(sequence, identifiers)| v1::Event {
        time: Some(timestamp(in_minutes(-10 + sequence))),
        sequence: match source {
            Source::Named(..) => sequence.unsigned_abs(),
            Source::None | Source::Request(_) | Source::Import(_) => 0,
        },
        ..event(identifiers)
    });
    events.collect()
}

async fn accept(intake: &Intake, events: &[v1::Event], source: Source<'_>) -> Accepted {
    let accepted = intake.accept(events.to_vec(), source, StreamName::Events);
    accepted.await.expect("resolves")
}

/// Returns the records of the events, what the answer says of them, and whom they joined.
fn told(accepted: &Accepted) -> (String, String, Vec<News>) {
    let groups = format!("{:#?}", accepted.outbound.groups);
    let events = format!("{:#?}", accepted.events);
    (groups, events, accepted.outbound.news.clone())
}

#[tokio::test]
async fn an_event_that_was_resolved_and_not_appended_tells_the_same_when_it_is_sent_again() {
    for source in [Source::Request("r"), Source::Named("s", SourceMark::NONE)] {
        for is_same_process in [true, false] {
            let time = TimeSource::system();
            let fixture = Fixture::open(Sql::Sqlite, time, Rules::default()).await;
            let mut intake = fixture.identity.clone().open().await.expect("opens");
            for known in ["anonymous_id=a1", "user_id=u1", "user_id=k1"] {
                let accepted = accept(&intake, &[event(known)], Source::None).await;
                intake
                    .append(accepted.outbound, None)
                    .await
                    .expect("appends");
            }
            let events = joining(source);
            let first = accept(&intake, &events, source).await;
            let expected = told(&first);
            assert_eq!(expected.2.len(), 1, "it joins");
            assert_eq!(expected.0.matches("is_attached: true").count(), 2);
            // A refused append, or the death of the process.
            drop(first);
            for _ in 0..2 {
                if !is_same_process {
                    intake = fixture.identity.clone().open().await.expect("opens");
                }
                let again = accept(&intake, &events, source).await;
                assert_eq!(told(&again), expected, "{source:?} {is_same_process}");
            }
            // The same identifiers in other events are found, and join nobody.
            let mut others = events.clone();
            others.iter_mut().for_each(|event| event.sequence += 100);
            let other = match source {
                Source::Named(..) => source,
                Source::None | Source::Request(_) | Source::Import(_) => Source::Request("other"),
            };
            let others = told(&accept(&intake, &others, other).await);
            assert_eq!(others.0.matches("is_attached: true").count(), 0);
            assert_eq!(others.2, []);
        }
    }
}

#[tokio::test]
async fn a_request_that_was_refused_tells_the_same_when_it_is_sent_again() {
    let (mut client, fixture, log) = serve_with_log().await;
    let mut ids = Vec::new();
    for known in ["anonymous_id=a1", "user_id=u1"] {
        let answers = ingest(&mut client, "", &[known]).await.expect("ingests");
        ids.push(answers[0].customer_id.clone());
    }
    fill(&fixture).await;
    let events = ["anonymous_id=a1 user_id=u1 email=e@x.io"];
    let refused = ingest(&mut client, "r", &events).await.expect_err("full");
    assert_eq!(reason(&refused), "STREAM_FULL");
    make_room(&fixture).await;
    let answers = ingest(&mut client, "r", &events).await.expect("ingests");
    assert_eq!(answers[0].merged_customer_ids, [ids[1].clone()]);
    log_accepted(&fixture, &log).await;
    let found = logged(&mut client).await;
    let (a, u) = (ids[0].as_str(), ids[1].as_str());
    assert_eq!(
        evidence(&found[0]),
        [
            ("anonymous_id", a, false),
            // Under the claim that names the customer.
            ("email", u, true),
            ("user_id", u, false)
        ]
    );
    assert_eq!(found[0].merged_customer_ids, [u.to_owned()]);
}

#[tokio::test]
async fn an_event_of_a_wrong_clock_is_moved_and_keeps_what_its_sender_said() {
    let (mut client, fixture, log) = serve_with_log().await;
    let right = sent("user_id=u1", -30, 0);
    let wrong = sent("user_id=u1", 23 * 60 - 5, 23 * 60);
    assert_eq!(send(&mut client, right.clone()).await.corrected_time, None);
    let corrected = send(&mut client, wrong.clone()).await.corrected_time;
    log_accepted(&fixture, &log).await;
    let found = logged(&mut client).await;
    let event = |place: usize| found[place].event.as_ref().expect("an event");
    assert_eq!(
        (event(0).time, event(0).sent_time),
        (right.time, right.sent_time)
    );
    assert_eq!(found[0].sender_time, None);
    assert_eq!(
        (event(1).time, event(1).sent_time),
        (corrected, wrong.sent_time)
    );
    assert_eq!(found[1].sender_time, wrong.time);
    let minutes = in_minutes(0)
        .since(instant(&corrected.expect("moved")))
        .as_millis()
        / MINUTE_MS;
    assert_eq!(minutes, 5);
    for logged in &found {
        let age = in_minutes(0).since(instant(logged.accept_time.as_ref().expect("accepted")));
        assert!((0..10 * MINUTE_MS).contains(&age.as_millis()));
    }
}

#[tokio::test]
async fn a_stream_counts_what_was_corrected() {
    let (mut client, _fixture) = serve(TimeSource::system()).await;
    let request = v1::IngestStreamRequest {
        events: vec![
            sent("user_id=u1", -5, 0),
            sent("user_id=u1", 55, 60),
            sent("user_id=u1", -125, -120),
        ],
        ..Default::default()
    };
    let answers = stream(&mut client, vec![request]).await.expect("answers");
    assert_eq!(
        (answers[0].accepted_count, answers[0].corrected_count),
        (3, 2)
    );
}

#[tokio::test]
async fn events_of_a_customer_who_came_apart_are_listed_by_their_fragments() {
    let (mut client, fixture, log) = serve_with_log().await;
    let events = [
        "anonymous_id=a1",
        "user_id=u1",
        "anonymous_id=a1 user_id=u1",
        "anonymous_id=a1",
        "user_id=u1",
    ];
    let mut ids = Vec::new();
    for identifiers in events {
        let answers = ingest(&mut client, "", &[identifiers]).await;
        ids.push(answers.expect("ingests")[0].customer_id.clone());
    }
    log_accepted(&fixture, &log).await;
    assert_eq!(logged(&mut client).await.len(), 5);
    let store = IdentityStore::new(fixture.identity.database.clone());
    let apart = Unmerge {
        is_account: false,
        customer: None,
        by: UnmergeBy::Fragment(ids[1].parse().expect("an id")),
        is_dry_run: false,
        reason: String::new(),
        request_id: "r".to_owned(),
    };
    let resolver = Resolver::new(store.clone());
    let apart = resolver.unmerge(&store, &apart, in_minutes(0)).await;
    assert_eq!(apart.expect("comes apart").customers.len(), 2);
    let theirs = |found: &[v1::LoggedEvent]| -> Vec<Vec<String>> {
        let lines = found.iter().map(|logged| {
            let lines = logged.evidence.iter();
            let named = lines.map(|it| it.identifier.as_ref().expect("one").namespace.clone());
            named.collect()
        });
        lines.collect()
    };
    let own = logged(&mut client).await;
    // The one that joined them was named by the user.
    assert_eq!(
        theirs(&own),
        [
            vec!["user_id"],
            vec!["anonymous_id", "user_id"],
            vec!["user_id"]
        ]
    );
    let of_other = v1::ListEventsRequest {
        by: Some(v1::list_events_request::By::CustomerId(ids[0].clone())),
        ..Default::default()
    };
    let other = client.list_events(of_other).await.expect("lists");
    let other = other.into_inner().events;
    assert_eq!(theirs(&other), [["anonymous_id"], ["anonymous_id"]]);
}
