//! The texts of JSON values in a file: one a line, or one after the other over several lines, in an
//! array or not. Each is passed on unread.
//!
//! A text that is too long is passed over at bounded memory. After one that has no end, reading
//! goes on with the next line that begins as it did.

use super::bad_line::BadLine;
use super::csv_records::{broken, too_long};
use super::json_scan::{Scanner, Step};
use super::window::{Window, count_line_ends, line_end, place_in};
use crate::limits::{LINE_BYTES, LOOK_AHEAD_BYTES};

/// The way that values follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One a line.
    Lines,
    /// In brackets, with commas between them.
    Array,
    /// One after the other, over several lines.
    Sequence,
}

/// Reads texts of values.
pub(super) struct Texts {
    window: Window,
    layout: Layout,
    /// The line at which the window begins.
    line: u64,
    /// The bytes between the beginning of that line and the window.
    indent: usize,
    /// The text at the beginning of the window: its length, and what is left behind with it.
    length: usize,
    next: usize,
    is_begun: bool,
    is_over: bool,
}

impl Texts {
    /// Reads from here.
    pub(super) fn new(window: Window, layout: Layout) -> Self {
        Self {
            window,
            layout,
            line: 1,
            indent: 0,
            length: 0,
            next: 0,
            is_begun: false,
            is_over: false,
        }
    }

    /// Returns the line at which the text begins.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Returns the text that was gone to.
    pub(super) fn text(&self) -> &[u8] {
        &self.window.bytes()[..self.length]
    }

    /// Returns the place of the text in the file, from 0.
    pub(super) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// Goes to the next text; none at the end.
    pub(super) fn advance(&mut self) -> Option<Result<(), BadLine>> {
        let next = std::mem::take(&mut self.next);
        self.length = 0;
        self.leave(next);
        if self.is_over {
            return None;
        }
        let found = match self.layout {
            Layout::Lines => self.next_line(),
            Layout::Array | Layout::Sequence => self.next_value(),
        };
        found.unwrap_or_else(|error| {
            self.is_over = true;
            Some(Err(broken(self.line, &error)))
        })
    }

    fn next_line(&mut self) -> Found {
        loop {
            let bytes = self.window.bytes();
            match line_end(bytes, self.window.is_end()) {
                Some(end) if end.next == 0 => return Ok(None),
                Some(end) if bytes[..end.at].iter().all(u8::is_ascii_whitespace) => {
                    self.leave(end.next);
                }
                Some(end) if end.at <= LINE_BYTES => {
                    (self.length, self.next) = (end.at, end.next);
                    return Ok(Some(Ok(())));
                }
                None if bytes.len() <= LINE_BYTES => self.window.fill()?,
                _ => {
                    let line = self.line;
                    self.window.skip_line()?;
                    self.line += 1;
                    return Ok(Some(Err(BadLine::new(line, "", too_long()))));
                }
            }
        }
    }

    /// Goes to the next value, whatever commas there are before it.
    fn next_value(&mut self) -> Found {
        let begin = self.skip_blank()?;
        match begin {
            None if self.layout == Layout::Sequence => Ok(None),
            None => {
                self.is_over = true;
                let reason = "the array is not closed: is the file whole?";
                Ok(Some(Err(BadLine::last(self.line, reason))))
            }
            Some(b']') if self.layout == Layout::Array => self.end_of_array(),
            Some(_) => self.value(),
        }
    }

    /// Leaves blanks and commas behind, and the bracket that opens the array; returns the byte
    /// after them.
    fn skip_blank(&mut self) -> Result<Option<u8>, std::io::Error> {
        loop {
            let is_array = self.layout == Layout::Array;
            let may_be_comma = self.is_begun || !is_array;
            let is_blank =
                |byte: &u8| byte.is_ascii_whitespace() || (may_be_comma && *byte == b',');
            let bytes = self.window.bytes();
            let count = bytes.iter().position(|byte| !is_blank(byte));
            match count {
                Some(at) if is_array && !self.is_begun && bytes[at] == b'[' => {
                    self.is_begun = true;
                    self.leave(at + 1);
                }
                Some(at) => {
                    let byte = bytes[at];
                    self.leave(at);
                    return Ok(Some(byte));
                }
                None if self.window.is_end() => {
                    self.leave(bytes.len());
                    return Ok(None);
                }
                None => {
                    // A line feed that follows belongs to the carriage return before it.
                    let kept = usize::from(bytes.last() == Some(&b'\r'));
                    self.leave(bytes.len() - kept);
                    self.window.fill()?;
                }
            }
        }
    }

    fn end_of_array(&mut self) -> Found {
        self.leave(1);
        self.is_over = true;
        Ok(self.skip_blank()?.map(|_| {
            let reason =
                "something follows the end of the array: write one array, or one object a line";
            Err(BadLine::last(self.line, reason))
        }))
    }

    /// Finds the end of the value that begins here.
    fn value(&mut self) -> Found {
        let mut scanner = Scanner::default();
        let mut seen = 0;
        loop {
            let bytes = self.window.bytes();
            match scanner.feed(&bytes[seen..]) {
                Step::End(length) => {
                    self.next = seen + length;
                    if self.next > LINE_BYTES {
                        return Ok(Some(Err(BadLine::new(self.line, "", too_long()))));
                    }
                    self.length = self.next;
                    return Ok(Some(Ok(())));
                }
                Step::Fault(at, reason) => return self.resume(seen + at, reason),
                Step::More if self.window.is_end() && scanner.may_end() => {
                    (self.length, self.next) = (bytes.len(), bytes.len());
                    return Ok(Some(Ok(())));
                }
                Step::More if self.window.is_end() => return self.resume(0, NO_END),
                Step::More if bytes.len() >= LOOK_AHEAD_BYTES => {
                    return match self.next_beginning(0) {
                        Some(_) => self.resume(0, NO_END),
                        None => self.pass_over(scanner),
                    };
                }
                Step::More => {
                    seen = bytes.len();
                    self.window.fill()?;
                }
            }
        }
    }

    /// Leaves a value behind that is longer than anybody looks ahead.
    fn pass_over(&mut self, mut scanner: Scanner) -> Found {
        let bad = BadLine::new(self.line, "", too_long());
        loop {
            let kept = usize::from(self.window.bytes().last() == Some(&b'\r'));
            let seen = kept;
            self.leave(self.window.bytes().len() - kept);
            self.window.fill()?;
            match scanner.feed(&self.window.bytes()[seen..]) {
                Step::End(length) => {
                    self.leave(seen + length);
                    return Ok(Some(Err(bad)));
                }
                Step::More if !self.window.is_end() => {}
                Step::More | Step::Fault(..) => {
                    self.is_over = true;
                    let reason = format!("{NO_END}, and nothing after it could be read");
                    return Ok(Some(Err(BadLine::last(bad.line, reason))));
                }
            }
        }
    }

    /// Reports a value that is none by what is at this place, and goes on at the next line that
    /// begins as it did.
    fn resume(&mut self, at: usize, reason: &str) -> Found {
        let (lines, column) = place_in(self.window.bytes(), at);
        let (begin, line) = (self.line, self.line + lines);
        let column = match lines {
            0 => column + self.indent as u64,
            _ => column,
        };
        let place = match at {
            0 => String::new(),
            _ => format!(" (line {line}, column {column})"),
        };
        // Only its first line is lost, as far as another object begins after it.
        let indent = self.indent;
        let mut from = 0;
        while self.next_beginning_of(from, indent).is_none() {
            if self.window.is_end() {
                self.is_over = true;
                let reason = format!(
                    "what begins here is broken: {reason}{place}, and nothing after it could be read"
                );
                return Ok(Some(Err(BadLine::last(begin, reason))));
            }
            // Lines that were looked at go, but for the one that is not whole.
            let bytes = self.window.bytes();
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
            if whole > from {
                self.leave(whole);
                from = 0;
            }
            if self.window.bytes().len() > LOOK_AHEAD_BYTES {
                self.leave(self.window.bytes().len());
                from = 0;
            }
            self.window.fill()?;
        }
        if let Some(next) = self.next_beginning_of(from, indent) {
            self.leave(next);
        }
        let reason = format!(
            "what begins here is broken: {reason}{place}; reading goes on at line {}",
            self.line
        );
        Ok(Some(Err(BadLine::new(begin, "", reason))))
    }

    fn next_beginning(&self, from: usize) -> Option<usize> {
        self.next_beginning_of(from, self.indent)
    }

    /// Finds the next line after a place that begins with an object, no deeper than at this column.
    fn next_beginning_of(&self, from: usize, indent: usize) -> Option<usize> {
        let bytes = self.window.bytes();
        let ends = bytes[from..].iter().enumerate();
        ends.filter(|(_, byte)| matches!(byte, b'\n' | b'\r'))
            .map(|(at, _)| from + at + 1)
            .find(|start| {
                let rest = &bytes[*start..];
                let blank = rest
                    .iter()
                    .position(|byte| !matches!(byte, b' ' | b'\t' | b','));
                blank.is_some_and(|blank| blank <= indent && rest[blank] == b'{')
            })
    }

    /// Leaves bytes behind, and counts their lines.
    fn leave(&mut self, count: usize) {
        let bytes = &self.window.bytes()[..count];
        match bytes.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
            Some(end) => {
                self.line += count_line_ends(bytes);
                self.indent = count - end - 1;
            }
            None => self.indent += count,
        }
        self.window.advance(count);
    }
}

/// The next thing: a text, a line that has none, or the end.
type Found = Result<Option<Result<(), BadLine>>, std::io::Error>;

const NO_END: &str = "it has no end";

#[cfg(test)]
mod tests;
