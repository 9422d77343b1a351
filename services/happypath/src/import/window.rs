//! A stretch of a text in memory, which can be looked at again before it is left behind.
//!
//! It knows bytes and ends of lines, and nothing of cells or objects.

use std::io::{Error, Read};

use crate::limits::READ_BYTES;

/// The bytes that lie in front of a reader.
pub(super) struct Window {
    reader: Box<dyn Read>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
    is_end: bool,
}

impl Window {
    /// Begins at the beginning.
    pub(super) fn new(reader: Box<dyn Read>) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            offset: 0,
            is_end: false,
        }
    }

    /// Returns what was read and not left behind.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Returns whether nothing comes after these bytes.
    pub(super) fn is_end(&self) -> bool {
        self.is_end
    }

    /// Returns the place of the first of these bytes in the text, from 0.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Leaves bytes behind.
    ///
    /// # Panics
    /// Where there are not as many.
    pub(super) fn advance(&mut self, count: usize) {
        assert!(count <= self.end - self.start, "only what was read");
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads at least one more byte, or finds that there is none.
    ///
    /// # Errors
    /// Where the file cannot be read on.
    pub(super) fn fill(&mut self) -> Result<(), Error> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            let length = (2 * self.end).max(READ_BYTES);
            self.buffer.resize(length, 0);
        }
        match self.reader.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.is_end = true,
            Ok(count) => self.end += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Leaves everything behind up to the end of this line, and the end itself, at bounded memory.
    ///
    /// # Errors
    /// Where the file cannot be read on.
    pub(super) fn skip_line(&mut self) -> Result<(), Error> {
        loop {
            match line_end(self.bytes(), self.is_end) {
                Some(end) => {
                    self.advance(end.next);
                    return Ok(());
                }
                // A carriage return at the end stays, since a line feed may follow.
                None => self.advance(self.bytes().len() - usize::from(self.ends_with_return())),
            }
            self.fill()?;
        }
    }

    fn ends_with_return(&self) -> bool {
        self.bytes().last() == Some(&b'\r')
    }
}

/// The end of a line: LF, CRLF, CR, or that of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineEnd {
    /// Where it begins.
    pub(super) at: usize,
    /// Where the next line begins.
    pub(super) next: usize,
}

/// Finds the end of the line at the beginning of these bytes; absent where more of them are needed.
pub(super) fn line_end(bytes: &[u8], is_end: bool) -> Option<LineEnd> {
    let at = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let Some(at) = at else {
        let at = bytes.len();
        return is_end.then_some(LineEnd { at, next: at });
    };
    let length = match (bytes[at], bytes.get(at + 1)) {
        (b'\n', _) => 1,
        (_, Some(b'\n')) => 2,
        (_, None) if !is_end => return None,
        _ => 1,
    };
    let next = at + length;
    Some(LineEnd { at, next })
}

/// Returns how many lines end in these bytes, which do not part a CRLF.
pub(super) fn count_line_ends(bytes: &[u8]) -> u64 {
    let mut rest = bytes;
    let mut count = 0;
    while let Some(end) = line_end(rest, true).filter(|end| end.next > end.at) {
        rest = &rest[end.next..];
        count += 1;
    }
    count
}

/// Returns how many lines end before a place, and the column of that place in its line, in
/// characters from 1.
pub(super) fn place_in(bytes: &[u8], at: usize) -> (u64, u64) {
    let before = &bytes[..at];
    let begin = before
        .iter()
        .rposition(|byte| matches!(byte, b'\n' | b'\r'))
        .map_or(0, |end| end + 1);
    // Bytes that go on with a character are no column of their own.
    let characters = before[begin..].iter().filter(|byte| **byte & 0xc0 != 0x80);
    (
        count_line_ends(&before[..begin]),
        characters.count() as u64 + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_each_way_and_all_are_counted() {
        for (text, count) in [
            ("", 0),
            ("a", 0),
            ("a\n", 1),
            ("a\r\nb\rc\nd", 3),
            ("\r\r\n\n\n\r", 5),
        ] {
            assert_eq!(count_line_ends(text.as_bytes()), count, "{text:?}");
        }
    }

    #[test]
    fn columns_are_characters() {
        let text = "aé\r\nüü\"x".as_bytes();
        assert_eq!(place_in(text, 0), (0, 1));
        assert_eq!(place_in(text, 3), (0, 3));
        assert_eq!(place_in(text, 9), (1, 3));
    }

    #[test]
    fn a_line_is_skipped_across_reads_and_no_further() {
        for end in ["\n", "\r\n", "\r"] {
            for length in 0..9 {
                let text = format!("{}{end}next", "x".repeat(length));
                let mut window = Window::new(Box::new(Drops(text.into_bytes(), 0)));
                window.skip_line().expect("read");
                while !window.is_end() {
                    window.fill().expect("read");
                }
                assert_eq!(window.bytes(), b"next", "{end:?} {length}");
            }
        }
    }

    /// Yields one byte a read.
    struct Drops(Vec<u8>, usize);

    impl Read for Drops {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
            let Some(byte) = self.0.get(self.1) else {
                return Ok(0);
            };
            buffer[0] = *byte;
            self.1 += 1;
            Ok(1)
        }
    }
}
