//! Sets of segments are checked as a whole.

use segmentation_core::{Definitions, SegmentSource};

fn faults(segments: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<SegmentSource> = segments
        .iter()
        .map(|(name, expression)| SegmentSource {
            name: (*name).to_owned(),
            version: 1,
            expression: (*expression).to_owned(),
        })
        .collect();
    match Definitions::compile(&sources, &[]) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_circle_of_segments_is_named() {
    let circle = "1:1: segments cannot read each other in a circle: a → c → b → a; drop one of these segments.has(…)";
    assert_eq!(
        faults(&[
            ("a", "segments.has(\"c\")"),
            ("b", "segments.has(\"a\") || true"),
            ("c", "!segments.has(\"b\")"),
            ("d", "segments.has(\"a\")"),
        ]),
        ["a", "c", "b"].map(|name| format!("segment `{name}`: {circle}"))
    );
}

#[test]
fn every_mistake_of_every_segment_is_found() {
    assert_eq!(
        faults(&[
            ("b", "profile.x = 1"),
            ("a", "segments.has(\"nobody\")"),
            ("c", "true")
        ]),
        [
            "segment `a`: 1:14: there is no segment `nobody`",
            "segment `b`: 1:11: `=` is not an operator: did you mean `==`?",
        ]
    );
}
