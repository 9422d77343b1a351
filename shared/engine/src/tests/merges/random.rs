//! Merges of all kinds, at any time, with a store that fails, against a reference that only knows
//! who belongs together.

use hot::SharedHotStore;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::super::driver::memory;
use super::super::faulty::{Fault, Faulty};
use super::records::{joins, merged, record};
use super::together::Together;
use super::world::{SERVICES, WORKERS, Works, World};
use crate::worker::TickOutcome;

/// The next thing to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A record of a customer comes to a service, in the low-priority lane where that is said.
    Record(usize, u16, bool),
    /// A customer is said to be joined into another, or into itself.
    Merge(u16, u16, bool),
    /// An event joins two customers, and nothing else tells of that.
    Join(u16, u16, bool),
    /// A worker does one batch.
    Tick(usize),
}

/// The fate of a worker whose store failed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It tries again.
    Retry,
    /// It is gone; another one opens the partition.
    Crash,
}

/// At which call the store fails, how, and what becomes of the worker.
type Failure = (u64, Fault, Then);

/// Runs the steps, and then all that is left. Returns how many calls the store got.
async fn run(steps: &[Step], failure: Failure) -> (World, u64) {
    run_cut(steps, 1, failure).await
}

/// The same, with pieces of so many bytes.
async fn run_cut(
    steps: &[Step],
    piece_bytes: usize,
    (fails_at, fault, then): Failure,
) -> (World, u64) {
    let mut world = World::new(memory());
    world.piece_bytes = piece_bytes;
    let faulty = Faulty::new(std::sync::Arc::clone(&world.hot), fails_at, fault);
    let world = world.through(std::sync::Arc::clone(&faulty) as SharedHotStore);
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(world.open(number).await);
    }
    for (number, step) in steps.iter().enumerate() {
        let time_ms = i64::try_from(number).expect("few steps");
        match *step {
            Step::Record(service, who, bulk) => {
                let record = record(service, who, &name(number, step), time_ms);
                world.tell_lane((service, bulk), record).await;
            }
            Step::Merge(from, into, bulk) => {
                world
                    .tell_lane((0, bulk), merged(from, into, time_ms))
                    .await;
            }
            Step::Join(one, other, bulk) => {
                let (older, younger) = (one.min(other), one.max(other));
                let event = joins(older, &[younger], &name(number, step), time_ms);
                world.tell_lane((0, bulk), event).await;
            }
            Step::Tick(worker) => {
                tick(&world, &mut workers, worker, then).await;
            }
        }
    }
    let mut turn = 0;
    let mut resting = 0;
    // A worker that finds nothing to do may have forwarded what waited, so all are asked once more.
    while resting < 2 * WORKERS {
        let is_resting = tick(&world, &mut workers, turn % WORKERS, then).await;
        resting = if is_resting { resting + 1 } else { 0 };
        turn += 1;
        assert!(turn < 100_000, "the workers never rest");
    }
    (world.direct(), faulty.calls())
}

/// The name of a record: its service and customer, and the number of its step.
fn name(number: usize, step: &Step) -> String {
    match step {
        Step::Record(service, who, bulk) => format!("{service}.{who}.{bulk}-{number}"),
        Step::Join(one, other, bulk) => format!("0.{}.{bulk}-{number}", one.min(other)),
        Step::Merge(..) | Step::Tick(_) => String::new(),
    }
}

/// One batch of a worker. Returns whether it found nothing to do.
async fn tick(world: &World, workers: &mut [Box<dyn Works>], number: usize, then: Then) -> bool {
    workers[number].hint();
    match workers[number].tick().await {
        TickOutcome::Idle { .. } => true,
        TickOutcome::Worked | TickOutcome::Held | TickOutcome::Behind | TickOutcome::Full => false,
        TickOutcome::Unavailable(_) => {
            if then == Then::Crash {
                workers[number] = world.open(number).await;
            }
            false
        }
        TickOutcome::Lost(error) => panic!("{error}"),
    }
}

/// Every record took effect once, on the oldest of those that belong together; everybody else is
/// redirected there.
async fn check(world: &World, steps: &[Step], customers: u16) -> Result<(), TestCaseError> {
    prop_assert_eq!(world.waiting_customers().await, Vec::<String>::new());
    let mut together = Together::default();
    for step in steps {
        if let Step::Merge(from, into, _) | Step::Join(from, into, _) = step {
            together.join(*from, *into);
        }
    }
    for service in 0..SERVICES {
        let mut total = 0;
        for who in 1..=customers {
            let oldest = together.oldest(who);
            prop_assert_eq!(
                world.root(service, who).await,
                oldest,
                "{} of {}",
                who,
                service
            );
            if oldest != who {
                continue;
            }
            let mut taken = world.fragments(service, who).await;
            taken.sort_unstable();
            let others = who + 1..=customers;
            let expected: Vec<u16> = others
                .filter(|other| together.oldest(*other) == who)
                .collect();
            prop_assert_eq!(taken, expected, "fragments of {} of {}", who, service);
            let mut log = world.log(service, who).await;
            log.sort_unstable();
            let seen = |step: &Step| match step {
                Step::Record(first, other, _) => {
                    *first <= service && together.oldest(*other) == who
                }
                Step::Join(other, ..) => together.oldest(*other) == who,
                Step::Merge(..) | Step::Tick(_) => false,
            };
            let numbers = steps.iter().enumerate().filter(|(_, step)| seen(step));
            let names = numbers.map(|(number, step)| name(number, step));
            let mut expected: Vec<String> = names.collect();
            expected.sort_unstable();
            total += i64::try_from(log.len()).expect("few");
            prop_assert_eq!(log, expected, "records of {} of {}", who, service);
        }
        prop_assert_eq!(
            world.count(service, "seen").await,
            total,
            "counted by {}",
            service
        );
    }
    prop_assert_eq!(world.quarantined().await, Vec::<String>::new());
    prop_assert_eq!(world.strays().await, Vec::<String>::new());
    Ok(())
}

/// Where all comes in one lane, nothing of a customer overtook their state, in no service.
async fn check_order(world: &World) -> Result<(), TestCaseError> {
    for service in 0..SERVICES {
        let overtaken = world.count(service, "overtaken").await;
        prop_assert_eq!(overtaken, 0, "in service {}", service);
    }
    Ok(())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(future)
}

fn never() -> Failure {
    (u64::MAX, Fault::Before, Then::Retry)
}

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

fn check_random(customers: u16, steps: std::ops::Range<usize>, cases: u32) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = proptest::collection::vec(step(customers), steps);
    let all = (steps, 1..400_usize, failure());
    TestRunner::new(config)
        .run(&all, |(steps, piece_bytes, failure)| {
            block_on(async {
                let (world, _) = run_cut(&steps, piece_bytes, failure).await;
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

#[test]
fn merges_survive_a_failure_of_every_call() {
    // A chain, a circle, a word about oneself and one said twice, with records before, between and
    // after.
    let merges = [(3, 2), (2, 1), (1, 3), (4, 4), (4, 2), (4, 2), (5, 4)];
    let mut steps = Vec::new();
    for (number, (from, into)) in merges.into_iter().enumerate() {
        steps.push(Step::Record(number % SERVICES, from, false));
        if number % 2 == 0 {
            steps.push(Step::Join(from, into, false));
        }
        steps.push(Step::Merge(from, into, false));
        steps.push(Step::Record(0, into, false));
        steps.push(Step::Tick(number % WORKERS));
    }
    block_on(async {
        let (world, calls) = run(&steps, never()).await;
        check(&world, &steps, 5).await.expect("without a failure");
        assert!(calls > 100, "only {calls} calls");
        for then in [Then::Retry, Then::Crash] {
            for fault in [Fault::Before, Fault::After] {
                for fails_at in 1..=calls {
                    let (world, _) = run(&steps, (fails_at, fault, then)).await;
                    check(&world, &steps, 5)
                        .await
                        .unwrap_or_else(|error| panic!("{fails_at} {fault:?} {then:?}: {error}"));
                }
            }
        }
    });
}

#[test]
fn merges_that_contradict_each_other_end() {
    // 27 waits for 30, which is with 12. 27 is joined into 11 meanwhile, and 11 is told to leave for
    // 3 before it knows of that: in the second service 27 is there first.
    let joins = [
        Step::Merge(28, 11, false),
        Step::Merge(12, 30, false),
        Step::Join(22, 4, true),
        Step::Join(12, 22, true),
        Step::Join(28, 27, true),
        Step::Join(30, 27, false),
        Step::Tick(0),
        Step::Join(11, 3, true),
        Step::Tick(1),
        Step::Tick(2),
    ];
    // One into the other by one event, and the other way round by another.
    let opposite = [Step::Join(2, 3, false), Step::Merge(2, 3, false)];
    let circle = [(5, 6), (6, 7), (7, 5)].map(|(one, other)| Step::Join(one, other, false));
    for ticks in 0..40 {
        let mut steps = joins.to_vec();
        steps.extend(opposite.clone());
        steps.extend((0..ticks).map(|tick| Step::Tick(tick % WORKERS)));
        steps.extend([Step::Merge(3, 2, true), Step::Join(3, 2, true)]);
        steps.extend(circle.clone());
        block_on(async {
            let (world, _) = run(&steps, never()).await;
            let checked = check(&world, &steps, 30).await;
            checked.unwrap_or_else(|error| panic!("{ticks}: {error}"));
        });
    }
}

/// Records for customers, so that each has some parts.
fn fill(steps: &mut Vec<Step>, customers: &[u16], records: usize) {
    for _ in 0..records {
        for (service, who) in customers.iter().enumerate() {
            steps.push(Step::Record(service % SERVICES, *who, false));
        }
    }
}

#[test]
fn a_survivor_that_leaves_while_states_arrive_takes_them_along() {
    // Two states arrive at 3, which is joined into 2 meanwhile, and that one into 1.
    for (ticks, piece_bytes) in (0..60)
        .step_by(3)
        .flat_map(|ticks| [(ticks, 1), (ticks, 60)])
    {
        let mut steps = Vec::new();
        fill(&mut steps, &[3, 4, 5, 2, 1], 12);
        steps.extend([(5, 3), (4, 3)].map(|(from, into)| Step::Merge(from, into, false)));
        for (from, into) in [(3, 2), (2, 1), (1, 5)] {
            steps.extend((0..ticks).map(|tick| Step::Tick(tick % WORKERS)));
            fill(&mut steps, &[4, 5, 3], 1);
            steps.push(Step::Merge(from, into, false));
            fill(&mut steps, &[5, 4, 3], 1);
        }
        block_on(async {
            let (world, _) = run_cut(&steps, piece_bytes, never()).await;
            let checked = check(&world, &steps, 5).await;
            checked.unwrap_or_else(|error| panic!("{ticks} {piece_bytes}: {error}"));
            let ordered = check_order(&world).await;
            ordered.unwrap_or_else(|error| panic!("{ticks} {piece_bytes}: {error}"));
        });
    }
}

#[test]
fn states_on_their_way_survive_a_failure_of_every_call() {
    let mut steps = Vec::new();
    fill(&mut steps, &[3, 4, 2], 4);
    fill(&mut steps, &[3], 6);
    for (from, into) in [(3, 2), (4, 2), (2, 1)] {
        steps.push(Step::Join(from, into, false));
        steps.push(Step::Merge(from, into, false));
        steps.extend((0..2 * WORKERS).map(|tick| Step::Tick(tick % WORKERS)));
        fill(&mut steps, &[from, into], 1);
    }
    block_on(async {
        let (world, calls) = run(&steps, never()).await;
        check(&world, &steps, 4).await.expect("without a failure");
        assert!(calls > 200, "only {calls} calls");
        for then in [Then::Retry, Then::Crash] {
            for fault in [Fault::Before, Fault::After] {
                for fails_at in 1..=calls {
                    let (world, _) = run(&steps, (fails_at, fault, then)).await;
                    let checked = check(&world, &steps, 4).await;
                    checked
                        .unwrap_or_else(|error| panic!("{fails_at} {fault:?} {then:?}: {error}"));
                    let ordered = check_order(&world).await;
                    ordered
                        .unwrap_or_else(|error| panic!("{fails_at} {fault:?} {then:?}: {error}"));
                }
            }
        }
    });
}

#[test]
fn two_hundred_customers_become_one() {
    const CUSTOMERS: u16 = 200;
    let mut steps = Vec::new();
    for who in 1..=CUSTOMERS {
        fill(&mut steps, &[who, who, who], 2);
    }
    steps.extend((2..=CUSTOMERS).map(|who| Step::Merge(who, 1, false)));
    for who in 1..=CUSTOMERS {
        fill(&mut steps, &[who], 1);
    }
    block_on(async {
        let (world, _) = run_cut(&steps, 100, never()).await;
        check(&world, &steps, CUSTOMERS)
            .await
            .expect("one customer");
        check_order(&world).await.expect("in order");
    });
}

#[test]
fn a_hundred_merges_at_once_over_one_customer_end_well() {
    const CUSTOMERS: u16 = 101;
    const HUB: u16 = 51;
    let others = || (1..=CUSTOMERS).filter(|who| *who != HUB);
    for ticks in [0, 1, 9] {
        let mut steps = Vec::new();
        for who in others() {
            fill(&mut steps, &[who, HUB], 1);
        }
        // By an event, by a word, by a word that says the opposite, and in a circle over the hub.
        for who in others() {
            let next = if who == CUSTOMERS { 1 } else { who + 1 };
            steps.push(Step::Join(HUB, who, who % 3 == 0));
            steps.push(Step::Merge(HUB, who, who % 5 == 0));
            steps.push(Step::Merge(who, HUB, who % 7 == 0));
            steps.push(Step::Merge(who, next, false));
            steps.push(Step::Record(usize::from(who) % SERVICES, who, false));
            steps.extend((0..ticks).map(|tick| Step::Tick(tick % WORKERS)));
        }
        block_on(async {
            let (world, _) = run_cut(&steps, 100, never()).await;
            let checked = check(&world, &steps, CUSTOMERS).await;
            checked.unwrap_or_else(|error| panic!("{ticks}: {error}"));
        });
    }
}
