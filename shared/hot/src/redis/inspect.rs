//! A look at a server, or at every primary of a cluster, that changes nothing there.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::RedisOptions;
use super::address::refused;
use super::link::Link;
use super::server::field;
use super::source::Source;
use crate::HotError;

/// The sections of `INFO` that are read.
const SECTIONS: [&str; 5] = ["server", "memory", "persistence", "replication", "clients"];

/// The word of one server about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerFacts {
    /// Its address in a cluster; empty for a server of its own.
    pub node: String,
    /// The version of Redis that it is, or is like.
    pub version: String,
    /// Bytes of memory that it uses.
    pub used_bytes: u64,
    /// Bytes of memory that it may use, 0 for all of its machine.
    pub most_bytes: u64,
    /// Bytes of memory of its machine, 0 where it does not tell.
    pub machine_bytes: u64,
    /// Its choice of what to forget where memory is full, such as `noeviction`.
    pub eviction: String,
    /// Says that writes go to an append-only file.
    pub has_append_only_file: bool,
    /// Says that the last write of that file, or of a snapshot, failed, as on a full disk.
    pub has_failed_to_persist: bool,
    /// Replicas that are connected.
    pub replicas: u64,
}

impl ServerFacts {
    /// Returns whether it forgets customers when its memory is full, which nothing brings back.
    pub fn forgets_customers(&self) -> bool {
        self.eviction.starts_with("allkeys-")
    }

    /// Reads the answer to INFO.
    pub(super) fn read(node: String, info: &str) -> Self {
        let number = |name| field(info, name).and_then(|text| text.parse().ok());
        let has_failed = |name| field(info, name).is_some_and(|status| status != "ok");
        Self {
            node,
            version: field(info, "redis_version").unwrap_or_default().to_owned(),
            used_bytes: number("used_memory").unwrap_or(0),
            most_bytes: number("maxmemory").unwrap_or(0),
            machine_bytes: number("total_system_memory").unwrap_or(0),
            eviction: field(info, "maxmemory_policy")
                .unwrap_or_default()
                .to_owned(),
            has_append_only_file: field(info, "aof_enabled") == Some("1"),
            has_failed_to_persist: ["aof_last_write_status", "rdb_last_bgsave_status"]
                .into_iter()
                .any(has_failed),
            replicas: number("connected_slaves").unwrap_or(0),
        }
    }
}

/// Asks a server, or every primary of a cluster, about itself. Nothing is loaded or created there.
///
/// # Errors
/// [`HotError::Mismatch`] for an address that is none, [`HotError::Unavailable`] where it does not
/// answer.
pub fn inspect(options: RedisOptions) -> BoxFuture<'static, Result<Vec<ServerFacts>, HotError>> {
    Box::pin(async move {
        let options = options.with_query()?;
        let link = Link::connect(&Arc::new(Source::new(&options)?)).await;
        let told = link.map_err(refused)?.info(&SECTIONS).await;
        let told = told.map_err(refused)?.into_iter();
        Ok(told
            .map(|(node, info)| ServerFacts::read(node, &info))
            .collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_server_is_read() {
        let info = "# Server\r\nredis_version:7.2.4\r\nused_memory:1024\r\nmaxmemory:4096\r\n\
                    total_system_memory:8192\r\n\
                    maxmemory_policy:noeviction\r\naof_enabled:1\r\naof_last_write_status:err\r\n\
                    rdb_last_bgsave_status:ok\r\nconnected_slaves:2\r\n";
        let expected = ServerFacts {
            node: "a:1".to_owned(),
            version: "7.2.4".to_owned(),
            used_bytes: 1024,
            most_bytes: 4096,
            machine_bytes: 8192,
            eviction: "noeviction".to_owned(),
            has_append_only_file: true,
            has_failed_to_persist: true,
            replicas: 2,
        };
        assert_eq!(ServerFacts::read("a:1".to_owned(), info), expected);
        let nothing = ServerFacts::read(String::new(), "");
        assert_eq!(nothing, ServerFacts::default());
    }

    #[test]
    fn a_server_that_may_forget_any_key_forgets_customers() {
        for (eviction, forgets) in [
            ("allkeys-lru", true),
            ("allkeys-random", true),
            ("volatile-lru", false),
            ("noeviction", false),
            ("", false),
        ] {
            let info = format!("maxmemory_policy:{eviction}\r\n");
            let facts = ServerFacts::read(String::new(), &info);
            assert_eq!(facts.forgets_customers(), forgets, "{eviction}");
        }
    }
}
