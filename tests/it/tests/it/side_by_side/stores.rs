//! The stores of a fleet: a Redis and a PostgreSQL that every node of its network reaches.

use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;
use testkit::{PostgresServer, RedisServer};

use super::book::LEASE_TTL;
use crate::faults::installation::PARTITIONS;
use crate::process;

/// Connections that PostgreSQL takes: those of processes that are cut off stay for a while.
const CONNECTIONS: &str = "max_connections=400";

/// The stores.
pub(super) struct Stores {
    pub(super) redis: RedisServer,
    pub(super) postgres: PostgresServer,
    /// The address of the database for whoever is where they are.
    pub(super) database: String,
    /// Their address for everybody else.
    host: String,
}

impl Stores {
    /// Starts them at an address of this machine, beside the usual one.
    pub(super) fn start(host: Ipv4Addr) -> Self {
        let host = host.to_string();
        let listen = ["--bind", "127.0.0.1", &host, "--protected-mode", "no"];
        let redis = RedisServer::start_with(&[RedisServer::APPEND_ONLY, &listen].concat());
        let postgres = postgres(&host);
        Self {
            redis: redis.expect("a Redis"),
            database: postgres.create_database().expect("a database"),
            postgres,
            host,
        }
    }

    /// The settings that name them, and the time of leases.
    pub(super) fn settings(&self) -> Vec<String> {
        let settings = [
            ("--hot-store", self.elsewhere(&self.redis.url())),
            ("--database", self.elsewhere(&self.database)),
            ("--partitions", PARTITIONS.to_string()),
            ("--lease-ttl", format!("{}ms", LEASE_TTL.as_millis())),
            ("--durability", "journal".to_owned()),
        ];
        let both = |(flag, value): (&str, String)| [flag.to_owned(), value];
        settings.into_iter().flat_map(both).collect()
    }

    /// Makes the first key, which may do everything, by `happypath` of some version.
    pub(super) fn first_key(&self, program: &Path) -> String {
        let arguments = ["keys", "bootstrap", "--database", &self.database];
        let made = process::run_program(program, &arguments, None);
        let said = String::from_utf8_lossy(&made.stdout).into_owned();
        let key = said.lines().next().unwrap_or_default().to_owned();
        assert!(key.starts_with("hpk_"), "{made:?}");
        key
    }

    fn elsewhere(&self, url: &str) -> String {
        url.replace("127.0.0.1", &self.host)
    }
}

/// Starts a PostgreSQL that lets in all who reach its address.
fn postgres(host: &str) -> PostgresServer {
    let folder = folder_for_all();
    let rules = folder.path().join("pg_hba.conf");
    let text = format!(
        "local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all {host}/24 trust\n"
    );
    fs::write(&rules, text).expect("a file");
    let listen = format!("listen_addresses=127.0.0.1,{host}");
    // The server reads them once, when it starts.
    let rules = format!("hba_file={}", rules.display());
    let settings = [
        "fsync=off",
        "synchronous_commit=off",
        CONNECTIONS,
        &listen,
        &rules,
    ];
    let arguments: Vec<&str> = settings.iter().flat_map(|one| ["-c", one]).collect();
    PostgresServer::start_with(&arguments).expect("a PostgreSQL")
}

/// A folder that the user of PostgreSQL may read.
fn folder_for_all() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let open = Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("others may read it");
    folder
}
