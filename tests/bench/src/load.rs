//! Sends what the benchmarks need: events over one stream, and single calls.

use std::collections::HashMap;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _, stream};
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest, IngestResponse, IngestStreamRequest, Lane};
use rpc::PeerChannel;
use tokio::time::{Instant, sleep_until};

use crate::Failure;

/// Events in one message of a stream.
const BATCH: usize = 500;
/// Messages that may wait for their answers.
const IN_FLIGHT: usize = 8;
/// Unary calls that wait for their answers at once, as the ceiling of unary gRPC is usually taken.
const CALLS_IN_FLIGHT: usize = 64;

/// Sends all events over one stream, and returns when all are accepted.
pub(crate) async fn send_stream(channel: PeerChannel, events: &[Event]) -> Result<(), Failure> {
    send_messages(channel, events, BATCH).await
}

/// Sends all events over one stream in messages of so many, and returns when all are accepted.
pub(crate) async fn send_messages(
    channel: PeerChannel,
    events: &[Event],
    size: usize,
) -> Result<(), Failure> {
    let batches = events.chunks(size).map(|chunk| IngestStreamRequest {
        events: chunk.to_vec(),
        lane: Lane::Live.into(),
        ..IngestStreamRequest::default()
    });
    send_batches(channel, batches.collect()).await
}

/// Sends batches over one stream, and returns when all of their events are accepted.
pub(crate) async fn send_batches(
    channel: PeerChannel,
    batches: Vec<IngestStreamRequest>,
) -> Result<(), Failure> {
    let (mut sender, receiver) = futures::channel::mpsc::channel(IN_FLIGHT);
    let mut client = IdentityServiceClient::new(channel);
    let events = batches.iter().map(|batch| batch.events.len() as u64);
    let expected: u64 = events.sum();
    let mut answers = client.ingest_stream(receiver).await?.into_inner();
    let send = async {
        for batch in batches {
            // An early end is told by the answers.
            if sender.send(batch).await.is_err() {
                break;
            }
        }
        sender.close_channel();
    };
    let receive = async {
        let mut accepted = 0;
        while let Some(answer) = answers.next().await {
            accepted += u64::from(answer?.accepted_count);
        }
        Ok::<_, Failure>(accepted)
    };
    let ((), accepted) = futures::join!(send, receive);
    let accepted = accepted?;
    if accepted == expected {
        return Ok(());
    }
    Err(format!("{accepted} of {expected} events were accepted").into())
}

/// Makes unary calls with one event each, many at a time, and returns how many were answered in a
/// second.
pub(crate) async fn unary_rate(channel: &PeerChannel, calls: u32) -> Result<f64, Failure> {
    let started = Instant::now();
    let mut answers = stream::iter(0..calls)
        .map(|number| ingest(channel.clone(), event("ceiling", number)))
        .buffer_unordered(CALLS_IN_FLIGHT);
    while let Some(answer) = answers.next().await {
        answer?;
    }
    Ok(f64::from(calls) / started.elapsed().as_secs_f64())
}

/// Makes one unary call, and returns the answer.
pub(crate) async fn ingest(channel: PeerChannel, event: Event) -> Result<IngestResponse, Failure> {
    let request = IngestRequest {
        events: vec![event],
        ..IngestRequest::default()
    };
    let answer = IdentityServiceClient::new(channel).ingest(request).await?;
    Ok(answer.into_inner())
}

/// An event of a customer, who is known by a number.
pub(crate) fn event(name: &str, customer: u32) -> Event {
    Event {
        name: name.to_owned(),
        identifiers: HashMap::from([("user_id".to_owned(), format!("customer-{customer}"))]),
        ..Event::default()
    }
}

/// Waits for the beat of a steady load; a late one is not waited for.
pub(crate) async fn beat(started: Instant, number: u32, pause: Duration) {
    sleep_until(started + pause * number).await;
}
