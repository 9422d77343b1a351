//! Reads the text of one setting. Each refusal says what would be right.

use std::net::SocketAddr;
use std::path::PathBuf;

use access::Mode;
use access::tls::ClientCertificates;
use kernel::{Duration, InstallationName, OutboundAddresses, PartitionCount};

use super::setting::setting;
use super::{Clock, Durability, HotStoreAddress, LogFormat};

type Parsed<T> = Result<T, String>;

pub(super) fn listen(text: &str) -> Parsed<SocketAddr> {
    address("listen", text)
}

pub(super) fn health_listen(text: &str) -> Parsed<SocketAddr> {
    address("health_listen", text)
}

pub(super) fn installation(text: &str) -> Parsed<InstallationName> {
    text.parse().map_err(|_| expected("installation"))
}

pub(super) fn metrics_listen(text: &str) -> Parsed<SocketAddr> {
    address("metrics_listen", text)
}

fn address(name: &str, text: &str) -> Parsed<SocketAddr> {
    let text = text.replace("localhost:", "127.0.0.1:");
    text.parse().map_err(|_| expected(name))
}

pub(super) fn trace_ratio(text: &str) -> Parsed<f64> {
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(expected("trace_ratio")),
    }
}

pub(super) fn trace_slow(text: &str) -> Parsed<Option<Duration>> {
    const MOST: i64 = 3_600_000;
    if text == "off" {
        return Ok(None);
    }
    match text.parse::<Duration>() {
        Ok(length) if (1..=MOST).contains(&length.as_millis()) => Ok(Some(length)),
        _ => Err(expected("trace_slow")),
    }
}

pub(super) fn hot_store(text: &str) -> Parsed<HotStoreAddress> {
    if let Some(folder) = text
        .strip_prefix("embedded:")
        .filter(|folder| !folder.is_empty())
    {
        return Ok(HotStoreAddress::Embedded(PathBuf::from(folder)));
    }
    let host = REDIS_SCHEMES
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme)?.strip_prefix("://"));
    match host {
        Some(rest) if !rest.is_empty() => Ok(HotStoreAddress::Redis(text.to_owned())),
        _ => Err(expected("hot_store")),
    }
}

/// The beginnings of addresses of Redis: one server, sentinels, a cluster; each with TLS or
/// without.
const REDIS_SCHEMES: [&str; 6] = [
    "redis",
    "rediss",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
];

pub(super) fn durability(text: &str) -> Parsed<Durability> {
    match text {
        "hot" => Ok(Durability::Hot),
        "journal" => Ok(Durability::Journal),
        "embedded" => Ok(Durability::Embedded),
        _ => Err(expected("durability")),
    }
}

pub(super) fn replicas_acked(text: &str) -> Parsed<u16> {
    match text.parse() {
        Ok(replicas @ 0..=10) => Ok(replicas),
        _ => Err(expected("replicas_acked")),
    }
}

pub(super) fn message_memory_mib(text: &str) -> Parsed<usize> {
    match text.parse() {
        Ok(mib @ 64..=65_536) => Ok(mib),
        _ => Err(expected("message_memory_mib")),
    }
}

pub(super) fn caller_rate(text: &str) -> Parsed<Option<u32>> {
    match (text, text.parse()) {
        ("off", _) => Ok(None),
        (_, Ok(rate @ 1..=1_000_000)) => Ok(Some(rate)),
        _ => Err(expected("caller_rate")),
    }
}

pub(super) fn outbound_allow(text: &str) -> Parsed<OutboundAddresses> {
    let parsed = text.parse::<OutboundAddresses>();
    parsed.map_err(|error| format!("{error}: {}", expected("outbound_allow")))
}

pub(super) fn secret_keys(text: &str) -> Parsed<PathBuf> {
    match text.trim() {
        "" => Err(expected("secret_keys")),
        path => Ok(PathBuf::from(path)),
    }
}

pub(super) fn journal_retention(text: &str) -> Parsed<Duration> {
    const LEAST: i64 = 60_000;
    const MOST: i64 = 30 * 24 * 3_600_000;
    match text.parse::<Duration>() {
        Ok(length) if (LEAST..=MOST).contains(&length.as_millis()) => Ok(length),
        _ => Err(expected("journal_retention")),
    }
}

pub(super) fn event_retention(text: &str) -> Parsed<Option<Duration>> {
    const LEAST: i64 = 3_600_000;
    const MOST: i64 = 3_650 * 24 * 3_600_000;
    if text == "forever" {
        return Ok(None);
    }
    match text.parse::<Duration>() {
        Ok(length) if (LEAST..=MOST).contains(&length.as_millis()) => Ok(Some(length)),
        _ => Err(expected("event_retention")),
    }
}

pub(super) fn change_retention(text: &str) -> Parsed<Option<Duration>> {
    const LEAST: i64 = 3_600_000;
    const MOST: i64 = 365 * 24 * 3_600_000;
    if text == "off" {
        return Ok(None);
    }
    match text.parse::<Duration>() {
        Ok(length) if (LEAST..=MOST).contains(&length.as_millis()) => Ok(Some(length)),
        _ => Err(expected("change_retention")),
    }
}

pub(super) fn erasure_deadline(text: &str) -> Parsed<Duration> {
    const LEAST: i64 = 60_000;
    const MOST: i64 = 30 * 24 * 3_600_000;
    match text.parse::<Duration>() {
        Ok(length) if (LEAST..=MOST).contains(&length.as_millis()) => Ok(length),
        _ => Err(expected("erasure_deadline")),
    }
}

pub(super) fn database(text: &str) -> Parsed<storage::DatabaseUrl> {
    text.parse().map_err(|_| expected("database"))
}

pub(super) fn partitions(text: &str) -> Parsed<PartitionCount> {
    let count: u64 = text.parse().map_err(|_| expected("partitions"))?;
    PartitionCount::try_new(count).map_err(|error| error.to_string())
}

pub(super) fn clock(text: &str) -> Parsed<Clock> {
    match text {
        "wall" => Ok(Clock::Wall),
        "stream" => Ok(Clock::Stream),
        _ => Err(expected("clock")),
    }
}

pub(super) fn url(text: &str) -> Parsed<String> {
    let host = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let parsed = text.parse::<tonic::transport::Uri>();
    match (host, parsed) {
        (Some(host), Ok(uri)) if !host.is_empty() && uri.host().is_some() => Ok(text.to_owned()),
        _ => Err("expected a URL such as http://host:7401".to_owned()),
    }
}

pub(super) fn worker(text: &str) -> Parsed<String> {
    let is_right = (1..=100).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if is_right {
        Ok(text.to_owned())
    } else {
        Err(expected("worker"))
    }
}

pub(super) fn lease_ttl(text: &str) -> Parsed<Duration> {
    match text.parse::<Duration>() {
        Ok(length) if (1_000..=600_000).contains(&length.as_millis()) => Ok(length),
        _ => Err(expected("lease_ttl")),
    }
}

pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(expected("log_format")),
    }
}

pub(super) fn log_level(text: &str) -> Parsed<String> {
    match text.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(expected("log_level")),
    }
}

pub(super) fn access(text: &str) -> Parsed<Mode> {
    match text {
        "open" => Ok(Mode::Open),
        "required" => Ok(Mode::Required),
        _ => Err(expected("access")),
    }
}

pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    match text.trim() {
        "" => Err("expected a file".to_owned()),
        _ => Ok(PathBuf::from(text)),
    }
}

pub(super) fn tls_clients(text: &str) -> Parsed<ClientCertificates> {
    match text {
        "optional" => Ok(ClientCertificates::Optional),
        "required" => Ok(ClientCertificates::Required),
        _ => Err(expected("tls_clients")),
    }
}

pub(super) fn reflection(text: &str) -> Parsed<bool> {
    on_or_off("reflection", text)
}

pub(super) fn migrate(text: &str) -> Parsed<bool> {
    on_or_off("migrate", text)
}

fn on_or_off(setting: &str, text: &str) -> Parsed<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(expected(setting)),
    }
}

fn expected(name: &str) -> String {
    let setting = setting(name).expect("the list names every setting that is read");
    format!("expected {}", setting.expected)
}
