//! Lines of separated values.

use std::cell::Cell;
use std::io::{BufRead, Error, Read};
use std::rc::Rc;

use super::bad_line::BadLine;
use super::columns::Builder;
use super::line::{Fingerprint, Line};
use super::mapping::{Mapping, Role};
use crate::limits::LINE_BYTES;

/// Reads events from separated values under a header.
pub(super) struct CsvLines {
    reader: csv::Reader<Bounded>,
    record: csv::StringRecord,
    roles: Vec<Role>,
    event_name: Option<String>,
    since_record: Rc<Cell<usize>>,
    /// The line of the last record, or of the header.
    line: u64,
    is_over: bool,
}

impl CsvLines {
    /// Reads the header.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn open(
        reader: Box<dyn BufRead>,
        separator: u8,
        mapping: &Mapping,
    ) -> Result<Self, Vec<BadLine>> {
        let since_record = Rc::new(Cell::new(0));
        let bounded = Bounded {
            inner: reader,
            since_record: Rc::clone(&since_record),
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .from_reader(bounded);
        let header = reader
            .headers()
            .map_err(|error| vec![bad_line(&error, 1)])?
            .clone();
        let mut columns: Vec<&str> = header.iter().map(str::trim).collect();
        if let Some(first) = columns.first_mut() {
            // Spreadsheets begin their files with a byte order mark.
            *first = first.trim_start_matches('\u{feff}');
        }
        let roles = mapping
            .roles(&columns, false)
            .map_err(|faults| vec![bad_header(&columns, &faults)])?;
        Ok(Self {
            reader,
            record: csv::StringRecord::new(),
            roles,
            event_name: mapping.event_name.clone(),
            since_record,
            line: 1,
            is_over: false,
        })
    }
}

impl Iterator for CsvLines {
    type Item = Result<Line, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        self.since_record.set(0);
        let line = self.reader.position().line();
        match self.reader.read_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.record.position().map_or(line, csv::Position::line);
                // A line may end with a carriage return alone, which the reader does not count, and
                // two events of one place would count as one.
                let line = line.max(self.line + 1);
                self.line = line;
                let mut fingerprint = Fingerprint::default();
                self.record
                    .iter()
                    .for_each(|cell| fingerprint.cell(cell.as_bytes()));
                let digest = fingerprint.digest();
                let mut builder = Builder::new(line, self.event_name.as_deref());
                for (role, cell) in self.roles.iter().zip(&self.record) {
                    builder.text(role, cell);
                }
                let event = builder.build();
                Some(event.map(|event| Line {
                    event,
                    line,
                    digest,
                }))
            }
            Err(error) => {
                // A reader that failed would fail for ever.
                self.is_over = matches!(error.kind(), csv::ErrorKind::Io(_));
                Some(Err(bad_line(&error, line)))
            }
        }
    }
}

/// All that is wrong with the names of the columns, as one line: an import that stops at bad lines
/// stops at it.
fn bad_header(columns: &[&str], faults: &[(String, String)]) -> BadLine {
    if columns.iter().all(|column| column.is_empty()) {
        return BadLine::new(
            1,
            "",
            "names no columns: expected their names, such as `timestamp,event,user_id`, and one event on each line after",
        );
    }
    let known = format!("(the columns are {})", columns.join(", "));
    if let [(field, reason)] = faults {
        return BadLine::new(1, field, format!("{reason} {known}"));
    }
    let all: Vec<String> = faults
        .iter()
        .map(|(field, reason)| format!("{field}: {reason}"))
        .collect();
    BadLine::new(1, "", format!("{} {known}", all.join("; ")))
}

fn bad_line(error: &csv::Error, line: u64) -> BadLine {
    let line = error.position().map_or(line, csv::Position::line);
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!("has {len} values, and the header {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is not text in UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    };
    BadLine::new(line, "", reason)
}

/// Refuses a record without end, such as after a quote that is never closed, before it takes all
/// memory.
struct Bounded {
    inner: Box<dyn BufRead>,
    since_record: Rc<Cell<usize>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let since = self.since_record.get() + count;
        self.since_record.set(since);
        if since > LINE_BYTES {
            return Err(Error::other(format!(
                "a record longer than {LINE_BYTES} bytes begins here: is a quote not closed?"
            )));
        }
        Ok(count)
    }
}
