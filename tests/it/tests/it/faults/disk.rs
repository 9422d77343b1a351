//! The disk under Redis is full for a while.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use testkit::RedisServer;
use tonic::Code;

use super::installation::{Durability, Installation, eventually};
use super::load::{self, Load, Record};
use super::{CALM, shared_machine};

/// A disk that a short load would not fill.
const DISK_MB: usize = 64;
/// How long the disk stays full once the first client was told.
const FULL: Duration = Duration::from_secs(4);

/// A disk of its own for a server, which can be filled.
struct Disk {
    folder: TempDir,
    is_mounted: bool,
}

impl Disk {
    /// Mounts a small file system, where the system lets us.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK_MB}m"), "tmpfs"])
            .arg(folder.path())
            .output();
        Self {
            is_mounted: mounted.is_ok_and(|output| output.status.success()),
            folder,
        }
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    /// Leaves no room. Without a file system of its own, the server may not make its files longer instead.
    fn fill(&self, redis: &RedisServer) {
        if !self.is_mounted {
            return limit_files(redis, "4096:");
        }
        let mut ballast = File::create(self.ballast()).expect("a file");
        let piece = [1; 4096];
        // The server takes its share of the room meanwhile.
        while let Ok(written) = ballast.write(&piece) {
            assert!(written > 0, "a disk that is full says so");
        }
    }

    /// Gives the room back. A server that ended for want of it is started again, as an operator would.
    fn empty(&self, redis: &mut RedisServer) {
        if self.is_mounted {
            std::fs::remove_file(self.ballast()).expect("removed");
        } else if redis.ask(&["PING"]).is_ok() {
            limit_files(redis, "unlimited:");
        } else {
            redis.restart().expect("starts again");
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            // Lazily: the server that used it may be ending still.
            let _gone = Command::new("umount")
                .arg("-l")
                .arg(self.folder.path())
                .status();
        }
    }
}

/// Limits how long the files of a running server may get.
fn limit_files(redis: &RedisServer, limit: &str) {
    let info = redis.ask(&["INFO", "server"]).expect("an answer");
    let process = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"))
        .expect("the id of its process");
    let limited = Command::new("prlimit")
        .args(["--pid", process.trim(), &format!("--fsize={limit}")])
        .status()
        .expect("prlimit");
    assert!(
        limited.success(),
        "neither a file system nor a limit is to be had"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_redis_refuses_intake_and_loses_nothing() {
    let _machine = shared_machine().await;
    let disk = Disk::new();
    let record: Arc<Mutex<Record>> = Arc::default();
    let folder = disk.folder.path().display().to_string();
    let mut arguments = RedisServer::APPEND_ONLY.to_vec();
    arguments.extend(["--dir", &folder]);
    let redis = RedisServer::start_with(&arguments).expect("a Redis");
    let mut installation = Installation::start_on(Durability::Hot, redis).await;
    let load = Load::start(installation.services[0].url(), &record);
    tokio::time::sleep(CALM).await;

    disk.fill(&installation.redis);
    let told = eventually(async || {
        let record = load::lock(&record);
        let refusal = record
            .refusals
            .iter()
            .find(|refusal| refusal.code == Code::Unavailable && refusal.retry_after.is_some());
        refusal.cloned()
    })
    .await;
    assert!(
        told.is_some(),
        "the way in says that a store does not answer"
    );
    tokio::time::sleep(FULL).await;
    disk.empty(&mut installation.redis);

    tokio::time::sleep(CALM).await;
    load.stop().await;
    installation.review(&record, None).await;
}
