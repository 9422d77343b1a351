//! Events a second from the ingest stream through identity, segmentation, journey and activation, all committed.

use std::time::Instant;

use futures::{SinkExt as _, StreamExt as _};
use happypath::demo::history;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestStreamRequest, Lane};
use tonic::transport::Channel;

use crate::installation::{Installation, connect};
use crate::result::{Measured, cpu_seconds, median};
use crate::{Failure, bare};

const ROUNDS: usize = 5;
const EVENTS: usize = 60_000;
const BATCH: usize = 500;
const IN_FLIGHT: usize = 8;

/// Measures real events, in rounds on fresh stores, each beside its ceiling.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let events: Vec<Event> = history::days()?
        .into_iter()
        .flat_map(|day| day.events)
        .take(EVENTS)
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 events")]
    let count = events.len() as f64;
    let bare = connect(&format!("http://{}", bare::serve().await?)).await?;
    let (mut rates, mut ceilings, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let installation = Installation::start("stream").await?;
        let (started, used) = (Instant::now(), cpu_seconds());
        stream(installation.channel.clone(), &events).await?;
        installation.idle().await?;
        rates.push(count / started.elapsed().as_secs_f64());
        costs.push((cpu_seconds() - used) * 1e6 / count);
        installation.stop().await?;

        let started = Instant::now();
        stream(bare.clone(), &events).await?;
        ceilings.push(count / started.elapsed().as_secs_f64());
    }
    let (figure, ceiling) = (median(rates), median(ceilings));
    let cpu_us = median(costs);
    Ok(Measured {
        bench: "pipeline",
        figure,
        unit: "events/s",
        ceiling,
        ratio: figure / ceiling,
        cpu_us,
    })
}

/// Sends all events over one stream, and returns when all are accepted.
async fn stream(channel: Channel, events: &[Event]) -> Result<(), Failure> {
    let (mut sender, receiver) = futures::channel::mpsc::channel(IN_FLIGHT);
    let mut client = IdentityServiceClient::new(channel);
    let batches: Vec<IngestStreamRequest> = events
        .chunks(BATCH)
        .map(|chunk| IngestStreamRequest {
            events: chunk.to_vec(),
            source: "bench".to_owned(),
            lane: Lane::Live.into(),
        })
        .collect();
    let expected = events.len() as u64;
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
