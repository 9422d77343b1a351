//! Merges: what one customer was and did becomes part of the other, once, and counters stay balanced.

use kernel::Timestamp;

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
        let name = format!("segment.{segment}.members");
        let sum = |harness: &Harness| harness.counters.get(name.as_str()).copied().unwrap_or(0);
        let members = i64::from(survivor.members().contains(&segment));
        assert_eq!(sum(&survivor) + sum(&loser), members, "{segment}");
    }
}

#[test]
fn what_follows_the_merged_customer_counts_once() {
    let (mut survivor, mut loser) = two();
    survivor.fold_in(&mut loser);
    survivor.event_with("late", "buy", 3 * DAY, &[("value", 1.0.into())], &[]);
    let bought = survivor
        .state
        .pasts()
        .find(|past| past.name.as_ref() == "buy")
        .expect("events");
    assert_eq!(bought.count, 3);
    // A repetition that comes over the survivor's own id is known by now.
    survivor.event_with("l", "buy", 4 * DAY, &[], &[]);
    assert_eq!(
        survivor.state.pasts().next().map(|past| past.count),
        Some(3)
    );
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
    // "lapsed" stands behind "buyers", and behind another segment once there is one: its place moves.
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
        let name = format!("segment.{name}.members");
        loser.counters.get(name.as_str()).copied().unwrap_or(0)
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
    // The definitions of the customer's last decision, those of this one, and whether these may be too old.
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
