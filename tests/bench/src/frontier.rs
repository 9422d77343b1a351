//! Measures what the frontier costs: the events of `pipeline` on the wall clock, where timers wait
//! for everything that was accepted before them, and so ask how far the services before are.
//!
//! The figure is the time of a call times the calls, by event. The ceiling is the processor time of
//! the services for the same events on stream time, which asks for no frontier.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Failure;
use crate::cpu::Seconds;
use crate::installation::{Installation, Level, Servers};
use crate::pipeline::{SETTINGS, events, round};
use crate::result::{Measured, median, median_seconds};

const ROUNDS: usize = 3;
/// The most microseconds of an event that calls for the frontier may take.
const BOUND_US: f64 = 1.0;
/// The histogram of these calls.
const CALLS: &str = "happypath_engine_frontier_duration_seconds";

/// Measures both clocks in turns, on fresh stores at level `journal`.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let events = events()?;
    let servers = Servers::start()?;
    let (mut stream, mut wall) = (Vec::new(), Vec::new());
    let (mut calls, mut times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let nothing = async |_: &Installation| Ok(());
        let played = round(&servers, Level::Journal, &SETTINGS, &events, nothing).await?;
        stream.push(played.cost);
        let metrics = free_address()?;
        let listen = metrics.to_string();
        let settings = [("metrics_listen", &*listen), ("partitions", "16")];
        let asked = async |_: &Installation| read(metrics).await;
        let played = round(&servers, Level::Journal, &settings, &events, asked).await?;
        wall.push(played.cost);
        let (count, seconds) = played.read;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53 events")]
        let sent = events.len() as f64;
        calls.push(count / sent);
        times.push(seconds * 1e6 / sent);
    }
    let (stream, wall) = (median_seconds(&stream), median_seconds(&wall));
    let services = |cost: &Seconds| cost.get("services").copied().unwrap_or_default();
    let unit = "µs of an event in calls for the frontier";
    Ok(Measured::new(
        "frontier",
        median(times),
        unit,
        services(&stream),
        wall.clone(),
    )
    .also("calls_per_event", median(calls))
    .also("wall_to_stream", services(&wall) / services(&stream))
    .at_most("figure", BOUND_US))
}

/// Returns an address of this machine that nobody listens on now.
fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Reads the metrics of an installation. Returns how many calls it made for the frontier, and their
/// seconds.
async fn read(metrics: SocketAddr) -> Result<(f64, f64), Failure> {
    let mut connection = TcpStream::connect(metrics).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {metrics}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    connection.read_to_string(&mut text).await?;
    if !text.starts_with("HTTP/1.1 200") {
        return Err("the installation tells no metrics".into());
    }
    Ok((sum(&text, "_count"), sum(&text, "_sum")))
}

/// Adds one series of the histogram over all services.
fn sum(text: &str, series: &str) -> f64 {
    let name = format!("{CALLS}{series}");
    text.lines()
        .filter(|line| line.starts_with(&name))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
