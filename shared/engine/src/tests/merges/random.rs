//! Merges of all kinds, at any time, with a store that fails, against a reference that only knows
//! who belongs together.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::super::driver::memory;
use super::super::faulty::Fault;
use super::steps::{Failure, Step, Then, block_on, check, mend, never, run, run_in};
use super::world::{SERVICES, WORKERS, World};

fn failure() -> impl Strategy<Value = Failure> {
    let fault = prop_oneof![Just(Fault::Before), Just(Fault::After)];
    let then = prop_oneof![Just(Then::Retry), Just(Then::Crash)];
    (1..400_u64, fault, then)
}

fn step(customers: u16) -> impl Strategy<Value = Step> {
    let who = || 1..=customers;
    prop_oneof![
        4 => (0..SERVICES, who(), any::<bool>()).prop_map(|(service, who, bulk)| Step::Record(service, who, bulk)),
        2 => (who(), who(), any::<bool>()).prop_map(|(from, into, bulk)| Step::Merge(from, into, bulk)),
        1 => (who(), who(), any::<bool>()).prop_map(|(one, other, bulk)| Step::Join(one, other, bulk)),
        4 => (0..WORKERS).prop_map(Step::Tick),
    ]
}

/// The same, while time passes: now and then for so long that a wait ends.
fn step_on_clock(customers: u16) -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => step(customers),
        2 => (1..100_i64).prop_map(Step::Pass),
        1 => (1..40_000_i64).prop_map(Step::Pass),
    ]
}

fn check_random(customers: u16, steps: std::ops::Range<usize>, cases: u32) {
    check_random_in(customers, (step(customers), steps), cases, |_| {
        World::new(memory())
    });
}

fn check_random_on_clock(customers: u16, steps: std::ops::Range<usize>, cases: u32) {
    let step = step_on_clock(customers);
    check_random_in(customers, (step, steps), cases, World::on_clock);
}

/// The same, where customers cannot leave or take nobody in, until somebody has mended that, or
/// leave as one value.
fn step_refused(customers: u16, on_clock: bool) -> impl Strategy<Value = Step> {
    let who = || 1..=customers;
    let what = prop_oneof![
        Just("stay"),
        Just("shut"),
        Just("mend:stay"),
        Just("mend:shut"),
        Just("pack"),
    ];
    let pass: i64 = if on_clock { 40_000 } else { 1 };
    prop_oneof![
        20 => step(customers),
        6 => (who(), what).prop_map(|(who, what)| Step::Tell(who, what)),
        2 => (0..pass).prop_map(Step::Pass),
    ]
}

fn check_random_refused(customers: u16, steps: std::ops::Range<usize>, cases: u32, on_clock: bool) {
    let all = proptest::collection::vec(step_refused(customers, on_clock), steps);
    let all = (all, 1..400_usize, 1..4_usize, failure());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&all, |(mut steps, piece_bytes, parked, failure)| {
            let all = 1..=customers;
            let mended = all.flat_map(|who| ["mend:stay", "mend:shut"].map(|it| (who, it)));
            steps.extend(mended.map(|(who, what)| Step::Tell(who, what)));
            block_on(async {
                let mut world = if on_clock {
                    World::on_clock(parked)
                } else {
                    World::new(memory())
                };
                world.piece_bytes = piece_bytes;
                let (world, _) = run_in(world, &steps, failure).await;
                check(&mend(world).await, &steps, customers).await
            })
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

fn check_random_in(
    customers: u16,
    (step, steps): (impl Strategy<Value = Step>, std::ops::Range<usize>),
    cases: u32,
    open: impl Fn(usize) -> World,
) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = proptest::collection::vec(step, steps);
    let all = (steps, 1..400_usize, 1..4_usize, failure());
    TestRunner::new(config)
        .run(&all, |(steps, piece_bytes, parked_per_batch, failure)| {
            block_on(async {
                let mut world = open(parked_per_batch);
                world.piece_bytes = piece_bytes;
                let (world, _) = run_in(world, &steps, failure).await;
                check(&world, &steps, customers).await
            })
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_few_customers_are_merged_in_any_way() {
    check_random(4, 1..60, 400);
}

#[test]
fn many_customers_are_merged_in_any_way() {
    check_random(30, 50..250, 40);
}

#[test]
fn a_few_customers_are_merged_in_any_way_on_a_clock() {
    check_random_on_clock(4, 1..60, 400);
}

#[test]
fn many_customers_are_merged_in_any_way_on_a_clock() {
    check_random_on_clock(30, 50..250, 40);
}

#[test]
fn merges_that_are_refused_are_made_good_in_any_way() {
    check_random_refused(4, 1..60, 200, false);
    check_random_refused(4, 1..60, 200, true);
    check_random_refused(20, 50..200, 20, true);
}

#[test]
fn a_chain_of_thirty_ends_flat_whatever_its_order() {
    let links: Vec<(u16, u16)> = (1..30).map(|older| (older + 1, older)).collect();
    let shuffled = Just(links.clone()).prop_shuffle();
    let reversed = links.iter().rev().copied().collect();
    let fixed = [links, reversed];
    let check_links = |links: Vec<(u16, u16)>, rest: usize| {
        let mut steps = Vec::new();
        for (from, into) in links {
            steps.push(Step::Merge(from, into, false));
            steps.push(Step::Record(usize::from(from) % SERVICES, from, false));
            // As many batches as it takes until part of it, or all, is over.
            steps.extend((0..rest).map(|tick| Step::Tick(tick % WORKERS)));
        }
        block_on(async {
            let (world, _) = run(&steps, never()).await;
            check(&world, &steps, 30).await
        })
    };
    for links in fixed {
        for rest in [0, 1, 7, 60] {
            check_links(links.clone(), rest).unwrap_or_else(|failure| panic!("{failure}"));
        }
    }
    let config = Config {
        cases: 30,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&(shuffled, 0..20_usize), |(links, rest)| {
            check_links(links, rest)
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
