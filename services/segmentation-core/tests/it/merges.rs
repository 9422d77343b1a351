//! Merges: what one customer was and did becomes part of the other, once, and counters stay
//! balanced.

use kernel::{Timestamp, Value};

use crate::harness::{DAY, Harness, compile, compile_version};

const SEGMENTS: [(&str, &str); 3] = [
    ("buyers", "events(\"buy\").exists()"),
    (
        "spenders",
        "events(\"buy\").within(\"30d\").sum(\"value\") >= 10",
    ),
    ("pro", "profile.plan == \"pro\""),
];

fn two() -> (Harness, Harness) {
    let mut survivor = Harness::of(1, compile(&SEGMENTS));
    let mut loser = Harness::of(2, compile(&SEGMENTS));
    survivor.event("buy", 0, &[("value", 6.0.into())]);
    loser.event_with(
        "l",
        "buy",
        DAY,
        &[("value", 4.0.into())],
        &[("plan", "pro".into())],
    );
    loser.leave(2 * DAY);
    (survivor, loser)
}

#[test]
fn the_survivor_takes_everything_over() {
    let (mut survivor, mut loser) = two();
    survivor.fold_in(&mut loser);
    assert_eq!(survivor.members(), ["buyers", "pro", "spenders"]);
    assert_eq!(
        survivor.log,
        ["+buyers@0d EVENT", "+pro@1d MERGE", "+spenders@2d MERGE"]
    );
    survivor.pass(Timestamp::from_millis(40 * DAY));
    assert_eq!(
        survivor.log.last().map(String::as_str),
        Some("-spenders@30d TIME")
    );
    for segment in ["buyers", "pro", "spenders"] {
        let name = format!("segment/{segment}/members");
        let sum = |harness: &Harness| harness.counted(&name);
        let members = i64::from(survivor.members().contains(&segment));
        assert_eq!(sum(&survivor) + sum(&loser), members, "{segment}");
    }
}

#[test]
fn what_follows_the_merged_customer_counts_once() {
    let (mut survivor, mut loser) = two();
    survivor.fold_in(&mut loser);
    // A repetition that comes over the survivor's own id is known by now.
    survivor.event_with("l", "buy", 2 * DAY, &[], &[]);
    survivor.event_with("late", "buy", 3 * DAY, &[("value", 1.0.into())], &[]);
    let bought = survivor
        .state
        .event_totals()
        .iter()
        .find(|total| total.name.as_ref() == "buy")
        .expect("events");
    assert_eq!(bought.count, 3);
}

#[test]
fn of_an_unknown_customer_nothing_moves() {
    let mut loser = Harness::of(2, compile(&SEGMENTS));
    loser.leave(0);
    assert_eq!(loser.moved, None);
    assert!(loser.emitted.is_empty());
}

#[test]
fn who_leaves_is_first_judged_by_the_definitions_in_force() {
    // "lapsed" stands behind "buyers", and behind another segment once there is one: its place
    // moves.
    let lapsed = ("lapsed", "!events(\"buy\").within(\"1d\").exists()");
    let mut loser = Harness::of(2, compile(&[SEGMENTS[0], lapsed]));
    loser.event("buy", 0, &[]);
    let everybody = ("everybody", "events(\"buy\").exists()");
    loser.definitions = compile_version(&[SEGMENTS[0], everybody, lapsed, SEGMENTS[2]], 2);
    loser.leave(DAY / 2);
    assert_eq!(
        loser.log,
        ["+buyers@0d EVENT", "+everybody@43200000 DEFINITION"]
    );
    let members = |name: &str| {
        let name = format!("segment/{name}/members");
        loser.counted(&name)
    };
    assert_eq!((members("buyers"), members("everybody")), (0, 0));
    let mut survivor = Harness::of(1, compile_version(&[SEGMENTS[0], everybody, lapsed], 2));
    survivor.fold_in(&mut loser);
    assert_eq!(survivor.members(), ["buyers", "everybody"]);
    survivor.pass(Timestamp::from_millis(2 * DAY));
    assert_eq!(survivor.members(), ["buyers", "everybody", "lapsed"]);
}

#[test]
fn memberships_are_not_left_by_who_does_not_know_their_segments() {
    let older = || compile(&SEGMENTS[..1]);
    let newer = || compile_version(&SEGMENTS[..2], 2);
    // The definitions of the customer's last decision, those of this one, and whether these may be
    // too old.
    for (before, now, is_lacking) in [
        (older(), newer(), false),
        (newer(), newer(), false),
        (newer(), older(), true),
        (newer(), compile(&SEGMENTS), true),
        (newer(), compile_version(&SEGMENTS, 3), false),
    ] {
        let mut loser = Harness::of(2, before);
        loser.event("buy", 0, &[("value", 20.0.into())]);
        // As news of another partition, and in its own, where a process takes over.
        let mut survivor = Harness::of(1, now);
        loser.leave(DAY);
        survivor.fold_in(&mut loser);
        assert_eq!(survivor.lacking, u32::from(is_lacking));

        let mut customer = Harness::of(3, loser.definitions);
        customer.event("buy", 0, &[("value", 20.0.into())]);
        customer.definitions = survivor.definitions;
        customer.event("other", DAY, &[]);
        assert_eq!(customer.lacking, u32::from(is_lacking));
        assert_eq!(loser.lacking, 0);
    }
}

#[test]
fn a_merge_under_other_definitions_looks_at_the_right_segments() {
    let about = |name: &'static str| (name, "events(\"buy\").within(\"5d\").exists()");
    let mut loser = Harness::of(2, compile(&["a", "b", "c", "d"].map(about)));
    loser.event("buy", 0, &[]);
    // The due times are those of four segments; there is one left.
    loser.definitions = compile_version(&["d"].map(about), 2);
    let mut survivor = Harness::of(1, compile_version(&["d"].map(about), 2));
    // The timer of the engine comes after the merge does.
    loser.due = None;
    loser.leave(6 * DAY);
    survivor.fold_in(&mut loser);
    assert_eq!(
        loser.log,
        [
            "+a@0d EVENT",
            "+b@0d EVENT",
            "+c@0d EVENT",
            "+d@0d EVENT",
            "-a@6d DEFINITION",
            "-b@6d DEFINITION",
            "-c@6d DEFINITION",
            "-d@6d DEFINITION"
        ]
    );
    assert!(survivor.members().is_empty());
    assert!(
        loser
            .counters
            .iter()
            .filter(|(key, _)| key.group.starts_with("segment/"))
            .all(|(_, sum)| *sum == 0)
    );
}

#[test]
fn histories_of_merged_customers_are_read_as_one() {
    let segments = [
        ("many", "events(\"buy\").within(\"90d\").count() >= 1200"),
        (
            "sum",
            "events(\"buy\").where(event.value > 0).sum(\"value\") >= 1200",
        ),
        (
            "early",
            "now - events(\"buy\").first_time() >= duration(\"9d\")",
        ),
        ("rare", "events(\"rare\").count() >= 1"),
    ];
    let value = [("value", Value::from(1.0))];
    let (mut survivor, mut loser) = (
        Harness::of(1, compile(&segments)),
        Harness::of(2, compile(&segments)),
    );
    loser.event("rare", 0, &[]);
    for minute in 0..600 {
        survivor.event("buy", 5 * DAY + minute * 60_000, &value);
        loser.event("buy", DAY + minute * 60_001, &value);
    }
    loser.leave(6 * DAY);
    survivor.fold_in(&mut loser);
    assert_eq!(survivor.members(), ["many", "rare", "sum"]);
    survivor.pass(Timestamp::from_millis(95 * DAY));
    let log = [
        "+many@6d MERGE",
        "+rare@0d MERGE",
        "+sum@6d MERGE",
        "+early@10d TIME",
        "-many@91d TIME",
    ];
    assert_eq!(survivor.log, log);
    // What comes later is the survivor's own, and the others' stay as they were.
    survivor.event("buy", 95 * DAY, &value);
    assert!(
        survivor.dirty.iter().all(|key| key.ordinal == 0),
        "{:?}",
        survivor.dirty
    );
    assert_eq!(survivor.value("events(\"buy\").count() > 0"), "1201");
}

#[test]
fn a_customer_may_be_merged_more_often_than_histories_are_kept_apart() {
    let segments = [("s", "events(\"buy\").within(\"90d\").sum(\"value\") >= 300")];
    let mut survivor = Harness::of(1, compile(&segments));
    survivor.event("buy", 0, &[("value", 1.0.into())]);
    for number in 0..300 {
        let mut loser = Harness::of(2 + number, compile(&segments));
        let at = i64::try_from(number + 1).expect("few") * 60_000;
        loser.event("buy", at, &[("value", 1.0.into())]);
        loser.leave(DAY);
        survivor.fold_in(&mut loser);
    }
    assert_eq!(survivor.members(), ["s"]);
    assert_eq!(survivor.value(segments[0].1), "301");
    // Sums that are read from many fragments leave one by one.
    survivor.pass(Timestamp::from_millis(90 * DAY + 60_000));
    assert!(survivor.members().is_empty());
    assert_eq!(
        survivor.log.last().map(String::as_str),
        Some("-s@7776060000 TIME")
    );
}
