//! Milliseconds from a sent event to its committed journey transition, one event at a time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest};
use proto::journey::v1::GetFlowRequest;
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use tonic::Status;
use tonic::transport::Channel;

use crate::installation::{Installation, connect};
use crate::result::{Measured, cpu_seconds, median};
use crate::{Failure, bare};

const EVENTS: u32 = 300;
/// Between two events: 100 a second.
const PAUSE: Duration = Duration::from_millis(10);

/// Measures events that start runs, each of a new customer, beside a bare unary call.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let bare = connect(&format!("http://{}", bare::serve().await?)).await?;
    let mut ceilings = Vec::new();
    for number in 0..EVENTS {
        let started = Instant::now();
        ingest(bare.clone(), number).await?;
        ceilings.push(started.elapsed().as_secs_f64() * 1e3);
    }

    let installation = Installation::start("wall").await?;
    let used = cpu_seconds();
    let mut times = Vec::new();
    for number in 0..EVENTS {
        tokio::time::sleep(PAUSE).await;
        let runs = entered(&installation.channel).await?;
        let started = Instant::now();
        ingest(installation.channel.clone(), number).await?;
        while entered(&installation.channel).await? == runs {}
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let cpu_us = (cpu_seconds() - used) * 1e6 / f64::from(EVENTS);
    installation.stop().await?;
    let (figure, ceiling) = (median(times), median(ceilings));
    Ok(Measured {
        bench: "latency",
        figure,
        unit: "ms",
        ceiling,
        ratio: figure / ceiling,
        cpu_us,
    })
}

async fn ingest(channel: Channel, number: u32) -> Result<(), Status> {
    let event = Event {
        name: "campaign_received".to_owned(),
        identifiers: HashMap::from([("user_id".to_owned(), format!("customer-{number}"))]),
        ..Event::default()
    };
    let request = IngestRequest {
        events: vec![event],
        ..IngestRequest::default()
    };
    IdentityServiceClient::new(channel).ingest(request).await?;
    Ok(())
}

async fn entered(channel: &Channel) -> Result<u64, Status> {
    let request = GetFlowRequest {
        journey: happypath::demo::play::JOURNEY.to_owned(),
        version: 0,
    };
    Ok(JourneyServiceClient::new(channel.clone())
        .get_flow(request)
        .await?
        .into_inner()
        .entered_count)
}
