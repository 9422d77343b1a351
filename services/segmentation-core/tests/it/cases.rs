//! Small cases whose answers are known.

use kernel::Timestamp;

use crate::harness::{DAY, Harness, compile, compile_version};

fn check(segments: &[(&str, &str)], events: &[(&str, i64)], until_day: i64, expected: &[&str]) {
    let mut harness = Harness::new(segments);
    for (name, day) in events {
        harness.event(name, day * DAY, &[]);
    }
    harness.pass(Timestamp::from_millis(until_day * DAY));
    assert_eq!(harness.log, expected, "{segments:?} {events:?}");
}

#[test]
fn leaving_by_time_alone_is_exact() {
    let segments = [("a", "events(\"a\").within(\"30d\").count() >= 1")];
    check(&segments, &[("a", 0)], 29, &["+a@0d EVENT"]);
    check(&segments, &[("a", 0)], 40, &["+a@0d EVENT", "-a@30d TIME"]);
    let mut harness = Harness::new(&segments);
    harness.event("a", 0, &[]);
    harness.pass(Timestamp::from_millis(30 * DAY - 1));
    assert_eq!(harness.members(), ["a"]);
    harness.pass(Timestamp::from_millis(30 * DAY));
    assert!(harness.members().is_empty());
    assert_eq!(harness.counted("segment/a/members"), 0);
    assert_eq!(harness.counted("event/seen/a"), 1);
}

#[test]
fn absence_comes_true_by_time_alone() {
    let segments = [(
        "s",
        "events(\"a\").since_last() >= duration(\"2d\") && !events(\"b\").exists()",
    )];
    check(&segments, &[("a", 0)], 10, &["+s@2d TIME"]);
    check(&segments, &[("a", 0), ("b", 1)], 10, &[]);
}

#[test]
fn absence_may_ask_that_the_customer_is_known_long_enough() {
    let at_once = [("s", "!events(\"a\").within(\"5d\").exists()")];
    check(&at_once, &[("x", 0)], 10, &["+s@0d EVENT"]);
    let known = [(
        "s",
        "now - first_seen >= duration(\"5d\") && !events(\"a\").within(\"5d\").exists()",
    )];
    check(&known, &[("x", 0)], 10, &["+s@5d TIME"]);
    check(&known, &[("x", 0), ("a", 3)], 10, &["+s@8d TIME"]);
}

#[test]
fn a_late_event_takes_effect_when_it_would_have() {
    let segments = [("s", "events(\"a\").within(\"7d\").count() >= 2")];
    check(
        &segments,
        &[("a", 10), ("a", 5)],
        20,
        &["+s@10d EVENT", "-s@12d TIME"],
    );
    check(
        &segments,
        &[("a", 5), ("x", 11), ("a", 10)],
        20,
        &["+s@10d EVENT", "-s@12d TIME"],
    );
}

#[test]
fn the_same_event_counts_once() {
    let mut harness = Harness::new(&[("s", "events(\"a\").count() >= 2")]);
    harness.event_with("one", "a", 0, &[], &[]);
    harness.event_with("one", "a", DAY, &[], &[]);
    assert!(harness.members().is_empty());
    assert_eq!(harness.emitted.len(), 1);
    harness.event_with("two", "a", DAY, &[], &[]);
    assert_eq!(harness.members(), ["s"]);
}

#[test]
fn nested_segments_follow_in_the_same_step() {
    let segments = [
        ("active", "events(\"a\").within(\"7d\").exists()"),
        ("bought", "events(\"a\").exists()"),
        (
            "lapsed",
            "segments.has(\"bought\") && !segments.has(\"active\")",
        ),
    ];
    check(
        &segments,
        &[("a", 0), ("a", 10)],
        20,
        &[
            "+active@0d EVENT",
            "+bought@0d EVENT",
            "-active@7d TIME",
            "+lapsed@7d TIME",
            "+active@10d EVENT",
            "-lapsed@10d EVENT",
            "-active@17d TIME",
            "+lapsed@17d TIME",
        ],
    );
}

#[test]
fn traits_and_filters_decide() {
    let mut harness = Harness::new(&[
        (
            "big",
            "events(\"buy\").where(event.kind == \"x\").within(\"7d\").sum(\"value\") > 10",
        ),
        ("pro", "profile.plan == \"pro\""),
    ]);
    harness.event_with(
        "1",
        "buy",
        0,
        &[("value", 9.0.into()), ("kind", "x".into())],
        &[("plan", "pro".into())],
    );
    harness.event("buy", DAY, &[("value", 9.0.into()), ("kind", "y".into())]);
    assert_eq!(harness.members(), ["pro"]);
    harness.event(
        "buy",
        2 * DAY,
        &[("value", 2.0.into()), ("kind", "x".into())],
    );
    harness.event_with("2", "other", 3 * DAY, &[], &[("plan", "free".into())]);
    harness.pass(Timestamp::from_millis(7 * DAY));
    assert_eq!(
        harness.log,
        [
            "+pro@0d EVENT",
            "+big@2d EVENT",
            "-pro@3d EVENT",
            "-big@7d TIME"
        ]
    );
}

#[test]
fn what_is_no_longer_kept_still_adds_up() {
    let mut harness = Harness::new(&[
        (
            "many",
            "events(\"a\").count() == 700 && events(\"a\").sum(\"v\") == 1400",
        ),
        (
            "some",
            "events(\"a\").where(event.v > 1).count() == 700 && events(\"a\").max(\"v\") == 2",
        ),
    ]);
    for number in 0..700 {
        harness.event("a", number, &[("v", 2.0.into())]);
    }
    assert_eq!(harness.members(), ["many", "some"]);
}

#[test]
fn a_new_definition_takes_effect_with_the_next_event() {
    let mut harness = Harness::new(&[
        ("kept", "events(\"a\").exists()"),
        ("gone", "events(\"a\").exists()"),
    ]);
    harness.event("a", 0, &[]);
    harness.definitions = compile_version(
        &[
            ("kept", "events(\"a\").within(\"9d\").exists()"),
            ("new", "events(\"a\").count() > 0"),
        ],
        2,
    );
    harness.event("b", DAY, &[]);
    harness.pass(Timestamp::from_millis(20 * DAY));
    assert_eq!(
        harness.log,
        [
            "+gone@0d EVENT",
            "+kept@0d EVENT",
            "-gone@1d DEFINITION",
            "+new@1d DEFINITION",
            "-kept@9d TIME"
        ]
    );
    assert_eq!(harness.counted("segment/gone/members"), 0);
    harness.definitions = compile(&[]);
    harness.event("b", 21 * DAY, &[]);
    assert!(harness.members().is_empty());
    assert!(
        harness
            .counters
            .iter()
            .filter(|(key, _)| key.group.starts_with("segment/"))
            .all(|(_, sum)| *sum == 0)
    );
}

#[test]
fn counters_of_a_segment_that_is_gone_go_once_nobody_is_in_it() {
    let segments = [
        ("gone", "events(\"a\").exists()"),
        ("kept", "events(\"a\").exists()"),
    ];
    let mut harness = Harness::new(&segments);
    harness.event("a", 0, &[]);
    assert_eq!(harness.gone_groups(), [""; 0]);
    harness.definitions = compile_version(&segments[1..], 2);
    assert_eq!(
        harness.gone_groups(),
        [""; 0],
        "the customer is still in it"
    );
    harness.event("b", DAY, &[]);
    assert_eq!(harness.gone_groups(), ["segment/gone"]);
    assert_eq!(harness.counted("segment/kept/members"), 1);
}
