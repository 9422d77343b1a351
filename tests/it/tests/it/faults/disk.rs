//! The disk under a store is full for a while.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use testkit::{PostgresServer, RedisServer};
use tonic::Code;

use super::installation::{Durability, Installation};
use super::load::{self, Load, Record};
use super::{CALM, shared_machine};
use crate::suite::eventually;

/// A disk that a short load would not fill, with room for an empty PostgreSQL.
const DISK_MB: usize = 128;
/// The time that the disk stays full once the first client was told.
const FULL: Duration = Duration::from_secs(4);

/// A small file system over a folder, which can be filled.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts one; absent where the system does not let us.
    fn mount(folder: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK_MB}m"), "tmpfs"])
            .arg(folder)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self {
                folder: folder.to_owned(),
            })
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Leaves no room.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        // The server takes its share of the room meanwhile.
        while let Ok(written) = ballast.write(&[1; 4096]) {
            assert!(written > 0, "a disk that is full says so");
        }
    }

    /// Gives the room back.
    fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the server that uses it may be running still.
        let _gone = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

/// Limits how long the files of a running Redis may get.
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

/// Waits until a client was told that a store does not answer, and when to try again; then a while
/// longer.
async fn full_for_a_while(record: &Mutex<Record>) {
    let told = eventually(async || {
        let record = load::lock(record);
        let refusal = record.refusals.iter().find(|refusal| {
            refusal.status.code() == Code::Unavailable && refusal.retry_after.is_some()
        });
        refusal.cloned()
    })
    .await;
    assert!(
        told.is_some(),
        "the way in says that a store does not answer"
    );
    tokio::time::sleep(FULL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_redis_refuses_intake_and_loses_nothing_even_at_level_hot() {
    let _machine = shared_machine().await;
    let record: Arc<Mutex<Record>> = Arc::default();
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::mount(folder.path());
    let mut arguments = RedisServer::APPEND_ONLY.to_vec();
    let place = folder.path().display().to_string();
    arguments.extend(["--dir", &place]);
    let redis = RedisServer::start_with(&arguments).expect("a Redis");
    let mut installation = Installation::start_on(Durability::Hot, redis, None).await;
    // The last binding is dropped first: the folder has nothing mounted on it when it is removed.
    let (_folder, disk): (TempDir, _) = (folder, disk);
    let load = Load::start(installation.services[0].url(), &record);
    tokio::time::sleep(CALM).await;
    match &disk {
        Some(disk) => {
            disk.fill();
            full_for_a_while(&record).await;
            disk.empty();
        }
        None => {
            // Its files may not grow instead: it ends, and is started again as an operator would.
            limit_files(&installation.redis, "4096:");
            full_for_a_while(&record).await;
            installation.redis.restart().expect("starts again");
        }
    }
    tokio::time::sleep(CALM).await;
    load.stop().await;
    installation.review(&record, None).await;
}

/// Puts the tables of a server on a small disk.
fn move_tables(postgres: &mut PostgresServer) -> Option<Disk> {
    let working_folder = format!("/proc/{}/cwd", postgres.process_id());
    let tables = std::fs::read_link(working_folder).ok()?.join("base");
    let kept = tables.with_extension("kept");
    postgres.kill_9().expect("dies");
    std::fs::rename(&tables, &kept).expect("moved");
    std::fs::create_dir(&tables).expect("made");
    let disk = Disk::mount(&tables);
    if disk.is_some() {
        // Owners and rights go with the files.
        let copied = Command::new("cp")
            .args(["-a", &format!("{}/.", kept.display())])
            .arg(&tables)
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "copied");
    } else {
        std::fs::remove_dir(&tables).expect("removed");
        std::fs::rename(&kept, &tables).expect("moved back");
    }
    postgres.restart().expect("starts again");
    disk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_postgres_refuses_intake_and_loses_nothing_at_level_journal() {
    let _machine = shared_machine().await;
    let record: Arc<Mutex<Record>> = Arc::default();
    let redis = RedisServer::start_with(RedisServer::APPEND_ONLY).expect("a Redis");
    let mut postgres = PostgresServer::start().expect("a PostgreSQL");
    let disk = move_tables(&mut postgres);
    let mut installation = Installation::start_on(Durability::Journal, redis, Some(postgres)).await;
    // Unmounted before the folder of the server is removed.
    let disk = disk;
    let load = Load::start(installation.services[0].url(), &record);
    tokio::time::sleep(CALM).await;
    match &disk {
        Some(disk) => {
            disk.fill();
            full_for_a_while(&record).await;
            disk.empty();
        }
        None => {
            // A server whose own log finds no room ends, and is started again as an operator would.
            installation.postgres.kill_9().expect("dies");
            full_for_a_while(&record).await;
            installation.postgres.restart().expect("starts again");
        }
    }
    tokio::time::sleep(CALM).await;
    load.stop().await;
    installation.review(&record, None).await;
}
