//! Files of other kinds, known by how they begin, and what to do with each.

/// The first bytes of a kind of file, and the end of the sentence about it.
const KINDS: [(&[u8], &str); 22] = [
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "is an Excel workbook (.xls): save the sheet as \"CSV UTF-8\" and import that",
    ),
    (
        b"%PDF-",
        "is a PDF: import the table that it was made of, as CSV",
    ),
    (
        b"SQLite format 3\0",
        "is an SQLite database: write the query as CSV (`sqlite3 -header -csv FILE 'SELECT …'`) and import that",
    ),
    (
        b"Obj\x01",
        "is an Avro file: export it as Parquet, JSON Lines or CSV",
    ),
    (
        b"ORC",
        "is an ORC file: export it as Parquet, JSON Lines or CSV",
    ),
    (
        b"ARROW1",
        "is an Arrow or Feather file: export it as Parquet, JSON Lines or CSV",
    ),
    (
        b"PARE",
        "is a Parquet file whose end is encrypted: export it without encryption",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "is compressed with Zstandard: unpack it with `zstd -d FILE` and import what comes out",
    ),
    (
        b"\xfd7zXZ\0",
        "is compressed with xz: unpack it with `unxz FILE` and import what comes out",
    ),
    (
        b"BZh",
        "is compressed with bzip2: unpack it with `bunzip2 FILE` and import what comes out",
    ),
    (
        b"\x04\x22\x4d\x18",
        "is compressed with LZ4: unpack it with `lz4 -d FILE` and import what comes out",
    ),
    (
        b"\xff\x06\0\0sNaPpY",
        "is compressed with Snappy: unpack it and import what comes out",
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        "is a 7-Zip archive: unpack it and import the files in it",
    ),
    (
        b"Rar!\x1a\x07",
        "is a RAR archive: unpack it and import the files in it",
    ),
    (
        b"\x89PNG\r\n",
        "is a picture: import the file that holds the events",
    ),
    (
        b"\xff\xd8\xff",
        "is a picture: import the file that holds the events",
    ),
    (
        b"GIF8",
        "is a picture: import the file that holds the events",
    ),
    (
        b"\x7fELF",
        "is a program: import the file that holds the events",
    ),
    (
        b"MZ\x90\0",
        "is a program: import the file that holds the events",
    ),
    (
        b"PGDMP",
        "is a dump of PostgreSQL: export the table with `\\copy TABLE TO 'FILE' CSV HEADER`",
    ),
    (
        b"{\\rtf",
        "is a text document (RTF): save it as plain text in UTF-8",
    ),
    (
        b"RIFF",
        "is a media file: import the file that holds the events",
    ),
];

/// Returns what a file is, and what to do with it, where it is of a kind that is not read.
pub(super) fn foreign(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return Some(archive(start));
    }
    if start.get(257..262) == Some(b"ustar") {
        return Some("is a tar archive: unpack it with `tar -xf FILE` and import the files in it");
    }
    // A header may begin with the letters of a format: `ORCID,time,event`.
    let is_binary = start.iter().any(|byte| *byte < b'\t');
    let known = KINDS.iter().find(|(magic, _)| {
        start.starts_with(magic) && (is_binary || matches!(magic, [b'%' | b'{', ..]))
    });
    known
        .map(|(_, sentence)| *sentence)
        .or_else(|| markup(start))
}

/// Workbooks are archives too, and have names of their own in them.
fn archive(start: &[u8]) -> &'static str {
    let holds = |name: &[u8]| start.windows(name.len()).any(|it| it == name);
    if holds(b"xl/") || holds(b"[Content_Types].xml") || holds(b"docProps/") {
        return "is an Excel workbook (.xlsx): save the sheet as \"CSV UTF-8\" and import that";
    }
    if holds(b"opendocument.spreadsheet") {
        return "is an OpenDocument spreadsheet: save the sheet as CSV in UTF-8 and import that";
    }
    "is a ZIP archive: unpack it and import the files in it"
}

fn markup(start: &[u8]) -> Option<&'static str> {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let text = text.trim_ascii_start();
    let begins = |with: &[u8]| {
        text.get(..with.len())
            .is_some_and(|it| it.eq_ignore_ascii_case(with))
    };
    if begins(b"<!doctype html") || begins(b"<html") || begins(b"<head") || begins(b"<body") {
        return Some(
            "is a web page (HTML), as servers answer with in place of a file: open it in a browser to see what it \
             says, and download the file again",
        );
    }
    if begins(b"<?xml") || begins(b"<error") {
        return Some(
            "is XML, as storage services answer with in place of a file: look what it says, and download the file \
             again, or export it as CSV or JSON Lines",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_called_by_their_names() {
        for (start, name) in [
            (
                &b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml"[..],
                "Excel workbook (.xlsx)",
            ),
            (
                b"PK\x03\x04\x14\0\0\x08mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
                "OpenDocument",
            ),
            (b"PK\x03\x04\x14\0\0\0\x08\0events.csv", "ZIP archive"),
            (b"%PDF-1.7\n", "PDF"),
            (b"\xef\xbb\xbf \n<!DOCTYPE HTML><html>", "web page"),
            (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied", "XML"),
            (b"\x28\xb5\x2f\xfd\x04", "Zstandard"),
            (b"ORC\x08\x03", "ORC"),
        ] {
            assert!(foreign(start).is_some_and(|it| it.contains(name)), "{name}");
        }
        for start in [
            "",
            "ORCID,time\n",
            "time,event\n",
            "{\"a\":1}",
            "[{\"a\":1}]",
            "\"PK\",b\n",
            "P",
        ] {
            assert_eq!(foreign(start.as_bytes()), None, "{start}");
        }
    }
}
