//! Sets of segments are checked as a whole.

use decision::{Names, Source};
use messages::definition::v1::definition::Kind;
use segmentation_core::Definitions;

use crate::harness::kind;

/// The mistakes of current segments, as `place path: message`.
fn mistakes(segments: &[(&str, &str)]) -> Vec<String> {
    let kinds: Vec<Kind> = segments.iter().map(kind).collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    match Definitions::compile(&sources, &Names::default()) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes
            .iter()
            .map(|mistake| format!("{} {mistake}", mistake.source))
            .collect(),
    }
}

#[test]
fn a_circle_of_segments_is_named() {
    let circle = "1:1: segments cannot read each other in a circle: a → c → b → a; drop one of these segments.has(…)";
    assert_eq!(
        mistakes(&[
            ("a", "segments.has(\"c\")"),
            ("b", "segments.has(\"a\") || true"),
            ("c", "!segments.has(\"b\")"),
            ("d", "segments.has(\"a\")"),
        ]),
        [0, 1, 2].map(|place| format!("{place} expression: {circle}"))
    );
}

#[test]
fn every_mistake_of_every_segment_is_found() {
    assert_eq!(
        mistakes(&[
            ("b", "profile.x = 1"),
            ("a", "segments.has(\"nobody\")"),
            ("c", "true")
        ]),
        [
            "0 expression: 1:11: `=` is not an operator: did you mean `==`?",
            "1 expression: 1:14: there is no segment `nobody`",
        ]
    );
}

#[test]
fn segments_that_are_gone_are_not_judged_again() {
    let gone = kind(&("a", "profile.x = 1"));
    let current = kind(&("b", "true"));
    let sources = [
        Source {
            is_current: false,
            ..Source::current(&gone)
        },
        Source::current(&current),
    ];
    let compiled = Definitions::compile(&sources, &Names::default()).expect("valid");
    assert_eq!(compiled.segments().into_keys().collect::<Vec<_>>(), ["b"]);
}
