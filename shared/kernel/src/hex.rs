//! Bytes as hexadecimal digits.

/// Writes bytes as hexadecimal digits in lower case, two for each.
pub fn to_hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Reads bytes from two hexadecimal digits each; `None` for any other text.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let read = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = u8::try_from(read(*high)? << 4 | read(*low)?).ok()?;
    }
    Some(bytes)
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_back_from_their_digits() {
        let bytes = [0x00, 0x0f, 0xa9, 0xff];
        assert_eq!(to_hex(&bytes), "000fa9ff");
        assert_eq!(from_hex("000fa9ff"), Some(bytes));
        assert_eq!(from_hex("000FA9FF"), Some(bytes));
        assert_eq!(to_hex(&[]), "");
        assert_eq!(from_hex(""), Some([]));
    }

    #[test]
    fn what_is_no_bytes_of_that_number_is_refused() {
        for text in [
            "", "0", "00", "000", "00000", "000000", "00g0", "+f00", "0 00", "éé",
        ] {
            assert_eq!(from_hex::<2>(text), None, "{text}");
        }
    }
}
