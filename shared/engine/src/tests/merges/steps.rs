//! Steps that play merges through workers whose store may fail, and the check of what comes of
//! them.

use hot::SharedHotStore;
use kernel::Duration;
use proptest::prelude::*;

use super::super::driver::memory;
use super::super::faulty::{Fault, Faulty};
use super::records::{event, joins, merged, record};
use super::together::Together;
use super::told::check_told;
use super::world::{SERVICES, WORKERS, Works, World};
use crate::Clock as _;
use crate::worker::TickOutcome;

/// The next thing to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A record of a customer comes to a service, in the low-priority lane where that is said.
    Record(usize, u16, bool),
    /// A customer is said to be joined into another, or into itself.
    Merge(u16, u16, bool),
    /// An event joins two customers, and nothing else tells of that.
    Join(u16, u16, bool),
    /// A customer is told to do something, as the ledger knows it.
    Tell(u16, &'static str),
    /// A worker does one batch.
    Tick(usize),
    /// So many milliseconds pass, where the services go by a clock.
    Pass(i64),
}

/// The fate of a worker whose store failed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It tries again.
    Retry,
    /// It is gone; another one opens the partition.
    Crash,
}

/// At which call the store fails, how, and what becomes of the worker.
pub(super) type Failure = (u64, Fault, Then);

/// Runs the steps, and then all that is left. Returns how many calls the store got.
pub(super) async fn run(steps: &[Step], failure: Failure) -> (World, u64) {
    run_cut(steps, 1, failure).await
}

/// The same, with pieces of so many bytes.
pub(super) async fn run_cut(steps: &[Step], piece_bytes: usize, failure: Failure) -> (World, u64) {
    let mut world = World::new(memory());
    world.piece_bytes = piece_bytes;
    run_in(world, steps, failure).await
}

/// The same, in a world.
pub(super) async fn run_in(
    mut world: World,
    steps: &[Step],
    (fails_at, fault, then): Failure,
) -> (World, u64) {
    world.has_changes = true;
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
            Step::Tell(who, what) => {
                let event = event(who, &name(number, step), what, time_ms);
                world.tell(0, event).await;
            }
            Step::Tick(worker) => {
                tick(&world, &mut workers, worker, then).await;
            }
            Step::Pass(millis) => {
                if let Some(clock) = &world.clock {
                    clock.advance_to(clock.now() + Duration::from_millis(millis));
                }
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
pub(super) fn name(number: usize, step: &Step) -> String {
    match step {
        Step::Record(service, who, bulk) => format!("{service}.{who}.{bulk}-{number}"),
        Step::Join(one, other, bulk) => format!("0.{}.{bulk}-{number}", one.min(other)),
        Step::Tell(who, _) => format!("0.{who}.false-{number}"),
        Step::Merge(..) | Step::Tick(_) | Step::Pass(_) => String::new(),
    }
}

/// Tries everything again that was set aside, until nothing is.
pub(super) async fn mend(mut world: World) -> World {
    for _ in 0..100 {
        if world.quarantined().await.is_empty() {
            return world;
        }
        world.retry_all().await;
        (world, _) = run_in(world, &[], never()).await;
    }
    panic!("it cannot be mended: {:?}", world.quarantined().await);
}

/// One batch of a worker. Returns whether it found nothing to do.
pub(super) async fn tick(
    world: &World,
    workers: &mut [Box<dyn Works>],
    number: usize,
    then: Then,
) -> bool {
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
/// redirected there, which was told once.
pub(super) async fn check(
    world: &World,
    steps: &[Step],
    customers: u16,
) -> Result<(), TestCaseError> {
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
                Step::Join(other, ..) | Step::Tell(other, _) => together.oldest(*other) == who,
                Step::Merge(..) | Step::Tick(_) | Step::Pass(_) => false,
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
    check_told(world, &together, customers)
}

/// Where all comes in one lane, nothing of a customer overtook their state, nor what came before it,
/// in no service.
pub(super) async fn check_order(world: &World) -> Result<(), TestCaseError> {
    for service in 0..SERVICES {
        for what in ["overtaken", "late"] {
            let count = world.count(service, what).await;
            prop_assert_eq!(count, 0, "{} in service {}", what, service);
        }
    }
    Ok(())
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(future)
}

pub(super) fn never() -> Failure {
    (u64::MAX, Fault::Before, Then::Retry)
}
