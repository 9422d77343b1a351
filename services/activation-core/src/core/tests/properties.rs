//! Random histories of one customer, against rules that hold at every step.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
pub(super) enum Happening {
    Ask {
        expires_in: Option<i64>,
        exempt: bool,
        holdout: bool,
    },
    Outcome {
        which: usize,
        result: DeliveryResult,
    },
    Consent {
        granted: bool,
    },
    Pass {
        millis: i64,
    },
}

pub(super) fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (prop::option::weighted(0.4, 0_i64..200_000), any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(expires_in, exempt, holdout)| Happening::Ask { expires_in, exempt, holdout }),
        4 => (0_usize..20, prop::sample::select(vec![
                DeliveryResult::Delivered, DeliveryResult::Retry, DeliveryResult::Rejected,
            ]))
            .prop_map(|(which, result)| Happening::Outcome { which, result }),
        1 => any::<bool>().prop_map(|granted| Happening::Consent { granted }),
        3 => (0_i64..100_000).prop_map(|millis| Happening::Pass { millis }),
    ]
}

/// What the rules need to know of one request.
struct Asked {
    visit: u32,
    time: i64,
    expire_time: i64,
    exempt: bool,
}

const LIMIT: u32 = 3;
const WINDOW: i64 = 120_000;

fn check_rules(world: &World, asked: &[Asked]) {
    // Every request is in exactly one status, and no counter is ever below zero.
    assert!(world.counters.values().all(|count| *count >= 0));
    let total: i64 = world.counters.values().sum();
    assert_eq!(usize::try_from(total).expect("not negative"), asked.len());
    let pending: i64 = world
        .counters
        .iter()
        .filter(|(name, _)| name.contains("/pending/"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(
        usize::try_from(pending).expect("not negative"),
        world.state.pending.len()
    );
    // An attempt is handed out once, and never after it was too late.
    let mut attempts = BTreeSet::new();
    for (time, delivery) in &world.dispatched {
        assert!(attempts.insert((delivery.visit, delivery.attempt)));
        let asked = asked
            .iter()
            .find(|asked| asked.visit == delivery.visit)
            .expect("only what was asked for is sent");
        assert!(asked.expire_time == 0 || *time < asked.expire_time);
    }
    world.replay.check(world);
    // What is pending is looked at again, whatever happens.
    assert_eq!(world.next_due.is_some(), !world.state.pending.is_empty());
}

/// How many sends count at a time, by looking at every activation there ever was.
fn counted(world: &World, asked: &[Asked], now: i64) -> usize {
    let activations = world.activations();
    asked
        .iter()
        .filter(|asked| !asked.exempt && asked.time > now - WINDOW)
        .filter(|asked| {
            activations.iter().any(|known| {
                known.id.visit == asked.visit
                    && matches!(
                        known.status,
                        ActivationStatus::Pending | ActivationStatus::Delivered
                    )
            })
        })
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_history_keeps_the_rules(history in prop::collection::vec(happening(), 1..80)) {
        let mut world = World::new(&policy(LIMIT, "2m"));
        let mut asked: Vec<Asked> = Vec::new();
        for happening in history {
            match happening {
                Happening::Ask { expires_in, exempt, holdout } => {
                    let visit = u32::try_from(asked.len()).expect("a short history");
                    let before = counted(&world, &asked, world.now);
                    let expire_time_ms = expires_in.map_or(0, |millis| world.now + millis);
                    asked.push(Asked { visit, time: world.now, expire_time: expire_time_ms, exempt });
                    let purpose = if exempt { "transactional" } else { "marketing" };
                    world.send(Body::Action(Action {
                        expire_time_ms,
                        holdout,
                        purpose: purpose.to_owned(),
                        ..action(visit)
                    })).expect("an action");
                    let is_full = before >= LIMIT as usize;
                    match world.last() {
                        (ActivationStatus::Pending, _) => prop_assert!(exempt || !is_full),
                        (_, Reason::FrequencyCap) => prop_assert!(!exempt && is_full),
                        _ => {}
                    }
                }
                Happening::Outcome { which, result } => {
                    // Of any attempt that was ever handed out, newest or not, again or not.
                    if let Some((_, delivery)) = world.dispatched.iter().rev().nth(which) {
                        let (visit, attempt) = (delivery.visit, delivery.attempt);
                        world.outcome(visit, attempt, result);
                    }
                }
                Happening::Consent { granted } => world.consent("", granted),
                Happening::Pass { millis } => world.pass(millis),
            }
            check_rules(&world, &asked);
        }
    }
}
