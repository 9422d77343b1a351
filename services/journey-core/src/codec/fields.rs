//! The fields of a stored message, as they stand there: who reads one piece at a time needs no copy
//! of it, and one that nobody here knows is kept as it is.

use std::ops::Range;

use bytes::{Buf as _, Bytes};
use decision::Poison;
use prost::encoding::{DecodeContext, decode_key, skip_field};

/// The fields of a message, in the order in which they stand there.
pub(super) struct Fields {
    message: Bytes,
    /// The number of each field, and its bytes, tag included.
    places: Vec<(u32, Range<usize>)>,
}

impl Fields {
    /// Tells the fields of a message apart.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are no message.
    pub(super) fn split(message: Bytes) -> Result<Self, Poison> {
        let refuse = |error: prost::DecodeError| {
            Poison::new(format!("the stored journey state does not decode: {error}"))
        };
        let mut rest: &[u8] = &message;
        let mut places = Vec::new();
        while rest.has_remaining() {
            let start = message.len() - rest.len();
            let (number, wire) = decode_key(&mut rest).map_err(refuse)?;
            skip_field(wire, number, &mut rest, DecodeContext::default()).map_err(refuse)?;
            places.push((number, start..message.len() - rest.len()));
        }
        Ok(Self { message, places })
    }

    /// The places of the fields of some numbers.
    pub(super) fn places(
        &self,
        is_meant: impl Fn(u32) -> bool,
    ) -> impl Iterator<Item = Range<usize>> {
        let places = self.places.iter();
        let meant = places.filter(move |(number, _)| is_meant(*number));
        meant.map(|(_, place)| place.clone())
    }

    /// The bytes of one field.
    pub(super) fn at(&self, place: Range<usize>) -> Bytes {
        self.message.slice(place)
    }

    /// The bytes of several fields, one after another. Those that stand so are not copied.
    pub(super) fn join(&self, places: impl IntoIterator<Item = Range<usize>>) -> Bytes {
        let mut places = places.into_iter();
        let Some(mut first) = places.next() else {
            return Bytes::new();
        };
        let mut scattered: Vec<u8> = Vec::new();
        for place in places {
            if scattered.is_empty() && place.start == first.end {
                first.end = place.end;
                continue;
            }
            if scattered.is_empty() {
                scattered.extend_from_slice(&self.message[first.clone()]);
            }
            scattered.extend_from_slice(&self.message[place]);
        }
        if scattered.is_empty() {
            self.message.slice(first)
        } else {
            scattered.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of one byte.
    fn field(number: u8, value: u8) -> [u8; 2] {
        [number << 3, value]
    }

    #[test]
    fn fields_are_joined_in_order_wherever_they_stand() {
        let message: Vec<u8> = [(1, 7), (1, 8), (2, 9), (1, 5)]
            .into_iter()
            .flat_map(|(number, value)| field(number, value))
            .collect();
        let fields = Fields::split(message.into()).expect("a message");
        let of = |number| fields.join(fields.places(|own| own == number));
        assert_eq!(of(1)[..], [field(1, 7), field(1, 8), field(1, 5)].concat());
        assert_eq!(of(2)[..], field(2, 9));
        assert!(of(3).is_empty());
        assert_eq!(
            fields.join([0..2, 2..4])[..],
            [field(1, 7), field(1, 8)].concat()
        );
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        for bytes in [&[0xff, 0xff][..], &[0x0a], &[0x0a, 5, 1], &[0]] {
            assert!(
                Fields::split(Bytes::copy_from_slice(bytes)).is_err(),
                "{bytes:?}"
            );
        }
    }
}
