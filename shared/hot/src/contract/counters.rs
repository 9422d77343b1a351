//! Counters add up in groups, each change once; marks move with the commit that consumed.

use super::{SLOT, Subject, commit, opened};
use crate::marks::{Marks, Part};
use crate::{
    Commit, Committed, CounterKey, Origin, Owner, SharedHotStore, Slot, StreamName, Writer,
};

/// Changes of counters, by group and name.
pub(super) fn changes(changes: &[(&str, &str, i64)]) -> Vec<(CounterKey, i64)> {
    changes
        .iter()
        .map(|(group, name, change)| (CounterKey::new(*group, *name), *change))
        .collect()
}

fn counted(seq: u64, dropped: &[&str], counters: &[(&str, &str, i64)]) -> Commit {
    Commit {
        dropped_groups: dropped.iter().map(|group| (*group).into()).collect(),
        counters: changes(counters),
        ..commit(seq)
    }
}

/// All counters, by group and name, as `group:name=value`.
pub(super) async fn counters(store: &SharedHotStore) -> Vec<String> {
    let groups = store.counter_groups(SLOT).await.expect("groups");
    let groups: Vec<&str> = groups.iter().map(|group| &**group).collect();
    let counters = store.counters(SLOT, &groups).await.expect("counters");
    let counters = counters.iter();
    counters
        .map(|(key, value)| format!("{}:{}={value}", key.group, key.name))
        .collect()
}

/// Changes of a counter add up, also in a store that was opened again; a retry adds nothing.
pub async fn changes_of_counters_add_up(subject: &mut impl Subject) {
    let store = opened(subject).await;
    assert!(counters(&store).await.is_empty());
    let first = counted(
        1,
        &[],
        &[
            ("b", "in", 3),
            ("a/1", "in", 5),
            ("a/1", "", -7),
            ("b", "zero", 0),
        ],
    );
    let second = counted(2, &[], &[("b", "in", -4), ("a", "in", 1), ("b", "in", 2)]);
    for commit in [&first, &first] {
        store.commit(SLOT, commit).await.expect("commits");
    }
    let expected = ["a/1:=-7", "a/1:in=5", "b:in=3", "b:zero=0"];
    assert_eq!(counters(&store).await, expected);
    let store = subject.reopen(store).await;
    store.commit(SLOT, &second).await.expect("commits");
    let again = store.commit(SLOT, &second).await.expect("commits");
    assert_eq!(again, Committed::AlreadyApplied);
    let expected = ["a:in=1", "a/1:=-7", "a/1:in=5", "b:in=1", "b:zero=0"];
    assert_eq!(counters(&store).await, expected);
}

/// Only the groups that are asked for are returned, each once; one that is not there has no
/// counters.
pub async fn counters_are_read_by_group(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let names = ["", "a", "a/1", "a/10", "\u{ff}:"];
    let all: Vec<_> = names.iter().map(|group| (*group, "n", 1)).collect();
    let commit = counted(1, &[], &all);
    store.commit(SLOT, &commit).await.expect("commits");
    let groups = store.counter_groups(SLOT).await.expect("groups");
    assert_eq!(groups, names.map(Box::from));
    for (asked, found) in [
        (&[][..], &[][..]),
        (&["a"], &["a"]),
        (&["a/10", "", "a/10", "gone"], &["", "a/10"]),
        (&["gone"], &[]),
    ] {
        let counters = store.counters(SLOT, asked).await.expect("counters");
        let expected: Vec<_> = found.iter().map(|group| (*group, "n", 1)).collect();
        assert_eq!(counters, changes(&expected), "{asked:?}");
    }
    let elsewhere = Slot {
        owner: Owner::Segmentation,
        ..SLOT
    };
    let groups = store.counter_groups(elsewhere).await.expect("groups");
    assert!(groups.is_empty(), "{groups:?}");
}

/// A group goes with all its counters, and begins anew where the same commit counts in it.
pub async fn a_group_of_counters_is_dropped_as_a_whole(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let first = counted(
        1,
        &[],
        &[
            ("a", "x", 1),
            ("a", "y", 2),
            ("a/1", "x", 3),
            ("b", "x", 4),
            ("b", "y", 5),
        ],
    );
    let steps = [
        (first, &["a:x=1", "a:y=2", "a/1:x=3", "b:x=4", "b:y=5"][..]),
        (
            counted(2, &["a", "never", "a"], &[]),
            &["a/1:x=3", "b:x=4", "b:y=5"],
        ),
        (
            counted(3, &["b"], &[("b", "x", 7), ("c", "x", 1)]),
            &["a/1:x=3", "b:x=7", "c:x=1"],
        ),
        (counted(4, &["a/1", "b", "c"], &[]), &[]),
        (counted(5, &[], &[("a", "y", 1)]), &["a:y=1"]),
    ];
    for (commit, expected) in steps {
        for _ in 0..2 {
            store.commit(SLOT, &commit).await.expect("commits");
        }
        assert_eq!(counters(&store).await, expected, "after {}", commit.seq);
    }
    let store = subject.reopen(store).await;
    assert_eq!(counters(&store).await, ["a:y=1"]);
}

/// A counter that would leave its range stays at the end of it.
pub async fn a_counter_stays_within_its_range(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let steps = [
        (i64::MAX, i64::MIN, i64::MAX, i64::MIN),
        (1, -1, i64::MAX, i64::MIN),
        (i64::MAX, i64::MIN, i64::MAX, i64::MIN),
        (-2, 2, i64::MAX - 2, i64::MIN + 2),
    ];
    for (seq, (up, down, most, least)) in (1..).zip(steps) {
        let commit = counted(
            seq,
            &[],
            &[("a", "up", up), ("a", "down", down), ("a", "n", 1)],
        );
        store.commit(SLOT, &commit).await.expect("commits");
        let found = store.counters(SLOT, &["a"]).await.expect("counters");
        let n = seq.cast_signed();
        let expected = changes(&[("a", "down", least), ("a", "n", n), ("a", "up", most)]);
        assert_eq!(found, expected, "after {seq}");
    }
}

/// Writers that a commit does not name keep their marks; the part is as the last commit that moved
/// the stream said it.
pub async fn marks_move_with_the_commit_that_consumed(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let part = |seq: Option<u64>| {
        let writer = Writer::process(7);
        Some(Part {
            origin: seq.map(|seq| Origin { writer, seq }),
            index: 3,
        })
    };
    let marks = |seen: &[(u32, u64)], part| Marks {
        seen: seen
            .iter()
            .map(|(writer, seq)| (Writer::from_number(*writer), *seq))
            .collect(),
        part,
    };
    let (facts, events) = (StreamName::Facts, StreamName::EventsBulk);
    let moved = [
        vec![
            (facts, marks(&[(1, 5), (40, u64::MAX)], part(Some(9)))),
            (events, marks(&[], part(None))),
        ],
        vec![(facts, marks(&[(1, 6), (17, 1)], None))],
        Vec::new(),
    ];
    for (seq, marks) in (1..).zip(moved) {
        let commit = Commit {
            marks,
            ..commit(seq)
        };
        store.commit(SLOT, &commit).await.expect("commits");
    }
    let store = subject.reopen(store).await;
    let head = store.open(SLOT, 1).await.expect("opens");
    let expected = marks(&[(1, 6), (17, 1), (40, u64::MAX)], None);
    assert_eq!(head.marks(facts), expected);
    assert_eq!(head.marks(events), marks(&[], part(None)));
    assert_eq!(head.marks(StreamName::Events), Marks::default());
    assert_eq!(store.head(SLOT).await.expect("a head"), head);
}
