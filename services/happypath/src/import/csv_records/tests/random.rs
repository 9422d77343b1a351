//! Random files: what a writer writes is read back, and garbage is read as a naive reader reads it.

use std::io::{Cursor, Read};

use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert_eq, proptest};

use super::{Found, Pieces, read};
use crate::import::encoding::Encoding;

/// A file: its cells, and how each record ends.
#[derive(Debug, Clone)]
struct Table {
    rows: Vec<(Vec<String>, &'static str)>,
    separator: u8,
    /// Puts quotes around cells that need none.
    quotes_all: bool,
}

fn table() -> impl Strategy<Value = Table> {
    let cell = "[a-b \",;\\|\t\r\n\u{e9}\u{1f600}]{0,6}";
    let end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    let row = (prop::collection::vec(cell, 3), end);
    let separator = prop::sample::select(b",;\t|".to_vec());
    let rows = prop::collection::vec(row, 0..6);
    (rows, separator, any::<bool>()).prop_map(|(rows, separator, quotes_all)| Table {
        rows,
        separator,
        quotes_all,
    })
}

impl Table {
    fn write(&self) -> String {
        let mut text = String::new();
        for (cells, end) in &self.rows {
            let cells: Vec<String> = cells.iter().map(|cell| self.cell(cell)).collect();
            text.push_str(&cells.join(&char::from(self.separator).to_string()));
            text.push_str(end);
        }
        text
    }

    fn cell(&self, cell: &str) -> String {
        let special = ['"', '\r', '\n', char::from(self.separator)];
        if self.quotes_all || cell.contains(special) {
            return format!("\"{}\"", cell.replace('"', "\"\""));
        }
        cell.to_owned()
    }

    /// Returns the rows that say anything, with their lines.
    fn rows(&self) -> Vec<Found> {
        let mut line = 1;
        let mut rows = Vec::new();
        for (cells, _) in &self.rows {
            if cells.iter().any(|cell| !cell.is_empty()) {
                rows.push(Ok((line, cells.clone())));
            }
            line += 1 + cells.iter().map(|cell| lines_in(cell)).sum::<u64>();
        }
        rows
    }
}

fn lines_in(text: &str) -> u64 {
    text.replace("\r\n", "\n").matches(['\r', '\n']).count() as u64
}

/// Returns a text in UTF-16 with a mark.
fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(to_bytes).collect()
}

/// Reads one record after the other, a character at a time, from a text that is all there.
fn naive(text: &str, separator: char) -> Vec<Found> {
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < characters.len() {
        let (next, record) = naive_record(&characters, at, separator);
        let before: String = characters[at..next].iter().collect();
        match record {
            Ok(cells) if cells.iter().all(String::is_empty) => {}
            Ok(cells) => found.push(Ok((line, cells))),
            Err(place) => {
                let until: String = characters[at..place].iter().collect();
                let lines = lines_in(&until);
                let tail = until.rsplit(['\r', '\n']).next().unwrap_or_default();
                found.push(Err((line + lines, tail.chars().count() as u64 + 1)));
            }
        }
        line += lines_in(&before);
        at = next;
    }
    found
}

/// Reads one record: where the next one begins, and its cells or the place of its fault.
fn naive_record(
    text: &[char],
    from: usize,
    separator: char,
) -> (usize, Result<Vec<String>, usize>) {
    let is_end = |at: usize| text.get(at).is_none_or(|it| matches!(it, '\r' | '\n'));
    let mut cells = Vec::new();
    let mut spanning = None;
    let mut at = from;
    let fault = |at: usize, spanning: Option<usize>| {
        let place = spanning.unwrap_or(at);
        let mut end = place;
        while !is_end(end) {
            end += 1;
        }
        (after_line(text, end), Err(place))
    };
    loop {
        let mut cell = String::new();
        if text.get(at) == Some(&'"') {
            let opened = at;
            at += 1;
            loop {
                match (text.get(at), text.get(at + 1)) {
                    (None, _) => return fault(opened, spanning.or(Some(opened))),
                    (Some('"'), Some('"')) => {
                        cell.push('"');
                        at += 2;
                    }
                    (Some('"'), _) => break,
                    (Some(it), _) => {
                        if matches!(it, '\r' | '\n') {
                            spanning = spanning.or(Some(opened));
                        }
                        cell.push(*it);
                        at += 1;
                    }
                }
            }
            at += 1;
            if !is_end(at) && text[at] != separator {
                return fault(at, spanning);
            }
        } else {
            while !is_end(at) && text[at] != separator {
                let is_blank = cell.chars().all(|it| it == ' ' || it == '\t');
                if text[at] == '"' && is_blank {
                    return fault(at, spanning);
                }
                cell.push(text[at]);
                at += 1;
            }
        }
        cells.push(cell);
        if is_end(at) {
            return (after_line(text, at), Ok(cells));
        }
        at += 1;
    }
}

fn after_line(text: &[char], end: usize) -> usize {
    match (text.get(end), text.get(end + 1)) {
        (None, _) => end,
        (Some('\r'), Some('\n')) => end + 2,
        _ => end + 1,
    }
}

proptest! {
    #[test]
    fn what_a_writer_writes_is_read_back(table in table(), size in 1_usize..20, cut in any::<bool>()) {
        let mut text = table.write();
        if cut {
            // The last line needs no end.
            let ends = table.rows.last().map_or(0, |(_, end)| end.len());
            text.truncate(text.len() - ends);
        }
        let rows = table.rows();
        for bytes in [
            text.clone().into_bytes(),
            format!("\u{feff}{text}").into_bytes(),
            utf16(&text, u16::to_le_bytes),
            utf16(&text, u16::to_be_bytes),
        ] {
            let encoding = if bytes == text.as_bytes() {
                Encoding::Utf8
            } else {
                Encoding::detect(&bytes).expect("a mark")
            };
            let pieces = Pieces { bytes: Cursor::new(bytes), size };
            let mut decoded = Vec::new();
            encoding.decode(Box::new(pieces)).expect("a mark").read_to_end(&mut decoded).expect("text");
            prop_assert_eq!(&read(&decoded, table.separator, Some(3), size), &rows);
        }
    }

    #[test]
    fn garbage_is_read_as_a_naive_reader_reads_it(text in "[ab \",\r\n\u{e9}]{0,40}", size in 1_usize..9) {
        prop_assert_eq!(read(text.as_bytes(), b',', None, size), naive(&text, ','));
    }
}
