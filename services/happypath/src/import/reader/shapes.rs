//! Files in all the shapes in which programs write them, and what each is read as.

use std::io::Write as _;
use std::path::Path;

use proto::identity::v1::Event;

use super::*;
use crate::import::{OneOrMore, Reading};

/// The events of a file, with their lines and digests, and its faults with their places.
#[derive(Debug, Default)]
struct Told {
    events: Vec<Event>,
    lines: Vec<u64>,
    digests: Vec<[u8; 16]>,
    faults: Vec<String>,
}

fn told(name: &str, content: &[u8], mapping: &Mapping) -> Result<Told, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("a file");
    let file = ImportFile::open(&path, None, Reading::default()).map_err(|it| it.to_string())?;
    let mut told = Told::default();
    let found = match lines(&file, mapping) {
        Ok(lines) => lines,
        Err(bad) => Box::new(bad.into_iter().map(Err)),
    };
    for line in found {
        match line {
            Ok(line) => {
                told.lines.push(line.line);
                told.digests.push(line.digest);
                // Where a line stands is no part of what it says.
                told.events.push(Event {
                    sequence: 0,
                    ..line.event
                });
            }
            Err(bad) => told.faults.push(bad.to_string()),
        }
    }
    Ok(told)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).expect("packed");
    packed.finish().expect("packed")
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(to_bytes).collect()
}

#[test]
fn a_table_says_the_same_however_it_is_written() {
    let plain = "time,event,user_id,city\n2024-05-01,a,u1,Zürich\n2024-05-02,a,u2,\n";
    let expected = told("a.csv", plain.as_bytes(), &Mapping::default()).expect("read");
    assert_eq!(
        (&expected.lines[..], &expected.faults[..]),
        (&[2, 3][..], &[][..])
    );
    let crlf = plain.replace('\n', "\r\n");
    let quoted = "\"time\",\"event\",\"user_id\",\"city\"\n\
        \"2024-05-01\",\"a\",\"u1\",\"Zürich\"\n\"2024-05-02\",a,u2,\"\"";
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("a.csv", crlf.clone().into_bytes()),
        ("a.csv", plain.replace('\n', "\r").into_bytes()),
        ("a.csv", plain.replacen('\n', "\r\n", 2).into_bytes()),
        ("a.csv", quoted.as_bytes().to_vec()),
        ("a.csv", plain.replace(',', ";").into_bytes()),
        ("a.txt", plain.replace(',', "|").into_bytes()),
        ("a.tsv", plain.replace(',', "\t").into_bytes()),
        ("a", format!("\u{feff}{crlf}").into_bytes()),
        ("a.csv", utf16(&crlf, u16::to_le_bytes)),
        ("a.txt", utf16(plain, u16::to_be_bytes)),
        ("a.csv.gz", gzip(&utf16(plain, u16::to_le_bytes))),
        // Packed whatever its name says, and in two members.
        (
            "a.csv",
            [gzip(&plain.as_bytes()[..30]), gzip(&plain.as_bytes()[30..])].concat(),
        ),
    ];
    for (name, content) in files {
        let told = told(name, &content, &Mapping::default()).expect("read");
        assert_eq!(told.events, expected.events, "{name}");
        assert_eq!(told.digests, expected.digests, "{name}");
        assert_eq!(told.lines, expected.lines, "{name}");
    }
}

#[test]
fn objects_say_the_same_one_a_line_and_in_an_array() {
    let objects = [
        "{\"time\":\"2024-05-01\",\"event\":\"a\",\"user_id\":\"u1\",\"items\":[{\"n\":1}]}",
        "{\"time\":\"2024-05-02\",\"event\":\"a\",\"user_id\":\"u2\"}",
    ];
    let rows = objects.join("\n");
    let expected = told("a.jsonl", rows.as_bytes(), &Mapping::default()).expect("read");
    assert_eq!(expected.lines, [1, 2]);
    for (content, lines) in [
        (format!("\u{feff}{rows}"), [1, 2]),
        (objects.join("\r\n\r\n"), [1, 3]),
        (format!("[{}]", objects.join(",")), [1, 1]),
        (format!("[\n  {}\n]\n", objects.join(",\n  ")), [2, 3]),
    ] {
        for content in [
            content.clone().into_bytes(),
            gzip(content.as_bytes()),
            utf16(content.trim_start_matches('\u{feff}'), u16::to_be_bytes),
        ] {
            let told = told("a", &content, &Mapping::default()).expect("read");
            assert_eq!(told.events, expected.events);
            assert_eq!(told.digests, expected.digests);
            assert_eq!(told.lines, lines);
        }
    }
    let pretty = "[\n  {\n    \"time\": \"2024-05-01\",\n    \"event\": \"a\",\n    \"user_id\": \"u1\"\n  },\n  {\n    \"time\": 1,,\n  },\n  1\n]\n";
    let told = told("a.json", pretty.as_bytes(), &Mapping::default()).expect("read");
    assert_eq!(told.lines, [2]);
    assert_eq!(
        told.faults,
        [
            "7: the object that begins here is no JSON: key must be a string (line 8, column 15)",
            "10:1: is not a JSON object: invalid type: integer `1`, expected an object"
        ]
    );
}

#[test]
fn files_of_public_bug_reports_are_read() {
    let quotes = told(
        "quotes.csv",
        include_bytes!("inputs/quotes.csv"),
        &Mapping::default(),
    )
    .expect("read");
    // Line 6 has no time, and line 8 text after a closing quote.
    assert_eq!(quotes.lines, [2, 4, 7, 9]);
    assert!(
        quotes.faults[0].starts_with("6: time: `broken`"),
        "{quotes:?}"
    );
    assert!(quotes.faults[1].starts_with("8:40: text follows a closing quote"));
    let properties = format!("{:?}", quotes.events[0].properties_form);
    assert!(
        properties.contains("line one\\\\r\\\\nline \\\\\\\"two\\\\\\\", and, commas"),
        "{properties}"
    );
    let cr = told(
        "cr.csv",
        include_bytes!("inputs/cr.csv"),
        &Mapping::default(),
    )
    .expect("read");
    assert_eq!((&cr.lines[..], cr.faults.len()), (&[2, 3][..], 0));
    let mark = told(
        "a.jsonl",
        include_bytes!("inputs/byte-order-mark.jsonl"),
        &Mapping::default(),
    )
    .expect("read");
    assert_eq!((&mark.lines[..], mark.faults.len()), (&[1, 2][..], 0));
    let mapping = Mapping {
        time: Some("Datum".to_owned()),
        event: Some("Ereignis".to_owned()),
        identifiers: [(
            "user_id".to_owned(),
            OneOrMore(vec!["Kundennummer".to_owned()]),
        )]
        .into(),
        ..Mapping::default()
    };
    let semicolons = told(
        "semicolons.csv",
        include_bytes!("inputs/semicolons.csv"),
        &mapping,
    )
    .expect("read");
    assert_eq!(
        (&semicolons.lines[..], &semicolons.faults[..]),
        (&[2, 3][..], &[][..])
    );
}

#[test]
fn good_lines_around_a_bad_one_are_all_taken() {
    let rows = |from: u32| {
        let rows = (from..from + 1_000).map(|row| format!("2024-05-01,a,u{row},x\n"));
        rows.collect::<String>()
    };
    let long = "y".repeat(300 * 1024);
    for bad in [
        format!("2024-05-01,a,u0,{long}\n"),
        format!("2024-05-01,a,u0,\"{long}\"\n"),
        format!("2024-05-01,a,u0,\"{}\"\n", "y\n".repeat(150 * 1024)),
        "2024-05-01,a,u0,\"24 inch\n".to_owned(),
        "2024-05-01,a,u0,\"x\"y\n".to_owned(),
        "2024-05-01,a,u0,x\0\n".to_owned(),
        "2024-05-01,a,u0\n".to_owned(),
        "2024-05-01,a,u0,x,\n".to_owned(),
    ] {
        let content = format!("time,event,user_id,c\n{}{bad}{}", rows(1), rows(2_000));
        let told = told("a.csv", content.as_bytes(), &Mapping::default()).expect("read");
        assert_eq!(
            (told.events.len(), told.faults.len()),
            (2_000, 1),
            "{bad:.40}"
        );
        assert!(told.faults[0].starts_with("1002"), "{:?}", told.faults);
    }
}

#[test]
fn files_of_other_kinds_are_refused_before_anything_is_read() {
    for (name, content, reason) in [
        ("a.csv", &b"PK\x03\x04\x14\0xl/workbook.xml"[..], "Excel"),
        ("a.csv", b"<!doctype html><title>404</title>", "web page"),
        ("a.jsonl", b"%PDF-1.7\n", "PDF"),
        ("a.csv", b"t\0i\0m\0e\0", "iconv -f UTF-16LE"),
        ("a.csv", b"", "is empty"),
        ("a.dat", b"\x01\x02\x03\x04\x05", "is no text"),
        ("a.parquet", b"time,event\n", "`PAR1`"),
        ("a.csv.gz", b"\x1f\x8b\x08", "cannot be unpacked"),
    ] {
        let refused = told(name, content, &Mapping::default()).expect_err("refused");
        assert!(refused.contains(reason), "{refused}");
        assert!(refused.contains(name), "{refused}");
    }
    let packed = gzip(b"PAR1....PAR1");
    let refused = told("a.parquet.gz", &packed, &Mapping::default()).expect_err("refused");
    assert!(refused.contains("gunzip"), "{refused}");
    let folder = tempfile::tempdir().expect("a folder");
    let refused = ImportFile::open(folder.path(), None, Reading::default()).expect_err("refused");
    assert!(refused.to_string().contains("is a folder"), "{refused}");
    let absent = ImportFile::open(Path::new("absent.csv"), None, Reading::default());
    let refused = absent.expect_err("refused").to_string();
    assert!(refused.contains("cannot be read"), "{refused}");
}

#[test]
fn a_header_alone_has_no_events_and_no_faults() {
    for content in [
        "time,event,user_id",
        "time,event,user_id\r\n\r\n",
        "sep=;\ntime;event;user_id\n",
    ] {
        let told = told("a.csv", content.as_bytes(), &Mapping::default()).expect("read");
        assert_eq!((told.events.len(), told.faults.len()), (0, 0));
    }
}

#[test]
fn batches_end_before_a_message_is_full() {
    let value = "x".repeat(20_000);
    let rows: String = (0..200)
        .map(|row| format!("2024-05-01,a,u{row},{value}\n"))
        .collect();
    let content = format!("time,event,user_id,c\n{rows}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.csv");
    std::fs::write(&path, content).expect("a file");
    let file = ImportFile::open(&path, None, Reading::default()).expect("a form");
    let lines = lines(&file, &Mapping::default()).expect("a header");
    let sizes: Vec<usize> = Pieces::new(lines, 1_000)
        .map(|piece| match piece {
            Piece::Batch(batch) => batch.lines.len(),
            Piece::Bad(bad) => panic!("{bad}"),
        })
        .collect();
    assert_eq!(sizes.iter().sum::<usize>(), 200);
    assert!(
        sizes
            .iter()
            .all(|size| size * value.len() < 2 * BATCH_BYTES),
        "{sizes:?}"
    );
}
