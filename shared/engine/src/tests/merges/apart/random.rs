//! Customers who come together and apart in random stories.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::super::driver::memory;
use super::super::super::faulty::Fault;
use super::super::acts::{Act, check, play};
use super::super::steps::{Failure, Then, block_on};
use super::super::world::{SERVICES, WORKERS, World};

use Act::{Event, Join, Late, Pass, Record, Settle, Split, Tell, Tick};

fn failure() -> impl Strategy<Value = Failure> {
    let fault = prop_oneof![Just(Fault::Before), Just(Fault::After)];
    let then = prop_oneof![Just(Then::Retry), Just(Then::Crash)];
    (1..600_u64, fault, then)
}

fn act(customers: u16) -> impl Strategy<Value = Act> {
    let who = || 1..=customers;
    let bulk = any::<bool>;
    prop_oneof![
        3 => (0..SERVICES, who(), bulk()).prop_map(|(service, who, bulk)| Record(service, who, bulk)),
        4 => (who(), bulk()).prop_map(|(who, bulk)| Event(who, bulk)),
        2 => (who(), bulk()).prop_map(|(who, bulk)| Late(who, bulk)),
        3 => (who(), who()).prop_map(|(one, other)| Join(one, other, false)),
        3 => (who(), any::<u16>()).prop_map(|(who, mask)| Split(who, mask)),
        1 => who().prop_map(|who| Tell(who, "pack")),
        6 => (0..WORKERS).prop_map(Tick),
        1 => Just(Settle),
        1 => (1..100_i64).prop_map(Pass),
    ]
}

/// A number that the environment says.
fn said<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// A runner of so many stories, or as many as `HAPPYPATH_STORIES` says. Without that they are the same
/// ones every time: those of a seed, or of the one that `HAPPYPATH_SEED` says.
fn runner(usual: u32, seed: u8) -> TestRunner {
    let stories: Option<u32> = said("HAPPYPATH_STORIES");
    let config = Config {
        cases: stories.unwrap_or(usual),
        failure_persistence: None,
        ..Config::default()
    };
    let chosen: Option<u8> = said("HAPPYPATH_SEED");
    if stories.is_some() && chosen.is_none() {
        return TestRunner::new(config);
    }
    let seed = [chosen.unwrap_or(seed); 32];
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

fn check_random(
    customers: u16,
    acts: std::ops::Range<usize>,
    (cases, seed): (u32, u8),
    open: impl Fn(usize) -> World,
) {
    let acts = proptest::collection::vec(act(customers), acts);
    let all = (acts, 1..400_usize, 1..4_usize, failure());
    runner(cases, seed)
        .run(&all, |(acts, piece_bytes, parked_per_batch, failure)| {
            block_on(async {
                let mut world = open(parked_per_batch);
                world.piece_bytes = piece_bytes;
                let (world, _, graph) = play(world, &acts, failure).await;
                check(&world, &acts, &graph, customers).await
            })
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn two_customers_come_together_and_apart_in_any_way() {
    check_random(2, 1..60, (300, 1), |_| World::new(memory()));
    check_random(2, 1..60, (300, 1), World::on_clock);
}

#[test]
fn a_few_customers_come_together_and_apart_in_any_way() {
    check_random(4, 1..80, (40, 2), |_| World::new(memory()));
    check_random(4, 1..80, (40, 2), World::on_clock);
}

#[test]
fn many_customers_come_together_and_apart_in_any_way() {
    check_random(12, 1..200, (40, 1), |_| World::new(memory()));
    check_random(12, 1..200, (40, 1), World::on_clock);
}
