//! Look-ups a second over streams and by single calls, beside bare tonic, and new customers beside
//! PostgreSQL's own rate for the same rows.

mod bare;
mod newcomers;
mod rows;

use std::time::Instant;

use futures::{StreamExt as _, stream};
use proto::identity::v1::resolution_service_client::ResolutionServiceClient;
use proto::identity::v1::{Identifier, ResolveRequest, ResolveStreamRequest};
use rpc::PeerChannel;

use crate::Failure;
use crate::cpu::{self, Seconds};
use crate::installation::{Installation, Level, Servers, connect};
use crate::load::{event, send_stream};
use crate::result::{Measured, median, median_seconds};

/// Customers who are looked up in turn.
const CUSTOMERS: u32 = 10_000;
/// Look-ups of one stream, and of calls.
const STREAMED: u32 = 200_000;
const CALLED: u32 = 30_000;
/// Streams at once, and the requests of one that wait for their answers.
const STREAMS: u32 = 2;
const AHEAD: usize = 512;
/// Calls at once, as the ceiling of unary gRPC is usually taken.
const CALLS_IN_FLIGHT: usize = 64;
/// Times that everything is measured, in turns.
const ROUNDS: usize = 5;
/// The least of a bare stream that does a GET of Redis for each message.
const STREAM_RATIO: f64 = 0.5;
/// The least of bare unary calls.
const UNARY_RATIO: f64 = 0.7;
/// The least of the same rows in PostgreSQL, in transactions of 128.
const NEW_RATIO: f64 = 0.25;

/// Measures look-ups of known customers, and new ones.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let installation = Installation::start(&servers, Level::Hot, &[]).await?;
    let stores = installation.stores.as_ref();
    let stores = stores.ok_or("the installation has no stores")?;
    let known: Vec<_> = (0..CUSTOMERS).map(|one| event("seen", one)).collect();
    send_stream(installation.channel.clone(), &known).await?;
    installation.at_rest().await?;
    let echo = bare::serve(&stores.redis.url()).await?;
    let echo = connect(&format!("http://{echo}"))?;
    let channel = &installation.channel;
    let (mut streamed, mut called) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    let mut costs: Vec<Seconds> = Vec::new();
    for _ in 0..ROUNDS {
        streamed.1.push(stream_rate(&echo, false).await?);
        let before = installation.used();
        streamed.0.push(stream_rate(channel, true).await?);
        let used = installation.used();
        costs.push(cpu::each_us(&before, &used, f64::from(STREAMED)));
        called.1.push(call_rate(&echo, false).await?);
        called.0.push(call_rate(channel, true).await?);
    }
    let new = newcomers::rate(&installation).await?;
    let rows = rows::rate(&stores.database).await?;
    let (called, ceiling) = (median(called.0), median(called.1));
    let figure = median(streamed.0);
    let measured = Measured::new(
        "identity",
        figure,
        "look-ups/s over streams",
        median(streamed.1),
        median_seconds(&costs),
    );
    Ok(measured
        .also("unary_per_s", called)
        .also("unary_ceiling_per_s", ceiling)
        .also("unary_ratio", called / ceiling)
        .also("new_customers_per_s", new)
        .also("new_customers_ceiling_per_s", rows)
        .also("new_customers_ratio", new / rows)
        .at_least("ratio", STREAM_RATIO)
        .at_least("unary_ratio", UNARY_RATIO)
        .at_least("new_customers_ratio", NEW_RATIO))
}

/// A request for a customer in turn.
fn request(number: u32) -> ResolveRequest {
    ResolveRequest {
        identifiers: vec![Identifier {
            namespace: "user_id".to_owned(),
            value: format!("customer-{}", number % CUSTOMERS),
        }],
    }
}

/// Look-ups a second over several streams at once.
async fn stream_rate(channel: &PeerChannel, is_checked: bool) -> Result<f64, Failure> {
    let each = STREAMED / STREAMS;
    let begun = Instant::now();
    let streams = (0..STREAMS).map(|_| one_stream(channel.clone(), each, is_checked));
    futures::future::try_join_all(streams).await?;
    Ok(f64::from(each * STREAMS) / begun.elapsed().as_secs_f64())
}

async fn one_stream(channel: PeerChannel, count: u32, is_checked: bool) -> Result<(), Failure> {
    let (window, mut free) = tokio::sync::mpsc::channel::<()>(AHEAD);
    let requests = stream::iter(0..count).then(move |number| {
        let window = window.clone();
        async move {
            // Whoever reads the answers makes room.
            let _ = window.send(()).await;
            ResolveStreamRequest {
                request: Some(request(number)),
                tag: String::new(),
            }
        }
    });
    let mut client = ResolutionServiceClient::new(channel);
    let mut answers = client.resolve_stream(requests).await?.into_inner();
    let mut found = 0;
    while let Some(answer) = answers.next().await {
        let _ = free.try_recv();
        let response = answer?.response.unwrap_or_default();
        if is_checked && response.customer_id.is_empty() {
            return Err("a customer who is known was not found".into());
        }
        found += 1;
    }
    match found == count {
        true => Ok(()),
        false => Err(format!("{found} of {count} look-ups were answered").into()),
    }
}

/// Look-ups a second by single calls.
async fn call_rate(channel: &PeerChannel, is_checked: bool) -> Result<f64, Failure> {
    let begun = Instant::now();
    let mut answers = stream::iter(0..CALLED)
        .map(|number| {
            let mut client = ResolutionServiceClient::new(channel.clone());
            async move { client.resolve(request(number)).await }
        })
        .buffer_unordered(CALLS_IN_FLIGHT);
    while let Some(answer) = answers.next().await {
        let answer = answer?.into_inner();
        if is_checked && answer.customer_id.is_empty() {
            return Err("a customer who is known was not found".into());
        }
    }
    Ok(f64::from(CALLED) / begun.elapsed().as_secs_f64())
}
