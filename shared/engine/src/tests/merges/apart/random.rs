//! Customers who come together and apart in random stories.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

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

/// The number of stories that a test tells: so many, or as many as the environment says.
fn stories(usual: u32) -> u32 {
    let said = std::env::var("HAPPYPATH_STORIES");
    said.ok().and_then(|it| it.parse().ok()).unwrap_or(usual)
}

fn check_random(
    customers: u16,
    acts: std::ops::Range<usize>,
    cases: u32,
    open: impl Fn(usize) -> World,
) {
    let acts = proptest::collection::vec(act(customers), acts);
    let all = (acts, 1..400_usize, 1..4_usize, failure());
    let config = Config {
        cases: stories(cases),
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
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
    check_random(2, 1..60, 300, |_| World::new(memory()));
    check_random(2, 1..60, 300, World::on_clock);
}

#[test]
fn a_few_customers_come_together_and_apart_in_any_way() {
    check_random(4, 1..80, 300, |_| World::new(memory()));
    check_random(4, 1..80, 300, World::on_clock);
}

#[test]
fn many_customers_come_together_and_apart_in_any_way() {
    check_random(12, 50..200, 40, |_| World::new(memory()));
    check_random(12, 50..200, 40, World::on_clock);
}
