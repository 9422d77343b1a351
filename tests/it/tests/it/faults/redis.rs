//! Redis dies, is emptied, or is replaced by an older copy of itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::installation::{Durability, Installation, PARTITIONS};
use super::load::{Load, Record};
use super::{CALM, run_load, shared_machine};
use crate::history::Loss;
use crate::process;

/// The time that Redis is away when it dies: clients notice, and try again more than once.
const AWAY: Duration = Duration::from_secs(2);

/// Where Redis keeps its log of writes.
fn log_folder(installation: &Installation) -> PathBuf {
    installation.redis_folder.join("appendonlydir")
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("a file");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

/// A copy of what a server had written at one moment. Nothing is rewritten in so short a test, so
/// the log that is copied is a beginning of the one that goes on.
struct Copy {
    folder: TempDir,
    time: Instant,
}

impl Copy {
    fn take(installation: &Installation) -> Self {
        let time = Instant::now();
        let folder = tempfile::tempdir().expect("a folder");
        copy_files(&log_folder(installation), folder.path());
        Self { folder, time }
    }

    /// Kills the server, and starts it with the copy in the place of what it had.
    fn restore(self, installation: &mut Installation) -> Loss {
        let folder = log_folder(installation);
        installation.redis.kill_9().expect("dies");
        std::fs::remove_dir_all(&folder).expect("removed");
        std::fs::create_dir(&folder).expect("made");
        copy_files(self.folder.path(), &folder);
        installation.redis.restart().expect("starts");
        Loss {
            copy_time: self.time,
            restore_time: Instant::now(),
            has_customers: false,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_and_started_again_from_its_log_has_lost_nothing_at_level_hot() {
    let _machine = shared_machine().await;
    let record: Arc<Mutex<Record>> = Arc::default();
    let mut installation = Installation::start(Durability::Hot).await;
    let load = Load::start(installation.services[0].url(), &record);
    tokio::time::sleep(CALM).await;
    installation.redis.kill_9().expect("dies");
    tokio::time::sleep(AWAY).await;
    installation.redis.restart().expect("starts");
    tokio::time::sleep(CALM).await;
    load.stop().await;
    installation.review(&record, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_redis_is_filled_again_under_load_at_level_journal() {
    let _machine = shared_machine().await;
    let record: Arc<Mutex<Record>> = Arc::default();
    let mut installation = Installation::start(Durability::Journal).await;
    let load = Load::start(installation.services[0].url(), &record);
    tokio::time::sleep(CALM).await;
    installation.redis.ask(&["FLUSHALL"]).expect("is emptied");
    tokio::time::sleep(CALM).await;
    // Once more, and this time the functions are gone, too: a new server in the place of the old
    // one.
    installation.redis.kill_9().expect("dies");
    std::fs::remove_dir_all(log_folder(&installation)).expect("removed");
    installation.redis.restart().expect("starts");
    tokio::time::sleep(CALM).await;
    load.stop().await;
    installation.review(&record, None).await;
    // One recovery for each loss, and one for both where the second came first.
    let recoveries = installation.recoveries();
    assert_eq!(recoveries.len(), usize::from(PARTITIONS), "{recoveries:?}");
    let most = recoveries.values().max();
    assert!(most <= Some(&2), "{recoveries:?}\n{}", installation.logs());
}

/// Replaces Redis under load by a copy of it that is as old as a while of load.
async fn replace_by_a_copy(durability: Durability) -> (Installation, Arc<Mutex<Record>>, Loss) {
    let record: Arc<Mutex<Record>> = Arc::default();
    let mut installation = Installation::start(durability).await;
    let load = Load::start(installation.services[0].url(), &record);
    tokio::time::sleep(CALM).await;
    let copy = Copy::take(&installation);
    tokio::time::sleep(CALM).await;
    let loss = copy.restore(&mut installation);
    tokio::time::sleep(CALM).await;
    load.stop().await;
    (installation, record, loss)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_copy_of_redis_is_brought_up_to_date_at_level_journal() {
    let _machine = shared_machine().await;
    let (mut installation, record, _) = replace_by_a_copy(Durability::Journal).await;
    installation.review(&record, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_copy_of_redis_lacks_only_what_is_newer_at_level_hot() {
    let _machine = shared_machine().await;
    let (mut installation, record, loss) = replace_by_a_copy(Durability::Hot).await;
    let history = installation.review(&record, Some(loss)).await;
    assert!(history.missing() > 0, "the copy was stale");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuild_fills_an_emptied_redis_while_no_service_runs() {
    let _machine = shared_machine().await;
    let record: Arc<Mutex<Record>> = Arc::default();
    let mut installation = Installation::start(Durability::Journal).await;
    run_load(installation.services[0].url(), &record, CALM).await;
    for service in &installation.services {
        service.ask_to_end();
    }
    for service in &mut installation.services {
        assert!(service.ended().await, "{} ended in order", service.name);
    }
    installation.redis.ask(&["FLUSHALL"]).expect("is emptied");
    let arguments = ["rebuild"].into_iter();
    let stores = installation.stores();
    let words: Vec<&str> = arguments.chain(stores.iter().map(String::as_str)).collect();
    let rebuilt = process::run("happypath", &words);
    let said = String::from_utf8_lossy(&rebuilt.stderr).into_owned();
    assert!(rebuilt.status.success(), "{said}");
    let keys = installation.redis.ask(&["DBSIZE"]).expect("an answer");
    assert_ne!(keys, "0", "{said}");
    for service in &mut installation.services {
        service.respawn();
    }
    for service in &mut installation.services {
        service.ready().await;
    }
    run_load(installation.services[0].url(), &record, CALM).await;
    installation.review(&record, None).await;
}
