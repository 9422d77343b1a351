//! Two processes of one name, and a process after the death of its namesake.

use std::sync::Arc;

use hot::embedded::EmbeddedStore;
use kernel::{PartitionCount, PartitionId};
use storage::{Acquire, Heartbeat, Leases as _, MemberId};
use tokio::time::{Instant, sleep};

use super::site::{ROUND, SERVICE, Site};
use crate::membership::std_duration;
use crate::{Engine, Standing, Status as _, limits};

/// A process took all partitions, and was killed.
async fn was_killed(site: &Site, worker: &str) {
    let member = MemberId {
        service: SERVICE,
        worker,
        incarnation: "dead",
    };
    let count = PartitionCount::try_new(2).expect("a count");
    let leases = &site.leases;
    leases.prepare(SERVICE, count).await.expect("rows");
    let beat = Heartbeat {
        member,
        ttl: limits::LEASE_TTL,
        takes_part: true,
        clock_skew_ms: None,
    };
    leases.heartbeat(beat).await.expect("an answer");
    let partitions: Vec<PartitionId> = count.iter().collect();
    let acquire = Acquire {
        member,
        partitions: &partitions,
        above: 0,
    };
    let acquired = leases.acquire(acquire).await.expect("an answer");
    assert_eq!(acquired.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_live_process_has_is_refused_with_the_flag_to_set() {
    let site = Site::new();
    let first = site.start("w", &site.machine(0)).await;
    site.until_owned_by(["w", "w"]).await;
    let before = site.owners().await;
    let second = site.start("w", &site.machine(0)).await;
    let refused = second.refused().await.to_string();
    assert!(
        refused.contains("`w`") && refused.contains("--worker"),
        "{refused}"
    );
    assert!(
        site.started.elapsed() < std_duration(limits::LEASE_TTL),
        "the next heartbeat of the first tells"
    );
    assert_eq!(second.standing(), Standing::AwaitsNamesake);
    sleep(3 * std_duration(limits::LEASE_TTL)).await;
    second.shutdown().await;
    assert_eq!(
        site.owners().await,
        before,
        "nothing of the first one's changed"
    );
    first.shutdown().await;
    site.until_owned_by(["", ""]).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_waits_for_its_dead_namesake_as_long_as_a_lease_lasts() {
    let site = Site::new();
    was_killed(&site, "w").await;
    let died = Instant::now();
    let engine = site.start("w", &site.machine(0)).await;
    sleep(ROUND).await;
    assert_eq!(engine.standing(), Standing::AwaitsNamesake);
    while engine.standing() == Standing::AwaitsNamesake {
        sleep(ROUND / 10).await;
    }
    site.until_owned_by(["w", "w"]).await;
    let waited = died.elapsed();
    let lease = std_duration(limits::LEASE_TTL);
    assert!(waited >= lease && waited <= lease + ROUND, "{waited:?}");
    assert_eq!(site.owners().await[0].1, 2);
    assert!(futures::poll!(std::pin::pin!(engine.refused())).is_pending());
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_has_the_name_of_one_that_ended_in_order_at_once() {
    let site = Site::new();
    let first = site.start("w", &site.machine(0)).await;
    site.until_owned_by(["w", "w"]).await;
    first.shutdown().await;
    let ended = Instant::now();
    let second = site.start("w", &site.machine(0)).await;
    site.until_owned_by(["w", "w"]).await;
    assert!(ended.elapsed() <= ROUND, "{:?}", ended.elapsed());
    second.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_while_another_took_its_name_gives_up() {
    let site = Site::new();
    let first = site.start("w", &site.machine(0)).await;
    site.until_owned_by(["w", "w"]).await;
    // The other one found it dead.
    site.leases.evict(SERVICE).await.expect("done");
    let second = site.start("w", &site.machine(0)).await;
    let refused = tokio::select! {
        refused = first.refused() => refused,
        refused = second.refused() => panic!("the new one: {refused}"),
    };
    assert!(refused.to_string().contains("--worker"), "{refused}");
    sleep(2 * std_duration(limits::LEASE_TTL)).await;
    assert_eq!(second.standing(), Standing::TakesPart);
    assert_eq!(site.owners().await[0].1, 2);
    first.shutdown().await;
    site.until_owned_by(["w", "w"]).await;
    second.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_one_process_has_open_is_worked_on_at_once_whoever_died() {
    for dead in ["w", "another"] {
        let site = Site::new();
        was_killed(&site, dead).await;
        let folder = tempfile::tempdir().expect("a folder");
        let count = PartitionCount::try_new(2).expect("a count");
        let store = EmbeddedStore::open(folder.path(), count).await;
        let mut config = site.config("w", &site.machine(0));
        config.hot = Arc::new(store.expect("a store"));
        let begun = Instant::now();
        let engine = Engine::start(config).await.expect("it starts");
        engine.await_idle().await.expect("it rests");
        let waited = begun.elapsed();
        assert!(waited < ROUND, "{waited:?} for a lease of {dead}");
        assert_eq!(site.owners().await, vec![("w".to_owned(), 2); 2]);
        engine.shutdown().await;
    }
}
