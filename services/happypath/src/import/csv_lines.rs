//! Events from separated values.

use super::bad_line::BadLine;
use super::columns::Builder;
use super::csv_records::Records;
use super::line::{Fingerprint, Line};
use super::mapping::{Mapping, Role};
use super::window::Window;

/// Reads events from separated values under a header.
pub(super) struct CsvLines {
    records: Records,
    roles: Vec<Role>,
    event_name: Option<String>,
}

impl CsvLines {
    /// Reads the header.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn open(
        window: Window,
        separator: u8,
        mapping: &Mapping,
    ) -> Result<Self, Vec<BadLine>> {
        let mut records = Records::new(window, separator);
        records.skip_hint().map_err(|bad| vec![bad])?;
        match records.advance(None) {
            None => return Err(vec![BadLine::new(1, "", NO_HEADER)]),
            Some(advanced) => advanced.map_err(|bad| vec![bad])?,
        }
        let header = records.record().map_err(|bad| vec![bad])?;
        let columns: Vec<String> = header.cells().map(|it| it.trim().to_owned()).collect();
        let roles = mapping
            .roles_between(separator, &columns)
            .map_err(|faults| vec![bad_header(header.line, &columns, &faults)])?;
        Ok(Self {
            records,
            roles,
            event_name: mapping.event_name.clone(),
        })
    }

    fn event(&self) -> Result<Line, BadLine> {
        let record = self.records.record()?;
        let mut fingerprint = Fingerprint::default();
        let mut builder = Builder::new(record.line, self.event_name.as_deref());
        for (role, cell) in self.roles.iter().zip(record.cells()) {
            fingerprint.cell(cell.as_bytes());
            builder.text(role, &cell);
        }
        Ok(Line {
            event: builder.build()?,
            line: record.line,
            digest: fingerprint.digest(),
        })
    }
}

impl Iterator for CsvLines {
    type Item = Result<Line, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        let advanced = self.records.advance(Some(self.roles.len()))?;
        Some(advanced.and_then(|()| self.event()))
    }
}

const NO_HEADER: &str = "names no columns: expected their names, such as `timestamp,event,user_id`, and one event on \
     each line after";

/// All that is wrong with the names of the columns, as one line: an import that stops at bad lines
/// stops at it.
fn bad_header(line: u64, columns: &[String], faults: &[(String, String)]) -> BadLine {
    let known = known(columns);
    if let [(field, reason)] = faults {
        return BadLine::new(line, field, format!("{reason} {known}"));
    }
    let all: Vec<String> = faults
        .iter()
        .map(|(field, reason)| format!("{field}: {reason}"))
        .collect();
    BadLine::new(line, "", format!("{} {known}", all.join("; ")))
}

/// Returns the names of the columns, the first of them where there are many, and the way to see
/// what they hold.
fn known(columns: &[String]) -> String {
    /// Names that a sentence can hold.
    const NAMED: usize = 20;
    let names: Vec<&str> = columns.iter().take(NAMED).map(String::as_str).collect();
    let more = if columns.len() > NAMED { ", …" } else { "" };
    format!(
        "(the columns are {}{more}; --dry-run shows what they hold)",
        names.join(", ")
    )
}
