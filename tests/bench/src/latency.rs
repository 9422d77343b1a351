//! Milliseconds from a sent event to the webhook that it causes, at a steady load, beside a bare
//! call and a bare webhook.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use proto::identity::v1::event::PropertiesForm;
use rpc::PeerChannel;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout};

use crate::cpu;
use crate::installation::{Demand, Installation, Level, Servers, connect};
use crate::load::{beat, event, ingest};
use crate::result::{Measured, median, quantile};
use crate::{Failure, bare};

const ROUNDS: usize = 5;
/// Events in each round: the 99th percentile then has ten above it.
const EVENTS: u32 = 1_000;
/// Between two events: 200 a second.
const PAUSE: Duration = Duration::from_millis(5);
/// The longest wait for the last webhook before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most that half of all, and all but one in a hundred, may take.
const BOUNDS_MS: (f64, f64) = (15.0, 60.0);

/// Measures events of known customers that start a run, whose first step sends.
pub(crate) async fn measure(demand: Demand) -> Result<Measured, Failure> {
    let servers = Servers::start_with(demand)?;
    let (hook, mut arrivals) = receive().await?;
    let bare = connect(&format!("http://{}", bare::serve().await?))?;
    let installation = Installation::start(&servers, Level::Journal, &[]).await?;
    installation.apply(&definitions(hook)).await?;
    // The first event makes everybody known, and everything warm.
    for customer in 0..EVENTS {
        ingest(installation.channel.clone(), event("seen", customer)).await?;
    }
    installation.idle().await?;
    let before = installation.used();
    let (mut halves, mut tails, mut ceilings) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut times = load(&installation.channel, round, &mut arrivals).await?;
        halves.push(quantile(&mut times, 0.5));
        tails.push(quantile(&mut times, 0.99));
        installation.idle().await?;
        let mut times = ceiling(&bare, hook, &mut arrivals).await?;
        ceilings.push(quantile(&mut times, 0.99));
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let count = f64::from(EVENTS) * ROUNDS as f64;
    let cost = cpu::each_us(&before, &installation.used(), count);
    Ok(
        Measured::new("latency", median(tails), "ms (p99)", median(ceilings), cost)
            .also("p50_ms", median(halves))
            .at_most("figure", BOUNDS_MS.1)
            .at_most("p50_ms", BOUNDS_MS.0),
    )
}

/// A journey that answers every `asked` with a webhook.
pub(crate) fn definitions(hook: SocketAddr) -> String {
    format!(
        r#"
channel:
  name: hook
  webhook: {{url: "http://{hook}/", secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz, allow_private_network: true}}
---
template: {{name: word, text: {{body: '{{{{ event.number }}}}'}}}}
---
segment: {{name: seen, expression: 'events("seen").exists()'}}
---
journey:
  name: answer
  entry: {{triggers: [{{event: asked}}], reentry: REENTRY_AFTER_EXIT}}
  steps:
    - id: say
      send: {{channel: hook, template: word, purpose: marketing}}
    - id: done
      exit: {{outcome: RUN_OUTCOME_SUCCESS}}
"#
    )
}

/// Sends one event for each beat, and waits for every webhook. Returns the milliseconds between.
async fn load(
    channel: &PeerChannel,
    round: usize,
    arrivals: &mut UnboundedReceiver<(u32, Instant)>,
) -> Result<Vec<f64>, Failure> {
    let started = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    let mut sent = HashMap::new();
    for number in 0..EVENTS {
        beat(started, number, PAUSE).await;
        let mut asked = event("asked", number);
        asked.event_id = format!("{round}-{number}");
        asked.properties_form = Some(PropertiesForm::Properties(prost_types::Struct {
            fields: [("number".to_owned(), f64::from(number).into())].into(),
        }));
        sent.insert(number, Instant::now());
        calls.spawn(ingest(channel.clone(), asked));
    }
    while let Some(call) = calls.join_next().await {
        call??;
    }
    let mut times = Vec::new();
    while times.len() < sent.len() {
        let (number, arrived) = timeout(PATIENCE, arrivals.recv())
            .await?
            .ok_or("the receiver ended")?;
        let sent = sent.get(&number).ok_or("a webhook that nobody asked for")?;
        times.push(arrived.duration_since(*sent).as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// A bare call, then a bare webhook, at the same load.
async fn ceiling(
    bare: &PeerChannel,
    hook: SocketAddr,
    arrivals: &mut UnboundedReceiver<(u32, Instant)>,
) -> Result<Vec<f64>, Failure> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(hook).await?;
    stream.set_nodelay(true)?;
    let mut times = Vec::new();
    for number in 0..EVENTS {
        beat(started, number, PAUSE).await;
        let sent = Instant::now();
        ingest(bare.clone(), event("asked", number)).await?;
        let body = format!(r#"{{"data":{{"body":"{number}"}}}}"#);
        let head = format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await?;
        let (_, arrived) = arrivals.recv().await.ok_or("the receiver ended")?;
        let mut answer = [0; 64];
        let _read = stream.read(&mut answer).await?;
        times.push(arrived.duration_since(sent).as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// Receives webhooks, tells the number in each body and when it came, and answers 204.
pub(crate) async fn receive() -> Result<(SocketAddr, UnboundedReceiver<(u32, Instant)>), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                // The rest is of the measuring side: a connection that ends is seen by who
                // waits for its webhook.
                let _ = stream.set_nodelay(true);
                let mut bytes = Vec::new();
                while let Some(body) = read_request(&mut stream, &mut bytes).await {
                    let arrived = Instant::now();
                    if let Some(number) = number_in(&body) {
                        let _ = sender.send((number, arrived));
                    }
                    if stream
                        .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    Ok((address, receiver))
}

/// The number that a webhook is about: what its template rendered.
fn number_in(body: &str) -> Option<u32> {
    let webhook: serde_json::Value = serde_json::from_str(body).ok()?;
    webhook["data"]["body"].as_str()?.trim().parse().ok()
}

/// Reads one HTTP/1.1 request with a content length; none where the connection ended.
async fn read_request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = head + 4;
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length: usize = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))?
                .trim()
                .parse()
                .ok()?;
            if bytes.len() >= head + length {
                let body = String::from_utf8_lossy(&bytes[head..head + length]).into_owned();
                bytes.drain(..head + length);
                return Some(body);
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}
