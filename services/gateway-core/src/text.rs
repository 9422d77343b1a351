//! From the bytes of a call to its text: forms, base64, and bytes that are no UTF-8.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// The beginning of a form with one field, as SDKs for browsers send it.
const FORM: &[u8] = b"data=";
/// Base64 with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The text of a call.
#[derive(Debug, PartialEq, Eq)]
pub struct Text<'b> {
    text: Cow<'b, str>,
    /// Where characters stand in the place of bytes that were none, in order.
    replaced: Vec<usize>,
}

impl<'b> Text<'b> {
    /// Reads the bytes of a call, inflated: JSON, or a form whose field `data` holds JSON, plain or
    /// in base64. Whatever `Content-Type` says of them is not asked: SDKs say it wrongly.
    pub fn of(bytes: &'b [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match bytes.strip_prefix(FORM) {
            None => Self::of_json(Cow::Borrowed(bytes)),
            Some(form) => Self::of_json(Cow::Owned(of_form(form))),
        }
    }

    /// Reads bytes that are JSON, and nothing else.
    pub(crate) fn plain(bytes: &'b [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        Self::of_json(Cow::Borrowed(bytes))
    }

    fn of_json(bytes: Cow<'b, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => match str::from_utf8(bytes) {
                Ok(text) => Self::whole(Cow::Borrowed(text)),
                Err(_) => Self::mended(bytes),
            },
            Cow::Owned(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Self::whole(Cow::Owned(text)),
                Err(error) => Self::mended(error.as_bytes()),
            },
        }
    }

    const fn whole(text: Cow<'b, str>) -> Self {
        Self {
            text,
            replaced: Vec::new(),
        }
    }

    fn mended(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(bytes.len());
        let mut replaced = Vec::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                replaced.push(text.len());
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Self {
            text: Cow::Owned(text),
            replaced,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether a part of the text holds a character that stands for bytes that were none.
    pub(crate) fn is_broken(&self, part: &str) -> bool {
        if self.replaced.is_empty() {
            return false;
        }
        let begin = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let first = self.replaced.partition_point(|place| *place < begin);
        let found = self.replaced.get(first);
        found.is_some_and(|place| *place < begin + part.len())
    }

    /// Returns how many characters stand for bytes that were none.
    pub(crate) fn broken_count(&self) -> usize {
        self.replaced.len()
    }
}

/// Returns the bytes of the one field of a form.
fn of_form(form: &[u8]) -> Vec<u8> {
    let field = form.split(|byte| *byte == b'&').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = rest
                    .as_slice()
                    .get(..2)
                    .and_then(|it| str::from_utf8(it).ok());
                match digits.and_then(|it| u8::from_str_radix(it, 16).ok()) {
                    Some(byte) => {
                        rest = rest.as_slice()[2..].iter();
                        byte
                    }
                    None => b'%',
                }
            }
            other => *other,
        });
    }
    let is_json = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
    if is_json {
        return bytes;
    }
    // A plus sign that was not escaped was read as a space.
    let digits: Vec<u8> = bytes
        .iter()
        .map(|byte| if *byte == b' ' { b'+' } else { *byte })
        .collect();
    BASE64.decode(digits).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_holds_json_plain_or_in_base64() {
        for bytes in [
            "{\"a\":\"ü+ 1\"}",
            "\u{feff}{\"a\":\"ü+ 1\"}",
            "data=%7B%22a%22%3A%22%C3%BC%2B+1%22%7D",
            "data=eyJhIjoiw7wrIDEifQ%3D%3D",
            "data=eyJhIjoiw7wrIDEifQ==&ver=1",
            "data=eyJhIjoiw7wrIDEifQ",
        ] {
            assert_eq!(
                Text::of(bytes.as_bytes()).as_str(),
                "{\"a\":\"ü+ 1\"}",
                "{bytes}"
            );
        }
        for bad in ["data=", "data=%", "data=%2", "data=\u{0}", "data=%zz"] {
            let _ = Text::of(bad.as_bytes());
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_found_where_they_stand() {
        let text = Text::of(b"[\"a\xff\",\"\xc3\xbc\",\"\xe2\x82\"]");
        let parts: Vec<&str> = text.as_str()[1..].split(',').collect();
        let broken: Vec<bool> = parts.iter().map(|part| text.is_broken(part)).collect();
        assert_eq!(broken, [true, false, true]);
        assert_eq!(text.broken_count(), 2);
    }
}
