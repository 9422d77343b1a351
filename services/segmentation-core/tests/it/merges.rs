//! Merges: what one customer was and did becomes part of the other, once, and counters stay balanced.

use kernel::Timestamp;
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
