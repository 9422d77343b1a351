//! The cells of one record, by RFC 4180.
//!
//! Two things are taken that the RFC does not name, since nothing can be misread: records that end
//! with a line feed or a carriage return alone, and a quote inside a cell that does not begin with
//! one (`24" monitor`), which is text. All else is a fault, with its place: text after a closing
//! quote, a quote after nothing but blanks, and a quote that is never closed.

/// A cell: where its text is, without the quotes around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) start: usize,
    pub(super) end: usize,
    /// True where quotes in it are doubled.
    pub(super) is_escaped: bool,
}

/// The beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The bytes end before the record does; with the first quote that was not closed on its line,
    /// or else the one that is open.
    More { opened: Option<usize> },
    /// A record.
    Record(Extent),
    /// No record.
    Fault(Fault),
}

/// The extent of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Its bytes, with the end of its line.
    pub(super) length: usize,
    /// The lines that end in it.
    pub(super) lines: u64,
    /// The first quote that was closed on a later line than it was opened.
    pub(super) spanning: Option<usize>,
}

/// A fault of a record, with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) at: usize,
    /// The first quote of the record that was not closed on its line.
    pub(super) spanning: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// A quote is never closed.
    Unclosed,
    /// Text follows a closing quote.
    TextAfterQuote,
    /// A quoted cell begins with a blank.
    BlankBeforeQuote,
}

/// Finds the cells of the record at the beginning of these bytes, to which nothing will be added
/// where `is_end`.
pub(super) fn scan(bytes: &[u8], is_end: bool, separator: u8, cells: &mut Vec<Cell>) -> Scan {
    cells.clear();
    let mut scanner = Scanner {
        bytes,
        is_end,
        separator,
        lines: 0,
        spanning: None,
    };
    let mut at = 0;
    loop {
        let found = match bytes.get(at) {
            Some(b'"') => scanner.quoted(at),
            _ => scanner.plain(at),
        };
        let cell = match found {
            Ok(cell) => cell,
            Err(scan) => return scan,
        };
        let quotes = usize::from(bytes.get(at) == Some(&b'"'));
        cells.push(cell);
        let after = cell.end + quotes;
        if bytes.get(after) == Some(&separator) {
            at = after + 1;
            continue;
        }
        return match scanner.record_end(after) {
            Some(length) => Scan::Record(Extent {
                length,
                lines: scanner.lines + u64::from(length > after),
                spanning: scanner.spanning,
            }),
            None => scanner.more(None),
        };
    }
}

struct Scanner<'b> {
    bytes: &'b [u8],
    is_end: bool,
    separator: u8,
    lines: u64,
    spanning: Option<usize>,
}

impl Scanner<'_> {
    /// Reads a cell that begins with a quote.
    fn quoted(&mut self, opened: usize) -> Result<Cell, Scan> {
        let start = opened + 1;
        let mut at = start;
        let mut is_escaped = false;
        loop {
            let rest = &self.bytes[at..];
            let Some(found) = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\n' | b'\r'))
            else {
                return match self.is_end {
                    true => Err(self.fault(FaultKind::Unclosed, opened)),
                    false => Err(self.more(Some(opened))),
                };
            };
            at += found;
            match (self.bytes[at], self.bytes.get(at + 1)) {
                (b'"' | b'\r', None) if !self.is_end => return Err(self.more(Some(opened))),
                (b'"', Some(b'"')) => {
                    is_escaped = true;
                    at += 2;
                }
                (b'"', _) => break,
                (end, next) => {
                    self.spanning.get_or_insert(opened);
                    self.lines += 1;
                    at += if end == b'\r' && next == Some(&b'\n') {
                        2
                    } else {
                        1
                    };
                }
            }
        }
        match self.bytes.get(at + 1) {
            None | Some(b'\n' | b'\r') => {}
            Some(byte) if *byte == self.separator => {}
            Some(_) => return Err(self.fault(FaultKind::TextAfterQuote, at + 1)),
        }
        Ok(Cell {
            start,
            end: at,
            is_escaped,
        })
    }

    /// Reads a cell that does not begin with a quote.
    fn plain(&mut self, start: usize) -> Result<Cell, Scan> {
        let rest = &self.bytes[start..];
        let separator = self.separator;
        let length = rest
            .iter()
            .position(|byte| *byte == separator || matches!(byte, b'\n' | b'\r'));
        let length = match length {
            Some(length) => length,
            None if self.is_end => rest.len(),
            None => return Err(self.more(None)),
        };
        let cell = &rest[..length];
        if matches!(cell.first(), Some(b' ' | b'\t')) {
            let blanks = cell.len() - cell.trim_ascii_start().len();
            if cell.get(blanks) == Some(&b'"') {
                return Err(self.fault(FaultKind::BlankBeforeQuote, start + blanks));
            }
        }
        Ok(Cell {
            start,
            end: start + length,
            is_escaped: false,
        })
    }

    /// Returns where the record ends that has its last cell before this place; absent where a line
    /// feed may follow.
    fn record_end(&self, at: usize) -> Option<usize> {
        match (self.bytes.get(at), self.bytes.get(at + 1)) {
            (None, _) => self.is_end.then_some(at),
            (Some(b'\r'), Some(b'\n')) => Some(at + 2),
            (Some(b'\r'), None) if !self.is_end => None,
            _ => Some(at + 1),
        }
    }

    fn more(&self, opened: Option<usize>) -> Scan {
        Scan::More {
            opened: self.spanning.or(opened),
        }
    }

    fn fault(&self, kind: FaultKind, at: usize) -> Scan {
        Scan::Fault(Fault {
            kind,
            at,
            spanning: self.spanning,
        })
    }
}
