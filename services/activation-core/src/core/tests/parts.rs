//! Parts of a state: what is kept apart, what a step loads and writes, and what that costs.

mod typical;

use decision::{Effects, UnknownParts, step_once};
use messages::activation::state_v1 as stored;
use messages::engine::state_v1::OtherPart;
use prost::Message as _;

use super::bounds::{fill, large, merge, world};
use super::*;
use crate::state::PartKind;

/// The number of parts of a kind that are kept apart.
fn apart(world: &World, kind: PartKind) -> usize {
    let keys = world.stored.parts.keys();
    keys.filter(|key| key.kind == kind as u8).count()
}

/// Says so much that the consents go apart.
fn say_much(world: &mut World) {
    for number in 0..40 {
        world
            .send(Body::Consent(ConsentChange {
                purpose: format!("purpose_{number}"),
                ..ConsentChange::default()
            }))
            .expect("a consent");
    }
}

#[test]
fn what_was_admitted_is_written_once_and_goes_when_it_is_settled() {
    let mut world = world(1);
    world
        .send(Body::Action(large(1, "everything", 56)))
        .expect("an action");
    assert_eq!(apart(&world, PartKind::Admitted), 1);
    assert!(world.stored.written > 56_000);
    world.outcome(1, 1, DeliveryResult::Retry);
    assert!(world.stored.written < 300, "{}", world.stored.written);
    world.pass(30_000);
    assert_eq!(world.dispatched.len(), 2);
    assert!(world.stored.written < 300, "{}", world.stored.written);
    world.outcome(1, 2, DeliveryResult::Delivered);
    assert_eq!(world.stored.parts.len(), 0);
    assert!(world.stored.written < 300, "{}", world.stored.written);
}

#[test]
fn consents_go_apart_when_they_are_many() {
    let mut world = world(1);
    say_much(&mut world);
    assert_eq!(apart(&world, PartKind::Consents), 1);
    world.consent("", false);
    world.send(Body::Action(action(1))).expect("an action");
    assert_eq!(world.last().1, Reason::NoConsent);
    assert!(world.stored.written < 300, "{}", world.stored.written);
}

#[test]
fn settled_activations_go_into_blocks_that_are_written_once_and_go_when_they_are_forgotten() {
    let mut world = world(1);
    let mut most = 0;
    for visit in 0..400 {
        world.send(Body::Action(action(visit))).expect("an action");
        world.outcome(visit, 1, DeliveryResult::Rejected);
        // The head, and at times a block of the newest.
        assert!(world.stored.written < 6_000, "{}", world.stored.written);
        most = most.max(world.stored.parts.len());
        world.now += 1;
    }
    assert!((5..15).contains(&most), "{most}");
    assert_eq!(world.state.activation_count(), limits::ACTIVATIONS);
    let visits: Vec<u32> = world.activations().iter().map(|it| it.id.visit).collect();
    assert!(visits.into_iter().eq(300..400), "the newest stay");
    // One in a block is known all the same, and one that was forgotten is not.
    for (visit, expected) in [
        (301, Outcome::Unchanged),
        (3, Outcome::Keep { next_due: None }),
    ] {
        let again = Action {
            holdout: true,
            ..action(visit)
        };
        assert_eq!(world.send(Body::Action(again)), Ok(expected), "{visit}");
    }
}

/// Bytes that one outcome makes a customer write at the most, whatever is known of them: the head,
/// a block of what settled last, and the name of what goes.
const OUTCOME_BYTES: usize = 12 * 1024;

#[test]
fn a_customer_at_every_limit_writes_little_for_one_outcome() {
    let mut world = world(1);
    fill(&mut world);
    assert!(world.stored.read().encode_whole().len() > 200 * 1024);
    let attempts: Vec<(u32, u32)> = world
        .state
        .pending
        .iter()
        .map(|pending| (pending.id.visit, pending.attempts))
        .collect();
    assert_eq!(attempts.len(), limits::PENDING);
    for (place, (visit, attempt)) in attempts.into_iter().enumerate() {
        let result = match place % 3 {
            0 => DeliveryResult::Retry,
            1 => DeliveryResult::Rejected,
            _ => DeliveryResult::Delivered,
        };
        let outcome = Attempted {
            run_id: Bytes::from_static(&[5; 16]),
            visit,
            attempt,
            result: result.into(),
            retry_after_ms: 0,
            detail: "d".repeat(1_000),
        };
        world.send(Body::Outcome(outcome)).expect("an outcome");
        let written = world.stored.written;
        assert!(written <= OUTCOME_BYTES, "{written}");
    }
}

#[test]
fn a_part_that_is_not_loaded_is_never_an_empty_one() {
    let mut world = world(1);
    world.consent("", false);
    say_much(&mut world);
    world
        .send(Body::Action(Action {
            purpose: "transactional".to_owned(),
            ..large(1, "everything", 8)
        }))
        .expect("an action");
    let needed = |body: Body| {
        let mut state = ActivationCore::decode(&world.stored.head).expect("a head");
        let mut effects = Effects::default();
        let record = Record {
            body: Some(body),
            ..Record::default()
        };
        let now = Timestamp::from_millis(world.now);
        let (input, who) = (Input::Record(&record), world.customer);
        let definitions = &world.definitions;
        step_once::<ActivationCore>(definitions, &mut state, who, input, now, &mut effects)
            .expect("a step");
        assert!(effects.dispatches.is_empty() && effects.counts.is_empty());
        effects.needs.iter().map(|key| key.kind).collect::<Vec<_>>()
    };
    let asked = action(2);
    assert_eq!(needed(Body::Action(asked)), [PartKind::Consents as u8]);
    let outcome = Attempted {
        run_id: Bytes::from_static(&[5; 16]),
        visit: 1,
        attempt: 1,
        result: DeliveryResult::Delivered.into(),
        ..Attempted::default()
    };
    assert_eq!(needed(Body::Outcome(outcome)), [PartKind::Admitted as u8]);
    let said = ConsentChange::default();
    assert_eq!(needed(Body::Consent(said)), [PartKind::Consents as u8]);
}

#[test]
fn a_damaged_part_is_refused() {
    let mut world = world(1);
    world
        .send(Body::Action(large(1, "everything", 8)))
        .expect("an action");
    let key = *world.stored.parts.keys().next().expect("a part");
    let mut state = ActivationCore::decode(&world.stored.head).expect("a head");
    let damaged = Bytes::from_static(&[0xff]);
    assert!(ActivationCore::load_part(&mut state, key, damaged.clone()).is_err());
    let unlisted = PartKey { name: 1, ..key };
    assert!(ActivationCore::load_part(&mut state, unlisted, damaged).is_err());
}

#[test]
fn what_a_newer_version_keeps_survives_steps_and_moves_with_a_merge() {
    let key = |ordinal, name| PartKey {
        ordinal,
        kind: 200,
        name,
    };
    let (mut loser, mut survivor) = (world(1), world(2));
    loser.send(Body::Action(action(1))).expect("an action");
    survivor.send(Body::Action(action(2))).expect("an action");
    let others = vec![
        OtherPart {
            kind: 200,
            name: 5,
            apart_bytes: Some(2_000),
            ..OtherPart::default()
        },
        OtherPart {
            kind: 200,
            name: 6,
            body: Bytes::from_static(b"small"),
            ..OtherPart::default()
        },
    ];
    let mut head = stored::CustomerState::decode(loser.stored.head.clone()).expect("a head");
    head.other_parts.clone_from(&others);
    loser.stored.head = head.encode_to_vec().into();
    loser.stored.parts.insert(key(0, 5), vec![7; 2_000].into());
    loser.state = loser.stored.read();
    loser.outcome(1, 1, DeliveryResult::Delivered);
    let head = stored::CustomerState::decode(loser.stored.head.clone()).expect("a head");
    assert_eq!(head.other_parts, others, "a step leaves them as they are");
    merge(&mut loser, &mut survivor);
    assert_eq!(survivor.stored.parts[&key(1, 5)], vec![7; 2_000]);
    let head = stored::CustomerState::decode(survivor.stored.head.clone()).expect("a head");
    let moved = UnknownParts::read(head.other_parts).expect("parts");
    assert!(moved.iter().map(|(key, _)| key).eq([key(1, 5), key(1, 6)]));
}
