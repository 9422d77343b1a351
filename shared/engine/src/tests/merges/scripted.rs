//! Merges that were hard once, or that a failure of any call meets: each must end as the reference
//! says.

use super::super::driver::memory;
use super::super::faulty::Fault;
use super::steps::{Step, Then, block_on, check, check_order, never, run, run_cut, run_in};
use super::world::{SERVICES, WORKERS, World};

#[test]
fn merges_survive_a_failure_of_every_call() {
    // A chain, a circle, a word about oneself and one said twice, with records before, between and
    // after.
    let merges = [(3, 2), (2, 1), (1, 3), (4, 4), (4, 2), (4, 2), (5, 4)];
    let mut steps = Vec::new();
    for (number, (from, into)) in merges.into_iter().enumerate() {
        steps.push(Step::Record(number % SERVICES, from, false));
        if number % 2 == 0 {
            steps.push(Step::Join(from, into, false));
        }
        steps.push(Step::Merge(from, into, false));
        steps.push(Step::Record(0, into, false));
        steps.push(Step::Tick(number % WORKERS));
    }
    block_on(async {
        let (world, calls) = run(&steps, never()).await;
        check(&world, &steps, 5).await.expect("without a failure");
        assert!(calls > 100, "only {calls} calls");
        for then in [Then::Retry, Then::Crash] {
            for fault in [Fault::Before, Fault::After] {
                for fails_at in 1..=calls {
                    let (world, _) = run(&steps, (fails_at, fault, then)).await;
                    check(&world, &steps, 5)
                        .await
                        .unwrap_or_else(|error| panic!("{fails_at} {fault:?} {then:?}: {error}"));
                }
            }
        }
    });
}

#[test]
fn merges_that_contradict_each_other_end() {
    // 27 waits for 30, which is with 12. 27 is joined into 11 meanwhile, and 11 is told to leave
    // for 3 before it knows of that: in the second service 27 is there first.
    let joins = [
        Step::Merge(28, 11, false),
        Step::Merge(12, 30, false),
        Step::Join(22, 4, true),
        Step::Join(12, 22, true),
        Step::Join(28, 27, true),
        Step::Join(30, 27, false),
        Step::Tick(0),
        Step::Join(11, 3, true),
        Step::Tick(1),
        Step::Tick(2),
    ];
    // One into the other by one event, and the other way round by another.
    let opposite = [Step::Join(2, 3, false), Step::Merge(2, 3, false)];
    let circle = [(5, 6), (6, 7), (7, 5)].map(|(one, other)| Step::Join(one, other, false));
    for ticks in 0..40 {
        let mut steps = joins.to_vec();
        steps.extend(opposite.clone());
        steps.extend((0..ticks).map(|tick| Step::Tick(tick % WORKERS)));
        steps.extend([Step::Merge(3, 2, true), Step::Join(3, 2, true)]);
        steps.extend(circle.clone());
        block_on(async {
            let (world, _) = run(&steps, never()).await;
            let checked = check(&world, &steps, 30).await;
            checked.unwrap_or_else(|error| panic!("{ticks}: {error}"));
        });
    }
}

/// Records for customers, so that each has some parts.
fn fill(steps: &mut Vec<Step>, customers: &[u16], records: usize) {
    for _ in 0..records {
        for (service, who) in customers.iter().enumerate() {
            steps.push(Step::Record(service % SERVICES, *who, false));
        }
    }
}

#[test]
fn a_survivor_that_leaves_while_states_arrive_takes_them_along() {
    // Two states arrive at 3, which is joined into 2 meanwhile, and that one into 1.
    for ticks in (0..135).step_by(3) {
        // Workers take turns, so that three ticks are half a round.
        let piece_bytes = if ticks % 2 == 0 { 1 } else { 60 };
        let mut steps = Vec::new();
        fill(&mut steps, &[3, 4, 5, 2, 1], 12);
        steps.extend([(5, 3), (4, 3)].map(|(from, into)| Step::Merge(from, into, false)));
        for (from, into) in [(3, 2), (2, 1), (1, 5)] {
            steps.extend((0..ticks).map(|tick| Step::Tick(tick % WORKERS)));
            fill(&mut steps, &[4, 5, 3], 1);
            steps.push(Step::Merge(from, into, false));
            fill(&mut steps, &[5, 4, 3], 1);
        }
        let stream_time = (ticks % 9 == 0).then_some(None);
        for share in stream_time.into_iter().chain((1..=3).map(Some)) {
            block_on(async {
                let mut world = share.map_or_else(|| World::new(memory()), World::on_clock);
                world.piece_bytes = piece_bytes;
                let (world, _) = run_in(world, &steps, never()).await;
                let checked = check(&world, &steps, 5).await;
                checked.unwrap_or_else(|error| panic!("{ticks} {piece_bytes} {share:?}: {error}"));
                let ordered = check_order(&world).await;
                ordered.unwrap_or_else(|error| panic!("{ticks} {piece_bytes} {share:?}: {error}"));
            });
        }
    }
}

#[test]
fn records_on_their_way_are_not_overtaken_when_a_survivor_leaves() {
    // Records come to 4 all the time: while that is with 3, when that leaves for 2, when 2 leaves
    // for 1, and when all of them know.
    for (gap, share) in [
        (3, None),
        (3, Some(1)),
        (16, None),
        (16, Some(1)),
        (20, Some(1)),
    ] {
        let mut steps = Vec::new();
        fill(&mut steps, &[4, 3, 2, 1], 3);
        for from in [4, 3, 2] {
            steps.push(Step::Merge(from, from - 1, false));
            for tick in 0..120 {
                if tick % gap == 0 {
                    fill(&mut steps, &[4, 4, 4], 1);
                }
                steps.push(Step::Tick(tick % WORKERS));
            }
        }
        block_on(async {
            let world = share.map_or_else(|| World::new(memory()), World::on_clock);
            let (world, _) = run_in(world, &steps, never()).await;
            let checked = check(&world, &steps, 4).await;
            checked.unwrap_or_else(|error| panic!("{gap} {share:?}: {error}"));
            let ordered = check_order(&world).await;
            ordered.unwrap_or_else(|error| panic!("{gap} {share:?}: {error}"));
        });
    }
}

#[test]
fn states_on_their_way_survive_a_failure_of_every_call() {
    let mut steps = Vec::new();
    fill(&mut steps, &[3, 4, 2], 4);
    fill(&mut steps, &[3], 6);
    for (from, into) in [(3, 2), (4, 2), (2, 1)] {
        steps.push(Step::Join(from, into, false));
        steps.push(Step::Merge(from, into, false));
        steps.extend((0..2 * WORKERS).map(|tick| Step::Tick(tick % WORKERS)));
        fill(&mut steps, &[from, into], 1);
    }
    // Each call fails in one way or another. The steps are a prime number of calls apart, so that all
    // kinds of calls are among them.
    fail_every_call(&steps, 3, || World::new(memory()));
    fail_every_call(&steps, 13, || World::on_clock(1));
}

/// Plays merges of four customers in one lane, with a failure of one call in so many, in each way
/// beginning with another one.
fn fail_every_call(steps: &[Step], stride: usize, open: impl Fn() -> World) {
    block_on(async {
        let (world, calls) = run_in(open(), steps, never()).await;
        check(&world, steps, 4).await.expect("without a failure");
        assert!(calls > 200, "only {calls} calls");
        let ways = [
            (Fault::Before, Then::Retry),
            (Fault::After, Then::Crash),
            (Fault::After, Then::Retry),
            (Fault::Before, Then::Crash),
        ];
        for ((fault, then), first) in ways.into_iter().zip(1..) {
            for fails_at in (first..=calls).step_by(stride) {
                let (world, _) = run_in(open(), steps, (fails_at, fault, then)).await;
                let checked = check(&world, steps, 4).await;
                checked.unwrap_or_else(|error| panic!("{fails_at} {fault:?} {then:?}: {error}"));
                let ordered = check_order(&world).await;
                ordered.unwrap_or_else(|error| panic!("{fails_at} {fault:?} {then:?}: {error}"));
            }
        }
    });
}

#[test]
fn a_state_that_is_sent_again_and_takes_a_shorter_way_is_folded_in_once() {
    // 13 is with 7, which leaves for 5: by then 13 has sent its state once more. 5 is with 4 and 4
    // with 2, which leaves for 1. What 7 had goes that way. 4 knows 1 before that copy comes.
    let steps = [
        Step::Merge(28, 9, false),
        Step::Merge(29, 13, false),
        Step::Merge(27, 11, false),
        Step::Merge(27, 5, false),
        Step::Merge(24, 5, false),
        Step::Merge(10, 1, false),
        Step::Merge(24, 4, false),
        Step::Join(11, 18, true),
        Step::Merge(29, 7, false),
        Step::Merge(28, 18, false),
        Step::Tick(0),
        Step::Merge(14, 5, false),
        Step::Tick(0),
        Step::Join(14, 13, false),
        Step::Merge(4, 2, false),
        Step::Merge(10, 8, false),
        Step::Merge(21, 9, false),
        Step::Tick(3),
        Step::Merge(21, 8, false),
        Step::Tick(4),
        Step::Pass(21_941),
        Step::Tick(5),
    ];
    block_on(async {
        let (world, _) = run_in(World::on_clock(1), &steps, never()).await;
        check(&world, &steps, 30).await.expect("once");
    });
}

#[test]
fn two_hundred_customers_become_one() {
    const CUSTOMERS: u16 = 200;
    let mut steps = Vec::new();
    for who in 1..=CUSTOMERS {
        fill(&mut steps, &[who, who, who], 2);
    }
    steps.extend((2..=CUSTOMERS).map(|who| Step::Merge(who, 1, false)));
    for who in 1..=CUSTOMERS {
        fill(&mut steps, &[who], 1);
    }
    block_on(async {
        let (world, _) = run_cut(&steps, 100, never()).await;
        check(&world, &steps, CUSTOMERS)
            .await
            .expect("one customer");
        check_order(&world).await.expect("in order");
    });
}

#[test]
fn a_hundred_merges_at_once_over_one_customer_end_well() {
    const CUSTOMERS: u16 = 101;
    const HUB: u16 = 51;
    let others = || (1..=CUSTOMERS).filter(|who| *who != HUB);
    for ticks in [0, 1, 9] {
        let mut steps = Vec::new();
        for who in others() {
            fill(&mut steps, &[who, HUB], 1);
        }
        // By an event, by a word, by a word that says the opposite, and in a circle over the hub.
        for who in others() {
            let next = if who == CUSTOMERS { 1 } else { who + 1 };
            steps.push(Step::Join(HUB, who, who % 3 == 0));
            steps.push(Step::Merge(HUB, who, who % 5 == 0));
            steps.push(Step::Merge(who, HUB, who % 7 == 0));
            steps.push(Step::Merge(who, next, false));
            steps.push(Step::Record(usize::from(who) % SERVICES, who, false));
            steps.extend((0..ticks).map(|tick| Step::Tick(tick % WORKERS)));
        }
        block_on(async {
            let (world, _) = run_cut(&steps, 100, never()).await;
            let checked = check(&world, &steps, CUSTOMERS).await;
            checked.unwrap_or_else(|error| panic!("{ticks}: {error}"));
        });
    }
}
