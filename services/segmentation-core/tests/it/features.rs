//! The memory of events: whole, exact, kept through changes of spelling and windows, and
//! cheap.

use decision::PartKey;
use kernel::{Timestamp, Value};
use messages::engine::state_v1::OtherPart;
use messages::segmentation::state_v1 as stored;
use prost::Message as _;
use segmentation_core::{Known, PartKind};

use crate::harness::{DAY, Harness, compile, compile_after, compile_version};

fn value(number: f64) -> [(&'static str, Value); 1] {
    [("value", number.into())]
}

/// Counts up to 5,000 events of one day apart or less, of which nothing is rounded away.
#[test]
fn counts_go_on_beyond_what_is_kept_by_itself() {
    let mut harness = Harness::new(&[
        ("ever", "events(\"a\").count() >= 5000"),
        (
            "filtered",
            "events(\"a\").where(event.value > 0).count() >= 600",
        ),
        ("window", "events(\"a\").within(\"90d\").count() >= 600"),
    ]);
    for number in 0..5_000 {
        harness.event("a", number * DAY / 50, &value(1.0));
        let expected: &[&str] = match number {
            0..599 => &[],
            599..4_999 => &["filtered", "window"],
            _ => &["ever", "filtered", "window"],
        };
        assert_eq!(harness.members(), expected, "after {number}");
    }
    // The window loses one event each half hour; it holds until the 4,401st leaves, or at most a
    // 256th of 90 days longer.
    let exact = 4_400 * DAY / 50 + 90 * DAY;
    harness.pass(Timestamp::from_millis(exact - 1));
    assert_eq!(harness.members(), ["ever", "filtered", "window"]);
    harness.pass(Timestamp::from_millis(exact + 90 * DAY / 256));
    assert_eq!(harness.members(), ["ever", "filtered"]);
}

#[test]
fn ten_times_a_tenth_is_one() {
    let mut harness = Harness::new(&[
        ("ever", "events(\"a\").sum(\"value\") >= 1.0"),
        ("lately", "events(\"a\").within(\"7d\").sum(\"value\") >= 1"),
        ("mean", "events(\"a\").avg(\"value\") == 0.1"),
    ]);
    for number in 0..10 {
        assert!(!harness.members().contains(&"ever"));
        harness.event("a", number, &value(0.1));
    }
    assert_eq!(harness.members(), ["ever", "lately", "mean"]);
}

#[test]
fn filters_see_events_whole() {
    let mut harness = Harness::new(&[
        (
            "priced",
            "events(\"view\").where(event.url.contains(\"/pricing\")).exists()",
        ),
        (
            "other",
            "events(\"view\").where(!event.url.contains(\"/pricing\")).exists()",
        ),
        (
            "shoes",
            "events(\"view\").where(\"shoes\" in event.categories).exists()",
        ),
    ]);
    let url = format!("https://example.com/{}/pricing", "x".repeat(5_000));
    let mut categories: Vec<Value> = (0..99).map(|n| format!("c{n}").as_str().into()).collect();
    categories.push("shoes".into());
    let properties = [
        ("url", url.as_str().into()),
        ("categories", Value::List(categories)),
    ];
    harness.event("view", 0, &properties);
    assert_eq!(harness.members(), ["priced", "shoes"]);
    // What people are shown is cut.
    let shown = harness.state.recent().next().expect("an event");
    let shown = shown.properties.value("url").and_then(Value::as_text);
    assert!(shown.is_some_and(|url| url.len() < 200));
}

#[test]
fn a_reformatted_filter_keeps_its_history() {
    let spelled = |filter: &str, version| {
        let big = format!("events(\"buy\").where({filter}).sum(\"value\") >= 2000");
        compile_version(&[("big", &big)], version)
    };
    let mut harness = Harness::of(1, spelled("event.value > 10.0", 1));
    for number in 0..100 {
        harness.event("buy", number * DAY, &value(20.2));
    }
    harness.definitions = spelled("(10<event.value)", 2);
    harness.event("buy", 100 * DAY, &value(1.0));
    assert_eq!(harness.members(), ["big"]);
    assert_eq!(
        harness.value("events(\"buy\").where( 1e1 < event.value ).sum('value') > 0"),
        "2020"
    );
    assert_eq!(harness.log, ["+big@99d EVENT"]);
}

#[test]
fn a_window_that_shrinks_and_grows_again_loses_nothing() {
    let long = [("s", "events(\"buy\").within(\"90d\").count() >= 3")];
    let short = [("s", "events(\"buy\").within(\"30d\").count() >= 3")];
    let mut harness = Harness::new(&long);
    for day in [0, 1, 2] {
        harness.event("buy", day * DAY, &[]);
    }
    harness.definitions = compile_after(&long, &short, 2);
    harness.event("other", 60 * DAY, &[]);
    assert!(harness.members().is_empty());
    // Until then the longer one was read lately, so that nothing was folded.
    harness.event("buy", 61 * DAY, &[]);
    harness.definitions = compile_after(&short, &long, 3);
    harness.event("other", 62 * DAY, &[]);
    assert_eq!(harness.members(), ["s"]);
    harness.pass(Timestamp::from_millis(100 * DAY));
    assert_eq!(harness.log.last().map(String::as_str), Some("-s@91d TIME"));
}

#[test]
fn a_segment_that_is_deleted_and_made_again_is_as_it_was() {
    let segment = [("s", "events(\"buy\").where(event.value > 5).count() >= 3")];
    let mut harness = Harness::new(&segment);
    for day in 0..3 {
        harness.event("buy", day * DAY, &value(9.0));
    }
    harness.definitions = compile_after(&segment, &[], 2);
    harness.event("buy", 3 * DAY, &value(9.0));
    assert!(harness.members().is_empty());
    harness.definitions = compile_version(&segment, 3);
    harness.event("buy", 4 * DAY, &value(1.0));
    assert_eq!(harness.members(), ["s"]);
    let reading = harness.explain(segment[0].1).readings[0];
    assert_eq!(harness.value(segment[0].1), "4");
    assert_eq!((reading.known, reading.over), (Known::Whole, 0));
}

#[test]
fn what_nobody_reads_goes_after_some_days() {
    let segment = [("s", "events(\"buy\").where(event.value > 5).count() >= 1")];
    let one = segment[0].1;
    let mut harness = Harness::new(&segment);
    harness.event("buy", 0, &value(9.0));
    // A process that knows nothing of what was read lately feeds it no more, and says so later.
    harness.definitions = compile(&[]);
    harness.event("buy", DAY, &value(9.0));
    harness.definitions = compile_version(&segment, 2);
    harness.event("other", 2 * DAY, &[]);
    assert_eq!(harness.members(), ["s"]);
    let known = harness.explain(one).readings[0].known;
    assert_eq!(known, Known::Since(Timestamp::from_millis(2 * DAY)));

    harness.definitions = compile(&[]);
    harness.event("other", 3 * DAY, &[]);
    harness.definitions = compile(&[("x", "profile.x")]);
    harness.event("other", 10 * DAY, &[]);
    harness.definitions = compile_version(&segment, 3);
    harness.event("other", 11 * DAY, &[]);
    assert!(harness.members().is_empty());
    assert_eq!(
        harness.value(one),
        "unknown (what happened since 1970-01-12T00:00:00Z is known)"
    );
}

#[test]
fn what_was_not_kept_is_unknown_to_previews() {
    let mut harness = Harness::new(&[("s", "events(\"a\").within(\"7d\").exists()")]);
    for day in 0..3 {
        harness.event("b", day * DAY, &value(1.0));
    }
    for (expression, expected) in [
        // How often and when something happened, ever, is known of every name.
        ("events(\"b\").count() >= 3", "3"),
        ("events(\"b\").last_time() < now", "1970-01-03T00:00:00Z"),
        (
            "events(\"b\").within(\"30d\").count() >= 3",
            "unknown (it was not kept)",
        ),
        (
            "events(\"b\").where(event.value > 0).count() >= 3",
            "unknown (it was not kept)",
        ),
        (
            "events(\"b\").sum(\"value\") >= 3",
            "unknown (it was not kept)",
        ),
        // Nothing happened, which is known too.
        ("events(\"never\").within(\"30d\").count() >= 3", "0"),
        ("events(\"a\").within(\"1d\").count() >= 3", "0"),
    ] {
        assert_eq!(harness.value(expression), expected, "{expression}");
    }
    // From its first reader on it is kept, and windows that reach back no further are known.
    let read = "events(\"b\").within(\"5d\").count() >= 1";
    harness.definitions = compile(&[("s", read)]);
    harness.event("b", 3 * DAY, &value(1.0));
    assert_eq!(harness.members(), ["s"]);
    let since = "1 (what happened since 1970-01-04T00:00:00Z is known)";
    let explained = harness.explain_all();
    assert!(explained[0].holds);
    assert_eq!(explained[0].terms[1].value, since);
    assert!(
        harness
            .value(read)
            .starts_with("unknown (what happened since")
    );
    assert_eq!(harness.value("events(\"b\").count() > 0"), "4");
    harness.event("b", 8 * DAY, &[]);
    assert_eq!(harness.value(read), "1");
}

#[test]
fn an_event_changes_the_parts_that_it_concerns_and_no_others() {
    let filtered: Vec<(String, String)> = (0..200)
        .map(|n| {
            (
                format!("s{n:03}"),
                format!("events(\"a\").where(event.kind == {n}).count() >= 3"),
            )
        })
        .collect();
    let mut segments: Vec<(&str, &str)> = filtered
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let other = "events(\"b\").within(\"90d\").sum(\"value\") > 1";
    segments.extend([
        ("other", other),
        ("same", "events(\"a\").where(7 == event.kind).exists()"),
    ]);
    let mut harness = Harness::new(&segments);
    for number in 0..600_i32 {
        let at = i64::from(number);
        harness.event("b", at, &value(1.0));
        harness.event("a", at, &[("kind", f64::from(number % 200).into())]);
        // Of 200 histories some are sent apart because the head has no room; an event of one
        // concerns no other.
        assert!(harness.dirty.len() <= 3, "{number}: {:?}", harness.dirty);
    }
    harness.event("other", 601, &[]);
    assert!(harness.dirty.is_empty());
    // A late event rewrites the block of its place, which was full, and with it the index.
    harness.event("b", 5, &value(1.0));
    let kinds: Vec<u8> = harness.dirty.iter().map(|key| key.kind).collect();
    let block = PartKind::Block as u8;
    let expected = [PartKind::Feature as u8, PartKind::Index as u8, block, block];
    assert_eq!(kinds, expected);
}

#[test]
fn an_event_writes_no_more_of_twenty_thousand_than_of_a_thousand() {
    let mut harness = Harness::new(&[
        ("many", "events(\"a\").within(\"365d\").count() >= 100"),
        ("month", "events(\"a\").within(\"30d\").sum(\"value\") > 10"),
        ("mean", "events(\"a\").within(\"7d\").avg(\"value\") > 10"),
    ]);
    // Means over many events, so that blocks that are sealed and joined now and then are in them.
    // After 32 events the lists of ids and of the recent past are full.
    let mut written = Vec::new();
    let mut largest = 0;
    let mut indexed = 0;
    for number in 0..20_000 {
        harness.event("a", number * DAY / 55, &value(7.0));
        written.push(harness.written);
        largest = largest.max(harness.head.len());
        let is_index = |key: &PartKey| key.kind == PartKind::Index as u8;
        indexed += u32::from(harness.dirty.iter().any(is_index));
    }
    // One event of 64 seals a block.
    assert!((300..=313).contains(&indexed), "{indexed}");
    let mean = |written: &[usize]| written.iter().sum::<usize>() / written.len();
    let (first, exact) = (mean(&written[32..96]), mean(&written[500..1_000]));
    let last = mean(&written[18_000..]);
    assert!(largest <= decision::limits::HEAD_BYTES, "{largest}");
    assert!(harness.parts.len() <= 100, "{}", harness.parts.len());
    assert!(
        last <= exact * 4 / 3,
        "{last} bytes, and {exact} of the 500 exact ones"
    );
    // Histories have heads of their own then, and the blocks are written once more when they are
    // joined.
    assert!(last <= first * 3 / 2, "{last} bytes, and {first} at first");
}

#[test]
fn what_a_newer_version_keeps_is_carried_along_and_moves_with_a_merge() {
    let unknown = PartKey {
        ordinal: 0,
        kind: 200,
        name: 5,
    };
    let segments = [("s", "events(\"a\").exists()")];
    let mut loser = Harness::of(2, compile(&segments));
    loser.event("a", 0, &[]);
    let mut message = stored::State::decode(loser.head.clone()).expect("a state");
    message.other_parts.push(OtherPart {
        kind: 200,
        name: 5,
        apart_bytes: Some(2_000),
        ..OtherPart::default()
    });
    loser.head = message.encode_to_vec().into();
    loser.parts.insert(unknown, vec![7; 2_000].into());
    loser.forget();
    loser.event("a", 1, &[]);
    assert_eq!(loser.parts[&unknown].len(), 2_000);
    let mut survivor = Harness::of(1, compile(&segments));
    survivor.event("a", 0, &[]);
    loser.leave(DAY);
    survivor.fold_in(&mut loser);
    let moved = PartKey {
        ordinal: 1,
        ..unknown
    };
    assert_eq!(survivor.parts[&moved], vec![7; 2_000]);
}

#[test]
fn a_part_that_cannot_be_read_is_never_taken_for_an_empty_one() {
    let mut harness = Harness::new(&[("s", "events(\"a\").within(\"9d\").count() > 1")]);
    for number in 0..200 {
        harness.event("a", number, &value(1.0));
    }
    harness.damage_blocks();
    // The newest events and the sums of whole blocks are there; a late event needs the block.
    harness.event("a", 200, &value(1.0));
    assert_eq!(
        harness.value("events(\"a\").within(\"9d\").count() > 1"),
        "201"
    );
    assert!(harness.try_event("a", 3).is_err());
}
