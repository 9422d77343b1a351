//! Erasures at any time among merges, with a store that fails.

use std::sync::Arc;

use hot::SharedHotStore;
use messages::stream::v1::Record;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::super::super::driver::memory;
use super::super::super::faulty::{Fault, Faulty};
use super::super::records::{by_fragment, event, joins, merged, record};
use super::super::steps::{Failure, Then, block_on, never, tick};
use super::super::together::Together;
use super::super::world::{SERVICES, WORKERS, World};
use super::erased;

/// A thing that happens.
#[derive(Debug, Clone)]
enum Act {
    Tell(usize, bool, Box<Record>),
    Tick(usize),
}

/// Plays acts through workers whose store may fail, and then all that is left. Returns the number
/// of calls that the store got.
async fn play(acts: &[Act], piece_bytes: usize, (fails_at, fault, then): Failure) -> (World, u64) {
    let mut world = World::new(memory());
    world.piece_bytes = piece_bytes;
    let faulty = Faulty::new(Arc::clone(&world.hot), fails_at, fault);
    let world = world.through(Arc::clone(&faulty) as SharedHotStore);
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(world.open(number).await);
    }
    for act in acts {
        match act {
            Act::Tell(service, bulk, record) => {
                world
                    .tell_lane((*service, *bulk), Record::clone(record))
                    .await;
            }
            Act::Tick(number) => {
                tick(&world, &mut workers, *number, then).await;
            }
        }
    }
    let (mut turn, mut resting) = (0, 0);
    while resting < 2 * WORKERS {
        let is_resting = tick(&world, &mut workers, turn % WORKERS, then).await;
        resting = if is_resting { resting + 1 } else { 0 };
        turn += 1;
        assert!(turn < 100_000, "the workers never rest");
    }
    (world.direct(), faulty.calls())
}

/// Two who are joined, and erased while the state is on its way.
fn scene() -> Vec<Act> {
    let tell = |record| Act::Tell(0, false, Box::new(record));
    let mut acts = Vec::new();
    for number in 0..5 {
        acts.push(tell(event(1, &format!("a{number}"), "add", 1)));
        acts.push(tell(event(2, &format!("b{number}"), "add", 1)));
        acts.push(tell(event(3, &format!("c{number}"), "add", 1)));
    }
    acts.extend((0..WORKERS).map(Act::Tick));
    acts.push(tell(merged(2, 1, 2)));
    acts.push(tell(event(2, "d", "add", 3)));
    acts.push(tell(by_fragment(1, 2, "e", 3)));
    acts.extend((0..WORKERS).map(Act::Tick));
    acts.push(tell(erased(1, 4)));
    acts.push(tell(erased(2, 4)));
    acts.push(tell(event(2, "f", "add", 5)));
    acts
}

#[test]
fn a_crash_at_any_call_leaves_nothing() {
    block_on(async {
        let (world, calls) = play(&scene(), 1, never()).await;
        world.check_erased(&[1, 2]).await;
        for fails_at in 1..=calls {
            for fault in [Fault::Before, Fault::After] {
                for then in [Then::Retry, Then::Crash] {
                    let (world, _) = play(&scene(), 1, (fails_at, fault, then)).await;
                    world.check_erased(&[1, 2]).await;
                    for service in 0..SERVICES {
                        let what = format!("{fails_at} {fault:?} {then:?} of {service}");
                        assert_eq!(world.count(service, "seen").await, 5, "{what}");
                        assert_eq!(world.log(service, 3).await.len(), 5, "{what}");
                    }
                }
            }
        }
    });
}

/// The strategy of an act before anybody is erased, or after, among some customers.
fn act(customers: u16) -> impl Strategy<Value = (Act, Option<(u16, u16)>)> {
    let who = move || 1..=customers;
    prop_oneof![
        4 => (0..SERVICES, who(), any::<bool>(), "[a-z]{3}").prop_map(|(service, who, bulk, name)| {
            (Act::Tell(service, bulk, Box::new(record(service, who, &name, 1))), None)
        }),
        2 => (who(), who(), any::<bool>()).prop_map(|(from, into, bulk)| {
            (Act::Tell(0, bulk, Box::new(merged(from, into, 1))), Some((from, into)))
        }),
        1 => (who(), who()).prop_map(|(one, other)| {
            let joined = joins(one.min(other), &[one.max(other)], "join", 1);
            (Act::Tell(0, false, Box::new(joined)), Some((one, other)))
        }),
        4 => (0..WORKERS).prop_map(|worker| (Act::Tick(worker), None)),
    ]
}

#[test]
fn customers_who_are_joined_in_any_way_are_erased_together() {
    const CUSTOMERS: u16 = 5;
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let acts = || proptest::collection::vec(act(CUSTOMERS), 1..40);
    let fault = prop_oneof![Just(Fault::Before), Just(Fault::After)];
    let then = prop_oneof![Just(Then::Retry), Just(Then::Crash)];
    let failure = (1..400_u64, fault, then);
    TestRunner::new(config)
        .run(
            &(acts(), acts(), 1..=CUSTOMERS, 1..400_usize, failure),
            |(before, after, who, piece_bytes, failure)| {
                let mut together = Together::default();
                let joined = before
                    .iter()
                    .chain(&after)
                    .filter_map(|(_, joined)| *joined);
                for (one, other) in joined {
                    together.join(one, other);
                }
                let of = together.oldest(who);
                let is_of = |who: &u16| together.oldest(*who) == of;
                let gone: Vec<u16> = (1..=CUSTOMERS).filter(is_of).collect();
                let mut acts: Vec<Act> = before.into_iter().map(|(act, _)| act).collect();
                acts.extend(
                    gone.iter()
                        .map(|who| Act::Tell(0, false, Box::new(erased(*who, 2)))),
                );
                acts.extend(after.into_iter().map(|(act, _)| act));
                block_on(async {
                    let (world, _) = play(&acts, piece_bytes, failure).await;
                    world.check_erased(&gone).await;
                    for service in 0..SERVICES {
                        let mut seen = 0;
                        for who in 1..=CUSTOMERS {
                            if together.oldest(who) == who && who != of {
                                let log = world.log(service, who).await;
                                seen += i64::try_from(log.len()).expect("few");
                            }
                        }
                        assert_eq!(world.count(service, "seen").await, seen, "of {service}");
                    }
                    assert_eq!(world.quarantined().await, Vec::<String>::new());
                    Ok(())
                })
            },
        )
        .unwrap_or_else(|failure| panic!("{failure}"));
}
