//! Consumers of changes: what the changes alone tell of each activation is what the states know of it.

use proptest::prelude::*;

use super::bounds::{merge, world};
use super::properties::{Happening, happening};
use super::*;

/// Changes as `visit PURPOSE STATUS REASON`.
fn told(world: &World) -> Vec<String> {
    let told = world.replay.told.iter();
    told.map(|(visit, own)| format!("{visit} {} {} {}", own.purpose, own.status, own.reason))
        .collect()
}

#[test]
fn each_status_is_told_once() {
    let mut world = world(1);
    for visit in 1..=3 {
        world.send(Body::Action(action(visit))).expect("an action");
    }
    world.outcome(1, 1, DeliveryResult::Delivered);
    world.outcome(1, 1, DeliveryResult::Delivered);
    for _ in 0..3 {
        let sent = world.dispatched.iter().filter(|(_, it)| it.visit == 2);
        let newest = sent.map(|(_, it)| it.attempt).max().expect("an attempt");
        world.outcome(2, newest, DeliveryResult::Retry);
        world.pass(31_000);
    }
    // It was asked for before.
    world.send(Body::Action(action(2))).expect("an action");
    let refused = Action {
        holdout: true,
        purpose: "news".to_owned(),
        ..action(4)
    };
    world.send(Body::Action(refused)).expect("an action");
    assert_eq!(
        told(&world)
            .into_iter()
            .filter(|line| !line.starts_with('3'))
            .collect::<Vec<_>>(),
        [
            "1 marketing PENDING SENT_TO_CHANNEL",
            "2 marketing PENDING SENT_TO_CHANNEL",
            "1 marketing DELIVERED DELIVERED",
            "2 marketing PENDING RETRYING",
            "2 marketing FAILED DEAD_LETTER",
            "4 news SUPPRESSED HOLDOUT",
        ]
    );
    world.replay.check(&world);
}

#[test]
fn what_goes_on_at_a_survivor_is_told_there_once_it_comes_further() {
    let (mut survivor, mut loser) = (world(1), world(2));
    loser.send(Body::Action(action(7))).expect("an action");
    merge(&mut loser, &mut survivor);
    assert!(survivor.replay.told.is_empty());
    survivor.outcome(7, 1, DeliveryResult::Rejected);
    assert_eq!(told(&survivor), ["7 marketing FAILED PROVIDER_REJECTED"]);
    survivor.replay.check(&survivor);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn changes_tell_the_status_of_every_activation(
        history in prop::collection::vec((any::<bool>(), happening()), 1..100),
        merged_at in 0..100_usize,
    ) {
        let mut worlds = [world(1), world(2)];
        let mut visits = 0;
        for (place, (is_second, happening)) in history.into_iter().enumerate() {
            if place == merged_at {
                let [survivor, loser] = &mut worlds;
                if !loser.state.is_empty() {
                    merge(loser, survivor);
                }
            }
            let number = usize::from(is_second && place < merged_at);
            let world = &mut worlds[number];
            match happening {
                Happening::Ask { expires_in, exempt, holdout } => {
                    visits += 1;
                    world.send(Body::Action(Action {
                        expire_time_ms: expires_in.map_or(0, |millis| world.now + millis),
                        purpose: if exempt { "transactional" } else { "marketing" }.to_owned(),
                        holdout,
                        ..action(visits)
                    })).expect("an action");
                }
                Happening::Outcome { which, result } => {
                    if let Some((_, delivery)) = world.dispatched.iter().rev().nth(which) {
                        let (visit, attempt) = (delivery.visit, delivery.attempt);
                        world.outcome(visit, attempt, result);
                    }
                }
                Happening::Consent { granted } => world.consent("", granted),
                Happening::Pass { millis } => world.pass(millis),
            }
            worlds[number].replay.check(&worlds[number]);
        }
    }
}
