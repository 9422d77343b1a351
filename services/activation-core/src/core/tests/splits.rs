//! Splits: what a merge joined comes apart again. Each side is as if it had never been joined, but
//! for what this names; and erasure.

mod random;

use decision::Split;
use messages::activation::state_v1 as stored;
use prost::Message as _;

use super::bounds::{merge, world};
use super::*;
use crate::{Inseparable, inseparable};

/// Two customers who are one now: each has something pending, that failed once.
fn joined() -> [World; 2] {
    let [mut one, mut two] = [1, 2].map(world);
    for (own, visit) in [(&mut one, 10), (&mut two, 20)] {
        own.send(Body::Action(action(visit))).expect("an action");
        own.outcome(visit, 1, DeliveryResult::Retry);
    }
    merge(&mut two, &mut one);
    [one, two]
}

/// What a split would leave joined.
fn told(world: &World) -> Vec<&'static str> {
    let split = Split {
        to: customer(2),
        ordinals: &[(1, 0)],
        merge_time: None,
    };
    let all = inseparable(&world.state, &split).expect("all parts are loaded");
    assert!(all.iter().all(|own| own.to_string().ends_with('.')));
    all.into_iter().map(Inseparable::code).collect()
}

fn visits(world: &World) -> Vec<u32> {
    world.activations().iter().map(|own| own.id.visit).collect()
}

#[test]
fn what_waits_for_its_next_attempt_goes_back_and_is_tried_there() {
    let [mut one, mut two] = joined();
    assert_eq!(told(&one), ["ACTIVATION_DECISIONS"]);
    let gone = one.split(&[(1, 0)]).expect("something is theirs");
    two.take_back(&gone);
    assert_eq!((visits(&one), visits(&two)), (vec![10], vec![20]));
    for world in [&mut one, &mut two] {
        let before = world.dispatched.len();
        world.pass(30_000);
        assert_eq!(world.dispatched.len(), before + 1);
        assert_eq!(world.state.send_times.iter().len(), 1);
        assert_eq!(world.state.send_times.ordinals(), [] as [u32; 0]);
    }
    two.outcome(20, 2, DeliveryResult::Delivered);
    assert_eq!(two.last(), (ActivationStatus::Delivered, Reason::Delivered));
    let counted = "activation/welcome/log/pending/RETRYING";
    assert_eq!((one.counters[counted], two.counters[counted]), (1, 0));
}

#[test]
fn an_attempt_under_way_stays_until_it_is_settled_where_its_outcome_comes() {
    let [mut one, mut two] = joined();
    one.pass(30_000);
    two.now = one.now;
    assert_eq!(told(&one), ["ACTIVATION_DECISIONS", "ACTIVATION_ATTEMPTS"]);
    let gone = one.split(&[(1, 0)]).expect("the send is theirs");
    two.take_back(&gone);
    assert_eq!((visits(&one), visits(&two)), (vec![10, 20], vec![]));
    assert_eq!(two.state.send_times.iter().len(), 1, "their cap counts it");
    one.outcome(20, 2, DeliveryResult::Delivered);
    assert_eq!(one.receipts, ["activation_delivered DELIVERED"]);
    assert_eq!(
        two.outcome(20, 2, DeliveryResult::Delivered),
        Outcome::Unchanged
    );
    // One that fails does not give back a send that is not there any more.
    one.outcome(10, 2, DeliveryResult::Rejected);
    assert_eq!(one.state.send_times.iter().len(), 0);
    assert_eq!(two.state.send_times.iter().len(), 1);
}

#[test]
fn each_fragments_last_word_is_kept_and_the_newest_counts() {
    let [mut one, mut two] = [1, 2].map(world);
    two.consent("log", true);
    one.now += 1;
    one.consent("log", false);
    merge(&mut two, &mut one);
    assert!(!one.consents().allows("marketing", "log", true));
    assert_eq!(one.consents().iter().len(), 1);
    // A word of the other fragment takes the place of its own alone.
    (one.ordinal, one.now) = (1, one.now + 1);
    one.consent("log", true);
    assert!(one.consents().allows("marketing", "log", false));
    let gone = one.split(&[(1, 0)]).expect("a word is theirs");
    two.take_back(&gone);
    assert!(!one.consents().allows("marketing", "log", true));
    assert!(two.consents().allows("marketing", "log", false));
    for world in [&one, &two] {
        assert_eq!(world.consents().superseded().len(), 0);
        assert!(world.consents().iter().all(|word| word.ordinal == 0));
    }
}

#[test]
fn a_withdrawal_that_is_not_listed_stays_with_both() {
    let [mut one, mut two] = [1, 2].map(world);
    for place in 0..=limits::CONSENTS {
        one.send(Body::Consent(ConsentChange {
            purpose: format!("p{place}"),
            granted: place < limits::CONSENTS,
            ..ConsentChange::default()
        }))
        .expect("a consent");
    }
    two.consent("log", true);
    merge(&mut two, &mut one);
    let expected = [
        "ACTIVATION_DECISIONS",
        "ACTIVATION_UNLISTED_WITHDRAWAL",
        "ACTIVATION_FORGOTTEN_WORDS",
    ];
    assert_eq!(told(&one), expected);
    let gone = one.split(&[(1, 0)]).expect("a word is theirs");
    two.take_back(&gone);
    for world in [&one, &two] {
        assert!(!world.consents().allows("nobody_spoke_of_it", "log", true));
    }
}

#[test]
fn a_state_that_the_version_before_merged_comes_apart_by_its_ordinals() {
    let [mut one, mut two] = joined();
    let head = stored::CustomerState::decode(one.stored.head.clone()).expect("a head");
    assert!(head.consents.is_none_or(|own| own.superseded.is_empty()));
    let gone = one.split(&[(1, 0)]).expect("something is theirs");
    two.take_back(&gone);
    assert_eq!(visits(&two), [20]);
    assert_eq!(one.split(&[(1, 0)]), None, "nothing more is theirs");
}

#[test]
fn settled_ones_in_blocks_and_what_a_newer_version_keeps_come_apart() {
    let [mut one, mut two] = [1, 2].map(world);
    for (own, first) in [(&mut one, 0), (&mut two, 100)] {
        for visit in first..first + 40 {
            own.send(Body::Action(action(visit))).expect("an action");
            own.outcome(visit, 1, DeliveryResult::Rejected);
            own.now += 1;
        }
    }
    merge(&mut two, &mut one);
    let gone = one.split(&[(1, 0)]).expect("something is theirs");
    two.take_back(&gone);
    assert!(visits(&one).into_iter().eq(0..40));
    assert!(visits(&two).into_iter().eq(100..140));
}

#[test]
fn nothing_of_an_erased_customer_is_sent_and_a_late_outcome_finds_nothing() {
    let mut world = world(1);
    for visit in [1, 2] {
        world.send(Body::Action(action(visit))).expect("an action");
    }
    world.outcome(1, 1, DeliveryResult::Retry);
    world.erase();
    assert!(world.receipts.is_empty(), "nobody hears of it");
    let told: Vec<_> = world.replay.told.iter().rev().take(2).collect();
    for (_, moved) in told {
        assert_eq!((&*moved.status, &*moved.reason), ("SUPPRESSED", "ERASED"));
    }
    let counts = [("activation/welcome/log/suppressed/ERASED", 2)];
    assert_eq!(world.counts(), counts);
    let outcome = world.outcome(2, 1, DeliveryResult::Delivered);
    assert_eq!(outcome, Outcome::Unchanged);
    assert_eq!(world.counts(), counts);
    assert_eq!(world.dispatched.len(), 2);
}
