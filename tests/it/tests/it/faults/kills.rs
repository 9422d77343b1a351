//! Services are killed at random moments, again and again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::installation::{Durability, Installation};
use super::load::{Load, Record};
use super::{CALM, shared_machine};
use crate::random::Random;
use crate::suite::{ACTIVATION, NAMES};

/// The number of services that are killed at level `journal`.
const KILLS: usize = 50;
/// The number at level `hot`, where a process that dies takes nothing with it either: the stores
/// stay.
const HOT_KILLS: usize = 16;
/// The number of services that are killed while customers are joined; see [`number`].
const MERGE_KILLS: usize = 10;
/// The time between two kills: from before the last victim is up again until all is well.
const PAUSES_MS: std::ops::Range<u64> = 150..1_400;

/// The order in which services die. All die equally often; the deliverer in the first half, since a
/// delivery that died with it is tried again after a minute, which passes meanwhile.
fn victims(count: usize, random: &mut Random) -> Vec<usize> {
    let mut victims: Vec<usize> = (0..count).map(|place| place % NAMES.len()).collect();
    random.shuffle(&mut victims);
    let half = count / 2;
    for place in half..count {
        if victims[place] == ACTIVATION {
            let other = (0..half).find(|other| victims[*other] != ACTIVATION);
            victims.swap(place, other.expect("a quarter is less than a half"));
        }
    }
    victims
}

/// The number of kills, or another one from the environment: a long series runs apart.
fn number(variable: &str, usual: usize) -> usize {
    let given = std::env::var(variable).ok();
    given.map_or(usual, |given| given.parse().expect("a number of kills"))
}

async fn kill(durability: Durability, count: usize, joins: bool) {
    let _machine = shared_machine().await;
    let mut random = Random::new();
    let record: Arc<Mutex<Record>> = Arc::default();
    let mut installation = Installation::start(durability).await;
    let mut load = Load::start(installation.services[0].url(), &record);
    if joins {
        load.join_visitors();
    }
    for victim in victims(count, &mut random) {
        tokio::time::sleep(Duration::from_millis(random.within(PAUSES_MS))).await;
        installation.assert_running();
        installation.services[victim].kill();
        installation.services[victim].respawn();
    }
    tokio::time::sleep(CALM).await;
    load.stop().await;
    installation.review(&record, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_killed_fifty_times_under_load_lose_and_double_nothing_at_level_journal() {
    kill(Durability::Journal, KILLS, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_killed_under_load_lose_and_double_nothing_at_level_hot() {
    kill(Durability::Hot, HOT_KILLS, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_killed_while_customers_are_joined_lose_and_double_nothing() {
    let count = number("HAPPYPATH_MERGE_KILLS", MERGE_KILLS);
    kill(Durability::Journal, count, true).await;
}

#[test]
fn every_service_dies_equally_often() {
    let victims = victims(KILLS, &mut Random::from_seed(1));
    for service in 0..NAMES.len() {
        let count = victims.iter().filter(|victim| **victim == service).count();
        assert!((KILLS / 4..=KILLS / 4 + 1).contains(&count), "{count}");
    }
    assert!(!victims[KILLS / 2..].contains(&ACTIVATION));
}
