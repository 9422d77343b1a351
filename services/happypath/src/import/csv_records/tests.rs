//! Records and faults, as they are read; and that none is lost.

mod random;

use std::io::{Cursor, Read};

use super::*;

/// Yields a few bytes a read, so that everything is cut everywhere.
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

/// A record with its line, or the line and column of a fault.
type Found = Result<(u64, Vec<String>), (u64, u64)>;

/// Reads a file whose reads are so long.
fn read(bytes: &[u8], separator: u8, count: Option<usize>, size: usize) -> Vec<Found> {
    let pieces = Pieces {
        bytes: Cursor::new(bytes.to_vec()),
        size,
    };
    let mut records = Records::new(Window::new(Box::new(pieces)), separator);
    let mut found = Vec::new();
    while let Some(advanced) = records.advance(count) {
        let record = advanced.and_then(|()| {
            let record = records.record()?;
            Ok((record.line, record.cells().map(Cow::into_owned).collect()))
        });
        found.push(record.map_err(|bad| (bad.line, bad.column.unwrap_or(0))));
    }
    found
}

/// Returns what is read, a record each: its line, and its cells in brackets; or `!` with the place
/// of a fault.
fn shown(text: &str, count: Option<usize>) -> String {
    let all: Vec<Vec<Found>> = [1, 2, 7, 1 << 16]
        .map(|size| read(text.as_bytes(), b',', count, size))
        .into();
    assert!(all.windows(2).all(|two| two[0] == two[1]), "{all:?}");
    let shown = all[0].iter().map(|record| match record {
        Ok((line, cells)) => {
            let cells: Vec<String> = cells.iter().map(|cell| format!("[{cell}]")).collect();
            format!("{line}{}", cells.concat())
        }
        Err((line, 0)) => format!("!{line}"),
        Err((line, column)) => format!("!{line}:{column}"),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn records_are_read_by_the_rfc() {
    for (text, expected) in [
        ("", ""),
        ("a,b", "1[a][b]"),
        ("a,b\n", "1[a][b]"),
        ("a,b\nc,d\r\ne,f\rg,h", "1[a][b] 2[c][d] 3[e][f] 4[g][h]"),
        ("\"a\",\"b, c\"\r\n", "1[a][b, c]"),
        ("\"a \"\"b\"\"\",c\n", "1[a \"b\"][c]"),
        ("\"\",\"\"\"\"\n", "1[][\"]"),
        ("\"a\nb\",c\nd,e\n", "1[a\nb][c] 3[d][e]"),
        ("\"a\r\nb\r\",c\r\nd,e", "1[a\r\nb\r][c] 4[d][e]"),
        ("a,\"b\nc\"", "1[a][b\nc]"),
        (" a , b \n", "1[ a ][ b ]"),
        ("a,\n,b\n", "1[a][] 2[][b]"),
        // Nothing says nothing.
        ("\n\r\n\ra,b\n\n,\n\"\",\"\"\nc,d\n", "4[a][b] 8[c][d]"),
        // A quote inside a value that does not begin with one is text.
        ("24\" x,a \"b\" c\n", "1[24\" x][a \"b\" c]"),
    ] {
        assert_eq!(shown(text, None), expected, "{text:?}");
    }
}

#[test]
fn faults_have_their_place_and_cost_one_line() {
    for (text, expected) in [
        // Never closed.
        ("a,b\nc,\"d\ne,f\ng,h\n", "1[a][b] !2:3 3[e][f] 4[g][h]"),
        ("a,\"b", "!1:3"),
        ("\"", "!1:1"),
        // Closed on a later line, where text follows.
        (
            "a,\"24 inch\nb,\"27 inch\"\nc,d\n",
            "!1:3 2[b][27 inch] 3[c][d]",
        ),
        (
            "a,\"b\nc,d\ne,f\"g\nh,i\n",
            "!1:3 2[c][d] 3[e][f\"g] 4[h][i]",
        ),
        // Closed on a later line, and another one opened there.
        ("a,\"b\nc,d\",\"x\ne,f\n", "!1:3 2[c][d\"][\"x\ne,f] "),
        // Text after a closing quote.
        ("ü,\"b\"tail\nc,d\n", "!1:6 2[c][d]"),
        ("a,\"b\" \nc,d\n", "!1:6 2[c][d]"),
        // Blanks before a quote.
        ("a, \"b, c\"\nd,e\n", "!1:4 2[d][e]"),
    ] {
        let expected = match expected {
            // The last record of this one is never closed either.
            it if it.ends_with(' ') => "!1:3 !2:6 3[e][f]",
            it => it,
        };
        assert_eq!(shown(text, None), expected, "{text:?}");
    }
}

#[test]
fn a_record_of_another_length_is_a_fault_and_gives_back_the_lines_that_a_quote_took() {
    for (text, expected) in [
        ("a,b\nc\nd,e,f\ng,h\n", "1[a][b] !2 !3 4[g][h]"),
        ("a,\"b\nc,d\ne\",f\ng,h\n", "!1:3 2[c][d] 3[e\"][f] 4[g][h]"),
    ] {
        assert_eq!(shown(text, Some(2)), expected, "{text:?}");
    }
}

#[test]
fn records_that_are_too_long_are_left_out_alone() {
    let long = "x".repeat(LINE_BYTES);
    let longest = "y".repeat(LINE_BYTES - 3);
    for (text, expected) in [
        (format!("a,b\nc,{long}\ne,f\n"), "2 !2 3"),
        (format!("a,b\nc,{longest}\ne,f\n"), "3 3"),
        (format!("a,b\nc,\"{long}\"\ne,f\n"), "2 !2 3"),
        (format!("a,b\nc,\"{long}\n{long}\"\ne,f\n"), "2 !2 4"),
        (format!("a,b\nc,{}\ne,f\n", long.repeat(40)), "2 !2 3"),
        (format!("a,b\nc,\"{}\"\ne,f\n", long.repeat(40)), "2 !2 3"),
        (format!("a,b\nc,\"{}\ne,f\n", long.repeat(40)), "2 !2 3"),
    ] {
        let found = read(text.as_bytes(), b',', None, 1 << 16);
        let bad = found.iter().find_map(|it| it.as_ref().err());
        let good = found.iter().filter_map(|it| it.as_ref().ok());
        let last = good.clone().next_back().map_or(0, |(line, _)| *line);
        let bad = bad.map_or(String::new(), |(line, _)| format!("!{line} "));
        assert_eq!(format!("{} {bad}{last}", good.count()), expected);
    }
    // One quote before more lines than anybody looks ahead.
    let line = format!("{}\n", "z".repeat(999));
    let lines = 1 + LOOK_AHEAD_BYTES / line.len();
    let endless = format!("a,\"{}", line.repeat(lines));
    let found = read(endless.as_bytes(), b',', Some(2), 1 << 16);
    assert_eq!(found.len(), lines);
    assert!(found.iter().all(Result::is_err));
}

#[test]
fn what_is_no_text_is_refused_by_line_column_and_byte() {
    for (text, place) in [
        (&b"a,b\nc,caf\xe9\nd,e\n"[..], (2, 6)),
        (b"a,b\n\"x\ny\",\xc3\n", (3, 4)),
        (b"a,b\nc,\0\n", (2, 3)),
    ] {
        let found = read(text, b',', None, 3);
        let faults: Vec<_> = found.iter().filter_map(|it| it.as_ref().err()).collect();
        assert_eq!(faults, [&place], "{text:?}");
    }
    let mut records = Records::new(
        Window::new(Box::new(Cursor::new(b"a,b\nc,caf\xe9\n".to_vec()))),
        b',',
    );
    for _ in 0..2 {
        assert_eq!(records.advance(None), Some(Ok(())));
    }
    let refused = records.record().map(|it| it.line).expect_err("no text");
    assert!(refused.reason.contains("byte 0xE9"), "{refused}");
    assert!(refused.reason.contains("(byte 10 of"), "{refused}");
    assert!(
        refused.reason.contains("iconv -f WINDOWS-1252 -t UTF-8"),
        "{refused}"
    );
}

#[test]
fn a_file_that_breaks_off_says_so_last() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            buffer[..6].copy_from_slice(b"a,b\nc,");
            Ok(6)
        }
    }
    let mut records = Records::new(Window::new(Box::new(Broken(false))), b',');
    assert_eq!(records.advance(None), Some(Ok(())));
    let bad = records.advance(None).and_then(Result::err);
    assert!(bad.is_some_and(|bad| bad.is_last && bad.line == 2));
    assert_eq!(records.advance(None), None);
}

#[test]
fn a_first_line_that_names_the_separator_is_left_out() {
    for text in ["sep=;\r\na;b", "SEP=;\ra;b", "sep=;\na;b"] {
        let window = Window::new(Box::new(Cursor::new(text.as_bytes().to_vec())));
        let mut records = Records::new(window, b';');
        records.skip_hint().expect("read");
        assert_eq!(records.advance(None), Some(Ok(())));
        let record = records.record().expect("text");
        let cells: Vec<_> = record.cells().collect();
        assert_eq!((record.line, cells.join(" ")), (2, "a b".to_owned()));
    }
}
