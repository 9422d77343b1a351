//! Reads files to import, whatever is in them.

use std::io::Cursor;

use super::BadLine;
use super::csv_lines::CsvLines;
use super::file;
use super::form::Form;
use super::json_lines::JsonLines;
use super::json_texts::Layout;
use super::line::Line;
use super::mapping::Mapping;
use super::window::Window;

/// Reads separated values.
///
/// # Panics
/// Where there are more events than lines, they are not in the order of lines, or a bad line says
/// nothing.
pub fn separated(separator: u8, bytes: &[u8]) {
    match CsvLines::open(window(bytes), separator, &mapping()) {
        Ok(lines) => check(lines, bytes, true),
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
    let lines = JsonLines::open(window(bytes), Layout::Lines, &mapping());
    check(lines, bytes, true);
}

/// Reads JSON objects in an array, and one after the other.
///
/// # Panics
/// As [`separated`], but for the number of lines.
pub fn json_values(bytes: &[u8]) {
    for layout in [Layout::Array, Layout::Sequence] {
        let lines = JsonLines::open(window(bytes), layout, &mapping());
        check(lines, bytes, false);
    }
}

/// Reads a file by what it holds.
///
/// # Panics
/// As [`separated`], but for the number of lines, and where a refusal says nothing.
pub fn file(bytes: &[u8]) {
    match file::text_of(bytes) {
        Ok((Form::Separated(separator), text)) => separated(separator, &text),
        Ok((Form::Json(layout), text)) => {
            let lines = JsonLines::open(window(&text), layout, &mapping());
            check(lines, &text, false);
        }
        Ok((Form::Parquet, _)) => {}
        Err(reason) => assert!(!reason.is_empty()),
    }
}

fn window(bytes: &[u8]) -> Window {
    Window::new(Box::new(Cursor::new(bytes.to_vec())))
}

/// Names the event where no column does, so that more lines are events.
fn mapping() -> Mapping {
    Mapping {
        event_name: Some("imported".to_owned()),
        ..Mapping::default()
    }
}

fn check(lines: impl Iterator<Item = Result<Line, BadLine>>, bytes: &[u8], is_one_a_line: bool) {
    // A record ends with either sign of the end of a line.
    let ends = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r'));
    let most = if is_one_a_line {
        ends.count() + 1
    } else {
        bytes.len() + 1
    };
    let (mut count, mut last) = (0, 0);
    for line in lines {
        count += 1;
        assert!(count <= most, "more events than lines");
        match line {
            Ok(Line { event, line, .. }) => {
                assert_eq!(line, event.sequence);
                let is_next = line > last || (line == last && !is_one_a_line);
                assert!(is_next, "line {line} after {last}");
                last = line;
                assert!(event.time.is_some_and(|it| proto::convert::is_instant(&it)));
                assert!(!event.name.is_empty());
                assert!(!event.identifiers.is_empty() || !event.groups.is_empty());
            }
            Err(bad) => told(&bad),
        }
    }
}

fn told(bad: &BadLine) {
    assert!(bad.line > 0 && !bad.reason.is_empty(), "{bad}");
}
