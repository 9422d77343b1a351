//! Customers who come apart again, at any time, with a store that fails, against a reference that
//! only knows who belongs together.

use super::super::driver::memory;
use super::super::faulty::Fault;
use super::acts::{Act, check, play};
use super::steps::{Failure, Then, block_on, never};
use super::world::{SERVICES, World};

use Act::{Event, Join, Late, Record, Settle, Split, Tick};

mod random;

/// A story, and in how many ways it is told: in worlds with large and small pieces.
fn tell(acts: &[Act], customers: u16) {
    for piece_bytes in [1, 30, 10_000] {
        block_on(async {
            let mut world = World::new(memory());
            world.piece_bytes = piece_bytes;
            let (world, _, graph) = play(world, acts, never()).await;
            check(&world, acts, &graph, customers).await
        })
        .unwrap_or_else(|failure| panic!("{failure} with pieces of {piece_bytes}"));
    }
}

/// The same on a clock.
fn tell_on_clock(acts: &[Act], customers: u16) {
    for parked_per_batch in [1, 64] {
        block_on(async {
            let world = World::on_clock(parked_per_batch);
            let (world, _, graph) = play(world, acts, never()).await;
            check(&world, acts, &graph, customers).await
        })
        .unwrap_or_else(|failure| panic!("{failure} with {parked_per_batch} in a batch"));
    }
}

/// The same, where the store fails at each of its calls.
fn tell_failing(acts: &[Act], customers: u16) {
    for fault in [Fault::Before, Fault::After] {
        for then in [Then::Retry, Then::Crash] {
            let mut fails_at = 1;
            loop {
                let failure: Failure = (fails_at, fault, then);
                let calls = block_on(async {
                    let (world, calls, graph) = play(World::new(memory()), acts, failure).await;
                    let checked = check(&world, acts, &graph, customers).await;
                    checked.unwrap_or_else(|wrong| panic!("{wrong} at {failure:?}"));
                    calls
                });
                if fails_at > calls {
                    break;
                }
                // Each call of the short stories, and every seventh in all.
                fails_at += 7;
            }
        }
    }
}

/// Some records of each of the first customers, in all services.
fn records(customers: u16) -> Vec<Act> {
    let all = 1..=customers;
    all.flat_map(|who| {
        let of_service = move |service| Record(service, who, false);
        (0..SERVICES)
            .map(of_service)
            .chain([Event(who, false), Event(who, false)])
    })
    .collect()
}

#[test]
fn who_comes_apart_has_what_they_had_and_what_happened_to_them_since() {
    let mut acts = records(2);
    acts.extend([Join(2, 1, false), Settle]);
    acts.extend(records(2));
    acts.extend([Settle, Split(2, 0), Settle]);
    acts.extend(records(2));
    tell(&acts, 2);
    tell_on_clock(&acts, 2);
}

#[test]
fn nothing_has_to_rest_between_a_merge_and_its_end() {
    let mut acts = records(2);
    acts.push(Join(2, 1, false));
    acts.extend(records(2));
    acts.push(Split(2, 0));
    acts.extend(records(2));
    tell(&acts, 2);
    tell_on_clock(&acts, 2);
    tell_failing(&acts, 2);
}

#[test]
fn an_event_by_an_old_id_goes_to_who_left() {
    let acts = [
        Event(2, false),
        Join(2, 1, false),
        Event(2, false),
        Settle,
        Split(2, 0),
        Late(2, false),
        Settle,
        Late(2, true),
        Event(2, false),
        Late(1, false),
    ];
    tell(&acts, 2);
    tell_on_clock(&acts, 2);
}

#[test]
fn a_customer_comes_out_with_those_whom_they_took_in() {
    let mut acts = records(4);
    acts.extend([Join(3, 2, false), Join(2, 1, false), Join(4, 1, false)]);
    acts.extend(records(4));
    acts.push(Settle);
    acts.extend([Split(2, 1 << 3)]);
    acts.extend(records(4));
    tell(&acts, 4);
    tell_on_clock(&acts, 4);
}

#[test]
fn one_who_was_taken_in_may_stay_and_one_who_was_not_may_come_along() {
    let mut acts = records(4);
    acts.extend([Join(3, 2, false), Join(2, 1, false), Join(4, 1, false)]);
    acts.push(Settle);
    acts.extend(records(4));
    // 3 stays, 4 comes along.
    acts.extend([Split(2, 1 << 4)]);
    acts.extend(records(4));
    tell(&acts, 4);
    acts.retain(|act| *act != Settle);
    tell(&acts, 4);
    tell_on_clock(&acts, 4);
}

#[test]
fn two_come_out_one_after_the_other_and_are_joined_again() {
    let mut acts = records(3);
    acts.extend([Join(3, 1, false), Join(2, 1, false)]);
    acts.extend(records(3));
    acts.extend([Split(2, 0), Split(3, 0)]);
    acts.extend(records(3));
    acts.extend([Join(3, 2, false)]);
    acts.extend(records(3));
    acts.extend([Join(2, 1, false), Split(3, 0), Join(3, 1, false)]);
    acts.extend(records(3));
    tell(&acts, 3);
    tell_on_clock(&acts, 3);
}

#[test]
fn large_states_come_back_in_pieces() {
    let mut acts: Vec<Act> = Vec::new();
    for _ in 0..150 {
        acts.extend([Event(2, false), Event(3, false), Event(1, false)]);
    }
    acts.extend([Join(3, 2, false), Join(2, 1, false), Settle]);
    acts.extend([Event(2, true), Event(1, true), Split(2, 1 << 3)]);
    acts.extend(records(3));
    tell(&acts, 3);
    tell_on_clock(&acts, 3);
}

#[test]
fn a_crash_at_any_call_changes_nothing() {
    let acts = [
        Event(1, false),
        Event(2, false),
        Event(2, false),
        Event(2, false),
        Join(2, 1, false),
        Event(2, true),
        Event(1, false),
        Settle,
        Split(2, 0),
        Late(2, false),
        Event(2, false),
        Join(2, 1, false),
        Event(2, false),
    ];
    tell_failing(&acts, 2);
}

#[test]
fn a_survivor_that_leaves_takes_nobody_along_who_is_to_come_out() {
    let acts = [
        Event(3, false),
        Event(2, false),
        Event(1, false),
        Join(3, 2, false),
        Event(3, false),
        Settle,
        Join(2, 1, false),
        Split(3, 0),
        Event(3, false),
        Late(3, false),
        Event(2, false),
        Split(2, 0),
        Event(2, false),
        Tick(0),
        Tick(3),
        Late(2, true),
    ];
    tell(&acts, 3);
    tell_failing(&acts, 3);
}

#[test]
fn the_state_of_a_later_merge_does_not_come_before_the_words_that_wait() {
    let acts = [
        Join(1, 4, false),
        Join(2, 1, false),
        Join(1, 3, false),
        Split(2, 1 << 3),
        Join(2, 4, false),
        Split(3, 1 << 4),
        Split(2, 0),
        Join(2, 3, false),
    ];
    tell(&acts, 4);
    tell_on_clock(&acts, 4);
    tell_failing(&acts, 4);
}

#[test]
fn who_has_left_a_service_already_is_not_waited_for_in_the_next() {
    let acts = [
        Join(2, 3, false),
        Tick(3),
        Tick(4),
        Split(3, 0),
        Record(2, 3, false),
        Tick(5),
        Join(1, 2, false),
    ];
    tell(&acts, 3);
    tell_on_clock(&acts, 3);
    tell_failing(&acts, 3);
}

#[test]
fn a_record_that_comes_back_to_its_customer_is_theirs() {
    let acts = [
        Join(4, 2, false),
        Join(2, 1, false),
        Late(4, true),
        Tick(0),
        Split(4, 0),
        Split(2, 0),
        Event(1, false),
        Event(1, true),
        Join(4, 1, false),
        Event(1, true),
    ];
    tell(&acts, 4);
    tell_on_clock(&acts, 4);
}

#[test]
fn nobody_waits_for_who_left_the_one_that_a_record_came_by() {
    let acts = [
        Event(6, false),
        Join(8, 5, false),
        Settle,
        Act::Tell(6, "pack"),
        Join(5, 7, false),
        Late(8, true),
        Split(8, 0),
        Join(6, 2, false),
        Join(2, 5, false),
        Join(6, 1, false),
    ];
    tell(&acts, 8);
    tell_on_clock(&acts, 8);
}

#[test]
fn who_stayed_with_one_that_leaves_comes_out_while_much_waits() {
    let much = |records| std::iter::repeat_n(Record(0, 1, false), records);
    let mut acts = vec![
        Join(3, 8, false),
        Join(8, 5, false),
        Settle,
        Join(8, 1, false),
        Join(1, 1, false),
        Late(5, false),
    ];
    acts.extend(much(3));
    acts.push(Tick(0));
    acts.extend(much(20));
    acts.push(Split(5, 0));
    acts.extend(much(19));
    tell(&acts, 8);
    tell_on_clock(&acts, 8);
}

#[test]
fn nothing_is_left_of_one_who_lets_somebody_go_and_leaves_packed_at_once() {
    let acts = [
        Record(0, 3, false),
        Event(3, false),
        Event(3, false),
        Join(4, 3, false),
        Settle,
        Split(4, 0),
        Late(4, false),
        Tick(3),
        Record(0, 3, false),
        Tick(4),
        Tick(5),
        Act::Tell(3, "pack"),
        Join(3, 1, false),
    ];
    tell(&acts, 4);
    tell_on_clock(&acts, 4);
}
