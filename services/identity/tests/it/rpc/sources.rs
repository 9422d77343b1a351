//! Ordered sources that are sent again: after merges, by another process, over other streams.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::TimeSource;
use hot::{EmbeddedStore, StreamName};
use identity::store::{IdentityStore, SourceMark};
use identity::{Appender, Group, Source};
use kernel::{CustomerId, PartitionId, Timestamp};
use proto::identity::v1;
use proto::stream::v1::record::Body;

use super::{Client, connect, connect_with, ingest, serve, stream};
use crate::fixture::{Fixture, event};

/// A message of a source: one event of each of these identifiers, from a sequence on.
fn message(first: u64, identifiers: &[&str]) -> v1::IngestStreamRequest {
    let events = identifiers.iter().zip(first..);
    v1::IngestStreamRequest {
        events: events
            .map(|(identifiers, sequence)| v1::Event {
                sequence,
                ..event(identifiers)
            })
            .collect(),
        source: "file".to_owned(),
        ..Default::default()
    }
}

/// The ids of all events in the streams.
async fn ids(fixture: &Fixture) -> Vec<String> {
    let records = fixture.records(StreamName::Events).await;
    let ids = records.into_iter().filter_map(|record| match record.body {
        Some(Body::Event(event)) => Some(event.event_id),
        _ => None,
    });
    ids.collect()
}

async fn merge(client: &mut Client, customers: &[&str]) {
    let request = v1::MergeCustomersRequest {
        request_id: "merge".to_owned(),
        customer_ids: customers.iter().map(|id| (*id).to_owned()).collect(),
        reason: String::new(),
    };
    client.merge_customers(request).await.expect("merges");
}

/// A customer of another partition than this one, who is older.
async fn older_elsewhere(client: &mut Client, fixture: &Fixture, name: &str) -> (String, String) {
    let names: Vec<String> = (0..40).map(|number| format!("user_id=u{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let known = ingest(client, "", &names).await.expect("ingests");
    let own = ingest(client, "", &[name]).await.expect("ingests");
    let own = own[0].customer_id.clone();
    let partition = |id: &str| -> PartitionId {
        let id: CustomerId = id.parse().expect("an id");
        fixture.partitions.partition_of(id.fragment())
    };
    let elsewhere = known
        .into_iter()
        .find(|it| partition(&it.customer_id) != partition(&own));
    (
        elsewhere.expect("there are four partitions").customer_id,
        own,
    )
}

#[tokio::test]
async fn a_replay_is_known_after_its_customer_was_joined_into_another() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let (older, own) = older_elsewhere(&mut client, &fixture, "anonymous_id=a").await;
    let sent = message(1, &["anonymous_id=a"; 100]);
    let first = stream(&mut client, vec![sent.clone()]).await.expect("sent");
    assert_eq!((first[0].accepted_count, first[0].replayed_count), (100, 0));
    let before = ids(&fixture).await;
    merge(&mut client, &[&older, &own]).await;
    // By another process too, which knows nothing but what is stored.
    for mut client in [client, connect(&fixture).await] {
        let again = stream(&mut client, vec![sent.clone(), sent.clone()]);
        for again in again.await.expect("sent") {
            assert_eq!((again.accepted_count, again.replayed_count), (100, 100));
            assert_eq!(again.created_count, 0);
            assert!(!again.position.is_empty(), "a read can wait for it");
        }
    }
    assert_eq!(ids(&fixture).await, before);
}

#[tokio::test]
async fn a_source_does_not_hang_on_what_streams_remember() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let sent = message(1, &["user_id=u1", "user_id=u2"]);
    stream(&mut client, vec![sent.clone()]).await.expect("sent");
    // Streams that know no source any more.
    let folder = tempfile::tempdir().expect("a folder");
    let empty = EmbeddedStore::open(folder.path(), fixture.partitions).await;
    let mut other = fixture;
    other.hot = Arc::new(empty.expect("opens"));
    other.identity.hot = Arc::clone(&other.hot);
    let mut client = connect_with(&other, None).await;
    let more = message(2, &["user_id=u2", "user_id=u3"]);
    let answers = stream(&mut client, vec![sent, more]).await.expect("sent");
    let counts: Vec<_> = answers
        .iter()
        .map(|it| (it.accepted_count, it.replayed_count))
        .collect();
    assert_eq!(counts, [(2, 2), (2, 1)]);
    assert_eq!(ids(&other).await.len(), 1);
}

/// A user id of a customer.
async fn user_of(client: &mut Client, customer: &str) -> String {
    let key = v1::get_customer_request::Key::CustomerId(customer.to_owned());
    let request = v1::GetCustomerRequest {
        key: Some(key),
        after: String::new(),
    };
    let known = client.get_customer(request).await.expect("is there");
    let known = known.into_inner().customer.expect("a customer");
    format!("user_id={}", known.identifiers[0].value)
}

/// Takes a message by a process that dies when the events of some customers' partitions are in
/// their streams, and the others are not.
async fn take_in_part(fixture: &Fixture, message: &v1::IngestStreamRequest, customers: &[&str]) {
    let intake = fixture.identity.clone().open().await.expect("opens");
    let source = Source::Named("file", SourceMark::NONE);
    let events = message.events.clone();
    let accepted = intake.accept(events, source, StreamName::Events);
    let mut outbound = accepted.await.expect("resolved").outbound;
    let partitions = customers.iter().map(|id| {
        let id: CustomerId = id.parse().expect("an id");
        fixture.partitions.partition_of(id.fragment())
    });
    let partitions: BTreeSet<PartitionId> = partitions.collect();
    let own = |group: &Group| partitions.contains(&group.partition);
    outbound.groups.retain(own);
    assert_eq!(outbound.groups.len(), partitions.len());
    let appender = Appender::new(Arc::clone(&fixture.hot));
    let source = outbound.source.as_deref();
    appender
        .append(outbound.stream, outbound.groups, source, None)
        .await
        .expect("appends");
}

#[tokio::test]
async fn an_event_is_not_lost_where_a_message_was_taken_in_part_before_a_merge() {
    for time in [TimeSource::system(), TimeSource::Stream] {
        let (mut client, fixture) = serve(time).await;
        let (older, own) = older_elsewhere(&mut client, &fixture, "anonymous_id=a").await;
        let theirs = user_of(&mut client, &older).await;
        let sent = message(1, &["anonymous_id=a", &theirs]);
        take_in_part(&fixture, &sent, &[&older]).await;
        merge(&mut client, &[&older, &own]).await;

        let before: BTreeSet<String> = ids(&fixture).await.into_iter().collect();
        let again = stream(&mut client, vec![sent]).await.expect("sent");
        assert_eq!(again[0].accepted_count, 2);
        let after: BTreeSet<String> = ids(&fixture).await.into_iter().collect();
        assert_eq!(after.len() - before.len(), 1, "the first one, once");
    }
}

#[tokio::test]
async fn an_event_is_not_lost_where_a_message_that_joins_its_customer_was_taken_in_part() {
    for time in [TimeSource::system(), TimeSource::Stream] {
        let (mut client, fixture) = serve(time).await;
        let (older, _) = older_elsewhere(&mut client, &fixture, "anonymous_id=a").await;
        let theirs = user_of(&mut client, &older).await;
        let both = format!("anonymous_id=a {theirs}");
        let sent = message(1, &["anonymous_id=a", &both, "anonymous_id=a"]);
        take_in_part(&fixture, &sent, &[&older]).await;

        let before: BTreeSet<String> = ids(&fixture).await.into_iter().collect();
        stream(&mut client, vec![sent]).await.expect("sent");
        let after: BTreeSet<String> = ids(&fixture).await.into_iter().collect();
        assert_eq!(after.len() - before.len(), 1, "the first one");
    }
}

#[tokio::test]
async fn on_stream_time_streams_tell_what_of_a_message_is_there_also_of_who_was_joined_before() {
    let (mut client, fixture) = serve(TimeSource::Stream).await;
    let (older, own) = older_elsewhere(&mut client, &fixture, "anonymous_id=a").await;
    let theirs = user_of(&mut client, &older).await;
    merge(&mut client, &[&older, &own]).await;
    let sent = message(1, &["anonymous_id=a", &theirs, "anonymous_id=a", &theirs]);
    take_in_part(&fixture, &sent, &[&older]).await;
    let before = ids(&fixture).await;
    let again = stream(&mut client, vec![sent]).await.expect("sent");
    assert_eq!((again[0].accepted_count, again[0].replayed_count), (4, 4));
    assert_eq!(ids(&fixture).await, before);
}

#[tokio::test]
async fn a_mark_only_moves_forward() {
    let (_client, fixture) = serve(TimeSource::system()).await;
    let store = IdentityStore::new(fixture.identity.database.clone());
    let mark = |sequence: u64, at: i64| SourceMark {
        sequence,
        accept_time: Timestamp::from_millis(at),
    };
    let read = async || store.source_mark("s").await.expect("reads");
    assert_eq!(read().await, SourceMark::NONE);
    for (taken, expected) in [
        (mark(5, 10), mark(5, 10)),
        (mark(4, 20), mark(5, 10)),
        (mark(9, 7), mark(9, 7)),
        (mark(u64::MAX, 30), mark(i64::MAX.unsigned_abs(), 30)),
    ] {
        store.take_source("s", taken).await.expect("writes");
        assert_eq!(read().await, expected);
    }
    let other = store.source_mark("t").await.expect("reads");
    assert_eq!(other, SourceMark::NONE);
}
