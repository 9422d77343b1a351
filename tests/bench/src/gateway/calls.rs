//! Milliseconds that the gateway adds to half of the calls, one after another: a write and a read,
//! as calls of gRPC and as JSON over HTTP, beside the same calls of the service itself.

use proto::segmentation::v1::GetProfileRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use rpc::PeerChannel;
use tokio::time::Instant;

use super::process::Gateway;
use super::sender::{Sender, get};
use crate::Failure;
use crate::installation::Installation;
use crate::load::{event, ingest};
use crate::result::{Measured, median, quantile};

const ROUNDS: usize = 5;
/// Calls of each kind in each round.
const CALLS: u32 = 500;
/// Customers who are written of and read in turn.
const CUSTOMERS: u32 = 50;
/// The most milliseconds that half of the calls may take longer.
const BOUND_MS: f64 = 1.0;

/// The ways to make a call.
const WAYS: [&str; 3] = ["direct", "gateway", "json"];

/// The median of each round, in milliseconds, by way: of writes, and of reads.
#[derive(Debug, Default)]
pub(super) struct Calls {
    writes: [Vec<f64>; 2],
    reads: [Vec<f64>; WAYS.len()],
}

/// Measures all ways in turns.
pub(super) async fn measure(
    installation: &Installation,
    gateway: &Gateway,
) -> Result<Calls, Failure> {
    let direct = installation.channel.clone();
    let through = gateway.channel()?;
    let mut customers = Vec::new();
    for customer in 0..CUSTOMERS {
        let answer = ingest(direct.clone(), event("seen", customer)).await?;
        customers.push(answer.results[0].customer_id.clone());
    }
    installation.at_rest().await?;
    let mut calls = Calls::default();
    for round in 0..ROUNDS {
        // Whoever is second finds a warmer machine.
        let mut order = [0, 1, 2];
        order.rotate_left(round % WAYS.len());
        for way in order {
            let channel = if way == 0 { &direct } else { &through };
            if way < 2 {
                calls.writes[way].push(writes(channel).await?);
                installation.at_rest().await?;
                calls.reads[way].push(reads(channel, &customers).await?);
            } else {
                // A connection that waits for its turn would be ended meanwhile.
                let mut json = Sender::connect(&gateway.url).await?;
                calls.reads[way].push(json_reads(&mut json, &customers).await?);
            }
        }
    }
    Ok(calls)
}

async fn writes(channel: &PeerChannel) -> Result<f64, Failure> {
    let mut times = Vec::new();
    for number in 0..CALLS {
        let begun = Instant::now();
        ingest(channel.clone(), event("seen", number % CUSTOMERS)).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(quantile(&mut times, 0.5))
}

async fn reads(channel: &PeerChannel, customers: &[String]) -> Result<f64, Failure> {
    let mut client = SegmentationServiceClient::new(channel.clone());
    let mut times = Vec::new();
    for number in 0..CALLS {
        let request = GetProfileRequest {
            customer_id: customers[(number % CUSTOMERS) as usize].clone(),
            ..GetProfileRequest::default()
        };
        let begun = Instant::now();
        client.get_profile(request).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(quantile(&mut times, 0.5))
}

async fn json_reads(sender: &mut Sender, customers: &[String]) -> Result<f64, Failure> {
    let requests: Vec<Vec<u8>> = customers
        .iter()
        .map(|customer| get(&format!("/v1/customers/{customer}/profile")))
        .collect();
    let mut times = Vec::new();
    for number in 0..CALLS {
        let begun = Instant::now();
        sender
            .send(&requests[(number % CUSTOMERS) as usize])
            .await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(quantile(&mut times, 0.5))
}

impl Calls {
    /// Adds the figures, with their bounds.
    pub(super) fn told(self, measured: Measured) -> Measured {
        let [write, write_through] = self.writes.map(median);
        let [read, read_through, read_json] = self.reads.map(median);
        measured
            .also("write_ms", write)
            .also("write_added_ms", write_through - write)
            .also("read_ms", read)
            .also("read_added_ms", read_through - read)
            .also("json_read_added_ms", read_json - read)
            .at_most("write_added_ms", BOUND_MS)
            .at_most("read_added_ms", BOUND_MS)
            .at_most("json_read_added_ms", BOUND_MS)
    }
}
