//! Ordinals: what a merge brings keeps the fragment that taught it.

use decision::limits::FRAGMENTS;
use messages::activation::state_v1 as stored;
use prost::Message as _;

use super::bounds::{merge, world};
use super::*;

/// A customer who said something, was sent something, and has something pending.
fn known(number: u8) -> World {
    let mut world = world(number);
    let visit = u32::from(number) * 10;
    world
        .send(Body::Consent(ConsentChange {
            purpose: format!("of_{number}"),
            ..ConsentChange::default()
        }))
        .expect("a consent");
    for visit in [visit, visit + 1] {
        world.send(Body::Action(action(visit))).expect("an action");
    }
    world.outcome(visit, 1, DeliveryResult::Delivered);
    world
}

/// The ordinals of words, sends, pending and settled activations.
fn ordinals(world: &World) -> [Vec<(u32, u16)>; 3] {
    let words = world.consents().iter().map(|word| {
        let number = word.purpose.trim_start_matches("of_");
        (number.parse().expect("a number"), word.ordinal)
    });
    let all = world.activations();
    let of = |is_pending: bool| {
        let some = all.iter();
        let some = some.filter(move |it| (it.status == ActivationStatus::Pending) == is_pending);
        let mut found: Vec<_> = some.map(|it| (it.id.visit / 10, it.ordinal)).collect();
        found.sort_unstable();
        found
    };
    let mut words: Vec<_> = words.collect();
    words.sort_unstable();
    [words, of(true), of(false)]
}

#[test]
fn what_a_merge_brings_carries_its_fragment_through_further_merges() {
    let [mut one, mut two, mut three, mut four] = [1, 2, 3, 4].map(known);
    merge(&mut four, &mut three);
    merge(&mut two, &mut one);
    merge(&mut three, &mut one);
    // 3 is the second fragment of 1, and 4, its own first one, comes after it.
    let expected = vec![(1, 0), (2, 1), (3, 2), (4, 3)];
    assert_eq!(
        ordinals(&one),
        [expected.clone(), expected.clone(), expected]
    );
    let sends = one.state.send_times.ordinals();
    assert_eq!(sends.len(), 8);
    for ordinal in 0..4 {
        assert_eq!(sends.iter().filter(|own| **own == ordinal).count(), 2);
    }
    // A failed one gives back its own send.
    one.outcome(31, 1, DeliveryResult::Rejected);
    let left = one.state.send_times.ordinals();
    assert_eq!(left.iter().filter(|own| **own == 2).count(), 1);
    // All that comes from now on is the customer's own.
    one.send(Body::Action(action(99))).expect("an action");
    assert_eq!(one.state.pending.last().map(|own| own.ordinal), Some(0));
}

#[test]
fn fragments_beyond_the_bound_share_the_last_ordinal() {
    let mut survivor = world(1);
    survivor.send(Body::Action(action(1))).expect("an action");
    for number in 0..260_u32 {
        let mut loser = world(2);
        loser
            .send(Body::Action(action(10 + number)))
            .expect("an action");
        merge(&mut loser, &mut survivor);
        survivor.outcome(10 + number, 1, DeliveryResult::Delivered);
    }
    let ordinals: Vec<u16> = survivor
        .activations()
        .iter()
        .filter(|it| it.status == ActivationStatus::Delivered)
        .map(|it| it.ordinal)
        .collect();
    assert_eq!(ordinals.iter().max(), Some(&(FRAGMENTS - 1)));
    let last = ordinals.iter().filter(|own| **own == FRAGMENTS - 1);
    assert_eq!(last.count(), 6, "those of 255 to 260");
}

#[test]
fn a_customer_who_was_never_merged_pays_nothing() {
    let own = known(1);
    let head = stored::CustomerState::decode(own.stored.head.clone()).expect("a head");
    let mut merged = world(2);
    merge(&mut known(1), &mut merged);
    let mut moved = stored::CustomerState::decode(merged.stored.head.clone()).expect("a head");
    assert_eq!(moved.send_ordinals, [1, 1]);
    // Without its ordinals, it is the state of somebody who was never merged.
    moved.send_ordinals.clear();
    let words = moved.consents.iter_mut().flat_map(|it| &mut it.words);
    words.for_each(|word| word.ordinal -= 1);
    moved.pending.iter_mut().for_each(|own| own.ordinal -= 1);
    moved.settled.iter_mut().for_each(|own| own.ordinal -= 1);
    assert_eq!(moved, head);
}
