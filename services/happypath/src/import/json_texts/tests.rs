//! Where texts of values begin and end, whatever is around them.

use std::io::{Cursor, Read};

use super::*;

struct Pieces {
    bytes: Cursor<Vec<u8>>,
    size: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.size.min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}

/// Returns what is read, a text each: its line and its length; `!` with the line of a fault, and
/// `!!` with that of the last one.
fn shown(text: &str, layout: Layout, size: usize) -> String {
    let pieces = Pieces {
        bytes: Cursor::new(text.as_bytes().to_vec()),
        size,
    };
    let mut texts = Texts::new(Window::new(Box::new(pieces)), layout);
    let mut found = Vec::new();
    while let Some(advanced) = texts.advance() {
        found.push(match advanced {
            Ok(()) => format!("{}+{}", texts.line(), texts.text().len()),
            Err(bad) if bad.is_last => format!("!!{}", bad.line),
            Err(bad) => format!("!{}", bad.line),
        });
    }
    found.join(" ")
}

fn check(text: &str, layout: Layout, expected: &str) {
    for size in [1, 2, 5, 1 << 16] {
        assert_eq!(shown(text, layout, size), expected, "{size} {text:.200}");
    }
}

#[test]
fn lines_are_texts_whatever_ends_them() {
    check("", Layout::Lines, "");
    check(
        "{}\n{\"a\":1}\r\n\r\n \n{}\r{}",
        Layout::Lines,
        "1+2 2+7 5+2 6+2",
    );
    check("{\n{}\n", Layout::Lines, "1+1 2+2");
}

#[test]
fn objects_of_an_array_have_the_line_at_which_they_begin() {
    for (text, expected) in [
        ("[]", ""),
        (" \r\n[\r\n]\n", ""),
        ("[{}]", "1+2"),
        ("[{},{\"a\":[1,\"]\"]}]", "1+2 1+13"),
        ("[\n  {\n    \"a\": 1\n  },\n  {}\n]\n", "2+16 5+2"),
        ("[{}\n, {}\n, 1, \"x\", null]", "1+2 2+2 3+1 3+3 3+4"),
        ("[{},", "1+2 !!1"),
        ("", "!!1"),
        ("[{}] {}", "1+2 !!1"),
    ] {
        check(text, Layout::Array, expected);
    }
}

#[test]
fn objects_over_several_lines_need_no_array() {
    check(
        "{\n \"a\": 1\n}\n{}\n{\n}",
        Layout::Sequence,
        "1+11 4+2 5+3",
    );
    check("1 2", Layout::Sequence, "1+1 1+1");
}

#[test]
fn after_a_value_without_end_reading_goes_on_where_the_next_begins() {
    for (text, expected) in [
        // A text that is not closed.
        ("[\n  {\"a\": \"x},\n  {\"b\": 1}\n]", "!2 3+8"),
        // A bracket that is not closed, and one that is closed by another.
        ("[\n  {\"a\": [1},\n  {\"b\": 1}\n]", "!2 3+8"),
        ("[\n  {\"a\": {\n    {\n  },\n  {\"b\": 1}\n]", "!2 5+8"),
        ("[\n{\"a\": 1,\n{\"b\": 1}\n]", "!2 3+8"),
        // One that is not open.
        ("[\n},\n{}\n]", "!2 3+2"),
        // Nothing tells where the next one begins.
        ("[{\"a\": [1}, {}]", "!!1"),
        ("[{\"a\": \"x}\n", "!!1"),
    ] {
        check(text, Layout::Array, expected);
    }
}

#[test]
fn what_is_too_long_is_left_out_alone() {
    let long = "x".repeat(LINE_BYTES);
    for (text, layout, expected) in [
        (format!("{{}}\nx{long}\n{{}}"), Layout::Lines, "1+2 !2 3+2"),
        (
            format!("{{}}\n{}\n{{}}", long.repeat(64)),
            Layout::Lines,
            "1+2 !2 3+2",
        ),
        (
            format!("[{{}},\n{{\"a\":\"{long}\"}},\n{{}}]"),
            Layout::Array,
            "1+2 !2 3+2",
        ),
        (
            format!("[{{}},{{\"a\":\"{}\"}},{{}}\n]", long.repeat(40)),
            Layout::Array,
            "1+2 !1 1+2",
        ),
        (
            format!(
                "[{}{},\n{{}}]",
                "[".repeat(LINE_BYTES),
                "]".repeat(LINE_BYTES)
            ),
            Layout::Array,
            "!1 2+2",
        ),
        (
            format!("[{{\"a\":\"{}", long.repeat(40)),
            Layout::Array,
            "!!1",
        ),
    ] {
        assert_eq!(shown(&text, layout, 1 << 16), expected, "{text:.20}");
    }
}
