//! Customers who are taken apart again, case by case, and customers who are erased.

mod large;

use kernel::{Timestamp, Value};
use messages::segmentation::state_v1 as stored;
use prost::Message;
use segmentation_core::Inseparable;

use crate::harness::{DAY, Harness, compile};

const SEGMENTS: [(&str, &str); 4] = [
    ("buyers", "events(\"buy\").exists()"),
    (
        "spenders",
        "events(\"buy\").within(\"30d\").sum(\"value\") >= 10",
    ),
    ("pro", "profile.plan == \"pro\""),
    ("quiet", "now - last_seen > duration(\"3d\")"),
];

fn two() -> (Harness, Harness) {
    (
        Harness::of(1, compile(&SEGMENTS)),
        Harness::of(2, compile(&SEGMENTS)),
    )
}

/// An event of a fragment, with a value and what it says of the plan.
fn buy(harness: &mut Harness, (ordinal, id): (u16, &str), at: i64, plan: Option<&str>) {
    harness.ordinal = ordinal;
    let traits: Vec<(&str, Value)> = plan.iter().map(|plan| ("plan", (*plan).into())).collect();
    harness.event_with(id, "buy", at, &[("value", 6.0.into())], &traits);
}

fn join(survivor: &mut Harness, loser: &mut Harness, at: i64) {
    loser.leave(at);
    survivor.fold_in(loser);
}

fn part(survivor: &mut Harness, other: &mut Harness, ordinals: &[(u16, u16)], at: i64) {
    other.pass(Timestamp::from_millis(at));
    let returned = survivor
        .split_off(ordinals, at)
        .expect("something was learned");
    other.take_back(returned);
}

fn bought(harness: &Harness) -> u64 {
    let totals = harness.state.event_totals().iter();
    totals.map(|total| total.count).sum()
}

fn recent(harness: &Harness) -> Vec<String> {
    let events = harness.state.recent();
    events.map(|event| event.event_id.to_string()).collect()
}

fn plan(harness: &Harness) -> Option<String> {
    let traits = harness.state.traits();
    traits.value("plan").map(|value| format!("{value:?}"))
}

#[test]
fn each_side_has_what_happened_to_it_and_says_so() {
    let (mut survivor, mut other) = two();
    buy(&mut survivor, (0, "s1"), 0, Some("free"));
    buy(&mut other, (0, "o1"), DAY, Some("pro"));
    join(&mut survivor, &mut other, 2 * DAY);
    assert_eq!(survivor.members(), ["buyers", "pro", "spenders"]);
    buy(&mut survivor, (1, "o2"), 3 * DAY, None);
    buy(&mut survivor, (0, "s2"), 3 * DAY + 1, None);
    survivor.log.clear();
    part(&mut survivor, &mut other, &[(1, 0)], 4 * DAY);
    assert_eq!(survivor.log, ["-pro@4d UNMERGE"]);
    assert_eq!(
        other.log[other.log.len() - 3..],
        [
            "+buyers@1d UNMERGE",
            "+pro@1d UNMERGE",
            "+spenders@2d UNMERGE"
        ]
    );
    assert_eq!((bought(&survivor), bought(&other)), (2, 2));
    assert_eq!(
        (recent(&survivor), recent(&other)),
        (
            vec!["s1".into(), "s2".into()],
            vec!["o1".into(), "o2".into()]
        )
    );
    assert_ne!(plan(&survivor), plan(&other));
    for segment in ["buyers", "pro", "spenders"] {
        let name = format!("segment/{segment}/members");
        let members = [&survivor, &other].map(|it| i64::from(it.members().contains(&segment)));
        let counted = survivor.counted(&name) + other.counted(&name);
        assert_eq!(counted, members.iter().sum::<i64>(), "{segment}");
    }
    // Repetitions are known at either side, and time goes on.
    buy(&mut survivor, (0, "s2"), 4 * DAY, None);
    buy(&mut other, (0, "o2"), 4 * DAY - 1, None);
    assert_eq!((bought(&survivor), bought(&other)), (2, 2));
    survivor.pass(Timestamp::from_millis(9 * DAY));
    assert!(survivor.members().contains(&"quiet"));
}

#[test]
fn a_state_that_was_taken_apart_is_stored_as_one_that_never_was_merged() {
    let (mut survivor, mut other) = two();
    let (mut alone, mut other_alone) = two();
    for harness in [&mut survivor, &mut alone] {
        buy(harness, (0, "s1"), 0, Some("free"));
    }
    for harness in [&mut other, &mut other_alone] {
        buy(harness, (0, "o1"), DAY, Some("pro"));
    }
    join(&mut survivor, &mut other, 2 * DAY);
    buy(&mut survivor, (1, "o2"), 3 * DAY, None);
    buy(&mut other_alone, (0, "o2"), 3 * DAY, None);
    part(&mut survivor, &mut other, &[(1, 0)], 4 * DAY);
    for (harness, alone) in [(&survivor, &mut alone), (&other, &mut other_alone)] {
        alone.pass(Timestamp::from_millis(4 * DAY));
        let read = |head: &[u8]| {
            let mut state = stored::State::decode(head).expect("a state");
            // The instants of decisions are others, and those at which ids are forgotten.
            state.clock_time_ms = None;
            state.recent_event_ids = None;
            state.memberships.clear();
            state.due_times_ms.clear();
            state.due_segments.clear();
            state
        };
        assert_eq!(read(&harness.head), read(&alone.head));
    }
}

#[test]
fn a_customer_of_whom_all_leaves_is_as_unknown_as_before() {
    let (mut survivor, mut other) = two();
    buy(&mut other, (0, "o1"), 0, Some("pro"));
    join(&mut survivor, &mut other, DAY);
    assert_eq!(survivor.members(), ["buyers", "pro"]);
    part(&mut survivor, &mut other, &[(1, 0)], 2 * DAY);
    assert_eq!(survivor.members(), [""; 0]);
    assert!(!survivor.state.is_known());
    assert_eq!(survivor.counted("segment/buyers/members"), 0);
    assert_eq!(survivor.due, None);
    assert_eq!(other.members(), ["buyers", "pro"]);
    buy(&mut survivor, (0, "o1"), 3 * DAY, None);
    assert_eq!(survivor.members(), ["buyers"], "a new customer");
}

#[test]
fn where_nothing_was_learned_nothing_changes() {
    let (mut survivor, mut other) = two();
    buy(&mut survivor, (0, "s1"), 0, None);
    join(&mut survivor, &mut other, DAY);
    let emitted = survivor.emitted.len();
    assert!(survivor.split_off(&[(1, 0)], 2 * DAY).is_none());
    assert_eq!((bought(&survivor), survivor.emitted.len()), (1, emitted));
    assert_eq!(survivor.members(), ["buyers"]);
    // The first event of a fragment of which nothing was known is its own.
    buy(&mut survivor, (1, "o1"), 2 * DAY, Some("pro"));
    part(&mut survivor, &mut other, &[(1, 0)], 2 * DAY);
    assert_eq!((bought(&survivor), bought(&other)), (1, 1));
    assert_eq!(
        (plan(&survivor).is_some(), plan(&other).is_some()),
        (false, true)
    );
}

#[test]
fn each_side_shows_its_own_newest_events() {
    let (mut survivor, mut other) = two();
    for number in 0..30 {
        let at = DAY + number * 1_000;
        buy(&mut survivor, (0, &format!("s{number}")), at, None);
        buy(&mut other, (0, &format!("o{number}")), at - DAY, None);
    }
    let (mine, theirs) = (recent(&survivor), recent(&other));
    join(&mut survivor, &mut other, 2 * DAY);
    assert_eq!(recent(&survivor), mine, "the newest of both");
    for number in 0..5 {
        buy(
            &mut survivor,
            (1, &format!("m{number}")),
            3 * DAY + number,
            None,
        );
    }
    part(&mut survivor, &mut other, &[(1, 0)], 4 * DAY);
    assert_eq!(recent(&survivor), mine);
    let expected = theirs[5..].iter().cloned();
    let expected: Vec<String> = expected.chain((0..5).map(|it| format!("m{it}"))).collect();
    assert_eq!(recent(&other), expected);
}

#[test]
fn fragments_that_were_joined_by_an_older_version_have_their_histories_back() {
    let (mut survivor, mut other) = two();
    buy(&mut survivor, (0, "s1"), 0, Some("free"));
    buy(&mut other, (0, "o1"), DAY, Some("pro"));
    join(&mut survivor, &mut other, 2 * DAY);
    // The older version told no fragments apart but those of histories.
    let mut older = stored::State::decode(survivor.head.clone()).expect("a state");
    older.other_parts.clear();
    for bytes in &mut older.recent_events {
        let mut event = stored::RecentEvent::decode(bytes.clone()).expect("an event");
        event.ordinal = 0;
        *bytes = event.encode_to_vec().into();
    }
    if let Some(ids) = &mut older.recent_event_ids {
        ids.ordinals.clear();
    }
    survivor.head = older.encode_to_vec().into();
    survivor.forget();
    assert_eq!(survivor.inseparable(&[1]), [Inseparable::OlderMerge]);
    buy(&mut survivor, (1, "o2"), 3 * DAY, Some("max"));
    assert_eq!(survivor.inseparable(&[1]), [Inseparable::OlderMerge]);
    part(&mut survivor, &mut other, &[(1, 0)], 4 * DAY);
    assert_eq!(
        other.value("events(\"buy\").within(\"90d\").sum(\"value\") > 0"),
        "12"
    );
    assert_eq!((bought(&survivor), bought(&other)), (2, 1), "counts stay");
    assert_ne!(plan(&survivor), plan(&other));
}

#[test]
fn the_customer_keeps_what_an_older_version_learned_meanwhile() {
    let (mut survivor, mut other) = two();
    buy(&mut survivor, (0, "s1"), 0, None);
    buy(&mut other, (0, "o1"), DAY, Some("pro"));
    join(&mut survivor, &mut other, 2 * DAY);
    // It counts for all of them, and keeps fragments as it found them.
    let mut older = stored::State::decode(survivor.head.clone()).expect("a state");
    older.event_totals[0].count += 3;
    older.event_totals[0].span_ms += 1;
    let said = stored::Trait::decode(older.traits[0].clone()).expect("a trait");
    let said = stored::Trait {
        name: "age".to_owned(),
        ..said
    };
    older.traits.insert(0, said.encode_to_vec().into());
    survivor.head = older.encode_to_vec().into();
    survivor.forget();
    part(&mut survivor, &mut other, &[(1, 0)], 3 * DAY);
    assert_eq!((bought(&survivor), bought(&other)), (1 + 3, 1));
    let has = |harness: &Harness, name: &str| harness.state.traits().value(name).is_some();
    assert_eq!(
        [has(&survivor, "age"), has(&survivor, "plan")],
        [true, false]
    );
    assert_eq!([has(&other, "age"), has(&other, "plan")], [false, true]);
}

#[test]
fn who_is_erased_leaves_every_segment_and_no_counter_has_them() {
    let (mut customer, _) = two();
    buy(&mut customer, (0, "s1"), 0, Some("pro"));
    assert_eq!(customer.counted("segment/pro/members"), 1);
    assert_eq!(customer.erase(), ["buyers", "pro"]);
    for segment in ["buyers", "pro"] {
        assert_eq!(customer.counted(&format!("segment/{segment}/members")), 0);
    }
}
