//! Merges: what one customer was and did becomes part of the other, once, and counters stay balanced.

use kernel::{Timestamp, Value};
use messages::stream::v1::record::Body;

use crate::harness::{DAY, Harness, compile, compile_version, customer};

const SEGMENTS: [(&str, &str); 3] = [
    ("buyers", "events(\"buy\").exists()"),
    (
        "spenders",
        "events(\"buy\").within(\"30d\").sum(\"value\") >= 10",
    ),
    ("pro", "profile.plan == \"pro\""),
];

/// Hands what one customer forwarded to the other.
fn deliver(from: &mut Harness, to: &mut Harness) {
    for record in from.forwarded.drain(..) {
        assert_eq!(record.customer_id, to.key);
        to.record(record.time_ms, record.body.expect("a body"));
    }
}

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
    loser.merge_into(1, 2 * DAY);
    (survivor, loser)
}

#[test]
fn the_survivor_takes_everything_over() {
    let (mut survivor, mut loser) = two();
    deliver(&mut loser, &mut survivor);
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
fn the_merged_customer_forwards_what_still_comes() {
    let (mut survivor, mut loser) = two();
    assert_eq!(loser.state.redirect(), Some(customer(1)));
    assert!(matches!(
        loser.emitted.last().and_then(|record| record.body.clone()),
        Some(Body::Merged(_))
    ));
    let emitted = loser.emitted.len();
    // The same word again changes nothing.
    loser.merge_into(1, 3 * DAY);
    loser.event_with("late", "buy", 3 * DAY, &[("value", 1.0.into())], &[]);
    assert_eq!(loser.emitted.len(), emitted);
    deliver(&mut loser, &mut survivor);
    let bought = survivor
        .state
        .event_totals()
        .iter()
        .find(|total| total.name.as_ref() == "buy")
        .expect("events");
    assert_eq!(bought.count, 3);
    // A repetition that comes over the survivor's own id is known by now.
    survivor.event_with("l", "buy", 4 * DAY, &[], &[]);
    assert_eq!(survivor.state.event_totals()[0].count, 3);
}

#[test]
fn an_unknown_customer_may_be_merged() {
    let mut loser = Harness::of(2, compile(&SEGMENTS));
    loser.merge_into(1, 0);
    assert!(loser.forwarded.is_empty());
    assert_eq!(loser.emitted.len(), 1);
    loser.event("buy", DAY, &[]);
    assert_eq!(loser.forwarded.len(), 1);
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
        loser.merge_into(1, DAY);
        deliver(&mut loser, &mut survivor);
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
    loser.merge_into(1, 6 * DAY);
    deliver(&mut loser, &mut survivor);
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
            .filter(|(name, _)| name.starts_with("segment."))
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
    loser.merge_into(1, 6 * DAY);
    deliver(&mut loser, &mut survivor);
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
        loser.merge_into(1, DAY);
        deliver(&mut loser, &mut survivor);
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
