//! Percent-encoding in addresses.

/// Decodes a part of a path; none where it is not UTF-8 after that, or a percent sign stands alone.
pub(super) fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'%' {
            let digit = |place: usize| char::from(*bytes.get(place)?).to_digit(16);
            let value = digit(at + 1)? * 16 + digit(at + 2)?;
            decoded.push(u8::try_from(value).ok()?);
            at += 3;
        } else {
            decoded.push(*byte);
            at += 1;
        }
    }
    String::from_utf8(decoded).ok()
}

/// Decodes a name or value of a query, where a plus is a space.
pub(crate) fn decode_query(text: &str) -> Option<String> {
    decode(&text.replace('+', " "))
}

/// Encodes a value for a query, whatever its bytes are.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => encoded.push(char::from(*byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_decoded_or_refused() {
        for (text, expected) in [
            ("a", Some("a")),
            ("a%20b", Some("a b")),
            ("%C3%A4", Some("ä")),
            ("%c3%a4", Some("ä")),
            ("a+b", Some("a+b")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
            ("%+1", None),
        ] {
            assert_eq!(decode(text).as_deref(), expected, "{text}");
        }
        assert_eq!(decode_query("a+b%2B").as_deref(), Some("a b+"));
        assert_eq!(encode("a+ä&~".as_bytes()), "a%2B%C3%A4%26~");
    }
}
