//! Reads files to import, whatever is in them.

use std::io::Cursor;

use super::BadLine;
use super::csv_lines::CsvLines;
use super::json_lines::JsonLines;
use super::line::Line;
use super::mapping::Mapping;

/// Reads separated values.
///
/// # Panics
/// Where there are more events than lines, they are not in the order of lines, or a bad line says
/// nothing.
pub fn separated(separator: u8, bytes: &[u8]) {
    let reader = Box::new(Cursor::new(bytes.to_vec()));
    match CsvLines::open(reader, separator, &mapping()) {
        Ok(lines) => check(lines, bytes),
        Err(bad) => {
            assert!(!bad.is_empty());
            bad.iter().for_each(told);
        }
    }
}

/// Reads lines of JSON.
///
/// # Panics
/// As [`separated`].
pub fn json_lines(bytes: &[u8]) {
    let reader = Box::new(Cursor::new(bytes.to_vec()));
    check(JsonLines::open(reader, &mapping()), bytes);
}

/// Names the event where no column does, so that more lines are events.
fn mapping() -> Mapping {
    Mapping {
        event_name: Some("imported".to_owned()),
        ..Mapping::default()
    }
}

fn check(lines: impl Iterator<Item = Result<Line, BadLine>>, bytes: &[u8]) {
    // A record ends with either sign of the end of a line.
    let most = bytes
        .iter()
        .filter(|byte| matches!(byte, b'\n' | b'\r'))
        .count()
        + 1;
    let (mut count, mut last) = (0, 0);
    for line in lines {
        count += 1;
        assert!(count <= most, "more events than lines");
        match line {
            Ok(Line { event, line, .. }) => {
                assert_eq!(line, event.sequence);
                assert!(
                    event.sequence > last,
                    "line {} after {last}",
                    event.sequence
                );
                last = event.sequence;
                assert!(event.time.is_some_and(|it| proto::convert::is_instant(&it)));
                assert!(!event.name.is_empty() && !event.identifiers.is_empty());
            }
            Err(bad) => told(&bad),
        }
    }
}

fn told(bad: &BadLine) {
    assert!(bad.line > 0 && !bad.reason.is_empty(), "{bad}");
}
