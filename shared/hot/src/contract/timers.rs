//! Timers: in order, never early, one a key.

use super::{SLOT, Subject, at, commit, opened, text};
use crate::{Commit, Due, SharedHotStore};

async fn set(store: &SharedHotStore, seq: u64, timers: &[(&str, Option<i64>)]) {
    let commit = Commit {
        timers: timers
            .iter()
            .map(|(key, due)| (text(*key), due.map(at)))
            .collect(),
        ..commit(seq)
    };
    store.commit(SLOT, &commit).await.expect("commits");
}

async fn check(
    store: &SharedHotStore,
    until: i64,
    max: usize,
    due: &[(&str, i64)],
    next: Option<i64>,
) {
    let expected = Due {
        timers: due
            .iter()
            .map(|(key, due)| (text(*key), at(*due)))
            .collect(),
        next: next.map(at),
    };
    let found = store.due(SLOT, at(until), max).await.expect("due");
    assert_eq!(found, expected, "until {until}, at most {max}");
}

/// Timers are returned from their due time on, oldest first, until a commit takes them away.
pub async fn timers_are_due_in_order_and_never_early(subject: &mut impl Subject) {
    let store = opened(subject).await;
    check(&store, i64::MAX, 9, &[], None).await;
    let timers = [
        ("c", Some(30)),
        ("a", Some(10)),
        ("z", Some(20)),
        ("b", Some(20)),
        ("old", Some(-5)),
    ];
    set(&store, 1, &timers).await;
    check(&store, -6, 9, &[], Some(-5)).await;
    check(&store, -5, 9, &[("old", -5)], Some(10)).await;
    check(&store, 9, 9, &[("old", -5)], Some(10)).await;
    check(
        &store,
        29,
        9,
        &[("old", -5), ("a", 10), ("b", 20), ("z", 20)],
        Some(30),
    )
    .await;
    check(
        &store,
        29,
        3,
        &[("old", -5), ("a", 10), ("b", 20)],
        Some(20),
    )
    .await;
    check(&store, 29, 0, &[], Some(-5)).await;
    // Asking does not take them away; a commit does, once.
    set(&store, 2, &[("old", None), ("a", None)]).await;
    check(&store, 20, 9, &[("b", 20), ("z", 20)], Some(30)).await;
    set(&store, 3, &[("far", Some(i64::MAX))]).await;
    let store = subject.reopen(store).await;
    check(
        &store,
        30,
        9,
        &[("b", 20), ("z", 20), ("c", 30)],
        Some(i64::MAX),
    )
    .await;
}

/// A key has one timer.
pub async fn a_timer_is_overwritten_and_cleared_by_its_key(subject: &mut impl Subject) {
    let store = opened(subject).await;
    set(&store, 1, &[("a", Some(10)), ("b", Some(20))]).await;
    set(&store, 2, &[("a", Some(30))]).await;
    check(&store, 29, 9, &[("b", 20)], Some(30)).await;
    set(&store, 3, &[("a", Some(5)), ("b", None)]).await;
    check(&store, 99, 9, &[("a", 5)], None).await;
    set(&store, 4, &[("a", None), ("unknown", None)]).await;
    check(&store, 99, 9, &[], None).await;
    let store = subject.reopen(store).await;
    check(&store, 99, 9, &[], None).await;
}
