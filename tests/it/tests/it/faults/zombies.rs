//! A worker that stands still past its lease, and goes on as if nothing had happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::installation::{Durability, Installation, LEASE_TTL};
use super::load::{Load, Record};
use super::{CALM, shared_machine};
use crate::suite::{ACTIVATION, JOURNEY, SEGMENTATION, eventually};

/// The time that the worker stands still: its lease lapses, others take over, and work for a while.
const STANDSTILL: Duration = Duration::from_millis(3 * 1_000);

/// The partitions of each owner.
async fn owners(installation: &Installation, service: usize) -> BTreeMap<String, Vec<u32>> {
    let mut owners: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for partition in installation.partitions(service).await.unwrap_or_default() {
        owners
            .entry(partition.owner)
            .or_default()
            .push(partition.number);
    }
    owners
}

/// Waits until two processes share the partitions of a service.
async fn both_own(installation: &Installation, service: usize) {
    let mut last = BTreeMap::new();
    let shared = eventually(async || {
        last = owners(installation, service).await;
        (last.len() == 2 && !last.contains_key("")).then_some(())
    });
    let is_shared = shared.await.is_some();
    assert!(is_shared, "{last:?}\n{}", installation.logs());
}

async fn stop_and_continue(durability: Durability) {
    let _machine = shared_machine().await;
    let record: Arc<Mutex<Record>> = Arc::default();
    let mut installation = Installation::start(durability).await;
    let services = [SEGMENTATION, JOURNEY, ACTIVATION];
    for service in services {
        installation.add_replica(service).await;
    }
    for service in services {
        both_own(&installation, service).await;
    }
    let load = Load::start(installation.services[0].url(), &record);
    tokio::time::sleep(CALM).await;
    for (place, service) in services.into_iter().enumerate() {
        // The replicas came last, in this order. The first process answers meanwhile.
        let zombie = &installation.services[4 + place];
        zombie.suspend();
        tokio::time::sleep(STANDSTILL).await;
        let alone = owners(&installation, service).await;
        installation.services[4 + place].resume();
        assert_eq!(alone.len(), 1, "one worker took everything over: {alone:?}");
        both_own(&installation, service).await;
    }
    assert!(STANDSTILL > 2 * LEASE_TTL, "the leases lapsed");
    tokio::time::sleep(CALM).await;
    load.stop().await;
    installation.review(&record, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_stopped_past_its_lease_and_continued_changes_nothing() {
    stop_and_continue(Durability::Journal).await;
}
