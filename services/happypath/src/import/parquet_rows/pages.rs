//! The sizes of pages, looked at before anything of them is unpacked: a few bytes may hold
//! gigabytes.
//!
//! It reads as much of a header as tells its sizes and its end (`PageHeader` of parquet.thrift, in
//! the compact protocol). A header that is none is left to whoever reads the page.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::limits::{PARQUET_HEADER_BYTES, PARQUET_HEADER_DEPTH};

/// Checks the pages of a column, which are so many bytes from a place on.
///
/// # Errors
/// Where one has more bytes than the limit, unpacked.
pub(super) fn check(file: &File, start: u64, length: u64, limit: u64) -> Result<(), String> {
    let mut buffer = vec![0; PARQUET_HEADER_BYTES];
    let mut at = start;
    while at < start.saturating_add(length) {
        let Ok(count @ 1..) = file.read_at(&mut buffer, at) else {
            return Ok(());
        };
        let Some(header) = Header::read(&buffer[..count]) else {
            return Ok(());
        };
        if header.unpacked > limit {
            return Err(format!(
                "a page of {} bytes is in it, and at most {limit} are unpacked at once: write smaller pages",
                header.unpacked
            ));
        }
        at = at.saturating_add(header.length + header.packed);
    }
    Ok(())
}

/// A header of a page: its own length, and that of the page, unpacked and packed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Header {
    length: u64,
    unpacked: u64,
    packed: u64,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut header = Self::default();
        let mut compact = Compact { rest: bytes };
        let mut field = 0;
        while let Some(kind) = compact.field(&mut field)? {
            match (field, kind) {
                (2, I32) => header.unpacked = u64::try_from(compact.integer()?).ok()?,
                (3, I32) => header.packed = u64::try_from(compact.integer()?).ok()?,
                _ => compact.skip(kind, PARQUET_HEADER_DEPTH)?,
            }
        }
        header.length = (bytes.len() - compact.rest.len()) as u64;
        Some(header)
    }
}

/// The kind of a whole number of 32 bits.
const I32: u8 = 5;

/// Reads Thrift's compact protocol; nothing where it is none.
struct Compact<'b> {
    rest: &'b [u8],
}

impl Compact<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let zigzag = self.varint()?;
        Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// Reads the head of the next field: its kind, or none at the end of the structure.
    fn field(&mut self, number: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *number = match byte >> 4 {
            0 => self.integer()?,
            step => number.checked_add(i64::from(step))?,
        };
        Some(Some(byte & 0x0f))
    }

    /// Passes a value over, in which others are at most so deep.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let inside = depth.checked_sub(1)?;
        match kind {
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.varint()?),
            7 => self.pass(8)?,
            8 => {
                let length = self.varint()?;
                self.pass(usize::try_from(length).ok()?)?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    count => u64::from(count),
                };
                for _ in 0..count {
                    // Truths have no bytes as fields, and one each in a list.
                    match head & 0x0f {
                        1 | 2 => drop(self.byte()?),
                        kind => self.skip(kind, inside)?,
                    }
                }
            }
            12 => {
                let mut field = 0;
                while let Some(kind) = self.field(&mut field)? {
                    self.skip(kind, inside)?;
                }
            }
            // Pages have no maps in their headers.
            _ => return None,
        }
        Some(())
    }

    fn pass(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_their_sizes_and_their_end() {
        // A data page of 300 bytes, 40 packed, with a structure, a text, a list and a truth in it.
        let header = [
            0x15, 0x00, 0x15, 0xd8, 0x04, 0x15, 0x50, 0x2c, 0x15, 0x06, 0x18, 0x02, b'h', b'i',
            0x19, 0x25, 0x02, 0x04, 0x11, 0x00, 0x00, 0xff,
        ];
        let expected = Header {
            length: 21,
            unpacked: 300,
            packed: 40,
        };
        assert_eq!(Header::read(&header), Some(expected));
        for end in 0..21 {
            assert_eq!(Header::read(&header[..end]), None, "{end}");
        }
        // Structures without end.
        assert_eq!(Header::read(&[0x1c; 4096]), None);
        // A size below nothing.
        assert_eq!(Header::read(&[0x25, 0x01, 0x00]), None);
    }
}
