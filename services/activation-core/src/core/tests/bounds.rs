//! Customers at the bounds of what is kept of them, alone and merged: nothing is too large, no
//! withdrawal is lost, and everything that was asked for ends with a status, a counter and a
//! receipt.

mod random;

use messages::activation::v1 as api;
use messages::definition::v1::definition::Kind as Kinds;
use messages::stream::v1::{NamedValue, Value, value::Kind};

use super::world::compiled;
use super::*;
use crate::template::text_template;

/// Traits of about so many kilobytes.
fn traits(kilobytes: usize) -> Vec<NamedValue> {
    let text = |name: String, text: String| NamedValue {
        name,
        value: Some(Value {
            kind: Some(Kind::Text(text)),
        }),
    };
    let mut traits = vec![text("name".to_owned(), "Ada".to_owned())];
    let large =
        (0..kilobytes.div_ceil(8)).map(|number| text(format!("t{number}"), "z".repeat(8_000)));
    traits.extend(large);
    traits
}

/// An action of a customer with large traits.
pub(super) fn large(visit: u32, template: &str, kilobytes: usize) -> Action {
    Action {
        template: template.to_owned(),
        traits: traits(kilobytes),
        ..action(visit)
    }
}

pub(super) fn world(number: u8) -> World {
    let mut world = World::new(&policy(0, ""));
    world.customer = customer(number);
    world
}

/// Lets one customer go and the other take in what they were.
pub(super) fn merge(loser: &mut World, survivor: &mut World) {
    let moved = loser.leave().expect("something is known");
    survivor.now = survivor.now.max(loser.now);
    survivor.replay.join(&loser.replay);
    survivor
        .fold_in(loser.customer, &moved)
        .expect("a state that can be read");
    survivor.replay.check(survivor);
}

/// Everything asked for is in one status, and all that is final was told.
fn check_sums(worlds: &[&World], asked: usize) {
    let total: i64 = worlds
        .iter()
        .flat_map(|world| world.counters.values())
        .sum();
    assert_eq!(usize::try_from(total).expect("not negative"), asked);
    let pending: usize = worlds.iter().map(|world| world.state.pending.len()).sum();
    let receipts: usize = worlds
        .iter()
        .flat_map(|world| &world.receipts)
        .filter(|receipt| receipt.starts_with("activation_"))
        .count();
    assert_eq!(receipts + pending, asked);
    let counted: i64 = worlds
        .iter()
        .flat_map(|world| &world.counters)
        .filter(|(name, _)| name.contains("/pending/"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(usize::try_from(counted).expect("not negative"), pending);
}

#[test]
fn fifteen_sends_to_a_customer_with_large_traits_all_end_in_a_status() {
    for (template, expected) in [("hello", 15), ("everything", 2)] {
        let mut world = world(1);
        for visit in 0..15 {
            world
                .send(Body::Action(large(visit, template, 56)))
                .expect("an action");
        }
        assert_eq!(world.state.activation_count(), 15);
        assert_eq!(world.state.pending.len(), expected, "{template}");
        let limited = world.receipts.iter();
        let limited = limited.filter(|receipt| *receipt == "activation_suppressed PENDING_LIMIT");
        assert_eq!(limited.count(), 15 - expected);
        check_sums(&[&world], 15);
        // A pending send is rendered again as it was.
        let (sent, first) = (world.dispatched.len(), world.dispatched[0].1.body.clone());
        world.outcome(0, 1, DeliveryResult::Retry);
        world.pass(30_000);
        assert_eq!(world.dispatched[sent].1.body, first, "{template}");
    }
}

#[test]
fn a_send_that_is_too_large_by_itself_says_so_and_takes_nobodys_room() {
    for (template, kilobytes) in [("everything", 72), ("endless", 8)] {
        let mut world = world(1);
        world
            .send(Body::Action(large(0, template, kilobytes)))
            .expect("an action");
        let told = (ActivationStatus::Suppressed, Reason::SendTooLarge);
        assert_eq!(world.last(), told, "{template}");
        assert!(!world.activations()[0].detail.is_empty());
        for visit in 1..=2 {
            world
                .send(Body::Action(large(visit, "everything", 56)))
                .expect("an action");
            assert_eq!(world.last().0, ActivationStatus::Pending);
        }
        check_sums(&[&world], 3);
    }
}

#[test]
fn a_template_that_reads_little_is_sent_however_much_else_is_known() {
    let mut world = world(1);
    world
        .send(Body::Action(large(0, "hello", 200)))
        .expect("an action");
    assert_eq!(world.last().0, ActivationStatus::Pending);
    assert_eq!(world.dispatched[0].1.body, "Hello Ada");
    assert!(world.state.pending_bytes() <= 2 * limits::SEND_SHARE_BYTES);
}

#[test]
fn a_small_customer_keeps_everything_for_a_template_that_changes() {
    let mut world = world(1);
    let whole = Action {
        traits: traits(0),
        properties: vec![NamedValue {
            name: "total".to_owned(),
            ..NamedValue::default()
        }],
        ..action(0)
    };
    world.send(Body::Action(whole.clone())).expect("an action");
    let admitted = world.state.pending[0].admitted().expect("it is loaded");
    assert_eq!(admitted.action(), &whole);
}

#[test]
fn a_withdrawal_arrives_with_a_merge_of_customers_with_large_pending_sends() {
    for (template, pending) in [("hello", 10), ("everything", 2)] {
        let (mut loser, mut survivor) = (world(1), world(2));
        for visit in 0..5 {
            for (own, at) in [(&mut loser, visit), (&mut survivor, 10 + visit)] {
                own.send(Body::Action(large(at, template, 56)))
                    .expect("an action");
                own.outcome(at, 1, DeliveryResult::Retry);
            }
        }
        loser.consent("", false);
        merge(&mut loser, &mut survivor);
        assert!(!survivor.consents().allows("marketing", "log", true));
        assert_eq!(survivor.state.pending.len(), pending, "{template}");
        survivor.send(Body::Action(action(99))).expect("an action");
        assert_eq!(survivor.last().1, Reason::NoConsent);
        check_sums(&[&loser, &survivor], 11);
    }
}

#[test]
fn pending_activations_over_the_bound_after_a_merge_end_with_a_reason_and_a_receipt() {
    let (mut loser, mut survivor) = (world(1), world(2));
    for visit in 0..20 {
        loser.send(Body::Action(action(visit))).expect("an action");
        loser.now += 1;
    }
    survivor.now = loser.now;
    for visit in 100..120 {
        survivor
            .send(Body::Action(action(visit)))
            .expect("an action");
        survivor.now += 1;
    }
    // One that waits gives way before one whose attempt is under way, however old it is.
    loser.outcome(0, 1, DeliveryResult::Retry);
    merge(&mut loser, &mut survivor);
    assert_eq!(survivor.state.pending.len(), limits::PENDING);
    let failed = survivor.receipts.iter();
    let failed = failed.filter(|receipt| *receipt == "activation_failed PENDING_LIMIT");
    assert_eq!(failed.count(), 20);
    let status = |visit| {
        let known = survivor.activations();
        known
            .iter()
            .find(|own| own.id.visit == visit)
            .map(|own| own.status)
    };
    assert_eq!(status(0), Some(ActivationStatus::Failed));
    assert_eq!(status(1), Some(ActivationStatus::Pending));
    assert_eq!(status(100), Some(ActivationStatus::Pending));
    assert_eq!(status(119), Some(ActivationStatus::Failed));
    check_sums(&[&loser, &survivor], 40);
}

#[test]
fn a_grant_beyond_the_bound_is_told_and_a_withdrawal_counts() {
    let mut world = world(1);
    let said = |world: &mut World, purpose: String, granted| {
        world
            .send(Body::Consent(ConsentChange {
                purpose,
                granted,
                source: "é".repeat(100),
                ..ConsentChange::default()
            }))
            .expect("a consent")
    };
    for number in 0..limits::CONSENTS {
        said(&mut world, format!("p{number}"), true);
    }
    let before = world.state.encode_whole();
    assert_eq!(
        said(&mut world, "more".to_owned(), true),
        Outcome::Unchanged
    );
    assert_eq!(world.state.encode_whole(), before);
    assert_eq!(world.receipts, ["consent_refused CONSENT_LIMIT"]);
    said(&mut world, "marketing".to_owned(), false);
    world.send(Body::Action(action(0))).expect("an action");
    assert_eq!(world.last().1, Reason::NoConsent);
}

/// A name as long as a name may be.
fn long_name(prefix: &str) -> String {
    format!("{prefix:x<64}")
}

/// Everything that a customer may have, as much of it as may be.
pub(super) fn fill(world: &mut World) {
    let channel = api::Channel {
        name: long_name("channel"),
        kind: Some(api::channel::Kind::Log(api::LogChannel {})),
        ..api::Channel::default()
    };
    let template = text_template(&long_name("template"), "", "{{ profile|tojson }}");
    world.definitions = compiled([Kinds::Channel(channel), Kinds::Template(template)]);
    let first = u32::from(world.customer.as_bytes()[0]) * 1_000;
    let asked = |visit: u32, kilobytes| Action {
        visit: first + visit,
        journey: long_name("journey"),
        step: long_name("step"),
        channel: long_name("channel"),
        template: long_name("template"),
        purpose: long_name("purpose"),
        ..large(0, "", kilobytes)
    };
    for number in 0..limits::CONSENTS {
        world
            .send(Body::Consent(ConsentChange {
                purpose: long_name(&format!("purpose{}n{number}", first)),
                channel: long_name("channel"),
                granted: number % 2 == 0,
                source: "s".repeat(100),
            }))
            .expect("a consent");
    }
    for visit in 0..110 {
        world
            .send(Body::Action(asked(visit, 0)))
            .expect("an action");
        world
            .send(Body::Outcome(Attempted {
                run_id: Bytes::from_static(&[5; 16]),
                visit: first + visit,
                attempt: 1,
                result: DeliveryResult::Rejected.into(),
                retry_after_ms: 0,
                detail: "d".repeat(1_000),
            }))
            .expect("an outcome");
    }
    for visit in 110..112 {
        world
            .send(Body::Action(asked(visit, 56)))
            .expect("an action");
    }
    for visit in 112..140 {
        world
            .send(Body::Action(asked(visit, 0)))
            .expect("an action");
    }
}

#[test]
fn customers_at_every_bound_at_once_merge_within_it() {
    let (mut loser, mut survivor) = (world(1), world(2));
    for own in [&mut loser, &mut survivor] {
        fill(own);
        let bytes = own.state.encode_whole().len();
        assert!(bytes > 200 * 1024, "{bytes}");
        assert_eq!(own.state.pending.len(), limits::PENDING);
        check_sums(&[own], 140);
    }
    merge(&mut loser, &mut survivor);
    check_sums(&[&loser, &survivor], 280);
    for number in 0..limits::CONSENTS {
        for first in [1_000, 2_000] {
            let purpose = long_name(&format!("purpose{first}n{number}"));
            let is_allowed = survivor
                .consents()
                .allows(&purpose, &long_name("channel"), true);
            assert!(number % 2 == 0 || !is_allowed, "{purpose}");
        }
    }
}
