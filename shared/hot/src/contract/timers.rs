//! Timers: beside their states, found by entries of the index, in order, never early, never lost.

use super::{SLOT, Subject, at, commit, opened, removed, text, timed};
use crate::{Commit, Due, SharedHotStore, StateWrite, Stored, Timer};

/// Writes states with timers that were never set before, and takes entries away.
async fn set(store: &SharedHotStore, seq: u64, timers: &[(&str, i64)], fired: &[(&str, i64)]) {
    let states = timers
        .iter()
        .map(|(key, due)| timed(key, "", Timer::NONE, Some(*due)).0)
        .collect();
    write(store, seq, states, fired).await;
}

async fn write(store: &SharedHotStore, seq: u64, states: Vec<StateWrite>, fired: &[(&str, i64)]) {
    let commit = Commit {
        states,
        fired: entries(fired),
        ..commit(seq)
    };
    store.commit(SLOT, &commit).await.expect("commits");
}

fn entries(entries: &[(&str, i64)]) -> Vec<(crate::StateKey, kernel::Timestamp)> {
    let entries = entries.iter();
    entries.map(|(key, time)| (text(*key), at(*time))).collect()
}

/// Checks what is due, and that what comes next is announced: at its time, or before.
async fn check(
    store: &SharedHotStore,
    until: i64,
    max: usize,
    due: &[(&str, i64)],
    next: Option<i64>,
) {
    let found = store.due(SLOT, at(until), max).await.expect("due");
    assert_eq!(found.timers, entries(due), "until {until}, at most {max}");
    let (announced, next) = (found.next, next.map(at));
    assert_eq!(
        announced.is_some(),
        next.is_some(),
        "until {until}, at most {max}"
    );
    assert!(announced <= next, "{announced:?} is after {next:?}");
    if due.len() < max {
        assert!(
            announced.is_none_or(|it| it > at(until)),
            "nothing waits for a worker to ask"
        );
    }
}

/// Entries are returned from their time on, oldest first, until a commit takes them away.
pub async fn timers_are_due_in_order_and_never_early(subject: &mut impl Subject) {
    let store = opened(subject).await;
    check(&store, i64::MAX, 9, &[], None).await;
    let timers = [("c", 30), ("a", 10), ("z", 20), ("b", 20), ("old", -5)];
    set(&store, 1, &timers, &[]).await;
    check(&store, -6, 9, &[], Some(-5)).await;
    check(&store, -5, 9, &[("old", -5)], Some(10)).await;
    check(&store, 9, 9, &[("old", -5)], Some(10)).await;
    let all = [("old", -5), ("a", 10), ("b", 20), ("z", 20)];
    check(&store, 29, 9, &all, Some(30)).await;
    check(&store, 29, 3, &all[..3], Some(20)).await;
    check(&store, 29, 0, &[], Some(-5)).await;
    // Asking does not take them away; a commit does, once.
    set(&store, 2, &[], &[("old", -5), ("a", 10)]).await;
    check(&store, 20, 9, &all[2..], Some(30)).await;
    set(
        &store,
        3,
        &[("a", 25)],
        &[("old", -5), ("b", 20), ("nobody", 20)],
    )
    .await;
    check(&store, 29, 9, &[("z", 20), ("a", 25)], Some(30)).await;
    set(&store, 4, &[], &[("z", 20), ("a", 25), ("c", 30)]).await;
    check(&store, i64::MAX, 9, &[], None).await;
}

/// A state is loaded with its timer, and an entry that no longer counts is told from one that does.
pub async fn timers_stand_beside_their_states(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let minutes = |minutes: i64| 1_795_000_000_000 + minutes * 60_000;
    let (first, timer) = timed("a", "1", Timer::NONE, Some(minutes(1)));
    write(&store, 1, vec![first], &[]).await;
    let (later, timer) = timed("a", "2", timer, Some(minutes(60)));
    assert!(!later.adds_entry);
    write(&store, 2, vec![later], &[]).await;
    check(&store, minutes(90), 9, &[("a", minutes(1))], None).await;
    let (earlier, timer) = timed("a", "3", timer, Some(minutes(-60)));
    write(&store, 3, vec![earlier], &[]).await;
    let both = [("a", minutes(-60)), ("a", minutes(1))];
    check(&store, minutes(90), 9, &both, None).await;
    let (cleared, timer) = timed("a", "4", timer, None);
    write(&store, 4, vec![cleared], &[]).await;

    let store = subject.reopen(store).await;
    store.open(SLOT, 1).await.expect("opens");
    let found = store.load(SLOT, &[text("a"), text("b")]).await;
    let expected = Stored {
        value: text("4"),
        timer,
    };
    assert_eq!(found.expect("loads"), [Some(expected), None]);
    check(&store, minutes(90), 9, &both, None).await;
    write(&store, 5, vec![removed("a")], &[]).await;
    assert_eq!(store.load(SLOT, &[text("a")]).await.expect("loads"), [None]);
    set(&store, 6, &[], &both).await;
    check(&store, i64::MAX, 9, &[], None).await;
}

/// What is far away, long ago or at the very end has its place, and no entry of another time comes before it.
pub async fn entries_of_any_time_come_up(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let times = [
        i64::MIN,
        i64::MIN + 1,
        -86_400_000,
        -1,
        0,
        1,
        (1 << 21) - 1,
        1 << 21,
        1_795_000_000_000,
        1 << 53,
        (1 << 53) + 1,
        i64::MAX - 1,
        i64::MAX,
    ];
    let keys: Vec<String> = (0..times.len()).map(|n| format!("{n:02}")).collect();
    let timers: Vec<(&str, i64)> = keys.iter().map(String::as_str).zip(times).collect();
    let shuffled: Vec<_> = timers.iter().rev().copied().collect();
    set(&store, 1, &shuffled, &[]).await;
    for (n, time) in times.into_iter().enumerate() {
        let next = times.get(n + 1).copied();
        check(&store, time, 99, &timers[..=n], next).await;
        check(&store, time, n, &timers[..n], Some(time)).await;
    }
    for (seq, timer) in (2..).zip(timers.chunks(2)) {
        set(&store, seq, &[], timer).await;
    }
    check(&store, i64::MAX, 99, &[], None).await;
}

/// An entry that a commit adds is there after it, also where it takes the same one away: a timer that is set again to the
/// time at which it fired.
pub async fn a_commit_can_fire_an_entry_and_add_it_again(subject: &mut impl Subject) {
    let store = opened(subject).await;
    set(&store, 1, &[("a", 10), ("b", 10)], &[]).await;
    check(&store, 10, 9, &[("a", 10), ("b", 10)], None).await;
    let both = [("a", 10), ("b", 10)];
    set(&store, 2, &[("a", 10)], &both).await;
    check(&store, 10, 9, &[("a", 10)], None).await;
    let store = subject.reopen(store).await;
    store.open(SLOT, 1).await.expect("opens");
    check(&store, 10, 9, &[("a", 10)], None).await;
    set(&store, 3, &[], &[("a", 10)]).await;
    check(&store, 10, 9, &[], None).await;
}

/// Whoever opens a partition finds all entries that have not fired, whatever was read, fired and retried before.
pub async fn a_new_owner_finds_every_entry(subject: &mut impl Subject) {
    let mut store = opened(subject).await;
    let hour = 3_600_000;
    let keys: Vec<String> = (0..600).map(|n| format!("{n:03}")).collect();
    let all: Vec<(&str, i64)> = keys
        .iter()
        .map(String::as_str)
        .zip((0..).step_by(60_000))
        .collect();
    let mut seq = 0;
    for timers in all.chunks(200) {
        seq += 1;
        set(&store, seq, timers, &[]).await;
    }
    let mut fired = 0;
    for upto in [1, 2, 5, 10] {
        // Whole buckets, and a part of one.
        let due = &all[fired..];
        let due = &due[..due
            .iter()
            .take_while(|(_, time)| *time <= upto * hour / 2)
            .count()];
        check(
            &store,
            upto * hour / 2,
            999,
            due,
            Some(all[fired + due.len()].1),
        )
        .await;
        seq += 1;
        set(&store, seq, &[], due).await;
        let repeated = Commit {
            fired: entries(due),
            ..commit(seq)
        };
        let again = store.commit(SLOT, &repeated).await.expect("commits");
        assert_eq!(again, crate::Committed::AlreadyApplied);
        fired += due.len();
        store = subject.reopen(store).await;
        store.open(SLOT, 1).await.expect("opens");
        let Due { timers, next } = store.due(SLOT, at(i64::MAX), 999).await.expect("due");
        assert_eq!(next, None);
        // What fired may come back until its list is gone, and then before what did not.
        let rest = timers
            .len()
            .checked_sub(all.len() - fired)
            .expect("nothing is lost");
        assert_eq!(timers[rest..], entries(&all[fired..]));
        assert!(
            timers[..rest]
                .iter()
                .all(|old| entries(&all[..fired]).contains(old))
        );
        let stale: Vec<_> = timers[..rest].to_vec();
        seq += 1;
        let commit = Commit {
            fired: stale,
            ..commit(seq)
        };
        store.commit(SLOT, &commit).await.expect("commits");
    }
}
