//! The book finds the times in which a partition was nobody's, and what they follow.

use super::*;

const SERVICE: &str = "journey";

/// Looks at one partition, each by its time, the worker of its lease, and its last commit.
fn looks(all: &[(i64, &str, u64)]) -> Vec<Look> {
    let look = |(time_ms, worker, commit_seq): &(i64, &str, u64)| Look {
        time_ms: *time_ms,
        service: SERVICE.to_owned(),
        partition: 3,
        worker: (*worker).to_owned(),
        commit_seq: *commit_seq,
    };
    all.iter().map(look).collect()
}

fn blow(kind: BlowKind, time_ms: i64) -> Blow {
    Blow {
        time_ms,
        service: SERVICE.to_owned(),
        kind,
    }
}

fn book() -> Book {
    let mut book = Book::default();
    for worker in ["old", "new"] {
        book.begin(worker);
    }
    book
}

/// Checks the gaps of a book: start, end, cause.
fn check(book: &Book, seen: &[(i64, &str, u64)], expected: &[(i64, i64, &str)]) {
    let gaps = book.gaps(&looks(seen));
    let found: Vec<_> = gaps
        .iter()
        .map(|gap| (gap.start_ms, gap.end_ms, gap.cause()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn who_owns_a_partition_and_works_leaves_no_gap() {
    check(
        &book(),
        &[(0, "", 0), (100, "old", 1), (200, "new", 2)],
        &[],
    );
}

#[test]
fn a_lease_that_is_given_back_leaves_a_gap_until_another_has_it() {
    let seen = [(0, "old", 1), (100, "", 1), (200, "", 1), (300, "new", 1)];
    check(&book(), &seen, &[(0, 300, "hand-over")]);
}

#[test]
fn a_gap_begins_with_the_blow_and_not_with_the_end_of_the_lease() {
    let mut book = book();
    book.kill("old", blow(BlowKind::Kill, 1_050));
    let seen = [
        (1_000, "old", 1),
        (1_100, "old", 1),
        (3_000, "old", 1),
        (3_100, "new", 1),
    ];
    check(&book, &seen, &[(1_050, 3_100, "kill")]);
    let [gap] = &book.gaps(&looks(&seen))[..] else {
        panic!("one gap");
    };
    assert_eq!(gap.length(), (Duration::from_millis(2_050), TAKE_OVER_MOST));
}

#[test]
fn who_was_cut_off_works_again_once_it_is_healed() {
    let mut book = book();
    book.cut("old", blow(BlowKind::Cut, 150));
    book.heal("old", blow(BlowKind::Heal, 850));
    let seen = [
        (100, "old", 1),
        (200, "old", 1),
        (800, "old", 1),
        (900, "old", 1),
    ];
    check(&book, &seen, &[(150, 900, "cut that ended")]);
}

#[test]
fn a_gap_that_does_not_end_is_told_all_the_same() {
    let mut book = book();
    book.end("old", 150);
    let seen = [(100, "old", 1), (200, "old", 1), (9_000, "old", 1)];
    check(&book, &seen, &[(150, 9_000, "hand-over")]);
}

#[test]
fn a_partition_without_commits_stands_still_though_it_has_an_owner() {
    let mut book = book();
    book.calm(0..1_000);
    let seen = [
        (0, "old", 1),
        (100, "old", 2),
        (800, "old", 2),
        (900, "old", 3),
        (1_500, "old", 3),
        (9_000, "old", 3),
    ];
    let longest = book.longest_standstill(&looks(&seen));
    assert_eq!(longest, (Duration::from_millis(800), SERVICE.to_owned(), 3));
}

#[test]
fn what_begins_in_a_calm_and_ends_after_a_blow_is_not_calm() {
    let mut book = book();
    book.calm(0..1_000);
    book.kill("old", blow(BlowKind::Kill, 1_200));
    assert!(book.is_calm(&(900..1_100)));
    assert!(!book.is_calm(&(900..1_300)));
    assert!(!book.is_calm(&(1_050..1_100)));
}

#[test]
fn a_partition_that_is_given_up_for_a_process_that_just_died_waits_for_the_end_of_its_lease() {
    let mut book = book();
    book.kill("new", blow(BlowKind::Kill, 500));
    let seen = [(900, "old", 1), (1_000, "", 1), (3_000, "old", 1)];
    check(&book, &seen, &[(900, 3_000, "kill")]);
    let gaps = book.gaps(&looks(&seen));
    let [length, most] = [2_100, 3_600].map(Duration::from_millis);
    assert_eq!(gaps[0].length(), (length, most));
}
