//! The check that a server, or every primary of a cluster, is one that we can use.

use redis::aio::ConnectionLike;
use redis::{Value, cmd};

use super::RedisOptions;
use super::address::refused;
use super::inspect::ServerFacts;
use super::link::Link;
use super::reply::items;
use crate::HotError;

/// The first version with functions.
const OLDEST: (u32, u32) = (7, 0);
/// What is asked for, once the server is known to take several at once.
const SECTIONS: [&str; 4] = ["server", "memory", "persistence", "replication"];

/// Refuses servers that would lose data, miss what we need, or cannot do what the options ask for.
pub(super) async fn check(link: &Link, options: &RedisOptions) -> Result<(), HotError> {
    for (_, info) in link.info(&["server"]).await.map_err(refused)? {
        check_kind(link, &info)?;
    }
    for (_, info) in link.info(&SECTIONS).await.map_err(refused)? {
        check_settings(&info, options)?;
    }
    if options.fsync_acked {
        let mut link = link.clone();
        let mut ask = cmd("COMMAND");
        ask.arg("INFO").arg("WAITAOF");
        let known = link.req_packed_command(&ask).await.map_err(refused)?;
        let known = known.extract_error().map_err(refused)?;
        if matches!(items(known)?.as_slice(), [] | [Value::Nil]) {
            return Err(HotError::Mismatch(
                "fsync_acked needs a server with WAITAOF: run Redis 7.2 or newer or Valkey, or leave it out".into(),
            ));
        }
    }
    Ok(())
}

/// Whether it is the kind of server that the address says.
fn check_kind(link: &Link, info: &str) -> Result<(), HotError> {
    let version = field(info, "redis_version").unwrap_or_default();
    let mut parts = version.split('.').map_while(|part| part.parse().ok());
    let found: (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < OLDEST {
        return Err(HotError::Mismatch(format!(
            "Redis {version} has no functions: run Redis 7.0 or newer, or Valkey"
        )));
    }
    match (field(info, "redis_mode"), link.is_cluster()) {
        (Some("cluster"), false) => Err(HotError::Mismatch(
            "Redis runs as a cluster: write its address as redis+cluster://host:port,…".into(),
        )),
        (Some("standalone"), true) => Err(HotError::Mismatch(
            "Redis is not a cluster: write its address as redis://host:port".into(),
        )),
        (Some("sentinel"), _) => Err(HotError::Mismatch(
            "this is a sentinel: write the address of Redis as redis+sentinel://host:port,…/name"
                .into(),
        )),
        _ => Ok(()),
    }
}

/// Whether it keeps what it is given, and can confirm that as asked.
fn check_settings(info: &str, options: &RedisOptions) -> Result<(), HotError> {
    let facts = ServerFacts::read(String::new(), info);
    if facts.forgets_customers() {
        return Err(HotError::Mismatch(format!(
            "Redis forgets customers when its memory is full (maxmemory-policy {}): set it to noeviction",
            facts.eviction
        )));
    }
    if options.fsync_acked && field(info, "aof_enabled") == Some("0") {
        return Err(HotError::Mismatch(
            "fsync_acked needs the append-only file: set appendonly to yes, or leave it out".into(),
        ));
    }
    if field(info, "role") == Some("slave") {
        // It may become the primary, or the name may lead elsewhere, in a moment.
        return Err(HotError::unavailable(
            "this server is a replica and takes no writes: write the address of its primary, or of its sentinels as \
             redis+sentinel://host:port,…/name",
        ));
    }
    Ok(())
}

/// A field of the answer to INFO.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}
