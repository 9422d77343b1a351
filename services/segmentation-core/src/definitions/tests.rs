//! A set that takes over what the one before it compiled is the set that is compiled from scratch.

use decision::{Mistake, Names, Source};
use messages::definition::v1::definition::Kind;
use messages::segmentation::v1 as api;
use proptest::prelude::*;

use super::*;

/// The segments of random sets.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Their conditions: some read other segments, some are mistakes in any set or in some.
const TEXTS: [&str; 8] = [
    "profile.x > 1",
    "events(\"p\").within(\"30d\").count() >= 2",
    "events(\"p\").where(event.v > 1).sum(\"v\") > 3",
    "now > first_seen",
    "segments.has(\"a\")",
    "segments.has(\"b\") || segments.has(\"c\")",
    "!segments.has(\"e\")",
    "profile.x = 1",
];

/// A version of a segment.
type Version = (Kind, u32);

fn version(name: &str, version: u32, expression: &str) -> Version {
    let segment = api::Segment {
        name: name.to_owned(),
        expression: expression.to_owned(),
        ..api::Segment::default()
    };
    (Kind::Segment(segment), version)
}

/// Compiles the set that follows another one, of current versions and of versions that are gone.
fn next(
    last: &Definitions,
    current: &[Version],
    gone: &[Version],
) -> Result<Definitions, Vec<Mistake>> {
    let source = |(kind, version), is_current| Source {
        kind,
        version,
        is_current,
    };
    let current = current
        .iter()
        .map(|(kind, version)| source((kind, *version), true));
    let gone = gone
        .iter()
        .map(|(kind, version)| source((kind, *version), false));
    let sources: Vec<Source<'_>> = current.chain(gone).collect();
    last.compile_next(&sources, &Names::default())
}

/// Everything that a set decides by, in a form that can be compared.
fn seen(set: &Result<Definitions, Vec<Mistake>>) -> String {
    match set {
        Ok(set) => format!(
            "{} {:?} {:?} {:?}",
            set.fingerprint, set.segments, set.readers, set.needing_nothing
        ),
        Err(mistakes) => format!("{mistakes:?}"),
    }
}

/// Counts the segments of a set that are not those of the set before, and the conditions.
fn made_anew(next: &Definitions, last: &Definitions) -> (usize, usize) {
    let is_anew = |is_same: &dyn Fn(&Arc<Segment>, &Arc<Segment>) -> bool| {
        let is_known = |it| last.segments.iter().any(|known| is_same(it, known));
        next.segments.iter().filter(|it| !is_known(it)).count()
    };
    let segments = is_anew(&|a, b| Arc::ptr_eq(a, b));
    let conditions = is_anew(&|a, b| Arc::ptr_eq(&a.condition, &b.condition));
    (segments, conditions)
}

/// Changes of a set: for each name nothing, its removal or a text.
fn changes() -> impl Strategy<Value = Vec<Vec<Option<Option<usize>>>>> {
    let text = proptest::option::weighted(0.8, 0..TEXTS.len());
    let change = proptest::collection::vec(proptest::option::weighted(0.4, text), NAMES.len());
    proptest::collection::vec(change, 1..12)
}

proptest! {
    #[test]
    fn sets_that_follow_each_other_are_those_compiled_from_scratch(changes in changes()) {
        let mut stored: BTreeMap<&str, Version> = BTreeMap::new();
        let mut gone = Vec::new();
        let mut last = Definitions::empty();
        for (number, change) in (1..).zip(changes) {
            for (name, text) in NAMES.into_iter().zip(change) {
                match text {
                    Some(Some(text)) => {
                        gone.extend(stored.insert(name, version(name, number, TEXTS[text])));
                    }
                    Some(None) => {
                        gone.extend(stored.remove(name));
                    }
                    None => {}
                }
            }
            let current: Vec<Version> = stored.values().cloned().collect();
            let following = next(&last, &current, &gone);
            let scratch = next(&Definitions::empty(), &current, &gone);
            prop_assert_eq!(seen(&following), seen(&scratch));
            if let Ok(following) = following {
                last = following;
            }
        }
    }
}

#[test]
fn one_change_among_many_makes_one_segment_and_compiles_one_condition() {
    let numbered = |number| format!("profile.x > {number}");
    let mut current: Vec<Version> = (0..300)
        .map(|number| version(&format!("s{number:03}"), 1, &numbered(number)))
        .collect();
    let none = Definitions::empty();
    let last = next(&none, &current, &[]).expect("valid segments");
    assert_eq!(made_anew(&last, &none), (300, 300));

    current[100] = version("s100", 2, "profile.y > 100");
    let second = next(&last, &current, &[]).expect("valid segments");
    assert_eq!(made_anew(&second, &last), (1, 1));
    assert_eq!(second.segments()["s100"], (2, "profile.y > 100"));

    // A new version with the same text, a new name with a known text, and one that is gone.
    current[101].1 = 2;
    current[102] = version("renamed", 1, &numbered(102));
    current.remove(103);
    let third = next(&second, &current, &[]).expect("valid segments");
    assert_eq!(made_anew(&third, &second), (2, 0));
    assert_eq!(third.segments()["renamed"], (1, "profile.x > 102"));
    assert!(!third.segments().contains_key("s103"));
}

#[test]
fn segments_of_receipts_and_of_when_somebody_was_last_seen_hear_receipts() {
    for (expression, hears) in [
        ("profile.x > 1", false),
        ("events(\"p\").exists()", false),
        ("events(\"activation_delivered\").exists()", true),
        (
            "events(\"activation_suppressed\").within(\"30d\").count() >= 2",
            true,
        ),
        (
            "events(\"activation_failed\").where(event.x > 1).sum(\"v\") > 3",
            true,
        ),
        (
            "events(\"consent_refused\").exists() || profile.x > 1",
            true,
        ),
        ("now > last_seen", true),
    ] {
        let current = [version("s", 1, expression)];
        let set = next(&Definitions::empty(), &current, &[]).expect("it is valid");
        assert_eq!(set.hears_receipts(), hears, "{expression}");
        let gone = next(&set, &[], &current).expect("it is valid");
        assert!(!gone.hears_receipts(), "{expression}");
    }
}
