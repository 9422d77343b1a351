//! Messages of one stream that are under way at the same time.

use std::iter::once;
use std::time::Duration;

use engine::TimeSource;
use hot::StreamName;
use kernel::{CustomerId, PartitionId};
use proto::identity::v1;
use proto::stream::v1::record::Body;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming};

use super::intake::{fill_some, make_room_in};
use super::{Client, connect_to, ingest, open, reason, serve};
use crate::fixture::{Fixture, event};

/// A stream whose messages are sent one by one, and their answers read when the test likes.
struct Call {
    messages: mpsc::Sender<v1::IngestStreamRequest>,
    answers: Streaming<v1::IngestStreamResponse>,
}

impl Call {
    async fn open(client: &mut Client) -> Self {
        let (messages, received) = mpsc::channel(1_000);
        let call = client.ingest_stream(ReceiverStream::new(received));
        let answers = call.await.expect("opens").into_inner();
        Self { messages, answers }
    }

    /// Sends a message of one event.
    async fn send(&self, name: &str, identifiers: &str) {
        self.send_of("", name, identifiers, 0).await;
    }

    async fn send_of(&self, source: &str, name: &str, identifiers: &str, sequence: u64) {
        let event = v1::Event {
            name: name.to_owned(),
            sequence,
            ..event(identifiers)
        };
        let message = v1::IngestStreamRequest {
            events: vec![event],
            source: source.to_owned(),
            ..Default::default()
        };
        self.messages.send(message).await.expect("is read");
    }

    async fn answer(&mut self) -> v1::IngestStreamResponse {
        let answer = self.answers.message().await.expect("an answer");
        answer.expect("one more")
    }

    /// Returns whether there is no answer for a while.
    async fn is_silent(&mut self) -> bool {
        let answer = tokio::time::timeout(Duration::from_millis(300), self.answers.message());
        answer.await.is_err()
    }
}

/// The names of the events of a customer, in the order of their stream.
async fn names(fixture: &Fixture, customer: CustomerId) -> Vec<String> {
    let records = fixture.records(StreamName::Events).await.into_iter();
    records
        .filter(|record| record.customer_id.as_ref() == customer.as_bytes())
        .filter_map(|record| match record.body {
            Some(Body::Event(event)) => Some(event.name),
            _ => None,
        })
        .collect()
}

/// Customers of so many different partitions, with the identifiers that name them.
async fn customers(
    client: &mut Client,
    fixture: &Fixture,
    count: usize,
) -> Vec<(String, CustomerId, PartitionId)> {
    let mut found: Vec<(String, CustomerId, PartitionId)> = Vec::new();
    for number in 0..200 {
        let identifiers = format!("user_id=u{number}");
        let answers = ingest(client, "", &[&identifiers]).await.expect("ingests");
        let customer: CustomerId = answers[0].customer_id.parse().expect("an id");
        let partition = fixture.partitions.partition_of(customer.fragment());
        if found.iter().all(|(.., known)| *known != partition) {
            found.push((identifiers, customer, partition));
        }
        if found.len() == count {
            return found;
        }
    }
    panic!("there are not so many partitions");
}

#[tokio::test]
async fn a_stream_ends_in_order_with_its_process() {
    let (_, fixture) = serve(TimeSource::system()).await;
    let shutdown = CancellationToken::new();
    let rpc = open(&fixture).await.with_shutdown(shutdown.clone());
    let mut call = Call::open(&mut connect_to(rpc).await).await;
    call.send("first", "user_id=ada").await;
    assert_eq!(call.answer().await.accepted_count, 1);
    shutdown.cancel();
    let status = call.answers.message().await.expect_err("it has ended");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(reason(&status), "SHUTTING_DOWN");
}

#[tokio::test]
async fn events_of_a_customer_keep_their_order_over_messages_under_way() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let of_two = customers(&mut client, &fixture, 2).await;
    let mut call = Call::open(&mut client).await;
    for number in 0..300 {
        let (identifiers, ..) = &of_two[number % 2];
        call.send(&format!("e{number}"), identifiers).await;
    }
    for _ in 0..300 {
        let answer = call.answer().await;
        assert_eq!((answer.accepted_count, answer.replayed_count), (1, 0));
        assert_ne!(answer.position, "");
    }
    for (own, (_, customer, _)) in of_two.iter().enumerate() {
        let sent: Vec<String> = (0..300)
            .filter(|number| number % 2 == own)
            .map(|number| format!("e{number}"))
            .collect();
        let known = names(&fixture, *customer).await;
        assert_eq!(known[known.len() - sent.len()..], sent);
    }
}

#[tokio::test]
async fn a_full_stream_holds_up_its_own_events_and_no_others() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let of_two = customers(&mut client, &fixture, 2).await;
    let [(full, slow, partition), (free, quick, _)] = &of_two[..] else {
        panic!("two");
    };
    fill_some(&fixture, once(*partition)).await;
    let mut call = Call::open(&mut client).await;
    call.send("first", full).await;
    call.send("second", free).await;
    call.send("third", full).await;
    // Answers come in the order of the messages.
    assert!(call.is_silent().await);
    let known = names(&fixture, *quick).await;
    assert_eq!(known.last().map(String::as_str), Some("second"));
    // Nobody else is refused, but for who sends to that partition.
    let mut other = client.clone();
    ingest(&mut other, "", &[free]).await.expect("has room");
    make_room_in(&fixture, once(*partition)).await;
    for _ in 0..3 {
        assert_eq!(call.answer().await.accepted_count, 1);
    }
    assert_eq!(names(&fixture, *slow).await, ["first", "third"]);
}

#[tokio::test]
async fn a_message_that_is_refused_ends_the_stream_behind_those_before_it() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let of_one = customers(&mut client, &fixture, 1).await;
    let (identifiers, customer, _) = &of_one[0];
    let mut call = Call::open(&mut client).await;
    for number in 0..20 {
        call.send(&format!("e{number}"), identifiers).await;
    }
    let none = v1::IngestStreamRequest::default();
    call.messages.send(none).await.expect("is read");
    for _ in 0..20 {
        assert_eq!(call.answer().await.accepted_count, 1);
    }
    let refused = call.answers.message().await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let known = names(&fixture, *customer).await;
    assert_eq!(known.last().map(String::as_str), Some("e19"));
}

#[tokio::test]
async fn messages_with_and_without_a_source_keep_their_order() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let of_one = customers(&mut client, &fixture, 1).await;
    let (identifiers, customer, _) = &of_one[0];
    let mut call = Call::open(&mut client).await;
    for number in 0..30_u64 {
        let source = if number % 3 == 2 { "file" } else { "" };
        let name = format!("e{number}");
        call.send_of(source, &name, identifiers, number + 1).await;
    }
    for _ in 0..30 {
        let answer = call.answer().await;
        assert_eq!((answer.accepted_count, answer.replayed_count), (1, 0));
    }
    // The source is taken up to its thirtieth event.
    call.send_of("file", "again", identifiers, 30).await;
    let answer = call.answer().await;
    assert_eq!((answer.accepted_count, answer.replayed_count), (1, 1));
    let sent: Vec<String> = (0..30).map(|number| format!("e{number}")).collect();
    let known = names(&fixture, *customer).await;
    assert_eq!(known[known.len() - 30..], sent);
}

#[tokio::test]
async fn a_sender_that_goes_away_leaves_whole_messages() {
    let (mut client, fixture) = serve(TimeSource::system()).await;
    let of_one = customers(&mut client, &fixture, 1).await;
    let (identifiers, customer, _) = &of_one[0];
    let mut call = Call::open(&mut client).await;
    for number in 0..50 {
        call.send(&format!("e{number}"), identifiers).await;
    }
    call.answer().await;
    drop(call);
    // Whoever comes next is served.
    ingest(&mut client, "", &[identifiers])
        .await
        .expect("ingests");
    let known = names(&fixture, *customer).await;
    let sent: Vec<String> = known
        .iter()
        .filter(|it| it.starts_with('e'))
        .cloned()
        .collect();
    let expected: Vec<String> = (0..sent.len()).map(|number| format!("e{number}")).collect();
    assert_eq!(sent, expected, "each once, none left out");
}
