//! Processes whose clocks are wrong, beside one whose clock is right.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures::FutureExt as _;
use hot::{HotStore as _, StreamName};
use storage::StorageError;
use tokio::time::sleep;

use super::driver::{Bench, event};
use super::leases::Meddled;
use super::site::{ROUND, Site, shares};
use crate::membership::std_duration;
use crate::{Engine, Standing, Status as _, limits};

const HOUR_MS: i64 = 3_600_000;

#[tokio::test(start_paused = true)]
async fn a_process_whose_clock_is_an_hour_off_owns_nothing_and_the_right_one_owns_all() {
    for offset_ms in [HOUR_MS, -HOUR_MS] {
        let site = Site::new();
        let wrong = site.start("wrong", &site.machine(offset_ms)).await;
        sleep(3 * ROUND).await;
        assert_eq!(
            wrong.standing(),
            Standing::ClockIsOff { skew_ms: offset_ms }
        );
        site.until_owned_by(["", ""]).await;
        let right = site.start("right", &site.machine(0)).await;
        site.until_owned_by(["right", "right"]).await;
        sleep(2 * std_duration(limits::LEASE_TTL)).await;
        let owners = site.owners().await;
        assert_eq!(owners, vec![("right".to_owned(), 1); site.partitions()]);
        // Whoever asks any process is told.
        let members = right.list_members().await.expect("a list");
        let told: Vec<_> = members
            .iter()
            .map(|it| (it.worker.as_str(), it.takes_part, it.clock_skew_ms))
            .collect();
        let expected = [("right", true, Some(0)), ("wrong", false, Some(offset_ms))];
        assert_eq!(told, expected);
        right.shutdown().await;
        site.until_owned_by(["", ""]).await;
        wrong.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn clocks_that_jump_ahead_and_back_change_nothing_for_a_right_one() {
    let site = Site::new();
    let machine = site.machine(0);
    let right = site.start("w1", &site.machine(0)).await;
    let other = site.start("w3", &machine).await;
    let both = shares(["w1", "w3"]);
    assert_ne!(both[0], both[1], "each has one");
    site.until_owned_by(both).await;
    let kept = both.iter().position(|name| *name == "w1").expect("one");
    let before = site.owners().await[kept].clone();
    for offset_ms in [HOUR_MS, -HOUR_MS] {
        machine.set(offset_ms);
        site.until_owned_by(["w1", "w1"]).await;
        assert!(matches!(other.standing(), Standing::ClockIsOff { .. }));
        machine.set(0);
        site.until_owned_by(both).await;
        assert_eq!(other.standing(), Standing::TakesPart);
    }
    assert_eq!(
        site.owners().await[kept],
        before,
        "the same epoch throughout"
    );
    other.shutdown().await;
    right.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_skew_within_the_limit_is_no_trouble_and_one_beyond_it_is() {
    let limit_ms = limits::CLOCK_SKEW.as_millis();
    for offset_ms in [limit_ms, -limit_ms] {
        let site = Site::new();
        let engine = site.start("w", &site.machine(offset_ms)).await;
        site.until_owned_by(["w", "w"]).await;
        engine.shutdown().await;
    }
    for offset_ms in [limit_ms + 1, -limit_ms - 1] {
        let site = Site::new();
        let engine = site.start("w", &site.machine(offset_ms)).await;
        sleep(3 * ROUND).await;
        assert_eq!(
            engine.standing(),
            Standing::ClockIsOff { skew_ms: offset_ms }
        );
        site.until_owned_by(["", ""]).await;
        engine.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_timer_fires_early_by_a_clock_that_jumps() {
    let site = Site::new();
    let bench = Bench::on(Arc::new(site.hot.clone()));
    let machine = site.machine(0);
    let engine = site.start("w", &machine).await;
    site.until_owned_by(["w", "w"]).await;
    let wait = vec![event(1, "a", "wait:600000", 0)];
    bench.append(0, StreamName::Events, wait).await;
    sleep(ROUND).await;
    assert_eq!(bench.log(0, 1).await, ["a"]);
    machine.set(HOUR_MS);
    // Whatever wakes the worker finds the clock as it is.
    let more = vec![event(2, "b", "add", 0)];
    bench.append(0, StreamName::Events, more).await;
    sleep(3 * ROUND).await;
    machine.set(0);
    site.until_owned_by(["w", "w"]).await;
    sleep(ROUND).await;
    assert_eq!(bench.log(0, 1).await, ["a"], "its time has not come");
    assert_eq!(bench.log(0, 2).await, ["b"]);
    sleep(std::time::Duration::from_millis(600_000)).await;
    let log = bench.log(0, 1).await;
    assert_eq!(log.len(), 2, "it fired: {log:?}");
    engine.shutdown().await;
}

/// The fault of the database.
const WELL: u8 = 0;
const FAILS: u8 = 1;
const SILENT: u8 = 2;

#[tokio::test(start_paused = true)]
async fn what_runs_goes_on_while_the_database_fails_or_is_silent() {
    let site = Site::new();
    let bench = Bench::on(Arc::new(site.hot.clone()));
    let trouble = Arc::new(AtomicU8::new(WELL));
    let own = Arc::clone(&trouble);
    let mut config = site.config("w", &site.machine(0));
    config.leases = Arc::new(Meddled {
        inner: site.leases.clone(),
        before: Box::new(move |_| {
            let trouble = own.load(Ordering::Relaxed);
            async move {
                match trouble {
                    WELL => Ok(()),
                    FAILS => Err(StorageError::Late(ROUND)),
                    _ => std::future::pending().await,
                }
            }
            .boxed()
        }),
    });
    let engine = Engine::start(config).await.expect("it starts");
    site.until_owned_by(["w", "w"]).await;
    let mut sent = Vec::new();
    for kind in [FAILS, SILENT] {
        trouble.store(kind, Ordering::Relaxed);
        let until = tokio::time::Instant::now() + 3 * std_duration(limits::LEASE_TTL);
        while tokio::time::Instant::now() < until {
            sent.push(sent.len().to_string());
            let next = vec![event(1, &sent[sent.len() - 1], "add", 0)];
            bench.append(0, StreamName::Events, next).await;
            sleep(ROUND).await;
            assert_eq!(bench.log(0, 1).await, sent, "with trouble {kind}");
        }
        trouble.store(WELL, Ordering::Relaxed);
        site.until_owned_by(["w", "w"]).await;
    }
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn rounds_go_on_where_a_clock_is_set_back() {
    let site = Site::new();
    let machine = site.machine(0);
    let engine = site.start("w", &machine).await;
    site.until_owned_by(["w", "w"]).await;
    let epochs = site.owners().await;
    // Within the limit, so that it stays a member, and again and again.
    for offset_ms in [-4_000, 0, -5_000, 4_000] {
        machine.set(offset_ms);
        sleep(2 * std_duration(limits::LEASE_TTL)).await;
        assert_eq!(site.owners().await, epochs, "renewed all the while");
    }
    assert_eq!(site.hot.partition_count().get(), 2);
    engine.shutdown().await;
}
