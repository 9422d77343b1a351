//! The encodings of text: UTF-8, and UTF-16 with a byte order mark. Others are refused with the
//! command that converts them: a guess would change names without a word.

use std::io::{Cursor, Read, Result};

/// An encoding that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf8WithMark,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    /// Tells the encoding of a text by how it begins.
    ///
    /// # Errors
    /// Where it is one that is not read: names it, and the command that converts it.
    pub(super) fn detect(start: &[u8]) -> std::result::Result<Self, String> {
        Ok(match start {
            [0xff, 0xfe, 0, 0, ..] => return Err(other("UTF-32LE", "UTF-32")),
            [0, 0, 0xfe, 0xff, ..] => return Err(other("UTF-32BE", "UTF-32")),
            [0xef, 0xbb, 0xbf, ..] => Self::Utf8WithMark,
            [0xff, 0xfe, ..] => Self::Utf16Le,
            [0xfe, 0xff, ..] => Self::Utf16Be,
            // A first character of ASCII and its zeros.
            [1..=0x7f, 0, 0, 0, ..] => return Err(other("UTF-32LE", "UTF-32LE")),
            [0, 0, 0, 1..=0x7f, ..] => return Err(other("UTF-32BE", "UTF-32BE")),
            [1..=0x7f, 0, 1..=0x7f, 0, ..] => return Err(unmarked("UTF-16LE")),
            [0, 1..=0x7f, 0, 1..=0x7f, ..] => return Err(unmarked("UTF-16BE")),
            _ => Self::Utf8,
        })
    }

    /// Returns its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf8WithMark => "UTF-8 with a byte order mark",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
        }
    }

    /// Returns the bytes of the text in UTF-8, without the mark. What is no text in its encoding is
    /// none in UTF-8 either, so that who reads it refuses the line that it is on.
    pub(super) fn decode(self, mut reader: Box<dyn Read>) -> Result<Box<dyn Read>> {
        let mark = match self {
            Self::Utf8 => return Ok(reader),
            Self::Utf8WithMark => 3,
            Self::Utf16Le | Self::Utf16Be => 2,
        };
        std::io::copy(&mut reader.by_ref().take(mark), &mut std::io::sink())?;
        without_mark(match self {
            Self::Utf8 | Self::Utf8WithMark => reader,
            Self::Utf16Le | Self::Utf16Be => Box::new(Utf16 {
                reader,
                to_unit: match self {
                    Self::Utf16Be => u16::from_be_bytes,
                    _ => u16::from_le_bytes,
                },
                raw: vec![0; RAW_BYTES],
                kept: 0,
                text: Vec::new(),
                place: 0,
                is_end: false,
            }),
        })
    }
}

/// Leaves out another mark, which a program wrote that took the first one for text.
fn without_mark(mut reader: Box<dyn Read>) -> Result<Box<dyn Read>> {
    let mut start = Vec::new();
    reader.by_ref().take(3).read_to_end(&mut start)?;
    if start == MARK {
        start.clear();
    }
    Ok(Box::new(Cursor::new(start).chain(reader)))
}

/// The byte order mark in UTF-8.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

fn other(name: &str, convert: &str) -> String {
    format!("is text in {name}: {}", remedy(convert))
}

fn unmarked(name: &str) -> String {
    format!(
        "is text in {name} without a byte order mark: {}",
        remedy(name)
    )
}

/// Returns how to convert a file.
fn remedy(encoding: &str) -> String {
    format!("convert it with `iconv -f {encoding} -t UTF-8 FILE > NEW-FILE`")
}

/// Says of a byte that it is no UTF-8: most often it is of the encoding that spreadsheets write.
pub(super) fn no_text(byte: u8, place: u64) -> String {
    format!(
        "byte {byte:#04X} is no UTF-8 (byte {} of the text): if the file is in Windows-1252 or Latin-1, {}",
        place + 1,
        remedy("WINDOWS-1252")
    )
}

/// Bytes of UTF-16 that are read at once.
const RAW_BYTES: usize = 32 * 1024;

/// Reads UTF-16 as UTF-8. Half of a pair becomes the three bytes that it would have in UTF-8, and
/// half of a unit at the end one byte: neither is UTF-8.
struct Utf16 {
    reader: Box<dyn Read>,
    to_unit: fn([u8; 2]) -> u16,
    raw: Vec<u8>,
    /// Bytes at the beginning of `raw` that wait for what follows them.
    kept: usize,
    text: Vec<u8>,
    place: usize,
    is_end: bool,
}

impl Utf16 {
    /// Reads and decodes the next bytes.
    fn fill(&mut self) -> Result<()> {
        let count = self.reader.read(&mut self.raw[self.kept..])?;
        self.is_end = count == 0;
        let length = self.kept + count;
        self.text.clear();
        self.place = 0;
        let mut units: Vec<u16> = self.raw[..length]
            .chunks_exact(2)
            .map(|pair| (self.to_unit)([pair[0], pair[1]]))
            .collect();
        // The first half of a pair waits for the second one, and half of a unit for the other.
        let is_half = units
            .last()
            .is_some_and(|unit| (0xd800..0xdc00).contains(unit));
        let mut used = units.len() * 2;
        if is_half && !self.is_end {
            units.pop();
            used -= 2;
        }
        for unit in char::decode_utf16(units) {
            match unit {
                Ok(character) => {
                    let mut bytes = [0; 4];
                    self.text
                        .extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
                }
                Err(half) => self
                    .text
                    .extend_from_slice(&surrogate(half.unpaired_surrogate())),
            }
        }
        self.raw.copy_within(used..length, 0);
        self.kept = length - used;
        if self.is_end && self.kept > 0 {
            self.text.push(0xff);
            self.kept = 0;
        }
        Ok(())
    }
}

/// Returns the bytes that half of a pair would have, if it had any.
fn surrogate(half: u16) -> [u8; 3] {
    let [high, low] = half.to_be_bytes();
    [
        0xe0 | (high >> 4),
        0x80 | ((high & 0x0f) << 2) | (low >> 6),
        0x80 | (low & 0x3f),
    ]
}

impl Read for Utf16 {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.place == self.text.len() && !self.is_end {
            self.fill()?;
        }
        let rest = &self.text[self.place..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.place += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: Vec<u8>) -> Vec<u8> {
        let encoding = Encoding::detect(&bytes).expect("an encoding");
        let mut reader = encoding
            .decode(Box::new(Cursor::new(bytes)))
            .expect("a mark");
        let mut text = Vec::new();
        reader.read_to_end(&mut text).expect("text");
        text
    }

    /// Returns a text in UTF-16 with a mark.
    fn utf16(text: &str, is_big: bool) -> Vec<u8> {
        let bytes = |unit: u16| match is_big {
            true => unit.to_be_bytes(),
            false => unit.to_le_bytes(),
        };
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(bytes).collect()
    }

    #[test]
    fn texts_are_the_same_in_each_encoding() {
        // Pairs at the border of what is read at once.
        let text = format!("a{}\u{1f600}é\r\n", "😀".repeat(RAW_BYTES / 4));
        for is_big in [true, false] {
            assert_eq!(decoded(utf16(&text, is_big)), text.as_bytes());
        }
        assert_eq!(
            decoded(format!("\u{feff}{text}").into_bytes()),
            text.as_bytes()
        );
        let twice = format!("\u{feff}{text}");
        assert_eq!(decoded(utf16(&twice, false)), text.as_bytes());
        assert_eq!(decoded(text.clone().into_bytes()), text.as_bytes());
    }

    #[test]
    fn what_is_no_text_in_utf_16_is_none_in_utf_8() {
        for bytes in [
            &[0xff, 0xfe, 0x3d, 0xd8][..],
            &[0xff, 0xfe, 0x3d, 0xd8, b'a', 0],
            &[0xff, 0xfe, 0x00, 0xde, b'a', 0],
            &[0xff, 0xfe, b'a', 0, b'b'],
        ] {
            assert!(std::str::from_utf8(&decoded(bytes.to_vec())).is_err());
        }
    }

    #[test]
    fn other_encodings_are_refused_with_the_command_that_converts_them() {
        for (bytes, command) in [
            (&b"t\0i\0"[..], "iconv -f UTF-16LE -t UTF-8"),
            (b"\0t\0i", "iconv -f UTF-16BE -t UTF-8"),
            (b"\xff\xfe\0\0t\0\0\0", "iconv -f UTF-32 -t UTF-8"),
            (b"\0\0\xfe\xff\0\0\0t", "iconv -f UTF-32 -t UTF-8"),
            (b"t\0\0\0i\0\0\0", "iconv -f UTF-32LE -t UTF-8"),
        ] {
            let refused = Encoding::detect(bytes).expect_err("refused");
            assert!(refused.contains(command), "{refused}");
        }
    }
}
