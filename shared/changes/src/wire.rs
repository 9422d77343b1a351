//! Encoded messages, field by field: changes are counted, divided and looked at without being
//! decoded. It follows the encoding of protocol buffers, version 3, where groups are no more.

/// A field of an encoded message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Its number.
    pub(crate) number: u64,
    /// The bytes of its value, where that is a text, bytes or a message.
    pub(crate) value: Option<&'a [u8]>,
    /// All of its bytes.
    pub(crate) whole: &'a [u8],
}

/// The fields of an encoded message; ends after the first error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn read(&self) -> Result<(Field<'a>, &'a [u8]), String> {
        let whole = self.rest;
        let (key, rest) = read_varint(whole)?;
        let (value, rest) = match key & 7 {
            0 => (None, read_varint(rest)?.1),
            1 => (None, split(rest, 8)?.1),
            2 => {
                let (length, rest) = read_varint(rest)?;
                let (value, rest) = split(rest, length)?;
                (Some(value), rest)
            }
            5 => (None, split(rest, 4)?.1),
            other => return Err(format!("a field has the unknown type {other}")),
        };
        let field = Field {
            number: key >> 3,
            value,
            whole: &whole[..whole.len() - rest.len()],
        };
        Ok((field, rest))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        self.rest = read.as_ref().map_or(&[], |(_, rest)| rest);
        Some(read.map(|(field, _)| field))
    }
}

fn split(bytes: &[u8], length: u64) -> Result<(&[u8], &[u8]), String> {
    usize::try_from(length)
        .ok()
        .and_then(|length| bytes.split_at_checked(length))
        .ok_or_else(|| "a field is cut off".to_owned())
}

/// Reads a number of variable length, and returns the bytes behind it.
pub(crate) fn read_varint(bytes: &[u8]) -> Result<(u64, &[u8]), String> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return Err("a number is too large".to_owned());
        }
        number |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Ok((number, &bytes[at + 1..]));
        }
    }
    Err("a number has no end".to_owned())
}

/// Writes a number of variable length.
pub(crate) fn write_varint(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn fields_of_every_type_are_told_apart() {
        let message = [
            &[0x0a, 2, b'a', b'b'][..],
            &[0x10, 0xac, 0x02],
            &[0x19, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x25, 1, 2, 3, 4],
            &[0x0a, 0],
        ]
        .concat();
        let fields: Vec<Field<'_>> = Fields::of(&message)
            .map(|it| it.expect("a field"))
            .collect();
        let numbers: Vec<u64> = fields.iter().map(|it| it.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 1]);
        let values: Vec<_> = fields.iter().map(|it| it.value).collect();
        assert_eq!(values, [Some(&b"ab"[..]), None, None, None, Some(&b""[..])]);
        let whole: Vec<u8> = fields.iter().flat_map(|it| it.whole).copied().collect();
        assert_eq!(whole, message);
    }

    #[test]
    fn damage_is_told_once() {
        for (message, why) in [
            (&[0x0a, 3, b'a'][..], "cut off"),
            (&[0x0a], "no end"),
            (&[0x0b], "unknown type 3"),
            (&[0x19, 1], "cut off"),
            (&[0xff; 11], "too large"),
        ] {
            let read: Vec<_> = Fields::of(message).collect();
            assert_eq!(read.len(), 1, "{message:?}");
            let error = read[0].clone().expect_err(why);
            assert!(error.contains(why), "{error}: {why}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_back(number in any::<u64>(), rest: Vec<u8>) {
            let mut bytes = Vec::new();
            write_varint(&mut bytes, number);
            bytes.extend(&rest);
            prop_assert_eq!(read_varint(&bytes), Ok((number, &rest[..])));
        }

        #[test]
        fn whatever_is_read_as_a_message_ends(bytes: Vec<u8>) {
            let fields = Fields::of(&bytes);
            let read: Result<Vec<_>, _> = fields.collect();
            if let Ok(fields) = read {
                let whole: Vec<u8> = fields.iter().flat_map(|it| it.whole).copied().collect();
                prop_assert_eq!(whole, bytes);
            }
        }
    }
}
