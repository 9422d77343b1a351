//! The checker finds what it is for.

use super::*;

const WAIT: Duration = Duration::from_millis(100);

/// Two events of one user, as they should be.
fn sound() -> History {
    let start = Instant::now();
    let sent = |order| Sent {
        order,
        user: 0,
        first_time: start,
        ack_time: Some(start + WAIT),
    };
    let arrived = |order: u32| Arrived {
        effect_id: format!("run-{order}:1"),
        customer_id: "ann".to_owned(),
        order,
        time: start + 2 * WAIT,
    };
    History {
        sent: vec![sent(1), sent(2)],
        arrived: vec![arrived(1), arrived(2)],
        customers: vec![Customer {
            fragment_ids: vec!["ann".to_owned()],
            purchases: 2,
            receipts: 2,
            recent: vec![1, 2],
        }],
        totals: Totals {
            entered: 2,
            completed: 2,
            steps: vec![("pause".to_owned(), 2, 2, 0)],
            welcomed: 1,
            buyers: 1,
            purchases: 2,
            ..Totals::default()
        },
        wait: WAIT,
        loss: None,
    }
}

fn check(change: impl FnOnce(&mut History), expected: &[&str]) {
    let mut history = sound();
    change(&mut history);
    assert_eq!(history.faults(), expected);
}

/// The services know nothing of the last event.
fn lose_last(history: &mut History) {
    let customer = &mut history.customers[0];
    customer.recent.pop();
    (customer.purchases, customer.receipts) = (1, 1);
    history.totals = Totals {
        entered: 1,
        completed: 1,
        purchases: 1,
        ..Totals::default()
    };
}

#[test]
fn a_sound_history_has_no_faults_and_a_repeated_delivery_is_none() {
    check(|_| {}, &[]);
    check(
        |history| history.arrived.push(history.arrived[0].clone()),
        &[],
    );
}

#[test]
fn what_is_lost_is_found() {
    check(
        |history| {
            history.arrived.pop();
            lose_last(history);
        },
        &["event 2 of user 0 was acknowledged and is missing"],
    );
    check(
        |history| history.totals.completed = 1,
        &["runs ended as they should: 1 instead of 2"],
    );
    check(
        |history| history.totals.steps[0].2 = 1,
        &["step pause: 2 in, 1 out, 0 there"],
    );
}

#[test]
fn what_is_applied_twice_is_found() {
    check(
        |history| {
            history.customers[0].purchases = 3;
            history.customers[0].recent.push(2);
            history.totals.entered = 3;
            history.totals.completed = 3;
            history.totals.purchases = 3;
        },
        &[
            "user 0 has 2 purchases, and the profile counts 3",
            "user 0 has an event twice: [1, 2, 2]",
        ],
    );
    check(
        |history| {
            let mut again = history.arrived[1].clone();
            again.effect_id = "run-3:1".to_owned();
            history.arrived.push(again);
        },
        &[r#"event 2 has 2 effects: {"run-2:1", "run-3:1"}"#],
    );
    check(
        |history| history.customers[0].receipts = 3,
        &["user 0 has 2 purchases, and 3 receipts"],
    );
}

#[test]
fn an_early_effect_and_one_of_another_customer_are_found() {
    check(
        |history| history.arrived[0].time -= WAIT + WAIT / 2,
        &["the webhook of event 1 is early"],
    );
    check(
        |history| history.arrived[0].customer_id = "bob".to_owned(),
        &["event 1 of user 0 came as one of customer bob"],
    );
}

#[test]
fn only_what_is_newer_than_the_copy_may_be_lost() {
    let lose = |history: &mut History| {
        lose_last(history);
        history.sent[0].first_time + WAIT
    };
    check(
        |history| {
            let ack_time = lose(history);
            history.loss = Some(Loss {
                copy_time: ack_time,
                restore_time: ack_time + WAIT,
                has_customers: false,
            });
            assert_eq!(history.missing(), 1);
        },
        &[],
    );
    check(
        |history| {
            let ack_time = lose(history);
            history.loss = Some(Loss {
                copy_time: ack_time + WAIT / 2,
                restore_time: ack_time + WAIT,
                has_customers: false,
            });
        },
        &["event 2 of user 0 was acknowledged and is missing"],
    );
}

/// The webhook of the lost event went to a customer of whom nothing is known any more.
fn lose_customer_of_last(history: &mut History, has_customers: bool) {
    lose_last(history);
    history.arrived[1].customer_id = "bob".to_owned();
    let ack_time = history.sent[0].first_time + WAIT;
    history.loss = Some(Loss {
        copy_time: ack_time,
        restore_time: ack_time + WAIT,
        has_customers,
    });
}

#[test]
fn a_customer_may_be_unknown_only_where_customers_are_lost() {
    check(|history| lose_customer_of_last(history, true), &[]);
    check(
        |history| lose_customer_of_last(history, false),
        &["event 2 of user 0 came as one of customer bob"],
    );
}
