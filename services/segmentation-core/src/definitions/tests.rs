//! A set that takes over what the one before it compiled is the set that is compiled from scratch.

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

fn source(name: &str, version: u32, expression: &str) -> SegmentSource {
    SegmentSource {
        name: name.to_owned(),
        version,
        expression: expression.to_owned(),
    }
}

/// Everything that a set decides by, in a form that can be compared.
fn seen(set: &Result<Definitions, Vec<SegmentFault>>) -> String {
    match set {
        Ok(set) => format!("{} {:?}", set.fingerprint, set.segments),
        Err(faults) => format!("{faults:?}"),
    }
}

/// Counts the conditions of a set that are not those of the set before.
fn compiled_anew(next: &Definitions, last: &Definitions) -> usize {
    let is_known = |condition| {
        let mut known = last.segments.iter();
        known.any(|segment| Arc::ptr_eq(&segment.condition, condition))
    };
    let segments = next.segments.iter();
    segments
        .filter(|segment| !is_known(&segment.condition))
        .count()
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
        let mut stored: BTreeMap<&str, SegmentSource> = BTreeMap::new();
        let mut gone = Vec::new();
        let mut last = Definitions::empty();
        for (version, change) in (1..).zip(changes) {
            for (name, text) in NAMES.into_iter().zip(change) {
                match text {
                    Some(Some(text)) => {
                        gone.extend(stored.insert(name, source(name, version, TEXTS[text])));
                    }
                    Some(None) => {
                        gone.extend(stored.remove(name));
                    }
                    None => {}
                }
            }
            let sources: Vec<SegmentSource> = stored.values().cloned().collect();
            let next = last.compile_next(&sources, &gone);
            prop_assert_eq!(seen(&next), seen(&Definitions::compile(&sources, &gone)));
            if let Ok(next) = next {
                last = next;
            }
        }
    }
}

#[test]
fn one_change_among_many_compiles_one_condition() {
    let mut sources: Vec<SegmentSource> = (0..300)
        .map(|number| {
            source(
                &format!("s{number:03}"),
                1,
                &format!("profile.x > {number}"),
            )
        })
        .collect();
    let last = Definitions::compile(&sources, &[]).expect("valid segments");
    assert_eq!(compiled_anew(&last, &Definitions::empty()), 300);

    sources[100] = source("s100", 2, "profile.y > 100");
    let next = last.compile_next(&sources, &[]).expect("valid segments");
    assert_eq!(compiled_anew(&next, &last), 1);
    assert_eq!(next.segments()["s100"], (2, "profile.y > 100"));

    // A new version with the same text, a new name with a known text, and one that is gone.
    sources[101].version = 2;
    sources[102].name = "renamed".to_owned();
    sources.remove(103);
    let third = next.compile_next(&sources, &[]).expect("valid segments");
    assert_eq!(compiled_anew(&third, &next), 0);
    assert_eq!(third.segments()["renamed"], (1, "profile.x > 102"));
    assert!(!third.segments().contains_key("s103"));
}
