//! The number of partitions is changed while everything waits everywhere, by a process that is
//! killed on its way, and nothing is lost.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::installation::{Durability, Installation, PARTITIONS};
use super::load::{Load, Record};
use super::{CALM, run_load, shared_machine};
use crate::process;
use crate::suite::{ACTIVATION, IDENTITY, JOURNEY, NAMES, SEGMENTATION};

/// The time for which what the next service would read is left to wait.
const PILED_UP: Duration = Duration::from_millis(700);
/// Moments at which the process that changes the number is killed.
const KILLED_AFTER: [Duration; 5] = [
    Duration::from_millis(30),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(350),
    Duration::from_millis(600),
];

/// The arguments that change the number of partitions.
fn arguments(installation: &Installation, count: u16) -> Vec<String> {
    let mut words = vec!["rebuild".to_owned(), "--json".to_owned()];
    let stores = installation.stores();
    let places = stores.chunks(2).filter(|pair| pair[0] != "--partitions");
    words.extend(places.flatten().cloned());
    words.extend(["--partitions".to_owned(), count.to_string()]);
    words
}

/// Changes the number once those who were killed count as dead; returns what was said of it.
async fn change(installation: &Installation, count: u16) -> serde_json::Value {
    let words = arguments(installation, count);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    loop {
        let output = process::run("happypath", &words);
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return serde_json::from_slice(&output.stdout).expect("JSON");
        }
        assert!(said.contains("still live"), "{said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Begins to change the number, again and again, and is killed each time.
async fn be_killed(installation: &Installation, count: u16) {
    for moment in KILLED_AFTER {
        let mut child = Command::new(process::binary("happypath"))
            .args(arguments(installation, count))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        tokio::time::sleep(moment).await;
        // One that has ended already cannot be killed, and need not be.
        let _ended = child.kill();
        child.wait().expect("ended");
    }
}

/// Starts all services again, with another number of partitions.
async fn start(installation: &mut Installation, count: u16) {
    installation.set("--partitions", &count.to_string());
    for service in &mut installation.services {
        service.respawn();
    }
    for service in &mut installation.services {
        service.ready().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_number_of_partitions_loses_nothing_that_waits_wherever_it_is_killed() {
    let _machine = shared_machine().await;
    let record: Arc<Mutex<Record>> = Arc::default();
    let mut installation = Installation::start(Durability::Journal).await;
    let mut load = Load::start(installation.services[IDENTITY].url(), &record);
    load.join_visitors();
    tokio::time::sleep(CALM).await;
    // The last service first, so that something waits before each of them. It ends in order: a
    // delivery that dies with its process is tried again after a minute.
    installation.services[ACTIVATION].ask_to_end();
    assert!(installation.services[ACTIVATION].ended().await);
    for service in [JOURNEY, SEGMENTATION] {
        tokio::time::sleep(PILED_UP).await;
        installation.services[service].kill();
    }
    tokio::time::sleep(PILED_UP).await;
    load.stop().await;

    // Identity owns no partition: only its sessions tell of it, and older ones have no names.
    if process::older_binary(NAMES[IDENTITY]) == process::binary(NAMES[IDENTITY]) {
        let words = arguments(&installation, 3);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let refused = process::run("happypath", &words);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        let expected = "identity at 127.0.0.1 (is connected";
        assert!(said.contains(expected), "{said}");
    }

    installation.services[IDENTITY].kill();
    installation.redis.ask(&["FLUSHALL"]).expect("is emptied");
    be_killed(&installation, 3).await;
    let changed = change(&installation, 3).await;
    if let Some(moved) = changed["repartitioned"].as_object() {
        assert_eq!(moved["from"], PARTITIONS);
        assert!(moved["waiting_entries"].as_u64() > Some(10), "{moved:?}");
    }
    start(&mut installation, 3).await;
    run_load(installation.services[IDENTITY].url(), &record, CALM).await;
    installation.redis.ask(&["FLUSHALL"]).expect("is emptied");
    installation.review(&record, None).await;
}
