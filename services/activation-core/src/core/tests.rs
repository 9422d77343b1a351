//! The core over scenarios, and over random histories against plain rules.

mod bounds;
mod changes;
mod counting;
mod ordinals;
mod parts;
mod properties;
mod splits;
mod waits;
mod world;

use kernel::Reason;
use messages::activation::v1::ActivationStatus;
use messages::stream::v1::{Action, DeliveryResult, Outcome as Attempted};

use self::world::{World, action, customer, policy};
use super::*;
use crate::backoff;
use crate::limits;

/// Asks for one activation and says what became of it.
fn check(change: impl FnOnce(&mut World, &mut Action), status: ActivationStatus, reason: Reason) {
    let mut world = World::new(&policy(0, ""));
    let mut wanted = action(1);
    change(&mut world, &mut wanted);
    world.send(Body::Action(wanted)).expect("an action");
    assert_eq!(world.last(), (status, reason));
    let sent = usize::from(status == ActivationStatus::Pending);
    assert_eq!(world.dispatched.len(), sent);
    assert_eq!(world.receipts.len(), 1 - sent);
    let is_unknown = matches!(reason, Reason::UnknownChannel | Reason::UnknownTemplate);
    assert_eq!(world.is_lacking, is_unknown);
}

#[test]
fn each_guard_refuses_with_its_reason() {
    use ActivationStatus::{Pending, Suppressed};
    check(|_, _| {}, Pending, Reason::SentToChannel);
    check(|w, a| a.expire_time_ms = w.now, Suppressed, Reason::Expired);
    check(
        |w, a| a.expire_time_ms = w.now + 1,
        Pending,
        Reason::SentToChannel,
    );
    check(|_, a| a.holdout = true, Suppressed, Reason::Holdout);
    check(|w, _| w.consent("", false), Suppressed, Reason::NoConsent);
    check(
        |w, _| w.consent("other", false),
        Pending,
        Reason::SentToChannel,
    );
    check(
        |w, a| {
            w.consent("", false);
            a.purpose = "transactional".to_owned();
        },
        Pending,
        Reason::SentToChannel,
    );
    check(
        |_, a| a.channel = "nope".to_owned(),
        Suppressed,
        Reason::UnknownChannel,
    );
    check(
        |_, a| a.template = "nope".to_owned(),
        Suppressed,
        Reason::UnknownTemplate,
    );
    check(
        |_, a| a.template = "broken".to_owned(),
        Suppressed,
        Reason::TemplateError,
    );
}

#[test]
fn the_first_guard_in_order_gives_the_reason() {
    use ActivationStatus::Suppressed;
    check(
        |w, a| {
            w.consent("", false);
            a.holdout = true;
            a.expire_time_ms = 1;
        },
        Suppressed,
        Reason::Expired,
    );
    check(
        |w, a| {
            w.consent("", false);
            a.holdout = true;
            a.channel = "nope".to_owned();
        },
        Suppressed,
        Reason::Holdout,
    );
    check(
        |w, a| {
            w.consent("", false);
            a.channel = "nope".to_owned();
        },
        Suppressed,
        Reason::NoConsent,
    );
}

#[test]
fn a_delivered_activation_is_told_once_and_counted_once() {
    let mut world = World::new(&policy(0, ""));
    world.send(Body::Action(action(1))).expect("an action");
    assert_eq!(world.dispatched[0].1.body, "Hello Ada");
    assert_eq!(
        world.counts(),
        [("activation/welcome/log/pending/SENT_TO_CHANNEL", 1)]
    );
    world.outcome(1, 1, DeliveryResult::Delivered);
    assert_eq!(
        world.outcome(1, 1, DeliveryResult::Delivered),
        Outcome::Unchanged
    );
    assert_eq!(
        world.outcome(2, 1, DeliveryResult::Delivered),
        Outcome::Unchanged
    );
    assert_eq!(world.receipts, ["activation_delivered DELIVERED"]);
    assert_eq!(
        world.counts(),
        [("activation/welcome/log/delivered/DELIVERED", 1)]
    );
    assert_eq!(world.next_due, None);
}

#[test]
fn the_same_request_again_changes_nothing_but_its_count() {
    let mut world = World::new(&policy(0, ""));
    world.send(Body::Action(action(1))).expect("an action");
    assert_eq!(world.send(Body::Action(action(1))), Ok(Outcome::Unchanged));
    assert_eq!((world.dispatched.len(), world.receipts.len()), (1, 0));
    assert_eq!(
        world.counters["activation/welcome/log/suppressed/DUPLICATE"],
        1
    );
}

#[test]
fn failures_are_tried_again_until_the_channel_gives_up() {
    let mut world = World::new(&policy(1, "7d"));
    world.send(Body::Action(action(1))).expect("an action");
    for attempt in 1..=2 {
        world.outcome(1, attempt, DeliveryResult::Retry);
        assert_eq!(world.last(), (ActivationStatus::Pending, Reason::Retrying));
        assert_eq!(
            world.outcome(1, attempt, DeliveryResult::Delivered),
            Outcome::Unchanged
        );
        world.pass(30_000);
    }
    assert_eq!(world.dispatched.len(), 3);
    world.outcome(1, 3, DeliveryResult::Retry);
    assert_eq!(world.last(), (ActivationStatus::Failed, Reason::DeadLetter));
    assert_eq!(world.receipts, ["activation_failed DEAD_LETTER"]);
    assert_eq!(
        world.counts(),
        [("activation/welcome/log/failed/DEAD_LETTER", 1)]
    );
    assert_eq!(
        world.state.send_times.iter().len(),
        0,
        "a failed send is given back to the cap"
    );
}

#[test]
fn a_refusal_of_the_destination_is_final() {
    let mut world = World::new(&policy(0, ""));
    world.send(Body::Action(action(1))).expect("an action");
    world.outcome(1, 1, DeliveryResult::Rejected);
    assert_eq!(
        world.last(),
        (ActivationStatus::Failed, Reason::ProviderRejected)
    );
    assert_eq!(world.next_due, None);
}

#[test]
fn a_destination_is_not_asked_before_it_said() {
    let mut world = World::new(&policy(0, ""));
    world.send(Body::Action(action(1))).expect("an action");
    world
        .send(Body::Outcome(Attempted {
            run_id: Bytes::from_static(&[5; 16]),
            visit: 1,
            attempt: 1,
            result: DeliveryResult::Retry.into(),
            retry_after_ms: 3_600_000,
            detail: String::new(),
        }))
        .expect("an outcome");
    world.pass(3_599_999);
    assert_eq!(world.dispatched.len(), 1);
    world.pass(1);
    assert_eq!(world.dispatched.len(), 2);
}

#[test]
fn an_attempt_that_never_came_back_is_made_again_and_costs_no_try() {
    let mut world = World::new(&policy(0, ""));
    world.send(Body::Action(action(1))).expect("an action");
    world.pass(limits::LEASE.as_millis());
    assert_eq!(world.dispatched[1].1.attempt, 2);
    assert_eq!(
        world.outcome(1, 1, DeliveryResult::Delivered),
        Outcome::Unchanged
    );
    world.outcome(1, 2, DeliveryResult::Delivered);
    assert_eq!(world.last().0, ActivationStatus::Delivered);

    world.send(Body::Action(action(2))).expect("an action");
    world.pass(backoff::lease(limits::LAPSES).as_millis() * 2);
    assert_eq!(world.last(), (ActivationStatus::Failed, Reason::DeadLetter));
    assert_eq!(world.dispatched.len(), 2 + 1 + 20);
}

#[test]
fn what_becomes_too_late_is_not_sent() {
    let mut world = World::new(&policy(0, ""));
    let mut late = action(1);
    late.expire_time_ms = world.now + limits::LEASE.as_millis();
    world.send(Body::Action(late)).expect("an action");
    world.pass(limits::LEASE.as_millis());
    assert_eq!(world.last(), (ActivationStatus::Failed, Reason::Expired));
    assert_eq!(world.dispatched.len(), 1);
}

#[test]
fn a_retry_uses_the_definitions_of_now() {
    let mut world = World::new(&policy(0, ""));
    world.send(Body::Action(action(1))).expect("an action");
    world.outcome(1, 1, DeliveryResult::Retry);
    world.definitions = Definitions::empty();
    world.pass(10_000);
    assert_eq!(
        world.last(),
        (ActivationStatus::Failed, Reason::UnknownChannel)
    );
    assert!(world.is_lacking);
}

#[test]
fn exempt_purposes_neither_count_towards_the_cap_nor_are_held_back_by_it() {
    let mut world = World::new(&policy(1, "1h"));
    for visit in 1..=3 {
        let mut exempt = action(visit);
        exempt.purpose = "transactional".to_owned();
        world.send(Body::Action(exempt)).expect("an action");
        assert_eq!(world.last().0, ActivationStatus::Pending);
    }
    world.send(Body::Action(action(4))).expect("an action");
    assert_eq!(world.last().0, ActivationStatus::Pending);
    world.send(Body::Action(action(5))).expect("an action");
    assert_eq!(world.last().1, Reason::FrequencyCap);
}

#[test]
fn pending_activations_are_bounded_and_old_ones_forgotten() {
    let mut world = World::new(&policy(0, ""));
    for visit in 0..25 {
        world.send(Body::Action(action(visit))).expect("an action");
    }
    assert_eq!(world.last().1, Reason::PendingLimit);
    for visit in 100..250 {
        world.send(Body::Action(action(visit))).expect("an action");
    }
    assert_eq!(world.state.activation_count(), limits::ACTIVATIONS);
    assert_eq!(world.state.pending.len(), limits::PENDING);
}

#[test]
fn a_merged_customer_goes_on_as_the_survivor() {
    let (mut loser, mut survivor) = (World::new(&policy(2, "1h")), World::new(&policy(2, "1h")));
    survivor.customer = customer(2);
    loser.send(Body::Action(action(1))).expect("an action");
    loser.consent("log", false);
    survivor.send(Body::Action(action(7))).expect("an action");
    let moved = loser.leave().expect("a state");
    survivor.fold_in(loser.customer, &moved).expect("a state");
    // What comes for the loser now follows its state.
    survivor.outcome(1, 1, DeliveryResult::Delivered);
    survivor.send(Body::Action(action(2))).expect("an action");
    assert_eq!(survivor.dispatched.len(), 1);
    let outcomes: Vec<_> = survivor
        .activations()
        .iter()
        .map(|activation| (activation.id.visit, activation.reason))
        .collect();
    assert_eq!(
        outcomes,
        [
            (1, Reason::Delivered),
            (2, Reason::NoConsent),
            (7, Reason::SentToChannel),
        ]
    );
    assert_eq!(survivor.state.send_times.iter().len(), 2);
    let mut total = loser.counters;
    for (name, count) in survivor.counters {
        *total.entry(name).or_default() += count;
    }
    assert_eq!(total["activation/welcome/log/pending/SENT_TO_CHANNEL"], 1);
    assert_eq!(total["activation/welcome/log/delivered/DELIVERED"], 1);
}

#[test]
fn what_cannot_be_processed_is_poison() {
    let mut world = World::new(&policy(0, ""));
    let mut nameless = action(1);
    nameless.run_id = Bytes::from_static(b"short");
    for body in [
        Body::Action(nameless),
        Body::Event(messages::stream::v1::Event::default()),
    ] {
        assert!(world.send(body).is_err());
    }
    let moved = Bytes::from_static(&[0xff]);
    assert!(world.fold_in(customer(2), &moved).is_err());
    assert_eq!(world.leave(), None, "nothing is known");
    assert!(world.state.is_empty());
}

#[test]
fn a_withdrawal_counts_though_the_next_machine_has_a_clock_that_is_behind() {
    let mut world = World::new(&policy(0, ""));
    world.now = 20_000;
    world.consent("", true);
    let word = |time_ms, granted| Record {
        customer_id: Bytes::copy_from_slice(customer(1).as_bytes()),
        time_ms,
        body: Some(Body::Consent(ConsentChange {
            purpose: "marketing".to_owned(),
            granted,
            ..ConsentChange::default()
        })),
        ..Record::default()
    };
    world.now = 18_000;
    world.record(&word(20_500, false)).expect("a consent");
    assert!(!world.consents().allows("marketing", "hook", true));
    // What was said before stays so.
    world.record(&word(19_000, true)).expect("a consent");
    assert!(!world.consents().allows("marketing", "hook", true));
}
