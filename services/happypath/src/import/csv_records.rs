//! The records of a file of separated values, one after the other, whatever is between them.
//!
//! A record that is none costs its first line: reading goes on with the next one, so that a quote
//! which is never closed takes no others with it. Every line is in a record or in a fault.

use std::borrow::Cow;

use super::bad_line::BadLine;
use super::csv_scan::{Cell, Extent, Fault, FaultKind, Scan, scan};
use super::encoding::no_text;
use super::window::{Window, count_line_ends, line_end, place_in};
use crate::limits::{LINE_BYTES, LOOK_AHEAD_BYTES};

/// Reads records.
pub(super) struct Records {
    window: Window,
    separator: u8,
    /// The line at which the window begins.
    line: u64,
    cells: Vec<Cell>,
    /// The record at the beginning of the window.
    current: Extent,
    /// The reason for which the file cannot be read on.
    failed: Option<BadLine>,
    is_over: bool,
}

/// A record as it is in the file.
pub(super) struct Record<'r> {
    /// The line at which it begins.
    pub(super) line: u64,
    text: &'r str,
    cells: &'r [Cell],
}

impl<'r> Record<'r> {
    /// Returns the texts of the cells.
    pub(super) fn cells(&self) -> impl Iterator<Item = Cow<'r, str>> {
        let text = self.text;
        self.cells.iter().map(move |cell| {
            let inside = &text[cell.start..cell.end];
            match cell.is_escaped {
                true => Cow::Owned(inside.replace("\"\"", "\"")),
                false => Cow::Borrowed(inside),
            }
        })
    }
}

impl Records {
    /// Reads from here.
    pub(super) fn new(window: Window, separator: u8) -> Self {
        Self {
            window,
            separator,
            line: 1,
            cells: Vec::new(),
            current: NOTHING,
            failed: None,
            is_over: false,
        }
    }

    /// Leaves the first line behind where it only names the separator, as spreadsheets do.
    pub(super) fn skip_hint(&mut self) -> Result<(), BadLine> {
        while self.window.bytes().len() < HINT_BYTES && !self.window.is_end() {
            self.window.fill().map_err(|error| self.broken(&error))?;
        }
        if separator_hint(self.window.bytes()).is_some() {
            let line = self.line;
            self.window
                .skip_line()
                .map_err(|error| broken(line, &error))?;
            self.line += 1;
        }
        Ok(())
    }

    /// Goes to the next record that says anything, of so many cells if their number is known; none
    /// at the end.
    pub(super) fn advance(&mut self, count: Option<usize>) -> Option<Result<(), BadLine>> {
        loop {
            let Extent { length, lines, .. } = std::mem::replace(&mut self.current, NOTHING);
            self.window.advance(length);
            self.line += lines;
            if let Some(bad) = self.failed.take() {
                self.is_over = true;
                return Some(Err(bad));
            }
            if self.is_over || (self.window.is_end() && self.window.bytes().is_empty()) {
                return None;
            }
            let bytes = self.window.bytes();
            match scan(bytes, self.window.is_end(), self.separator, &mut self.cells) {
                Scan::More { opened } if bytes.len() >= LOOK_AHEAD_BYTES => {
                    return Some(Err(self.give_up(opened)));
                }
                Scan::More { .. } => {
                    // Twice as much each time, so that looking again costs no more than reading.
                    let wanted = bytes.len().max(1) * 2;
                    while self.window.bytes().len() < wanted && !self.window.is_end() {
                        if let Err(error) = self.window.fill() {
                            self.is_over = true;
                            return Some(Err(self.broken(&error)));
                        }
                    }
                }
                Scan::Fault(fault) => return Some(Err(self.fault(fault))),
                Scan::Record(extent) => {
                    self.current = extent;
                    // A row of nothing is a blank line of a spreadsheet.
                    if self.cells.iter().all(|cell| cell.start == cell.end) {
                        continue;
                    }
                    return Some(self.judge(extent, count));
                }
            }
        }
    }

    /// Returns the record that was gone to.
    ///
    /// # Errors
    /// Where it is no text.
    pub(super) fn record(&self) -> Result<Record<'_>, BadLine> {
        let bytes = &self.window.bytes()[..self.current.length];
        let refused = |at: usize, reason: String| {
            let (lines, column) = place_in(bytes, at);
            BadLine::at(self.line + lines, column, reason)
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            refused(at, no_text(bytes[at], self.window.offset() + at as u64))
        })?;
        if let Some(at) = text.find('\0') {
            return Err(refused(at, NUL.to_owned()));
        }
        Ok(Record {
            line: self.line,
            text,
            cells: &self.cells,
        })
    }

    /// Refuses a record that is too long, or has another number of cells than the header.
    fn judge(&mut self, extent: Extent, count: Option<usize>) -> Result<(), BadLine> {
        if extent.length > LINE_BYTES {
            return Err(BadLine::new(self.line, "", too_long()));
        }
        let Some(expected) = count.filter(|count| *count != self.cells.len()) else {
            return Ok(());
        };
        let found = self.cells.len();
        let mut reason = format!(
            "has {found} values, and the header {expected}: put a value that holds a {} in quotes",
            match self.separator {
                b';' => "semicolon",
                b'\t' => "tab",
                b'|' => "pipe",
                _ => "comma",
            }
        );
        if found < expected {
            reason = format!(
                "has {found} values, and the header {expected}: leave what is not known empty"
            );
        }
        let Some(opened) = extent.spanning else {
            return Err(BadLine::new(self.line, "", reason));
        };
        // A quote that was closed by chance took lines that may be good.
        let (before, column) = place_in(self.window.bytes(), opened);
        let last = self.line + extent.lines.max(1) - 1;
        let line = self.line + before;
        self.current = NOTHING;
        self.resume_after(opened);
        Err(BadLine::at(
            line,
            column,
            format!(
                "a quote is opened here, and the record with it, which ends on line {last}, {reason}"
            ),
        ))
    }

    /// Reports what is no record, and goes on after its first line.
    fn fault(&mut self, fault: Fault) -> BadLine {
        let bytes = self.window.bytes();
        let place = |at| {
            let (lines, column) = place_in(bytes, at);
            (self.line + lines, column)
        };
        let (line, column) = place(fault.at);
        let reason = match fault.kind {
            FaultKind::Unclosed => UNCLOSED,
            FaultKind::TextAfterQuote => TEXT_AFTER_QUOTE,
            FaultKind::BlankBeforeQuote => BLANK_BEFORE_QUOTE,
        };
        let (opened, bad) = match fault.spanning {
            Some(opened) if opened != fault.at => {
                let (from, begin) = place(opened);
                let reason = format!(
                    "a quote is opened here, and not closed on this line; on line {line}, column {column}, {reason}"
                );
                (opened, BadLine::at(from, begin, reason))
            }
            _ => (fault.at, BadLine::at(line, column, reason)),
        };
        self.resume_after(opened);
        bad
    }

    /// Goes to the line after the one that has this place in it.
    fn resume_after(&mut self, at: usize) {
        self.line += count_line_ends(&self.window.bytes()[..at]) + 1;
        self.window.advance(at);
        if let Err(error) = self.window.skip_line() {
            self.failed = Some(self.broken(&error));
        }
    }

    /// Leaves out what goes on for longer than anybody may look ahead.
    fn give_up(&mut self, opened: Option<usize>) -> BadLine {
        let bytes = self.window.bytes();
        if let Some(at) = opened
            && line_end(&bytes[at..], false).is_some()
        {
            return self.fault(Fault {
                kind: FaultKind::Unclosed,
                at,
                spanning: None,
            });
        }
        // The line that the quote is in has no end in sight.
        let at = opened.unwrap_or(0);
        let line = self.line + count_line_ends(&bytes[..at]);
        self.resume_after(at);
        BadLine::new(line, "", too_long())
    }

    fn broken(&self, error: &std::io::Error) -> BadLine {
        broken(self.line, error)
    }
}

/// Returns the separator that the first line names, and nothing else: `sep=;`.
pub(super) fn separator_hint(start: &[u8]) -> Option<u8> {
    let end = line_end(start, true)?;
    match &start[..end.at] {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] => Some(*separator),
        _ => None,
    }
}

/// As many bytes as a first line that names the separator, with its end.
const HINT_BYTES: usize = 7;

const NOTHING: Extent = Extent {
    length: 0,
    lines: 0,
    spanning: None,
};

const UNCLOSED: &str = "a quote is opened here and never closed: close it, or put the value in quotes and write \
     this one twice (\"\")";
const TEXT_AFTER_QUOTE: &str = "text follows a closing quote: put all of the value in quotes, and write each one inside it twice (\"\")";
const BLANK_BEFORE_QUOTE: &str = "a blank comes before the quote that begins the value: remove it";
const NUL: &str = "holds a NUL character, which no text has: write the file again as text in UTF-8";

pub(super) fn too_long() -> String {
    format!(
        "is longer than {LINE_BYTES} bytes, and an event has at most an eighth of that: leave out what is large"
    )
}

/// A file that cannot be read on.
pub(super) fn broken(line: u64, error: &std::io::Error) -> BadLine {
    BadLine::last(
        line,
        format!("the file cannot be read on from about here: {error}: is it whole?"),
    )
}

#[cfg(test)]
mod tests;
